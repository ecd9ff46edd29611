# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Augmentation of faces: pose, frame, light, occlusion, resolution, blur, noise, compression.

Pictures are grey, like the input of the compact network.
"""

from __future__ import annotations

import cv2
from mmer_ros.types import UInt8
import numpy as np
from pydantic import Field
from training.engine.config import Settings

# Size of the robot's crops relative to the frames of FER2013: medians of MTCNN's boxes with their
# margin on 175 of its pictures. Both are then scaled to a square.
ROBOT_WIDTH, ROBOT_HEIGHT = 0.925, 1.236
BORDERS = (cv2.BORDER_REPLICATE, cv2.BORDER_REFLECT_101, cv2.BORDER_CONSTANT)
SHARE = Field(0.0, ge=0, le=1)


class FacesConfig(Settings):
    """
    Share and strength of each change; everything is off by default.

    The network normalises brightness and contrast of the whole picture, so light is changed by
    gamma, clipping, and a gradient.

    :param flip: share of mirrored pictures.
    :param robot_frame: share that is framed like the robot's crops.
    :param zoom: standard deviation of the logarithm of the size; half of it for the aspect ratio.
    :param shift: standard deviation of the position, as a share of the picture.
    :param turn: standard deviation of the angle, degrees.
    :param light: share in another light; `gamma`: largest logarithm of the exponent.
    :param occlusion: share with an occluded part; `hidden`: its largest share of the side.
    :param small: share that is reduced to `least_size` pixels or more, and enlarged again.
    :param blur: share out of focus or in motion, by `blur_sigma` pixels at most.
    :param noise: share with noise of `noise_sigma` grey levels at most.
    :param jpeg: share that is compressed with `least_quality` or more.
    """

    flip: float = SHARE
    robot_frame: float = SHARE
    zoom: float = Field(0.0, ge=0, le=0.5)
    shift: float = Field(0.0, ge=0, le=0.5)
    turn: float = Field(0.0, ge=0, le=45)
    light: float = SHARE
    gamma: float = Field(0.5, ge=0, le=2)
    occlusion: float = SHARE
    hidden: float = Field(0.4, gt=0, le=1)
    small: float = SHARE
    least_size: int = Field(14, ge=4)
    blur: float = SHARE
    blur_sigma: float = Field(1.5, gt=0, le=8)
    noise: float = SHARE
    noise_sigma: float = Field(12.0, ge=0, le=100)
    jpeg: float = SHARE
    least_quality: int = Field(15, ge=1, le=95)


def augmented(picture: UInt8, config: FacesConfig, random: np.random.Generator) -> UInt8:
    """
    Return a picture with random changes.

    :param picture: (size, size) grey; the size is kept.
    """
    size = len(picture)
    if random.random() < config.flip:
        picture = picture[:, ::-1]
    picture = _framed(picture, config, random)
    if random.random() < config.light:
        picture = relit(picture, float(np.exp(random.uniform(-1, 1) * config.gamma)),
                        random.uniform(0.8, 1.3), random.uniform(0, 0.6), random.uniform(0, 6.28))
    if random.random() < config.occlusion:
        picture = _hidden(picture, config.hidden, random)
    if random.random() < config.small:
        picture = smaller(picture, int(random.integers(config.least_size, size)))
    if random.random() < config.blur:
        picture = _blurred(picture, config.blur_sigma, random)
    if random.random() < config.noise:
        picture = noisy(picture, random.uniform(0, config.noise_sigma), random)
    if random.random() < config.jpeg:
        picture = compressed(picture, int(random.integers(config.least_quality, 96)))
    return np.ascontiguousarray(picture)


def framed(picture: UInt8, width: float, height: float, *, turn: float = 0.0,
           shift: tuple[float, float] = (0.0, 0.0), border: int = cv2.BORDER_REPLICATE,
           level: int = 0) -> UInt8:
    """
    Cut a frame out of a picture and scale it to the picture's size.

    :param width, height: of the frame, as shares of the picture's size.
    :param turn: degrees.
    :param shift: of the frame's centre, right and down, as shares of the picture's size.
    :param border: beyond the picture, a border type of OpenCV; `level`: grey of a constant one.
    """
    size = len(picture)
    angle = np.deg2rad(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos * width, -sin * height], [sin * width, cos * height]])
    middle = (size - 1) / 2
    offset = middle + size * np.array(shift) - linear @ (middle, middle)
    return np.asarray(cv2.warpAffine(
        picture, np.hstack([linear, offset[:, None]]), (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=border,
        borderValue=level), np.uint8)


def relit(picture: UInt8, gamma: float, gain: float, slope: float, direction: float) -> UInt8:
    """
    Return a picture in another light.

    :param gamma: exponent; below 1 it lightens shadows.
    :param gain: of the brightness, before clipping.
    :param slope: share by which the light falls off to one side; half of it in the middle.
    :param direction: of that side, radians.
    """
    half = np.linspace(-0.5, 0.5, len(picture), dtype=np.float32)
    ramp = half[None] * np.cos(direction) + half[:, None] * np.sin(direction)
    lit = (picture / np.float32(255)) ** gamma * gain * (1 - slope * (0.5 + ramp / 1.42))
    return np.asarray(np.clip(lit * 255, 0, 255).astype(np.uint8))


def hidden(picture: UInt8, top: int, left: int, height: int, width: int,
           level: int) -> UInt8:
    """Return a picture with a grey rectangle in it."""
    result = picture.copy()
    result[top:top + height, left:left + width] = level
    return result


def smaller(picture: UInt8, size: int) -> UInt8:
    """Return a picture reduced to `size` pixels and enlarged again."""
    full = len(picture)
    small = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (full, full), interpolation=cv2.INTER_LINEAR), np.uint8)


def blurred(picture: UInt8, sigma: float) -> UInt8:
    """Return a picture out of focus; `sigma` in pixels."""
    return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.uint8)


def noisy(picture: UInt8, sigma: float, random: np.random.Generator) -> UInt8:
    """Return a picture with noise; `sigma` in grey levels."""
    noise = random.standard_normal(picture.shape, np.float32) * np.float32(sigma)
    return np.asarray(np.clip(picture + noise, 0, 255).astype(np.uint8))


def compressed(picture: UInt8, quality: int) -> UInt8:
    """Return a picture after JPEG compression with a quality of 1..100."""
    _, code = cv2.imencode('.jpg', picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)


def _framed(picture: UInt8, config: FacesConfig, random: np.random.Generator) -> UInt8:
    width, height = (ROBOT_WIDTH, ROBOT_HEIGHT) if random.random() < config.robot_frame else (1, 1)
    size, aspect, right, down, turn = random.standard_normal(5)
    zoom, stretch = np.exp(config.zoom * size), np.exp(config.zoom / 4 * aspect)
    return framed(
        np.ascontiguousarray(picture), width * zoom * stretch, height * zoom / stretch,
        turn=config.turn * turn, shift=(config.shift * right, config.shift * down),
        border=BORDERS[random.integers(len(BORDERS))], level=int(random.integers(256)))


def _hidden(picture: UInt8, share: float, random: np.random.Generator) -> UInt8:
    size = len(picture)
    height, width = (max(1, int(random.uniform(0.15, share) * size)) for _ in range(2))
    top, left = (int(random.integers(-length // 3, size - 2 * length // 3))
                 for length in (height, width))
    result = hidden(picture, max(top, 0), max(left, 0), height, width, int(random.integers(256)))
    if random.random() < 0.5:  # textured
        place = slice(max(top, 0), max(top, 0) + height), slice(max(left, 0), max(left, 0) + width)
        result[place] = random.permuted(picture.ravel())[:result[place].size].reshape(
            result[place].shape)
    return result


def _blurred(picture: UInt8, sigma: float, random: np.random.Generator) -> UInt8:
    if random.random() < 0.6:
        return blurred(picture, random.uniform(0.3, sigma))
    length = int(random.integers(2, max(3, round(4 * sigma)) + 1))  # motion blur
    kernel = np.zeros((length, length), np.float32)
    angle = random.uniform(0, np.pi)
    reach = np.array([np.cos(angle), np.sin(angle)]) * length
    middle = length / 2
    ends = [(round(middle - s * reach[0]), round(middle - s * reach[1])) for s in (-0.5, 0.5)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    kernel /= max(float(kernel.sum()), 1.0)
    return np.asarray(cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REPLICATE), np.uint8)
