# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The robot's own voice: nothing it says is an utterance, and people around it are understood."""

from __future__ import annotations

from collections.abc import Sequence
import math

from mmer_ros.sensing.audio_front_end import PcmRun
from mmer_ros.sensing.own_voice import LONGEST_S, OwnVoice
from mmer_ros.sensing.speech_segmenter import SpeechConfig
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig, UtteranceSegmenter
from mmer_ros.sensing.vad import VadConfig
from mmer_ros.types import AudioBlock, SAMPLE_RATE, Transcript, UtterancePart
import numpy as np
import pytest

from ..fixtures.stream import audio_of, BASE, blocks, by_utterance, Loudness, track

CONFIG = SegmenterConfig(speech=SpeechConfig(
    vad=VadConfig(onset_s=0.096, hangover_s=0.288), part_s=0.512), own_speech_tail_s=0.3)
PERSON, ROBOT, ANSWER = (1.0, 2.2), (2.4, 4.5), (5.2, 6.4)  # seconds after BASE
SOUND = track(8.0, (PERSON, ROBOT, ANSWER))
TOLD = ((2.35, True), (4.45, False))  # the room goes on for a moment

Told = Sequence[tuple[float, bool]]


def heard(told: Told, sound: np.ndarray = SOUND, *, size: int | Sequence[int] = 1600,
          words: Sequence[Transcript] = (), segmenter: UtteranceSegmenter | None = None
          ) -> list[UtterancePart]:
    """Return the parts of what a microphone picks up, the robot announced at its times."""
    segmenter = segmenter or UtteranceSegmenter(CONFIG, Loudness())
    steps: list[tuple[float, object]] = [(BASE + at, speaking) for at, speaking in told]
    steps += [(w.stamp, w) for w in words]
    steps += [(b.stamp + len(b.samples) / SAMPLE_RATE, b) for b in blocks(sound, BASE, size)]
    parts: list[UtterancePart] = []
    for moment, step in sorted(steps, key=lambda pair: pair[0]):
        if isinstance(step, AudioBlock):
            parts += segmenter.push_audio(step, moment)
        elif isinstance(step, Transcript):
            parts += segmenter.push_transcript(step, moment)
        else:
            segmenter.set_own_speaking(bool(step), moment)
    return parts + segmenter.flush()


def spans(parts: list[UtterancePart]) -> list[tuple[float, float]]:
    """Return from when to when each utterance lasts, seconds after BASE."""
    return [(group[0].start - BASE, group[-1].end - BASE)
            for group in by_utterance(parts).values()]


def gist(parts: list[UtterancePart]) -> list[tuple[object, ...]]:
    return [(p.utterance_id, p.index, p.start, p.end, p.audio.tobytes(), p.last) for p in parts]


def test_what_the_robot_says_is_no_utterance_and_the_answer_to_it_is() -> None:
    first, second = spans(heard(TOLD))
    assert first[0] < 1.0 and 2.2 <= first[1] <= 2.35
    assert 4.75 <= second[0] < 5.2 and 6.4 <= second[1] < 6.6
    assert len(spans(heard(()))) == 2  # without the message the first swallows the robot
    assert spans(heard(()))[0][1] > 4.4


def test_a_person_is_recognised_to_the_bit_as_if_the_robot_were_silent() -> None:
    alone = by_utterance(heard(TOLD, track(8.0, (PERSON, ANSWER)))).values()
    beside = by_utterance(heard(TOLD)).values()
    for one, other in zip(alone, beside, strict=True):
        assert one[0].utterance_id == other[0].utterance_id
        np.testing.assert_array_equal(audio_of(one), audio_of(other))


def test_who_is_interrupted_is_understood_until_then() -> None:
    (span,) = spans(heard(((1.61, True), (2.8, False)), track(8.0, ((1.0, 2.6),))))
    assert span[1] == pytest.approx(1.61, abs=0.032)


def test_a_short_word_of_the_robot_ends_the_utterance_before_it() -> None:
    sound = track(8.0, ((1.0, 4.0),))
    assert len(spans(heard(((2.0, True), (2.1, False)), sound))) == 2
    assert len(spans(heard((), sound))) == 1


