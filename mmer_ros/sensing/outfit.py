# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""The colours of hair and clothes beside a face: what a person wears for as long as they stay."""

from __future__ import annotations

from mmer_ros.types import Float32, UInt8
import numpy as np
from numpy.typing import NDArray

# Zones around a face: their middle below the middle of the eyes (skin, hair) or of the mouth
# (clothes), half their width and half their height; in distances between the eyes.
SKIN, HAIR, CLOTHES = (.55, .4, .3), (-1.25, .5, .15), (2.1, .8, .4)
LEAST_SHARE = 0.6  # of a zone that has to lie in the image
WEIGHTS = np.array([0.4, 0.6])  # of hair and clothes
# Differences of the logarithms: up to SAME of the same clothes, from OTHER on of others.
SAME, OTHER = 0.12, 0.3
DARK = 10.0  # grey levels added to colours, so that noise in the dark does not count


def outfit_of(image: UInt8, landmarks: NDArray[np.floating]) -> Float32:
    """
    Return the colours of hair and clothes relative to the skin, so that light hardly counts.

    :param image: (height, width, 3) uint8 RGB.
    :param landmarks: (5, 2) x and y of eyes, nose, corners of the mouth; pixels.
    :return: (2, 3): logarithms of the ratios, of hair and of clothes; nan where they are out of
        the image.
    """
    points = np.asarray(landmarks, np.float64)
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    unit = float(np.linalg.norm(points[1] - points[0]))
    skin = _colour(image, eyes, unit, SKIN)
    return np.stack([np.log((_colour(image, place, unit, zone) + DARK) / (skin + DARK))
                     for place, zone in ((eyes, HAIR), (mouth, CLOTHES))]).astype(np.float32)


def likeness(one: Float32, other: Float32) -> float:
    """
    Return how well two outfits go together, 0 .. 1: 1 where nothing speaks against it.

    A hat changes only the hair, a jacket only the clothes.
    """
    apart = np.sqrt(np.mean((one - other) ** 2, axis=1))  # (2,)
    differs = np.clip((np.where(np.isfinite(apart), apart, 0.0) - SAME) / (OTHER - SAME), 0, 1)
    return float(1.0 - differs @ WEIGHTS)


def _colour(image: UInt8, middle: NDArray[np.float64], unit: float,
            zone: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return the median colour of a zone, (3,); nan if too little of it is in the image."""
    down, across, high = (unit * length for length in zone)
    left, right = round(middle[0] - across), round(middle[0] + across) + 1
    top, bottom = round(middle[1] + down - high), round(middle[1] + down + high) + 1
    part = image[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)]
    if part.shape[0] * part.shape[1] < LEAST_SHARE * (right - left) * (bottom - top):
        return np.full(3, np.nan)
    return np.asarray(np.median(part.reshape(-1, 3), axis=0), np.float64)
