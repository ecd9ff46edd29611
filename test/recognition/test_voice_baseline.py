# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is normal for a voice: subtracted live, by person, the same however the parts are cut."""

from __future__ import annotations

from functools import cache

from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.whisper_encoder import WhisperEncoderConfig
from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recognition.voice_baseline import PRIOR_UTTERANCES, VoiceBaselines
from mmer_ros.types import Estimate, InvalidInput, Utterance, UtterancePart
import numpy as np
from numpy.typing import NDArray
import pytest

from ..fixtures.model import random_audio, TINY, tiny_bundle

VOICE = WhisperEncoderConfig(d_model=16, n_layer=2, n_head=2, n_inner=32, states=(1, 2),
                             window_s=0.5, width=9)


@cache
def recognizer(adapt: bool = True) -> Recognizer:
    """Return a recogniser whose logits are those of its voice classifier, nearly."""
    return Recognizer(tiny_bundle(
        model=TINY.model_copy(update={'audio': VOICE, 'fusion': FusionConfig(family='pool')}),
        voice_adaptation=True, temperatures={}, calibrated=False), adapt_to_voices=adapt)


def spoken(stream: DialogueStream, name: str, sound: NDArray[np.int16], person: str = 'ana',
           cuts: tuple[int, ...] = ()) -> Estimate:
    """Return the final estimate of an utterance that comes in parts."""
    parts = np.split(sound, cuts)
    for index, audio in enumerate(parts):
        estimate = stream.push(UtterancePart(
            name, index, 0.0, float(index), index + 1.0, audio=audio, person_id=person,
            last=index == len(parts) - 1))
    assert estimate is not None and estimate.final
    return estimate


def test_a_baseline_is_the_mean_shrunk_towards_what_voices_have_in_common() -> None:
    voices, bias = VoiceBaselines(), np.array([0.0, 0, 0, 0, 0, 0, 7.0])
    assert not voices.offset('ana').any()
    for count in range(1, 20):
        voices.add('ana', bias + 3)  # a constant changes no probability
        expected = count / (count + PRIOR_UTTERANCES) * (bias - bias.mean())
        np.testing.assert_allclose(voices.offset('ana'), expected)
    np.testing.assert_allclose(voices.offset('bob'), 19 / 24 * (bias - bias.mean()))
    voices.clear()
    assert not voices.offset('ana').any()


def test_what_is_not_finite_never_enters_a_baseline() -> None:
    voices = VoiceBaselines()
    voices.add('ana', np.full(7, np.nan))
    assert not voices.offset('ana').any()


def test_what_a_voice_always_sounds_like_is_no_emotion() -> None:
    """The same sound again and again: its logits shrink towards zero, as the baseline grows."""
    stream, sound = DialogueStream(recognizer()), random_audio(9_000)
    plain = recognizer(False).recognize(Utterance(audio=sound)).logits
    spread = [float(np.ptp(spoken(stream, f'u{i}', sound).logits)) for i in range(12)]
    assert spread == sorted(spread, reverse=True)
    expected = PRIOR_UTTERANCES / (12 + PRIOR_UTTERANCES) * float(np.ptp(plain))
    assert spread[-1] == pytest.approx(expected, rel=0.05)


def test_it_can_be_switched_off_and_the_api_for_single_utterances_has_none() -> None:
    stream, sound = DialogueStream(recognizer(False)), random_audio(9_000)
    for i in range(3):
        spoken(stream, f'u{i}', random_audio(5_000, i))
    alone = recognizer(True).recognize(Utterance(audio=sound))
    np.testing.assert_array_equal(spoken(stream, 'u', sound).logits, alone.logits)


@pytest.mark.parametrize('rate', [0.0, 2.0])
def test_parts_and_partial_estimates_change_no_bit(rate: float) -> None:
    whole, cut = DialogueStream(recognizer()), DialogueStream(recognizer(), partial_rate=rate)
    for i in range(4):
        sound, person = random_audio(20_000, i), 'ana' if i % 2 else 'bob'
        expected = spoken(whole, f'u{i}', sound, person)
        found = spoken(cut, f'u{i}', sound, person, cuts=(1, 700, 9_000, 15_000))
        np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_people_have_baselines_of_their_own() -> None:
    stream, sound = DialogueStream(recognizer()), random_audio(9_000)
    for i in range(9):
        spoken(stream, f'u{i}', sound, 'ana')
    known, new = spoken(stream, 'a', sound, 'ana'), spoken(stream, 'b', sound, 'bob')
    assert not np.allclose(known.logits, new.logits, atol=1e-4)


def test_late_words_count_no_voice_twice() -> None:
    one, two = DialogueStream(recognizer()), DialogueStream(recognizer())
    sound = random_audio(9_000)
    for stream in (one, two):
        spoken(stream, 'u0', sound)
    two.push(UtterancePart('u0', 1, 0.0, 1.0, 1.0, text='so', person_id='ana', last=True,
                           revision=1))
    expected, found = (spoken(stream, 'u1', random_audio(9_000, 1)) for stream in (one, two))
    np.testing.assert_array_equal(found.probabilities, expected.probabilities)


def test_a_reset_forgets_the_voices() -> None:
    stream, sound = DialogueStream(recognizer()), random_audio(9_000)
    first = spoken(stream, 'u0', sound)
    spoken(stream, 'u1', sound)
    stream.reset_history()
    np.testing.assert_array_equal(spoken(stream, 'u2', sound).probabilities, first.probabilities)


def test_a_classifier_that_is_not_linear_cannot_adapt() -> None:
    with pytest.raises(InvalidInput, match='voice_adaptation.*config.json'):
        Recognizer(tiny_bundle(voice_adaptation=True))
    Recognizer(tiny_bundle(voice_adaptation=True), adapt_to_voices=False)
