"""Pictures that show no face, or none that could be read: what an encoder must not be sure of."""

from __future__ import annotations

import cv2
from mmer_ros.types import UInt8
import numpy as np
from numpy.typing import NDArray

KINDS = 6


def faceless(picture: UInt8, random: np.random.Generator) -> UInt8:
    """
    Return a picture without a face that could be read.

    A flat wall with noise, noise, clouds, shapes, a face in scrambled pieces or of five pixels.

    :param picture: (size, size) grey, of a face, for the kinds that are made of one.
    """
    size, kind = len(picture), int(random.integers(KINDS))
    if kind == 0:
        level = random.uniform(0, 255) + random.normal(0, random.uniform(0, 5), (size, size))
        return _bytes(level)
    if kind == 1:
        return _bytes(random.normal(random.uniform(60, 190), random.uniform(10, 80), (size, size)))
    if kind == 2:
        return _clouds(size, random)
    if kind == 3:
        return _shapes(size, random)
    if kind == 4:
        return _scrambled(picture, random)
    few = cv2.resize(picture, (int(random.integers(2, 6)),) * 2, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(few, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _clouds(size: int, random: np.random.Generator) -> UInt8:
    """Return noise that is stronger the coarser it is, as in pictures of nature."""
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = 1 / size
    spectrum = np.fft.rfft2(random.standard_normal((size, size)))
    cloud = np.fft.irfft2(spectrum * frequency ** -random.uniform(0.5, 2.0), (size, size))
    return _bytes(random.uniform(90, 160) + cloud / cloud.std() * random.uniform(20, 70))


def _shapes(size: int, random: np.random.Generator) -> UInt8:
    """Return bars, blobs and polygons over a gradient."""
    ramp = np.linspace(random.uniform(0, 255), random.uniform(0, 255), size)
    canvas = np.repeat(ramp[None], size, axis=0)
    canvas = np.ascontiguousarray(canvas if random.random() < 0.5 else canvas.T)
    for _ in range(int(random.integers(1, 9))):
        level = float(random.uniform(0, 255))
        points = random.integers(-size // 4, size + size // 4, (int(random.integers(2, 6)), 2))
        if len(points) == 2:
            cv2.line(canvas, points[0].tolist(), points[1].tolist(), level,
                     int(random.integers(1, 10)))
        elif len(points) == 3:
            cv2.ellipse(canvas, points[0].tolist(), (points[1] % size // 2 + 1).tolist(),
                        float(random.uniform(0, 180)), 0, 360, level,
                        -1 if random.random() < 0.6 else 2)
        else:
            cv2.fillPoly(canvas, [points.astype(np.int32)], level)
    return np.asarray(cv2.GaussianBlur(_bytes(canvas), (0, 0), random.uniform(0.3, 2)), np.uint8)


def _scrambled(picture: UInt8, random: np.random.Generator) -> UInt8:
    """Return the picture cut into tiles that are put together at random."""
    size = len(picture)
    tile = size // int(random.integers(4, 9))
    count = size // tile
    tiles = picture[:count * tile, :count * tile].reshape(count, tile, count, tile)
    mixed = tiles.swapaxes(1, 2).reshape(-1, tile, tile)[random.permutation(count * count)]
    whole = mixed.reshape(count, count, tile, tile).swapaxes(1, 2).reshape(
        count * tile, count * tile)
    return np.asarray(cv2.resize(whole, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)


def _bytes(values: NDArray[np.floating]) -> UInt8:
    return np.asarray(np.clip(values, 0, 255).astype(np.uint8))
