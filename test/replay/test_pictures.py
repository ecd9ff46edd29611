# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Small pictures and levels: what is shown, and what must not be."""

from __future__ import annotations

import cv2
from mmer_ros.replay.pictures import blurred, Levels, LEVELS_PER_S, shrink, to_jpeg
from mmer_ros.types import AudioBlock, UInt8
import numpy as np
import pytest

BOX = (0.4, 0.3, 0.6, 0.6)


def noise(height: int = 96, width: int = 128) -> UInt8:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def detail(image: UInt8) -> float:
    """Return how much neighbouring pixels differ on average."""
    return float(np.abs(np.diff(image.astype(float), axis=1)).mean())


def test_a_picture_is_small_and_keeps_its_colours() -> None:
    image = np.zeros((480, 640, 3), np.uint8)
    image[..., 0] = 200  # red
    jpeg = to_jpeg(shrink(image))
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
    assert decoded.shape == (96, 128, 3) and len(jpeg) < 4000
    assert np.abs(decoded.astype(int) - image[0, 0]).max() < 8


def test_a_blurred_face_has_no_detail_and_the_rest_is_untouched() -> None:
    image = noise()
    found = blurred(image, [BOX])
    face = (slice(int(.3 * 96), int(.6 * 96)), slice(int(.4 * 128), int(.6 * 128)))
    assert detail(found[face]) < detail(image[face]) / 15
    assert np.array_equal(found[:, :40], image[:, :40])
    assert not np.array_equal(image, found) and np.array_equal(image, noise())


def test_a_face_at_the_edge_is_blurred_as_far_as_it_is_in_the_picture() -> None:
    found = blurred(noise(), [(-.2, -.1, .1, .3), (1.1, 1.1, 1.3, 1.4)])
    assert detail(found[:28, :12]) < 6
    assert np.array_equal(found[60:, 60:], noise()[60:, 60:])


def test_where_no_face_was_found_the_whole_picture_is_blurred() -> None:
    assert detail(blurred(noise(), [])) < detail(noise()) / 15


@pytest.mark.parametrize('sizes', [[16_000], [800] * 20, [333, 1, 7000, 5000, 3666]], ids=len)
def test_levels_do_not_depend_on_the_sizes_of_the_blocks(sizes: list[int]) -> None:
    samples = (np.random.default_rng(1).normal(0, 3000, 16_000)).clip(-32767, 32767)
    levels, begin = Levels(60), 0
    for size in sizes:
        part = samples[begin:begin + size].astype(np.int16)
        levels.add(AudioBlock(100 + begin / 16_000, 16_000, part))
        begin += size
    frames = np.abs(samples.astype(np.int16) / 32768).reshape(LEVELS_PER_S, -1).max(axis=1)
    assert levels.peaks == [round(100 * float(peak)) for peak in frames]


def test_levels_lie_where_they_were_heard() -> None:
    levels = Levels(60)
    for stamp in (10.0, 11.0, 9.0):  # the last one is from before: left out
        levels.add(AudioBlock(stamp, 16_000, np.full(1600, 16_384, np.int16)))
    found = levels.between(8, 12)
    assert len(found) == 4 * LEVELS_PER_S
    loud = {index // LEVELS_PER_S for index, value in enumerate(found) if value == 0.5}
    assert loud == {2, 3}


def test_a_block_from_far_away_does_not_make_the_levels_grow() -> None:
    levels = Levels(60)
    for stamp in (10.0, 1e9):
        levels.add(AudioBlock(stamp, 16_000, np.zeros(1600, np.int16)))
    assert len(levels.peaks) < 10
