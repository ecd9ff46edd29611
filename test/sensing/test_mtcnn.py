# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""MTCNN and voice activity: the cascade and the graphs give what the published packages give."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import extract_face
from mmer_ros.sensing.face_detector import FaceConfig, make_detector
from mmer_ros.sensing.faces import crop_face
from mmer_ros.sensing.mtcnn import Areas, suppress, suppress_contained
from mmer_ros.sensing.vad import FRAME_SAMPLES, SpeechProbability
from mmer_ros.types import FACE_SIZE, UInt8
import numpy as np
import pytest
from tools.make_golden import draw_voice, VOICES
from tools.make_sensing_graphs import GRAPHS, sensing_graphs
import torch

PIXELS = 1e-3  # boxes and landmarks of two engines


def images() -> Iterator[UInt8]:
    """Yield a face small, large, twice, dark, noisy, cut off, and none."""
    data = pytest.importorskip('skimage.data')
    face = data.astronaut()
    rng = np.random.default_rng(0)
    for side in (300, 480, 640):
        small = cv2.resize(face, (side, side * 3 // 4), interpolation=cv2.INTER_AREA)
        noisy = np.clip(small.astype(int) + rng.integers(-30, 30, small.shape), 0, 255)
        for image in (small, np.hstack([small, small[:, ::-1]]), small // 2, noisy,
                      small[:, 60:], np.roll(small, 40, 0)):
            yield np.ascontiguousarray(image, np.uint8)
    yield np.zeros((120, 160, 3), np.uint8)
    yield rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)


def test_areas_have_the_bits_of_adaptive_average_pooling() -> None:
    for image in images():
        areas = Areas(image)
        height, width = image.shape[:2]
        pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
        for box, size in (((0, height, 0, width), (37, 91)), ((0, height, 0, width), (100, 130)),
                          ((11, 33, 20, 131), (24, 24)), ((3, 100, 7, 90), (48, 48))):
            top, bottom, left, right = box
            expected = torch.nn.functional.interpolate(
                pixels[:, :, top:bottom, left:right], size=size, mode='area')
            found = areas.resized(*(np.array([edge]) for edge in box), size)
            np.testing.assert_array_equal(((expected - 127.5) * 0.0078125).numpy(), found)


@pytest.mark.parametrize('engine', ['torch', 'onnx'])
def test_the_cascade_finds_what_facenet_pytorch_finds(engine: str) -> None:
    config = FaceConfig(detect_max_side=4096, min_score=0.0)
    detector = make_detector(config, engine=engine)
    published = MTCNN(keep_all=True, min_face_size=config.min_face_size).eval()
    faces = 0
    for image in images():
        with torch.inference_mode():
            boxes, scores, landmarks = published.detect(image, landmarks=True)
        found = detector.detect(image)
        assert len(found) == (0 if boxes is None else len(boxes))
        for detection, box, score, points in zip(found, [] if boxes is None else boxes, scores,
                                                 [] if boxes is None else landmarks):
            height, width = image.shape[:2]
            inside = np.clip(box.astype(float), 0, (width, height, width, height))
            np.testing.assert_allclose(detection.box, inside, atol=PIXELS)
            np.testing.assert_allclose(detection.score, score, atol=1e-4)
            np.testing.assert_allclose(detection.landmarks, points.astype(float), atol=PIXELS)
            faces += 1
    assert faces >= 18


def test_boxes_that_leave_the_image_do_no_harm() -> None:
    """A face at the edge of a tiny image: boxes reach outside it on every side."""
    detector = make_detector(FaceConfig(min_face_size=20, min_score=0.0))
    face = next(images())[20:90, 120:190]
    for image in (face, face[:40], face[:, :40], face[20:, 20:]):
        for detection in detector.detect(np.ascontiguousarray(image)):
            left, top, right, bottom = detection.box
            assert 0 <= left <= right <= image.shape[1] and 0 <= top <= bottom <= image.shape[0]


def test_overlapping_boxes_leave_the_best() -> None:
    boxes = np.array([[0, 0, 10, 10, 0.5], [1, 0, 11, 10, 0.9], [50, 50, 60, 60, 0.7],
                      [2, 2, 5, 5, 0.6]], np.float32)
    assert suppress(boxes, 0.5).tolist() == [1, 2, 3]
    assert suppress_contained(boxes, 0.5).tolist() == [1, 2]


def test_crops_have_the_bits_of_facenet_pytorch() -> None:
    image = next(images())
    for box in ((50.3, 40.8, 120.2, 130.9), (-5.0, 10.0, 60.0, 90.0),
                (200.0, 100.0, 320.0, 240.0)):
        expected = extract_face(image, np.array(box), FACE_SIZE, 24)
        found = crop_face(image, box, 24)
        assert found is not None
        np.testing.assert_array_equal(expected.permute(1, 2, 0).numpy().astype(np.uint8), found)


def test_voice_activity_agrees_between_engines() -> None:
    wave = np.concatenate([np.zeros(4_000, np.int16), draw_voice(*VOICES['upset']),
                           np.zeros(4_000, np.int16), draw_voice(*VOICES['cheerful'])])
    frames = wave[:len(wave) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    torch_one, onnx_one = (SpeechProbability(engine) for engine in ('torch', 'onnx'))
    first = [onnx_one(frame) for frame in frames]
    np.testing.assert_allclose(first, [torch_one(frame) for frame in frames], atol=1e-4)
    assert max(first) > 0.9 > 0.1 > min(first)
    onnx_one.reset()
    assert [onnx_one(frame) for frame in frames] == first


def test_the_graphs_that_ship_are_those_of_the_packages() -> None:
    for name, data in sensing_graphs().items():
        assert (GRAPHS / name).read_bytes() == data, f'{name}: python -m tools.make_sensing_graphs'
