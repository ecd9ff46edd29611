# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The picture for people: what is drawn, and where."""

from __future__ import annotations

from dataclasses import replace

from mmer_ros.report.overlay import COLOURS, draw, GREEN, Scene, WHITE
from mmer_ros.types import EMOTIONS, Estimate, FaceCrop, Modality
import numpy as np
import pytest

GROUND = (64, 96, 128)
CROP = np.zeros((160, 160, 3), np.uint8)
FACES = (FaceCrop(0.0, 'anne', CROP, (40.0, 60.0, 140.0, 180.0)),
         FaceCrop(0.0, 'bert', CROP, (400.0, 60.0, 500.0, 180.0)))


def picture(height: int = 480, width: int = 640) -> np.ndarray:
    return np.full((height, width, 3), GROUND, np.uint8)


def estimate(index: int, probability: float = 0.7) -> Estimate:
    rest = (1 - probability) / 6
    p = np.full(7, rest, np.float32)
    p[index] = probability
    return Estimate(p, p, Modality.FACE, (0.0, 0.0, 1.0), 0.0, 0.0, True, True, 'b', 'h')


def pixels(image: np.ndarray, colour: tuple[int, int, int]) -> int:
    return int((image == colour).all(axis=2).sum())


def test_a_scene_without_anything_changes_only_the_corner_of_the_speech_state() -> None:
    image = picture()
    drawn = draw(image, Scene())
    assert (image == GROUND).all()  # it is a copy
    changed = np.argwhere((drawn != image).any(axis=2))
    assert changed[:, 0].max() < 40 and changed[:, 1].min() > 500


def test_faces_are_framed_and_the_one_that_speaks_stands_out() -> None:
    silent = draw(picture(), Scene(FACES, speaker='bert', speaking=False))
    spoken = draw(picture(), Scene(FACES, speaker='bert', speaking=True))
    for drawn, colour in ((silent, WHITE), (spoken, GREEN)):
        assert (drawn[120, 398:403] == colour).all(axis=1).any()  # bert's left edge
        assert (drawn[120, 38:43] == WHITE).all(axis=1).any()     # anne's
    assert pixels(silent, GREEN) == 0 < pixels(spoken, GREEN)
    assert (spoken[100, 420:480] == GROUND).all()  # the face itself is not covered


@pytest.mark.parametrize('index', range(len(EMOTIONS)))
def test_the_bar_of_an_emotion_grows_with_its_probability(index: int) -> None:
    few, many = (pixels(draw(picture(), Scene(estimate=estimate(index, p))), COLOURS[index])
                 for p in (0.3, 0.9))
    assert 2 * few < many < 4 * few


def test_partial_and_untrained_estimates_look_different() -> None:
    seen = [draw(picture(), Scene(estimate=replace(estimate(4), **change))).tobytes()
            for change in ({}, {'final': False}, {'trained': False})]
    assert len(set(seen)) == 3


@pytest.mark.parametrize('size', [(48, 64), (120, 160), (1080, 1920), (1920, 1080), (300, 40)])
def test_it_draws_on_images_of_any_size(size: tuple[int, int]) -> None:
    outside = FaceCrop(0.0, 'far', CROP, (-50.0, -50.0, 9000.0, 9000.0))
    drawn = draw(picture(*size), Scene([*FACES, outside], 'far', True, estimate(0)))
    assert drawn.dtype == np.uint8 and drawn.shape[0] >= 240
    assert drawn.shape[0] / drawn.shape[1] == pytest.approx(size[0] / size[1], rel=0.02)


@pytest.mark.parametrize('left', [0.0, 190.0, 384.0])
def test_the_bars_leave_a_face_visible_that_has_room_beside_it(left: float) -> None:
    face = FaceCrop(0.0, 'anne', CROP, (left, 100.0, left + 256, 440.0))
    drawn = draw(picture(), Scene([face], estimate=estimate(4)))
    inside = drawn[106:434, round(left) + 6:round(left) + 250]
    assert (inside == GROUND).all()


@pytest.mark.parametrize('left', [60.0, 360.0])
def test_the_bars_leave_chin_and_neck_visible(left: float) -> None:
    face = FaceCrop(0.0, 'anne', CROP, (left, 60.0, left + 200, 300.0))
    drawn = draw(picture(), Scene([face], estimate=estimate(4)))
    neck = drawn[304:396, round(left):round(left) + 200]
    assert (neck == GROUND).all()


def test_a_face_has_the_name_of_its_person() -> None:
    known = [replace(face, person_id='cleo') for face in FACES]
    same = [replace(face, face_id='cleo') for face in FACES]
    assert (draw(picture(), Scene(known)) == draw(picture(), Scene(same))).all()


def test_what_a_listener_shows_is_written_above_the_face_but_not_for_the_speaker() -> None:
    shown = {'anne': estimate(4), 'bert': estimate(6)}
    silent = draw(picture(), Scene(FACES, expressions=shown))
    spoken = draw(picture(), Scene(FACES, 'bert', True, expressions=shown))
    assert pixels(silent, COLOURS[4]) > 0 < pixels(silent, COLOURS[6])
    assert pixels(spoken, COLOURS[4]) > 0 == pixels(spoken, COLOURS[6])
    assert (silent[66:174, 406:494] == GROUND).all()  # the face itself is not covered


def test_twelve_people_keep_their_names_apart_from_each_others_faces() -> None:
    boxes = [(30 + 150 * (i % 4), 50 + 140 * (i // 4)) for i in range(12)]
    crowd = [FaceCrop(0.0, f'face{i}', CROP, (x, y, x + 70.0, y + 80.0), person_id=f'person{i}')
             for i, (x, y) in enumerate(boxes)]
    drawn = draw(picture(), Scene(crowd, estimate=estimate(4), expressions={
        face.face_id: estimate(i % 7) for i, face in enumerate(crowd)}))
    assert (drawn[450:] != GROUND).any()  # the latest estimate has found a place
    for x, y in boxes:
        assert (drawn[y + 6:y + 74, x + 6:x + 64] == GROUND).all()
