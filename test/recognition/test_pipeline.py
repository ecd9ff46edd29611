# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The whole system without ROS, on the sample recording."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import AudioBlock, Estimate, InvalidInput, Modality, Transcript, VideoFrame
import numpy as np
import pytest

from ..fixtures.stream import (
    arriving,
    BASE,
    blocks,
    Event,
    in_order,
    run_pipeline,
    sample_audio,
    sample_events,
    sample_labels,
)

UNTIL = BASE + 7.5  # by then two utterances are over and their words are here


@pytest.fixture(scope='module')
def recognizer() -> Recognizer:
    return Recognizer.load('compact')


@pytest.fixture(scope='module')
def reference(recognizer: Recognizer) -> list[Estimate]:
    """Return the estimates of the whole recording."""
    pipeline = Pipeline(recognizer)
    estimates = run_pipeline(pipeline, sample_events())
    assert pipeline.drain_events() == []
    return estimates


def beginning() -> list[Event]:
    return [e for e in sample_events() if e.arrival < UNTIL]


def assert_same(found: Sequence[Estimate], expected: Sequence[Estimate]) -> None:
    """Check that estimates are equal, the numbers to the bit."""
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert one.to_dict() == other.to_dict()
        np.testing.assert_array_equal(one.logits, other.logits)


def test_each_labelled_utterance_gets_one_estimate(reference: list[Estimate]) -> None:
    labels = sample_labels()
    assert len(reference) == len(labels) == 10
    for estimate, label in zip(reference, labels):
        assert estimate.start <= label['start'] - 0.2  # the pre-roll
        assert label['end'] <= estimate.end + 0.1
        assert estimate.start > label['start'] - 0.6 and estimate.end < label['end'] + 0.3
        assert estimate.final and estimate.revision == 0


def test_the_modalities_are_those_that_were_there(reference: list[Estimate]) -> None:
    for estimate, label in zip(reference, sample_labels()):
        expected = Modality.AUDIO
        expected |= Modality.TEXT if label['has_transcript'] == '1' else Modality(0)
        expected |= Modality.FACE if label['face_visible'] == '1' else Modality(0)
        assert estimate.modalities == expected, label['text']
        assert estimate.transcript == (label['text'] if label['has_transcript'] == '1' else '')
        assert bool(estimate.face_id) == (label['face_visible'] == '1')
        weights = estimate.modality_weights
        assert sum(weights) == pytest.approx(1)
        assert [w > 0 for w in weights] == [m in expected for m in Modality]


def test_probabilities_are_probabilities(reference: list[Estimate]) -> None:
    for estimate in reference:
        assert estimate.probabilities.shape == (7,) and np.isfinite(estimate.logits).all()
        assert estimate.probabilities.sum() == pytest.approx(1, abs=1e-5)
        assert (estimate.probabilities >= 0).all()
        assert not estimate.trained and not estimate.calibrated
    assert len({e.logits.tobytes() for e in reference}) == len(reference)


def test_the_stamp_is_that_of_the_last_evidence(reference: list[Estimate]) -> None:
    """With a microphone, that is the end of the audio used."""
    for estimate in reference:
        assert estimate.start < estimate.stamp <= estimate.end
        assert estimate.stamp == estimate.end
    for one, other in zip(reference, reference[1:]):
        assert one.end <= other.start


def test_the_same_recording_gives_the_same_to_the_bit(recognizer: Recognizer,
                                                      reference: list[Estimate]) -> None:
    """A new pipeline, and less of the future."""
    assert_same(run_pipeline(Pipeline(recognizer), beginning()), reference[:2])


@pytest.mark.slow
@pytest.mark.parametrize('size', [160, (8000, 1, 777)])
def test_the_sizes_of_the_messages_change_no_bit(recognizer: Recognizer,
                                                 size: int | tuple[int, ...],
                                                 reference: list[Estimate]) -> None:
    origin, audio = sample_audio()
    other = [e for e in beginning() if not isinstance(e.item, AudioBlock)]
    events = in_order(arriving(blocks(audio[:8 * 16_000], origin, size), 0.003), other)
    assert_same(run_pipeline(Pipeline(recognizer), events), reference[:2])


