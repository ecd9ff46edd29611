# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The coding of crops: small, close to the image, and safe against what others send."""

from __future__ import annotations

from mmer_ros.sensing.face_coding import code_face, decode_face
from mmer_ros.sensing.face_detector import FaceConfig, make_detector
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.types import InvalidInput, VideoFrame
import numpy as np
import pytest

from .test_faces import photograph
from ..fixtures.model import random_faces


def test_what_the_robot_sees_is_what_its_coding_holds() -> None:
    crops = FaceStream(make_detector(FaceConfig())).push(VideoFrame(1.0, photograph()))
    assert crops
    for crop in crops:
        np.testing.assert_array_equal(decode_face(crop.coded), crop.image)
        assert len(crop.coded) < 8_000


def test_a_coded_crop_is_close_to_the_image() -> None:
    ramp = np.linspace(0, 255, 160)
    image = np.stack([np.add.outer(ramp, ramp) / 2, np.add.outer(ramp, -ramp) / 2 + 128,
                      np.full((160, 160), 90)], axis=2).clip(0, 255).astype(np.uint8)
    again = decode_face(code_face(image))
    assert np.abs(again.astype(int) - image).mean() < 4
    np.testing.assert_array_equal(decode_face(code_face(image, lossless=True)), image)


def test_the_coding_is_the_same_each_time() -> None:
    image = random_faces(1)[0]
    assert code_face(image) == code_face(image.copy())


@pytest.mark.parametrize('coded', [
    b'', b'RIFF', bytes(500), code_face(random_faces(1)[0])[:300],
    b'RIFF' + bytes(4) + b'WEBPVP8L' + bytes(4) + b'\x2f' + b'\xff' * 400])
def test_bytes_that_are_no_crop_are_refused(coded: bytes) -> None:
    with pytest.raises(InvalidInput, match='not a WebP image of 160 x 160'):
        decode_face(coded)