@pytest.mark.parametrize('size', [160, 512, 4000, (37, 1600, 803)])
def test_the_sizes_of_the_messages_change_nothing(size: int | Sequence[int]) -> None:
    shifted = [(round(at - 0.1, 3), on) for at, on in TOLD]
    reference = UtteranceSegmenter(CONFIG, Loudness())
    other = UtteranceSegmenter(CONFIG, Loudness())
    for segmenter in (reference, other):  # known before the audio comes
        for at, on in shifted:
            segmenter.set_own_speaking(on, BASE + at)
    one = heard((), segmenter=reference)
    two = heard((), size=size, segmenter=other)
    assert [audio_of(g).tobytes() for g in by_utterance(one).values()] == [
        audio_of(g).tobytes() for g in by_utterance(two).values()]
    assert [p[0] for p in gist(one)] and {p[0] for p in gist(one)} == {p[0] for p in gist(two)}


def test_words_recognised_while_the_robot_speaks_are_nobodys() -> None:
    segmenter = UtteranceSegmenter(CONFIG, Loudness())
    parts = heard(TOLD, words=[Transcript(BASE + 2.3, 'I lost my keys'),
                               Transcript(BASE + 4.4, 'where did you see them last'),
                               Transcript(BASE + 6.6, 'at home')], segmenter=segmenter)
    assert [' '.join(p.text for p in group if p.text)
            for group in by_utterance(parts).values()] == ['I lost my keys', 'at home']
    assert [e.kind for e in segmenter.events] == ['transcript_own_speech']
    assert not any(word in segmenter.events[0].text for word in ('where', 'last'))


def test_voice_activity_of_others_does_not_count_while_the_robot_speaks() -> None:
    segmenter = UtteranceSegmenter(CONFIG, lambda frame: 1.0)
    assert [round(end, 1) for _, end in spans(heard(((1.0, True),), segmenter=segmenter))] == [1.0]


def test_speech_whose_end_is_never_announced_ends() -> None:
    own = OwnVoice(0.3)
    own.announce(True, 10.0)
    assert own.is_muted(10.0 + LONGEST_S) and not own.is_muted(10.4 + LONGEST_S)
    own.announce(True, 100.0)
    assert own.is_muted(99.0 + LONGEST_S) and own.is_muted(10.0)
    own.announce(False, 500.0)
    assert not own.is_muted(499.0) and own.is_muted(100.0)


def test_messages_that_say_nothing_new_change_nothing() -> None:
    own = OwnVoice(0.5)
    for speaking, stamp in ((False, 1.0), (True, 2.0), (True, 3.0), (False, 4.0), (False, 9.0),
                            (True, 4.2), (False, 4.1)):
        own.announce(speaking, stamp)
    assert [t for t in np.arange(0, 10, 0.5) if own.is_muted(t)] == [2, 2.5, 3, 3.5, 4, 4.5]


def test_after_a_jump_back_only_what_has_been_said_since_is_muted() -> None:
    own = OwnVoice(0.0)
    own.announce(True, 50.0)
    own.announce(False, 60.0)
    own.rewind(5.0)
    assert not own.is_muted(55.0)
    own.announce(True, 70.0)
    own.rewind(6.0)
    assert own.is_muted(7.0)
    own.announce(False, 8.0)
    assert not own.is_muted(8.0) and not own.is_muted(70.0)


def test_a_run_is_split_where_the_robot_begins_and_ends() -> None:
    own = OwnVoice(0.0)
    own.announce(True, 1.25)
    own.announce(False, 1.5)
    run = PcmRun(1.0, np.arange(1, SAMPLE_RATE + 1, dtype=np.int16), restart=True)
    pieces = list(own.split(run))
    assert [(p.stamp, p.samples.size, p.restart, muted) for p, muted in pieces] == [
        (1.0, 4000, True, False), (1.25, 4000, False, True), (1.5, 8000, False, False)]
    assert not pieces[1][0].samples.any()
    assert math.isclose(pieces[2][0].samples[0], 8001)
