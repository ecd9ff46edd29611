# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Faces: found at any size, ids that last, crops as the face encoder wants them."""

from __future__ import annotations

from itertools import islice

import cv2
from facenet_pytorch.models.utils.detect_face import extract_face
from mmer_ros.sensing.face_detector import FaceConfig, FaceDetector, make_detector
from mmer_ros.sensing.face_tracker import Box, FaceTracker
from mmer_ros.sensing.faces import crop_face, FaceStream, FrameSampler
from mmer_ros.types import UInt8, VideoFrame
import numpy as np
from pydantic import ValidationError
import pytest
from training.corpora.synthetic.people import make_people
from training.corpora.synthetic.scene import draw_frames

from ..fixtures.stream import BASE

skimage = pytest.importorskip('skimage.data', reason='needs scikit-image for its photograph')
FACE = np.array([175.0, 65.0, 275.0, 190.0])  # of the photograph, by eye; pixels
PERIOD = 0.2  # seconds between the images that are looked at


@pytest.fixture(scope='module')
def detector() -> FaceDetector:
    return make_detector(FaceConfig())


def photograph() -> UInt8:
    return np.asarray(skimage.astronaut())


def speaking_face(count: int) -> list[UInt8]:
    """Draw a person who speaks, 15 images a second."""
    opening = np.tile(np.repeat([0.2, 0.9], 20), count)
    return list(islice(draw_frames('neutral', make_people(0, 1)[0], opening, (320, 240), 15,
                                   np.random.default_rng(0)), count))


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return intersection over union."""
    inner = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    return float(inner / ((a[2:] - a[:2]).prod() + (b[2:] - b[:2]).prod() - inner))


def box(x: float, y: float = 100.0, side: float = 60.0) -> Box:
    """Return a box of the given centre."""
    return x - side / 2, y - side / 2, x + side / 2, y + side / 2


# ------------------------------------------------------------------------------- tracker


def test_ids_stay_while_two_faces_move() -> None:
    """The order in which the detector gives them does not matter."""
    tracker = FaceTracker(1.0)
    for step in range(30):
        boxes = [box(100 + 6 * step), box(400 - 4 * step, 250)]
        order = [1, 0] if step % 3 else [0, 1]
        ids = tracker.update(BASE + step * PERIOD, [boxes[i] for i in order])
        assert [ids[order.index(i)] for i in (0, 1)] == ['face1', 'face2'] or step == 0
        if step == 0:
            assert ids == ['face1', 'face2']


@pytest.mark.parametrize('hidden', [0, 1, 2, 3])
def test_ids_stay_when_two_faces_cross(hidden: int) -> None:
    """They pass one before the other; while they do, for some images only one is seen."""
    tracker = FaceTracker(1.0)
    found = []
    for step in range(21):
        near, far = box(100 + 20 * step, 100, 80), box(500 - 20 * step, 110, 60)
        covered = abs(step - 10) < (hidden + 1) / 2
        ids = tracker.update(BASE + step * PERIOD, [near] if covered else [near, far])
        found.append(ids)
    assert all(ids[0] == 'face1' for ids in found)
    assert {ids[1] for ids in found if len(ids) == 2} == {'face2'}
    assert sum(len(ids) == 1 for ids in found) >= min(hidden, 1)


@pytest.mark.parametrize(('absent', 'same'), [(0.4, True), (0.8, True), (1.0, True),
                                              (1.4, False), (10.0, False)])
def test_a_face_that_comes_back_soon_keeps_its_id(absent: float, same: bool) -> None:
    tracker = FaceTracker(1.0)
    for step in range(5):
        tracker.update(BASE + step * PERIOD, [box(200 + step)])
    last = BASE + 4 * PERIOD
    for step in range(1, round(absent / PERIOD)):
        assert tracker.update(last + step * PERIOD, []) == []
    assert tracker.update(last + absent - 1e-6, [box(205)]) == ['face1' if same else 'face2']


def test_a_face_elsewhere_is_another() -> None:
    tracker = FaceTracker(1.0)
    tracker.update(BASE, [box(100)])
    assert tracker.update(BASE + PERIOD, [box(500)]) == ['face2']


def test_ids_are_never_given_again() -> None:
    tracker = FaceTracker(1.0)
    assert tracker.update(BASE, [box(100), box(300)]) == ['face1', 'face2']
    tracker.reset()
    assert tracker.update(BASE + PERIOD, [box(100), box(300)]) == ['face3', 'face4']


@pytest.mark.parametrize('back', [0.05, 40.0])
def test_time_that_goes_back_confuses_the_ids_only_once(back: float) -> None:
    """A recording in a loop, or a camera whose clock was set."""
    tracker = FaceTracker(1.0)
    rng = np.random.default_rng(0)
    found = []
    for step in range(40):
        stamp = BASE + 50 + step * PERIOD - (back if step >= 20 else 0)
        found += tracker.update(stamp, [box(200 + float(rng.normal(0, 2)))])
    assert len(set(found)) <= 2
    assert len(set(found[:20])) == 1 and len(set(found[21:])) == 1


# ------------------------------------------------------------------------------- detector


@pytest.mark.parametrize(('size', 'canvas'), [
    (320, (320, 320)), (512, (512, 512)), (480, (640, 480)), (1080, (1920, 1080)),
    (2160, (3840, 2160)), (600, (600, 1200))])
def test_the_face_of_a_photograph_is_found(detector: FaceDetector, size: int,
                                           canvas: tuple[int, int]) -> None:
    width, height = canvas
    image = np.full((height, width, 3), 90, np.uint8)
    image[:size, :size] = cv2.resize(photograph(), (size, size), interpolation=cv2.INTER_AREA)
    found = detector.detect(image)
    assert len(found) == 1
    assert overlap(np.array(found[0].box), FACE * size / 512) > 0.5
    assert found[0].score >= 0.9
    left, top, right, bottom = found[0].box
    points = found[0].landmarks
    assert points.shape == (5, 2)
    assert ((points > (left, top)) & (points < (right, bottom))).all()
    assert points[0, 0] < points[1, 0]  # left eye in the image, right eye
    assert points[:2, 1].max() < points[2, 1] < points[3:, 1].min()  # eyes, nose, mouth


def test_two_faces_come_largest_first(detector: FaceDetector) -> None:
    image = np.full((512, 900, 3), 90, np.uint8)
    image[:300, :300] = cv2.resize(photograph(), (300, 300), interpolation=cv2.INTER_AREA)
    image[:, 388:] = photograph()
    boxes = [np.array(d.box) for d in detector.detect(image)]
    assert len(boxes) == 2
    assert boxes[0][0] > 388 and boxes[1][2] < 300


@pytest.mark.parametrize('shape', [(480, 640), (1080, 1920), (47, 640), (640, 20), (1, 1),
                                   (2, 3), (12, 12), (48, 48)])
def test_there_is_no_face_in_black_or_tiny_images(detector: FaceDetector,
                                                  shape: tuple[int, int]) -> None:
    assert detector.detect(np.zeros((*shape, 3), np.uint8)) == []
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    assert max(shape) > 640 or detector.detect(noise) == []


@pytest.mark.parametrize(('rows', 'columns', 'side'), [
    (slice(70, None), slice(205, None), 1), (slice(0, None), slice(195, None), 0),
    (slice(0, 170), slice(0, 300), 3), (slice(0, 300), slice(0, 255), 2)])
def test_the_box_of_a_cut_face_stays_in_the_image(rows: slice, columns: slice,
                                                  side: int) -> None:
    image = np.ascontiguousarray(photograph()[rows, columns])  # cut through the face
    height, width = image.shape[:2]
    found, = make_detector(FaceConfig(min_score=0.5)).detect(image)
    left, top, right, bottom = found.box
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert found.box[side] == (0, 0, width, height)[side]


# ------------------------------------------------------------------------------- crops


def test_a_crop_is_what_facenet_pytorch_makes_of_the_box() -> None:
    image = photograph()
    found = crop_face(image, tuple(FACE), 24)
    assert found is not None and found.shape == (160, 160, 3) and found.dtype == np.uint8
    expected = extract_face(image, FACE.copy(), 160, 24).numpy().transpose(1, 2, 0)
    np.testing.assert_array_equal(found, expected.astype(np.uint8))
    # the face with a margin of 24 pixels of the 160: recomputed with OpenCV alone
    margin = 24 * (FACE[2:] - FACE[:2]) / (160 - 24)
    left, top = (FACE[:2] - margin / 2).astype(int)
    right, bottom = (FACE[2:] + margin / 2).astype(int)
    by_hand = cv2.resize(image[top:bottom, left:right], (160, 160), interpolation=cv2.INTER_AREA)
    assert np.abs(found.astype(float) - by_hand).mean() < 4


@pytest.mark.parametrize('edge', [(-50.0, -50.0, 60.0, 60.0), (450.0, 450.0, 600.0, 600.0)])
def test_a_face_at_the_edge_gives_a_whole_crop(edge: Box) -> None:
    found = crop_face(photograph(), edge, 24)
    assert found is not None and found.shape == (160, 160, 3)


@pytest.mark.parametrize('empty', [(10.0, 10.0, 10.5, 50.0), (10.0, 10.0, 50.0, 10.0),
                                   (50.0, 10.0, 10.0, 50.0)])
def test_a_box_without_area_gives_no_crop(empty: Box) -> None:
    assert crop_face(photograph(), empty, 24) is None


# ------------------------------------------------------------------------------- stream


def test_the_sampler_takes_the_first_frame_of_each_slot() -> None:
    sampler = FrameSampler(5.0)
    stamps = [i / 30 for i in range(90)]
    taken = [t for t in stamps if sampler.take(t)]
    assert taken == pytest.approx([i / 5 for i in range(15)], abs=1 / 30)
    assert len(taken) == 15


def test_the_sampler_does_not_depend_on_when_it_began() -> None:
    stamps = [i / 30 for i in range(90)]
    early, late = FrameSampler(5.0), FrameSampler(5.0)
    first = [t for t in stamps if early.take(t)]
    second = [t for t in stamps[20:] if late.take(t)]
    assert second[1:] == [t for t in first if t > second[0]]


def test_a_slow_camera_and_time_that_goes_back_are_taken() -> None:
    sampler = FrameSampler(5.0)
    assert all(sampler.take(t) for t in (10.0, 10.5, 11.0))
    assert [sampler.take(t) for t in (3.0, 3.2, 3.4, 3.6, 1e9)] == [False, False, True, True, True]
    assert not sampler.take(1e9)


def test_an_image_that_is_late_is_not_taken_and_spares_no_other_one() -> None:
    sampler = FrameSampler(5.0)
    assert [sampler.take(t) for t in (10.0, 10.1, 9.9, 10.15, 10.2)] == [
        True, False, False, False, True]


def test_a_speaking_face_keeps_its_id(detector: FaceDetector) -> None:
    images, stream = speaking_face(20), FaceStream(detector)
    sampler = stream.sampler()
    found = []
    for number in range(20):
        stamp = number / 15
        if sampler.take(BASE + stamp):
            crops = stream.push(VideoFrame(BASE + stamp, images[number]))
            assert len(crops) == 1
            found += crops
    assert len(found) == 7
    assert {c.face_id for c in found} == {'face1'}
    for crop in found:
        assert crop.image.shape == (160, 160, 3) and crop.image.dtype == np.uint8
        assert crop.image.std() > 20  # a picture
        assert 0.9 <= crop.score <= 1
    assert [c.stamp for c in found] == sorted({c.stamp for c in found})


def test_reset_begins_with_new_ids(detector: FaceDetector) -> None:
    stream = FaceStream(detector)
    (image,) = speaking_face(1)
    ids = []
    for stamp in (BASE, BASE + 0.2):
        ids += [c.face_id for c in stream.push(VideoFrame(stamp, image))]
        stream.reset()
    assert ids == ['face1', 'face2']


@pytest.mark.parametrize('wrong', [{'rate_hz': 0}, {'min_face_size': 5}, {'margin': 160},
                                   {'rate': 5}])
def test_settings_out_of_range_or_unknown_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        FaceConfig(**wrong)
