# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is not finite is no estimate, alone and among others."""

from __future__ import annotations

from mmer_ros.recognition.dialogue_stream import DialogueStream, push_together
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import InvalidInput, Utterance, UtterancePart
import pytest
import torch

from ..fixtures.model import random_audio, tiny_bundle, tiny_recognizer


def said(name: str, text: str) -> UtterancePart:
    return UtterancePart(name, 0, 100.0, 100.0, 101.0, text=text, last=True)


def broken(value: float) -> Recognizer:
    """Return a recogniser whose text encoder alone gives a value, in memory."""
    bundle = tiny_bundle()
    with torch.no_grad():
        bundle.model.text.gpt.tokens_embed.weight.fill_(value)
    return Recognizer(bundle)


@pytest.mark.parametrize('value', [float('nan'), float('inf'), 1e38])
def test_what_is_not_finite_is_no_estimate(value: float) -> None:
    recognizer = broken(value)
    with pytest.raises(InvalidInput, match='tiny.*not finite for text;.*another bundle'):
        recognizer.recognize(Utterance(text='hello'))
    with pytest.raises(InvalidInput):
        recognizer.warm_up()
    stream, sane = DialogueStream(recognizer), DialogueStream(tiny_recognizer())
    assert stream.push(said('u0', 'hello')) is None
    assert [event.kind for event in stream.events] == ['not_finite']
    assert 'hello' not in stream.events[0].text
    voice = UtterancePart('u1', 0, 101.0, 101.0, 102.0, random_audio(16_000), last=True)
    assert stream.push(voice).finite  # without words it works
    found = push_together([(stream, said('u2', 'again')), (sane, said('u2', 'me'))])
    assert found[0] is None and found[1].finite
