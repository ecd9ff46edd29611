# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Provisional estimates: made when speech pauses, confirmed by the final one or withdrawn."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.sensing.speech_segmenter import SpeechConfig
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.types import Estimate, Transcript, UtterancePart
import numpy as np
import pytest

from ..fixtures.model import tiny_recognizer
from ..fixtures.stream import arriving, BASE, blocks, Event, in_order, Loudness, track

SPEECH = [(1.0, 3.0), (5.0, 7.2)]  # seconds
PAUSED = [(1.0, 3.0), (3.13, 5.0)]  # a pause that is shorter than the hangover


def estimates_of(speech: Sequence[tuple[float, float]], words: Sequence[tuple[float, str]] = (),
                 *, rate: float = 1.0, provisional_s: float = 0.064, **segmenter: object
                 ) -> list[tuple[float, Estimate]]:
    """Return when each estimate came, by the capture time reached, and the estimate."""
    config = SegmenterConfig(speech=SpeechConfig(provisional_s=provisional_s), **segmenter)
    pipeline = Pipeline(tiny_recognizer(), config, probability=Loudness(), partial_rate=rate)
    said = [Event(BASE + time, Transcript(BASE + time, text)) for time, text in words]
    sound = arriving(blocks(track(9.0, speech), BASE, 512))
    found = []
    for event in in_order(sound, said):
        found += [(event.arrival, e) for e in run_one(pipeline, event)]
    return found + [(BASE + 9.0, e) for e in pipeline.flush()]


def run_one(pipeline: Pipeline, event: Event) -> list[Estimate]:
    if isinstance(event.item, Transcript):
        return pipeline.push_transcript(event.item)
    return pipeline.push_audio(event.item)


def kinds(found: Sequence[tuple[float, Estimate]]) -> list[str]:
    return ['final' if e.final else 'provisional' if e.provisional else 'partial'
            for _, e in found]


def plain(estimate: Estimate) -> dict[str, object]:
    return estimate.to_dict() | {'logits': estimate.logits.tolist()}


def test_the_provisional_estimate_comes_in_the_hangover_and_changes_no_bit_of_the_final() -> None:
    found, without = estimates_of(SPEECH), estimates_of(SPEECH, provisional_s=0.0)
    assert kinds(found) == ['partial', 'partial', 'provisional', 'final'] * 2
    assert 'provisional' not in kinds(without)
    finals = [(when, plain(e)) for when, e in found if e.final]
    assert finals == [(when, plain(e)) for when, e in without if e.final]
    for (_, end), (early, first), (late, last) in zip(SPEECH, found[2::4], found[3::4]):
        assert first.utterance_id == last.utterance_id
        assert early - (BASE + end) <= 0.064 + 0.064  # two frames of silence, and one's rounding
        assert late - early >= 0.15
        np.testing.assert_allclose(first.probabilities, last.probabilities, atol=0.05)


def test_speech_that_resumes_withdraws_it_and_remains_one_utterance() -> None:
    found = estimates_of(PAUSED, rate=0.1)
    assert kinds(found) == ['provisional', 'partial', 'provisional', 'final']
    assert len({e.utterance_id for _, e in found}) == 1
    assert found[1][0] - (BASE + 3.13) <= 0.3  # with the next part
    assert found[1][1].end > found[0][1].end


def test_words_that_arrive_in_the_pause_renew_it() -> None:
    found = estimates_of(SPEECH, [(3.15, 'it is over')])
    assert kinds(found)[:5] == ['partial', 'partial', 'provisional', 'provisional', 'final']
    (_, first), (when, renewed), (_, final) = found[2:5]
    assert first.transcript == '' and renewed.transcript == final.transcript == 'it is over'
    assert when == BASE + 3.15
    np.testing.assert_allclose(renewed.probabilities, final.probabilities, atol=0.05)


def test_words_that_arrive_in_the_pause_end_the_utterance_if_so_set() -> None:
    words = [(3.15, 'it is over')]
    early = estimates_of(SPEECH, words, transcript_ends_speech=True)
    usual = estimates_of(SPEECH, words)
    assert [plain(e) for _, e in early if e.final] == [plain(e) for _, e in usual if e.final]
    times = [[when for when, e in found if e.final] for found in (early, usual)]
    assert times[0][0] == BASE + 3.15 < times[1][0]
    assert times[0][1] == times[1][1]  # without words, the hangover counts


@pytest.mark.parametrize('time', [2.0, 3.02])
def test_words_amid_speech_end_nothing(time: float) -> None:
    found = estimates_of(SPEECH[:1], [(time, 'so far')], transcript_ends_speech=True)
    assert kinds(found) == ['partial', 'partial', 'provisional', 'final']


def test_there_is_none_without_estimates_before_the_final_one() -> None:
    assert kinds(estimates_of(SPEECH, rate=0.0)) == ['final', 'final']


def test_a_lost_end_of_the_pause_still_leaves_one_final() -> None:
    """The estimator closes an utterance after its pause, as where the last part was lost."""
    stream = DialogueStream(tiny_recognizer(), partial_rate=1.0)
    sound = np.zeros(8000, np.int16)
    pause = UtterancePart('u1', 0, BASE, BASE, BASE + 0.5, audio=sound, pause=True)
    last = UtterancePart('u1', 1, BASE, BASE + 0.5, BASE + 0.5, pause=True, last=True)
    first, final = stream.push(pause), stream.push(last)
    assert first is not None and first.provisional and not first.final
    assert final is not None and final.final and not final.provisional
