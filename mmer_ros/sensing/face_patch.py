# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A small grey picture of a face, always cut alike: who it is, and how much its mouth moves."""

from __future__ import annotations

import cv2
from mmer_ros.types import Float32, UInt8
import numpy as np
from numpy.typing import NDArray

PATCH_SIZE = 48  # pixels, height and width
SEARCH = 2  # pixels that a face may have moved within its patch
# Where eyes, nose and corners of the mouth lie in the patch, x and y as shares of its size.
PLACES = np.array([[.30, .28], [.70, .28], [.50, .52], [.34, .74], [.66, .74]])
# What moves with the mouth, and what only with the head: the forehead, the nose and the cheeks.
# The eyes are in neither, since they blink.
MOUTH = slice(29, 44), slice(12, 36)  # rows, columns
STILL = ((slice(2, 8), slice(10, 38)), (slice(17, 29), slice(6, 42)))
UPPER = slice(4, 25), slice(6, 42)  # whose brightness and contrast are those of the face
LEAST_CONTRAST = 4.0  # grey levels; a flat picture's noise is not blown up beyond this
SMOOTH = 0.02  # of the ratio below, so that it is finite for pictures that are all the same
# Changes of the still parts below this are noise of the landmarks, in contrasts of the face.
LEAST_CHANGE = 0.12
SCALE = 0.8  # of the warp; larger faces are first reduced, or it would skip pixels
LOOK_SIZE = 8


def aligned_patch(image: UInt8, landmarks: NDArray[np.floating]) -> UInt8 | None:
    """
    Cut a face out so that its landmarks always come to lie in the same places.

    :param image: (height, width, 3) uint8 RGB.
    :param landmarks: (5, 2) x and y of eyes, nose, corners of the mouth; pixels.
    :return: (PATCH_SIZE, PATCH_SIZE) uint8; None if they make no face within the image.
    """
    placed = _placed(image, landmarks, PLACES * PATCH_SIZE, PATCH_SIZE)
    if placed is None:
        return None
    region, warp, reduced = placed
    return _warped(cv2.cvtColor(region, cv2.COLOR_RGB2GRAY), warp, reduced, PATCH_SIZE)


def aligned(image: UInt8, landmarks: NDArray[np.floating], places: NDArray[np.float64],
            size: int) -> UInt8 | None:
    """
    Cut a face out in colour so that its landmarks come to lie in given places.

    :param image: (height, width, 3) uint8 RGB.
    :param landmarks: as of aligned_patch.
    :param places: (5, 2) x and y of the landmarks in the result, pixels.
    :param size: height and width of the result, pixels.
    :return: (size, size, 3) uint8; None if the landmarks make no face within the image.
    """
    placed = _placed(image, landmarks, places, size)
    return None if placed is None else _warped(*placed, size)


def _placed(image: UInt8, landmarks: NDArray[np.floating], places: NDArray[np.float64], size: int
            ) -> tuple[UInt8, NDArray[np.float64], tuple[int, int] | None] | None:
    """Return the part of the image around a face, its warp, and its size if reduced before."""
    warp = _similarity(np.asarray(landmarks, np.float64), places)
    if warp is None:
        return None
    inverse = np.linalg.inv(np.vstack([warp, [0, 0, 1]]))
    corners = np.array([[x, y, 1] for x in (0, size) for y in (0, size)]) @ inverse.T
    height, width = image.shape[:2]
    left, top = np.floor(corners[:, :2].min(axis=0)).astype(int).clip(0) - (1, 1)
    right, bottom = np.ceil(corners[:, :2].max(axis=0)).astype(int) + 2
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
    if right - left < 2 or bottom - top < 2:
        return None
    shift = np.array([[1, 0, left], [0, 1, top], [0, 0, 1]], np.float64)
    reduce = min(1.0, float(np.hypot(warp[0, 0], warp[1, 0])) / SCALE)
    reduced = None
    if reduce < 1.0:
        reduced = (max(2, round((right - left) * reduce)), max(2, round((bottom - top) * reduce)))
        shift = shift @ np.diag([(right - left) / reduced[0], (bottom - top) / reduced[1], 1.0])
    return np.ascontiguousarray(image[top:bottom, left:right]), warp @ shift, reduced


