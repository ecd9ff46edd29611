# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Whether there is anything in images and audio."""

from __future__ import annotations

from mmer_ros.sensing.input_quality import (
    audio_problem,
    BLACK,
    image_problem,
    NOT_FINITE,
    ONE_COLOUR,
    SILENT,
)
from mmer_ros.types import VideoFrame
import numpy as np
import pytest

from ..fixtures.stream import sample_audio, sample_events


def noise(mean: float, spread: float) -> np.ndarray:
    drawn = np.random.default_rng(0).normal(mean, spread, (480, 640, 3))
    return drawn.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(('image', 'problem'), [
    (np.zeros((480, 640, 3), np.uint8), BLACK), (noise(4, 3), BLACK),
    (np.full((480, 640, 3), 128, np.uint8), ONE_COLOUR), (noise(200, 1), ONE_COLOUR),
    (noise(60, 20), ''), (np.zeros((1, 1, 3), np.uint8), BLACK)])
def test_covered_and_dead_cameras_are_told_from_pictures(image: np.ndarray, problem: str) -> None:
    assert image_problem(image) == problem


def test_a_dark_room_with_a_face_in_it_is_a_picture() -> None:
    image = np.full((480, 640, 3), 3, np.uint8)
    image[200:280, 300:360] = 60
    assert image_problem(image) == ''
    frames = [e.item.image for e in sample_events() if isinstance(e.item, VideoFrame)]
    assert not any(image_problem(frame) for frame in frames[::10])


@pytest.mark.parametrize('kind', [np.int16, np.int32, np.uint8, np.float32])
@pytest.mark.parametrize('shape', [(1600,), (1600, 2)])
def test_a_muted_microphone_is_told_from_a_quiet_one(kind: type, shape: tuple[int, ...]) -> None:
    assert audio_problem(np.zeros(shape, kind)) == SILENT
    assert audio_problem(np.full(shape, 7, kind)) == SILENT  # an offset is no sound
    quiet = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    assert audio_problem(quiet) == ''
    assert audio_problem(np.zeros((0, *shape[1:]), kind)) == ''


def test_channels_with_offsets_of_their_own_are_silent() -> None:
    assert audio_problem(np.tile(np.array([3, -8], np.int16), (1600, 1))) == SILENT


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_told(value: float) -> None:
    samples = np.zeros(100, np.float32)
    samples[7] = value
    assert audio_problem(samples) == NOT_FINITE


def test_no_second_of_the_sample_is_silent() -> None:
    _, samples = sample_audio()
    assert not any(audio_problem(samples[i:i + 1600]) for i in range(0, len(samples), 1600))