def test_a_block_that_cannot_be_used_loses_nothing_else(recognizer: Recognizer,
                                                        reference: list[Estimate]) -> None:
    pipeline = Pipeline(recognizer)
    estimates: list[Estimate] = []
    refused = 0
    for event in beginning():
        item = event.item
        if isinstance(item, AudioBlock) and item.stamp == pytest.approx(BASE + 2.0, abs=1e-4):
            loud = AudioBlock(item.stamp, 16_000, np.full(1600, 2e4, np.float32))
            with pytest.raises(InvalidInput, match=r'expected \[-1, 1\]'):
                pipeline.push_audio(loud)
            refused += 1
        else:
            estimates += feed_one(pipeline, event)
    estimates += pipeline.flush()
    assert refused == 1
    assert [e.kind for e in pipeline.drain_events()] == ['audio_gap']
    assert len(estimates) == 2
    for found, expected in zip(estimates, reference):
        assert (found.start, found.transcript, found.modalities, found.face_id) == (
            expected.start, expected.transcript, expected.modalities, expected.face_id)
        assert found.end == pytest.approx(expected.end, abs=0.1)
    assert (estimates[0].logits != reference[0].logits).any()


def feed_one(pipeline: Pipeline, event: Event) -> list[Estimate]:
    item = event.item
    if isinstance(item, AudioBlock):
        return pipeline.push_audio(item)
    if isinstance(item, Transcript):
        return pipeline.push_transcript(item)
    return pipeline.push_frame(item) if isinstance(item, VideoFrame) else (
        pipeline.skip_frame(item[0]))


@pytest.mark.slow
def test_a_recording_in_a_loop_is_estimated_each_time(recognizer: Recognizer,
                                                      reference: list[Estimate]) -> None:
    """The ids are the same again; what was heard the first time must not be mixed in."""
    pipeline = Pipeline(recognizer)
    estimates: list[Estimate] = []
    for _ in range(2):
        estimates += [e for event in beginning() for e in feed_one(pipeline, event)]
        pipeline.reset_history()
    estimates += pipeline.flush()
    kinds = {e.kind for e in pipeline.drain_events()}
    assert kinds == {'audio_backwards', 'image_late', 'image_backwards'}
    assert_same(estimates[:2], reference[:2])
    assert len(estimates) == 4
    for again, first in zip(estimates[2:], estimates):
        assert (again.start, again.end, again.transcript, again.modalities, again.revision) == (
            first.start, first.end, first.transcript, first.modalities, 0)
        np.testing.assert_allclose(again.probabilities, first.probabilities, atol=0.01)


def test_words_alone_are_estimated(recognizer: Recognizer) -> None:
    pipeline = Pipeline(recognizer)
    estimates = pipeline.push_transcript(Transcript(BASE, 'I got the job!')) + pipeline.flush()
    estimate, = estimates
    assert estimate.modalities == Modality.TEXT and estimate.modality_weights == (1, 0, 0)
    assert estimate.transcript == 'I got the job!' and estimate.stamp == BASE


def test_faces_alone_are_estimated(recognizer: Recognizer) -> None:
    """Their stamp is that of the last image with the face."""
    events = [e for e in beginning() if isinstance(e.item, VideoFrame | tuple)]
    estimates = run_pipeline(Pipeline(recognizer), events)
    assert len(estimates) == 3  # the last one is what was left
    looked_at = [e.item.stamp for e in events if isinstance(e.item, VideoFrame)]
    for estimate in estimates:
        assert estimate.modalities == Modality.FACE and estimate.transcript == ''
        assert estimate.stamp == max(s for s in looked_at if s < estimate.end)


def test_late_words_give_the_estimate_anew(recognizer: Recognizer) -> None:
    late = 'The office called me at nine this morning.'
    events = [e for e in beginning() if isinstance(e.item, AudioBlock)]
    words = [Event(BASE + 4.4, Transcript(BASE + 4.4, late))]
    found = run_pipeline(Pipeline(recognizer), in_order(events, words))
    first = [e for e in found if e.utterance_id == found[0].utterance_id]
    assert [(e.revision, e.transcript) for e in first] == [(0, ''), (1, late)]
    assert first[0].modalities == Modality.AUDIO
    assert first[1].modalities == Modality.AUDIO | Modality.TEXT
    assert first[0].stamp == first[1].stamp == first[1].end


def test_it_tells_when_somebody_speaks(recognizer: Recognizer) -> None:
    pipeline = Pipeline(recognizer)
    speaking = {}
    for event in beginning():
        if isinstance(event.item, AudioBlock):
            pipeline.push_audio(event.item)
            speaking[round(event.item.stamp - BASE, 1)] = pipeline.speaking
    assert not speaking[0.8] and speaking[2.0] and not speaking[4.0] and speaking[5.5]


def test_silence_gives_no_estimate(recognizer: Recognizer) -> None:
    pipeline = Pipeline(recognizer)
    noise = np.random.default_rng(0).normal(0, 30, 5 * 16_000).astype(np.int16)
    assert run_pipeline(pipeline, arriving(blocks(noise, BASE))) == []