def _warped(region: NDArray[np.uint8] | cv2.typing.MatLike, warp: NDArray[np.float64],
            reduced: tuple[int, int] | None, size: int) -> UInt8:
    if reduced is not None:
        region = cv2.resize(region, reduced, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.warpAffine(region, warp, (size, size), flags=cv2.INTER_LINEAR,
                                     borderMode=cv2.BORDER_REPLICATE), np.uint8)


def patch_of_crop(crop: UInt8) -> UInt8:
    """
    Make a patch of a face crop whose landmarks are not known; it lies about where it should.

    :param crop: (height, width, 3) uint8 RGB.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (PATCH_SIZE, PATCH_SIZE), interpolation=cv2.INTER_AREA),
                      np.uint8)


def look_of(patch: UInt8) -> Float32:
    """
    Return a descriptor of identity: the coarse light and dark of the patch.

    :return: (LOOK_SIZE ** 2,) of mean 0 and length 1 (all 0 for a flat picture): the scalar
        product of two is their correlation.
    """
    small = cv2.resize(patch.astype(np.float32), (LOOK_SIZE, LOOK_SIZE),
                       interpolation=cv2.INTER_AREA).ravel()
    small = small - small.mean()
    length = float(np.linalg.norm(small))
    return np.asarray(small / length if length > 1e-3 else 0 * small, np.float32)


def mouth_motion(before: UInt8, now: UInt8) -> float:
    """
    Return how much a mouth moved between two patches of a face.

    :return: logarithm of how much the mouth changed against the rest of the face; about -0.4
        while it is still, 0.4 while it speaks, both with a standard deviation of 0.4 (measured
        on frontal faces at 5 Hz).
    """
    one, other = _normalised(before), _normalised(now)
    other = _registered(one, other)
    change = np.abs(other - one)
    still = np.concatenate([change[place].ravel() for place in STILL]).mean()
    return float(np.log((change[MOUTH].mean() + SMOOTH) / (max(still, LEAST_CHANGE) + SMOOTH)))


def _normalised(patch: UInt8) -> Float32:
    pixels = patch.astype(np.float32)
    upper = pixels[UPPER]
    scaled: Float32 = (pixels - upper.mean()) / (upper.std() + np.float32(LEAST_CONTRAST))
    return scaled


def _registered(one: Float32, other: Float32) -> Float32:
    """Shift the other patch by the whole pixels that make its upper part fit best."""
    rows, columns = UPPER
    inner = one[rows, columns]
    field = other[rows.start - SEARCH:rows.stop + SEARCH,
                  columns.start - SEARCH:columns.stop + SEARCH]
    errors = cv2.matchTemplate(field, np.ascontiguousarray(inner), cv2.TM_SQDIFF)
    row, column = np.unravel_index(int(errors.argmin()), errors.shape)
    down, right = int(row) - SEARCH, int(column) - SEARCH
    if not down and not right:
        return other
    warp = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return np.asarray(cv2.warpAffine(
        other, warp, (PATCH_SIZE, PATCH_SIZE),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE),
        np.float32)


def _similarity(points: NDArray[np.float64], places: NDArray[np.float64]
                ) -> NDArray[np.float64] | None:
    """Return the (2, 3) turn, scale and shift that takes points to places, least squares."""
    middle, target = points.mean(axis=0), places.mean(axis=0)
    a, b = points - middle, places - target
    spread = float((a ** 2).sum())
    if not np.isfinite(spread) or spread < 4.0:  # pixels squared
        return None
    cos = (a * b).sum() / spread
    sin = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / spread
    turn = np.array([[cos, -sin], [sin, cos]])
    if cos * cos + sin * sin < 1e-8:
        return None
    return np.hstack([turn, (target - turn @ middle)[:, None]])
