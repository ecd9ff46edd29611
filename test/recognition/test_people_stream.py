# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""Everybody in view gets estimates at a fixed rate, from the faces alone."""

from __future__ import annotations

from mmer_ros.recognition.people_stream import PeopleStream
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.types import (
    AudioBlock,
    FaceCrop,
    Modality,
    People,
    UInt8,
    Utterance,
    VideoFrame,
)
import numpy as np

from ..fixtures.cast import pictures
from ..fixtures.model import tiny_recognizer

STAMPS = [100 + i / 5 for i in range(20)]


def face(seed: int) -> UInt8:
    """Return a picture that stands for a face."""
    return np.random.default_rng(seed).integers(0, 256, (160, 160, 3)).astype(np.uint8)


def crop(stamp: float, name: str = 'face1', seed: int = 0, size: float = 50.0) -> FaceCrop:
    """Return a crop in an image of 200 x 100 pixels."""
    return FaceCrop(stamp, name, face(seed), (0.0, 0.0, size, size), 1.0, (200.0, 100.0),
                    person_id=f'person of {name}')


def seen(stream: PeopleStream, speaker: str = '') -> list[People]:
    """Return what comes of two faces of different sizes, 4 s long."""
    found = [stream.push(stamp, [crop(stamp, 'face1'), crop(stamp, 'face2', 1, 60.0)], speaker)
             for stamp in STAMPS]
    return [people for people in found if people is not None]


def test_everybody_has_an_estimate_once_a_second_the_largest_face_first() -> None:
    found = seen(PeopleStream(tiny_recognizer(), 1.0), speaker='face1')
    assert [people.stamp for people in found] == [100, 101, 102, 103]
    for people in found:
        assert [(p.face_id, p.person_id, p.speaking) for p in people.people] == [
            ('face2', 'person of face2', False), ('face1', 'person of face1', True)]
        assert people.people[0].box == (0, 0, 0.3, 0.6)
        assert {p.estimate.modalities for p in people.people} == {Modality.FACE}


def test_the_estimate_is_that_of_the_images_of_the_last_second() -> None:
    stream = PeopleStream(tiny_recognizer(), 1.0)
    for i, stamp in enumerate(STAMPS[:10]):
        stream.push(stamp, [crop(stamp, seed=i)], '')
    people = stream.push(102.0, [crop(102.0, seed=10)], '')
    expected = tiny_recognizer().recognize(
        Utterance(faces=np.stack([face(i) for i in range(5, 11)])))
    assert people is not None
    np.testing.assert_array_equal(people.people[0].estimate.logits, expected.logits)


def test_the_rate_is_of_capture_time_and_zero_gives_none() -> None:
    assert len(seen(PeopleStream(tiny_recognizer(), 2.5))) == 10
    assert seen(PeopleStream(tiny_recognizer(), 0.0)) == []


def test_nothing_is_computed_that_nothing_takes_and_it_changes_no_later_estimate() -> None:
    wanted = False
    stream = PeopleStream(tiny_recognizer(), 1.0, lambda: wanted)
    expected = seen(PeopleStream(tiny_recognizer(), 1.0))[-1]
    images = [(stamp, [crop(stamp, 'face1'), crop(stamp, 'face2', 1, 60.0)]) for stamp in STAMPS]
    assert not any(stream.push(stamp, crops, '') for stamp, crops in images[:13])
    wanted = True
    found = [stream.push(stamp, crops, '') for stamp, crops in images[13:]]
    (people,) = [people for people in found if people is not None]
    assert people.stamp == expected.stamp
    for one, other in zip(people.people, expected.people, strict=True):
        np.testing.assert_array_equal(one.estimate.logits, other.estimate.logits)


def test_that_the_last_one_has_gone_is_sent_once() -> None:
    stream = PeopleStream(tiny_recognizer(), 1.0)
    seen(stream)
    found = [stream.push(104 + i / 5, [], '') for i in range(15)]
    sent = [people.people for people in found if people is not None]
    assert len(sent[0]) == 2  # they were there 0.2 s ago
    assert sent[1:] == [()]
    assert stream.push(120.0, [], '') is None


def test_a_face_with_a_quiet_microphone_has_estimates_and_no_utterance() -> None:
    told: list[People] = []
    pipeline = Pipeline(tiny_recognizer(), people_rate=1.0, on_people=told.append)
    estimates = []
    for i, image in enumerate(pictures(0) * 2):
        stamp = 100 + i / 5
        estimates += pipeline.push_audio(
            AudioBlock(stamp, 16_000, np.zeros(3200, np.int16)), stamp)
        estimates += pipeline.push_frame(VideoFrame(stamp, image), stamp)
    assert estimates == []
    assert len(told) == 3
    assert told[-1].people[0].person_id == 'person1'
    assert not told[-1].people[0].speaking
