# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the robot says itself, in the dialogue that the networks read."""

from __future__ import annotations

from mmer_ros.recognition.dialogue_stream import DialogueStream, MAX_TURNS
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.types import Estimate, Transcript, Turn, Utterance, UtterancePart
import numpy as np

from ..fixtures.model import tiny_recognizer, TOLERANCE
from ..fixtures.stream import BASE, blocks, Loudness, track

HI, HOW = Turn('rachel', 'hi'), Turn('robot', 'how are you')


def said(name: str, start: float, text: str) -> UtterancePart:
    """Return a whole utterance of words only."""
    return UtterancePart(name, 0, start, start, start + 1, text=text, person_id='rachel',
                         last=True)


def second(stream: DialogueStream) -> Estimate:
    """Return the estimate of the answer to what the robot said."""
    estimate = stream.push(said('u1', 3.0, 'so'))
    assert estimate is not None
    return estimate


def test_what_the_robot_says_is_a_turn_of_the_dialogue_and_no_utterance() -> None:
    recognizer, stream = tiny_recognizer(), DialogueStream(tiny_recognizer())
    stream.push(said('u0', 0.0, 'hi'))
    stream.add_own_turn(2.0, '')
    stream.add_own_turn(2.5, 'how are you')
    logits = second(stream).logits
    for history, same in (([HI, HOW], True), ([HI], False)):
        expected = recognizer.recognize(Utterance(text='so', speaker='rachel', history=history))
        assert np.allclose(logits, expected.logits, atol=TOLERANCE) is same


def test_a_robot_that_talks_to_nobody_fills_no_memory() -> None:
    stream = DialogueStream(tiny_recognizer())
    for count in range(3 * MAX_TURNS):
        stream.add_own_turn(10.0 + count / 100, 'is anybody there')
    assert len(stream._turns) == MAX_TURNS
    stream.add_own_turn(1000.0, 'hello')
    assert len(stream._turns) == 1


def test_the_pipeline_reads_the_words_of_the_robot_before_the_answer() -> None:
    def answer(own: str) -> Estimate:
        pipeline = Pipeline(tiny_recognizer(), probability=Loudness())
        pipeline.push_own_speech(Transcript(BASE + 0.5, own))
        found: list[Estimate] = []
        for block in blocks(track(4.0, ((1.0, 2.0),)), BASE):
            found += pipeline.push_audio(block)
        found += pipeline.push_transcript(Transcript(BASE + 2.1, 'so'))
        return [*found, *pipeline.flush()][-1]

    silent, asked = answer(''), answer('how are you')
    assert silent.transcript == asked.transcript == 'so'
    assert np.abs(silent.logits - asked.logits).max() > TOLERANCE
