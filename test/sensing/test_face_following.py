# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Between two searches of the image, known faces are verified: the same faces, the same ids."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

import cv2
from mmer_ros.sensing.face_detector import Detection, FaceConfig, make_detector, Region
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.types import FaceCrop, UInt8, VideoFrame
import numpy as np
import pytest
from training.corpora.synthetic.people import make_people
from training.corpora.synthetic.scene import draw_frames

from ..fixtures.stream import BASE

skimage = pytest.importorskip('skimage.data', reason='needs scikit-image for its photograph')
SIZE = (180, 320)  # height and width
PERIOD = 0.2  # seconds between the images that are looked at
NEAR, FAR = 'near', 'far'


class CountedDetector:
    """MTCNN, with the images that it searches and those in which it verifies."""

    def __init__(self, engine: str = 'onnx') -> None:
        self._detector = make_detector(FaceConfig(), engine=engine)
        self.config = self._detector.config
        self.searched = self.verified = 0

    def detect(self, image: UInt8) -> list[Detection]:
        self.searched += 1
        return self._detector.detect(image)

    def verify(self, image: UInt8, regions: Sequence[Region]) -> list[Detection | None]:
        self.verified += 1
        return self._detector.verify(image, regions)


@lru_cache
def person(name: str) -> UInt8:
    """Return a photograph, or a drawn person."""
    if name == NEAR:
        whole, size = skimage.astronaut()[:230, 130:330], (100, 115)
        return np.asarray(cv2.resize(whole, size, interpolation=cv2.INTER_AREA))
    drawn, = islice(draw_frames('neutral', make_people(0, 1)[0], np.full(20, 0.2), (320, 240), 15,
                                np.random.default_rng(0)), 1)
    return np.asarray(cv2.resize(drawn[:, 70:250], (75, 100), interpolation=cv2.INTER_AREA))


def scene(**places: int) -> UInt8:
    """Return an image with people at the left edges given; the near one covers the far one."""
    image = np.full((*SIZE, 3), 90, np.uint8)
    for name in (FAR, NEAR):
        if name in places:
            picture, left = person(name), places[name]
            begin, end = max(left, 0), min(left + picture.shape[1], SIZE[1])
            if begin < end:
                image[50:50 + picture.shape[0], begin:end] = picture[:, begin - left:end - left]
    return image


def follow(images: Sequence[UInt8 | None], search_s: float, detector: CountedDetector
           ) -> list[list[FaceCrop]]:
    """Return the faces of each image; None is one that was lost on the way."""
    stream = FaceStream(detector, search_s)
    return [[] if image is None else stream.push(VideoFrame(BASE + i * PERIOD, image))
            for i, image in enumerate(images)]


def ids(found: Sequence[Sequence[FaceCrop]]) -> list[set[str]]:
    return [{crop.face_id for crop in crops} for crops in found]


def compare(images: Sequence[UInt8 | None], engine: str = 'onnx') -> CountedDetector:
    """Check that the same faces are found where each image is searched; return the counts."""
    counted, always = CountedDetector(engine), CountedDetector(engine)
    found, expected = follow(images, 1.0, counted), follow(images, 0.0, always)
    assert ids(found) == ids(expected)
    for crops, others in zip(found, expected):
        by_id = {crop.face_id: crop for crop in others}
        for crop in crops:
            side = crop.box[2] - crop.box[0]
            np.testing.assert_allclose(crop.box, by_id[crop.face_id].box, atol=0.2 * side)
    assert always.verified == 0 and counted.searched < always.searched
    return counted


@pytest.mark.parametrize('engine', ['onnx', 'torch'])
def test_a_face_that_walks_is_searched_once_a_second(engine: str) -> None:
    counted = compare([scene(near=10 + 6 * i) for i in range(25)], engine)
    assert (counted.searched, counted.verified) == (5, 20)


