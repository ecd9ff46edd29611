# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Cameras for drawn people: the room behind them, their sway, the light and the sensor's noise."""

from __future__ import annotations

import cv2
from mmer_ros.types import Float32, UInt8
import numpy as np
from numpy.typing import NDArray
from training.corpora.synthetic.portrait import ORIGIN

Matrix = NDArray[np.float64]  # (2, 3) affine map of pixels


class Sway:
    """How a person moves a little all the time, drawn for an image of the given height."""

    def __init__(self, height: int, rng: np.random.Generator) -> None:
        self._amount, self._pace, self._phases = (
            rng.uniform(1.5, 4.) * height / 240, rng.uniform(.2, .5), rng.random(3))
        self._tilt = rng.uniform(-6, 6), rng.uniform(1, 3)

    def place(self, time: float, center: NDArray[np.float64], scale: float) -> Matrix:
        """
        Return the map from a portrait to an image.

        :param center: (2,) where the point between the eyes rests, pixels of the image.
        :param scale: pixels of the image per pixel of the portrait.
        """
        swing = np.sin(2 * np.pi * (self._pace * np.array([1., 1.7, .8]) * time + self._phases))
        angle = self._tilt[0] + self._tilt[1] * swing[2]
        matrix = np.asarray(cv2.getRotationMatrix2D(
            (float(ORIGIN[0]), float(ORIGIN[1])), angle, scale), np.float64)
        matrix[:, 2] += center + self._amount * swing[:2] - ORIGIN
        return matrix


class FixedCamera:
    """A camera before one person, who sways."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = size
        self._scale = rng.uniform(.56, .7) * height / 240
        self._center = np.array([width * rng.uniform(.38, .62), height * rng.uniform(.38, .46)])
        self._sway = Sway(height, rng)
        light = draw_light(rng)
        self._room = furnish(size, rng)
        self._sensor = Sensor(size, light, rng.uniform(.5, 2.5), rng)

    def film(self, face: UInt8, cover: UInt8, time: float) -> UInt8:
        """
        Take an image, (height, width, 3) RGB.

        :param face: (h, w, 3) a portrait.
        :param cover: (h, w) how much each pixel of the portrait hides what is behind it.
        """
        matrix = self._sway.place(time, self._center, self._scale)
        return self._sensor.expose(overlay(self._room, face, cover, matrix))


class Sensor:
    """What light and noise make of an image."""

    def __init__(self, size: tuple[int, int], light: Float32, noise: float,
                 rng: np.random.Generator) -> None:
        width, height = size
        self._size, self._light, self._frame = size, light, 0
        grain = rng.normal(0, noise, (height + 32, width + 32, 1))
        self._grain = np.round(grain).astype(np.int16).repeat(3, axis=2)
        self._offsets = rng.integers(0, 32, (64, 2))

    def expose(self, image: UInt8) -> UInt8:
        """Return the image as the sensor delivers it; the noise changes from call to call."""
        lit = cv2.transform(image, np.diag(self._light))
        top, left = self._offsets[self._frame % len(self._offsets)]
        self._frame += 1
        grain = self._grain[top:top + self._size[1], left:left + self._size[0]]
        return np.asarray(cv2.add(lit, grain, dtype=cv2.CV_8U), np.uint8)


def draw_light(rng: np.random.Generator) -> Float32:
    """Draw the brightness and the colour of the light: (3,) factors."""
    return np.asarray(rng.uniform(.78, 1.12) * rng.uniform(.96, 1.04, 3), np.float32)


def furnish(size: tuple[int, int], rng: np.random.Generator) -> UInt8:
    """Draw a room: blurred boxes before a wall, (height, width, 3) RGB."""
    wall = rng.uniform(70, 190) * rng.uniform(.85, 1.1, 3)
    room: Float32 = np.empty((60, 80, 3), np.float32)
    room[:] = wall * np.linspace(1.08, .85, 60)[:, None, None]
    for _ in range(int(rng.integers(3, 8))):
        x, y = rng.integers(-10, 80), rng.integers(-10, 60)
        w, h = rng.integers(6, 34, 2)
        color = rng.uniform(30, 210) * rng.uniform(.7, 1.2, 3)
        cv2.rectangle(room, (int(x), int(y)), (int(x + w), int(y + h)), color.tolist(), -1)
    blurred = cv2.GaussianBlur(room, (0, 0), rng.uniform(1.2, 3))
    sized = cv2.resize(blurred, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(sized, 0, 255).astype(np.uint8)


def overlay(background: UInt8, face: UInt8, cover: UInt8, matrix: Matrix) -> UInt8:
    """Lay a portrait over an image of any size."""
    size = background.shape[1], background.shape[0]
    over = cv2.warpAffine(cv2.merge([face, cover]), matrix, size)
    weight = over[..., 3].astype(np.float32) / np.float32(255)
    color = cv2.cvtColor(over, cv2.COLOR_RGBA2RGB)
    return np.asarray(cv2.blendLinear(color, background, weight, 1 - weight), np.uint8)
