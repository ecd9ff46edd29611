# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""Persons keep their ids when they leave and return; others get other ids."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.sensing.face_identity import DESCRIPTORS, DlibDescriptor, Limits, make_descriptor
from mmer_ros.sensing.outfit import likeness, outfit_of
from mmer_ros.sensing.persons import MOST_PERSONS, PersonsConfig
from mmer_ros.types import Float32, InvalidInput, UInt8, VideoFrame
import numpy as np
import pytest

from ..fixtures.cast import detected, pictures, Room, SIZE, with_hat

FOUR = range(4)


def side_by_side(*images: UInt8) -> UInt8:
    """Return pictures in one."""
    return np.ascontiguousarray(np.hstack(images))


def test_four_people_one_after_the_other_are_four_persons_and_return_as_themselves() -> None:
    room = Room()
    first = [room.meet(pictures(who)) for who in FOUR]
    assert first == [{'person1'}, {'person2'}, {'person3'}, {'person4'}]
    room.stamp += 60.0
    assert [room.meet(pictures(who)) for who in reversed(FOUR)] == first[::-1]


def test_a_cut_from_one_face_to_another_gives_another_face_id_at_once() -> None:
    room = Room()
    before = room.look(pictures(0))
    after = room.look(pictures(1))
    assert before[-1][0].person_id == 'person1'
    assert {crop.face_id for crops in before for crop in crops}.isdisjoint(
        {crop.face_id for crops in after for crop in crops})
    assert {crop.person_id for crops in after for crop in crops} == {'', 'person2'}


def test_who_returns_with_a_hat_is_the_same_person() -> None:
    room = Room()
    assert room.meet(pictures(0)) == {'person1'}
    assert room.meet(pictures(1)) == {'person2'}
    room.stamp += 30.0
    assert room.meet([with_hat(image) for image in pictures(0)]) == {'person1'}


def test_two_at_once_are_two_persons_even_if_they_look_the_same() -> None:
    room = Room()
    crops = room.look(side_by_side(image, image) for image in pictures(0))[-1]
    assert sorted(crop.person_id for crop in crops) == ['person1', 'person2']


def test_two_who_cross_keep_their_ids() -> None:
    room = Room()
    room.look(side_by_side(*both) for both in zip(pictures(0), pictures(1)))
    crops = room.look(side_by_side(*both) for both in zip(pictures(1), pictures(0)))[-1]
    left = {crop.person_id: crop.box[0] < SIZE[0] for crop in crops}
    first = room.persons.gallery[0]
    landmarks = detected(pictures(0)[0]).landmarks
    assert landmarks is not None
    view = DlibDescriptor().describe(pictures(0)[0], [landmarks])[0]
    who = 'person1' if first.distance(view) < 0.2 else 'person2'
    assert len(left) == 2
    assert not left[who]  # the one who was on the left is on the right now


def test_twelve_people_at_once_are_twelve_persons() -> None:
    images = [[pictures(who)[i][20:200, 80:240] for who in range(12)] for i in range(6)]
    room = Room()
    crowd = [np.ascontiguousarray(np.vstack([np.hstack(row[i:i + 4]) for i in (0, 4, 8)]))
             for row in images for _ in range(3)]
    crops = room.look(crowd)[-1]
    known = [crop.person_id for crop in crops if crop.person_id]
    assert len(crops) == 12
    assert len(set(known)) == len(known) == 12


def test_who_walks_through_the_picture_unseen_for_a_while_stays_the_same_person() -> None:
    room = Room()
    assert room.meet(pictures(2)) == {'person1'}
    assert room.meet([np.full((240, 320, 3), 90, np.uint8)] * 20) == set()
    assert room.meet(pictures(2)) == {'person1'}


def test_reset_forgets_everybody_and_gives_new_ids() -> None:
    room = Room()
    room.look(pictures(0))
    room.persons.reset()
    assert room.persons.gallery == []
    assert room.meet(pictures(0)) == {'person2'}


def test_persons_can_be_switched_off() -> None:
    room = Room(PersonsConfig(enabled=False))
    assert room.meet(pictures(0)) == set()
    assert room.persons.gallery == []


def test_the_gallery_is_bounded_and_forgets_who_was_unseen_for_longest() -> None:
    room = Room()
    room.look(pictures(0))
    known = room.persons.gallery[0]
    room.persons.gallery += [type(known)(f'other{i}', list(known.views), seen=known.seen + 1)
                             for i in range(MOST_PERSONS)]
    room.look([np.full((240, 320, 3), 90, np.uint8)])
    assert len(room.persons.gallery) == MOST_PERSONS
    assert known not in room.persons.gallery


def test_faces_without_landmarks_stay_unknown() -> None:
    room = Room()
    frame = VideoFrame(1.0, pictures(0)[0])
    crops = [type(crop)(crop.stamp, crop.face_id, crop.image) for crop in room.faces.push(frame)]
    assert [crop.person_id for crop in room.persons.push(frame, crops)] == ['']


def test_a_descriptor_that_is_not_registered_is_named() -> None:
    with pytest.raises(InvalidInput, match='dlib'):
        make_descriptor('nobody')
    assert 'dlib' in DESCRIPTORS.names()


class Sameness:
    """Describes all faces alike."""

    limits = Limits(same=0.5, alike=0.2)

    def describe(self, image: UInt8, landmarks: Sequence[object]) -> Float32:
        return np.zeros((len(landmarks), 1), np.float32)


def test_another_descriptor_is_registered_and_named_in_the_settings() -> None:
    DESCRIPTORS.add('sameness', Sameness)
    room = Room(PersonsConfig(descriptor='sameness'))
    assert [room.meet(pictures(who)) for who in (0, 1)] == [{'person1'}, {'person1'}]


def test_the_outfit_does_not_depend_on_the_light() -> None:
    image = pictures(0)[0]
    landmarks = detected(image).landmarks
    assert landmarks is not None
    dim = (image * 0.6).astype(np.uint8)
    other = detected(pictures(2)[0]).landmarks
    assert other is not None
    assert likeness(outfit_of(image, landmarks), outfit_of(dim, landmarks)) > 0.9
    assert likeness(outfit_of(image, landmarks), outfit_of(pictures(2)[0], other)) < 0.5