def test_engines_verify_alike() -> None:
    images = [scene(near=10 + 6 * i, far=225) for i in range(6)]
    onnx, torch = (follow(images, 1.0, CountedDetector(engine)) for engine in ('onnx', 'torch'))
    for crops, others in zip(onnx, torch):
        for crop, other in zip(crops, others, strict=True):
            np.testing.assert_allclose(crop.box, other.box, atol=1e-2)
            assert crop.score == pytest.approx(other.score, abs=1e-3)


def test_two_people_who_cross_keep_their_ids() -> None:
    """While one covers the other, images are searched; no face is taken for two."""
    images = [scene(near=10 + 10 * i, far=240 - 10 * i) for i in range(24)]
    counted = compare(images)
    found = follow(images, 1.0, counted)
    assert len(found[0]) == len(found[-1]) == 2
    assert min(len(crops) for crops in found) == 1
    left = [min(crops, key=lambda crop: crop.box[0]).face_id for crops in (found[0], found[-1])]
    assert left[0] != left[1]  # they have changed sides


def test_a_new_face_is_found_within_a_second() -> None:
    images = [scene(near=20, **({FAR: 200} if i >= 6 else {})) for i in range(12)]
    found = follow(images, 1.0, CountedDetector())
    assert [len(crops) for crops in found] == [1] * 10 + [2, 2]


@pytest.mark.parametrize('lost', [{3}, {5}, {4, 5, 6}, set(range(3, 8))])
def test_lost_images_change_no_id(lost: set[int]) -> None:
    """Also the image in which the search was due: then the next one is searched."""
    compare([None if i in lost else scene(near=20 + 2 * i, far=225) for i in range(15)])


@pytest.mark.parametrize('hidden', [1, 3, 4])
def test_a_face_that_is_covered_for_a_moment_is_looked_for_and_keeps_its_id(hidden: int) -> None:
    images = [scene(near=20, **({} if 6 <= i < 6 + hidden else {FAR: 200})) for i in range(15)]
    counted = compare(images)
    assert counted.searched <= 3 + hidden + 1  # with the image in which it is back


def test_a_face_that_has_gone_is_not_looked_for_any_longer() -> None:
    images = [scene(near=20) if i < 6 else scene() for i in range(25)]
    counted = compare(images)
    assert counted.searched <= 5 + 5 and counted.verified <= 6  # once a second, and for 1 s more
    before = counted.verified
    follow([scene()] * 5, 1.0, counted)
    assert counted.verified == before


def test_after_a_jump_of_time_the_image_is_searched() -> None:
    counted = CountedDetector()
    stream = FaceStream(counted, 1.0)
    for stamp in (BASE, BASE + 0.2, BASE + 0.4):
        stream.push(VideoFrame(stamp, scene(near=20)))
    assert counted.searched == 1
    stream.reset()
    assert [c.face_id for c in stream.push(VideoFrame(BASE + 0.6, scene(near=150)))] == ['face2']
    assert counted.searched == 2


def test_a_face_at_the_edge_is_followed_out_of_the_image() -> None:
    images = [scene(near=190 + 6 * i) for i in range(22)]
    found = follow(images, 1.0, CountedDetector())
    assert len(found[5]) == 1 and len(found[-1]) == 0
    for crop in (crop for crops in found for crop in crops):
        assert 0 <= crop.box[0] < crop.box[2] <= SIZE[1]


def test_a_detector_that_cannot_verify_searches_each_image() -> None:
    class Simple:
        config = FaceConfig()
        searched = 0

        def detect(self, image: UInt8) -> list[Detection]:
            self.searched += 1
            return [Detection((10.0, 10.0, 60.0, 60.0), 1.0)]

    detector = Simple()
    stream = FaceStream(detector, 1.0)
    for i in range(10):
        assert len(stream.push(VideoFrame(BASE + i * PERIOD, scene()))) == 1
    assert detector.searched == 10


def test_nothing_is_searched_twice_with_a_search_of_each_image() -> None:
    counted = CountedDetector()
    follow([scene(near=20)] * 5, 0.0, counted)
    assert (counted.searched, counted.verified) == (5, 0)
