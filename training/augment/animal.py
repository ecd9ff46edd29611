"""Drawn animals that look straight ahead: two eyes over a nose, and yet no person."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
from mmer_ros.types import FACE_SIZE, UInt8
import numpy as np
from numpy.typing import NDArray

MIDDLE = FACE_SIZE / 2
FUR_STRIPES = 0.5  # share of animals with some

Colour = tuple[int, ...]
Point = tuple[float, float]
Radii = Sequence[float] | NDArray[np.float64]


def animal(random: np.random.Generator) -> UInt8:
    """Return a drawing (160, 160, 3) of an animal's head: ears, eyes, nose, whiskers, any fur."""
    canvas = np.full((FACE_SIZE, FACE_SIZE, 3), _colour(random), np.uint8)
    middle = (MIDDLE + random.uniform(-10, 10), MIDDLE + random.uniform(-5, 18))
    width, height = random.uniform(36, 66, 2)
    fur = _colour(random)
    _ears(canvas, middle, width, height, fur, random)
    _ellipse(canvas, middle, (width, height), fur)
    if random.random() < FUR_STRIPES:
        _fur(canvas, middle, width, height, random)
    _eyes(canvas, middle, width, height, random)
    _muzzle(canvas, middle, width, height, random)
    result: UInt8 = np.asarray(cv2.GaussianBlur(canvas, (0, 0), random.uniform(.3, 2)), np.uint8)
    return result


def _ears(canvas: UInt8, middle: Point, width: float, height: float,
          fur: Colour, random: np.random.Generator) -> None:
    """Draw ears, pointed or round."""
    out, tall, wide = random.uniform(.5, .9), random.uniform(.5, 1.1), random.uniform(.2, .4)
    pointed = random.random() < .7
    for side in (-1, 1):
        x, y = middle[0] + side * out * width, middle[1] - .6 * height
        if pointed:
            _polygon(canvas, [(x - wide * width, y), (x + wide * width, y + .2 * height),
                              (x + side * .1 * width, y - tall * height)], fur)
        else:
            _ellipse(canvas, (x, y - .3 * tall * height), (wide * width, .6 * tall * height), fur)


def _fur(canvas: UInt8, middle: Point, width: float, height: float,
         random: np.random.Generator) -> None:
    """Draw stripes over the forehead and the cheeks."""
    colour = _colour(random)
    for _ in range(int(random.integers(2, 8))):
        x = middle[0] + random.uniform(-.8, .8) * width
        y = middle[1] - random.uniform(.2, .9) * height
        end = (x + random.uniform(-6, 6), y + random.uniform(8, 25))
        _line(canvas, (x, y), end, colour, int(random.integers(1, 5)))


def _eyes(canvas: UInt8, middle: Point, width: float, height: float,
          random: np.random.Generator) -> None:
    """Draw eyes with pupils, from slits to all of the eye."""
    apart, up = random.uniform(.3, .55) * width, random.uniform(.05, .4) * height
    size = np.array([random.uniform(.1, .25) * width, random.uniform(.1, .28) * height])
    pupil = size * (random.uniform(.1, .9), random.uniform(.6, 1))
    iris, dark = _colour(random), _colour(random, 70)
    for side in (-1, 1):
        at = (middle[0] + side * apart, middle[1] - up)
        _ellipse(canvas, at, size, iris)
        _ellipse(canvas, at, pupil, dark)


def _muzzle(canvas: UInt8, middle: Point, width: float, height: float,
            random: np.random.Generator) -> None:
    """Draw a nose, at times a muzzle and a mouth, and whiskers."""
    x, y = middle[0], middle[1] + random.uniform(.15, .5) * height
    half, deep = random.uniform(.08, .25) * width, random.uniform(.08, .2) * height
    dark = _colour(random, 90)
    if random.random() < .4:
        _ellipse(canvas, (x, y + deep), (2.2 * half, 2.2 * deep), _colour(random))
    _polygon(canvas, [(x - half, y), (x + half, y), (x, y + deep)], _colour(random))
    if random.random() < .6:
        for side in (-1, 1):
            _line(canvas, (x, y + deep), (x + side * half, y + 2 * deep), dark, 2)
    if random.random() < .7:
        longest, slope = random.uniform(.6, 1.3) * width, random.uniform(.05, .25)
        for step in range(-1, int(random.integers(1, 3))):
            for side in (-1, 1):
                end = (x + side * longest, y + deep + step * slope * longest)
                _line(canvas, (x + side * 1.2 * half, y + deep), end, dark, 1)


def _colour(random: np.random.Generator, brightest: int = 255) -> Colour:
    """Return a colour; its parts are of similar brightness, as those of fur are."""
    level = random.uniform(0, brightest)
    return tuple(int(v) for v in np.clip(level + random.normal(0, 25, 3), 0, 255))


def _ellipse(canvas: UInt8, middle: Point, radii: Radii, colour: Colour) -> None:
    cv2.ellipse(canvas, _pixel(middle), _pixel((radii[0], radii[1])), 0, 0, 360, colour, -1)


def _polygon(canvas: UInt8, points: Sequence[Point], colour: Colour) -> None:
    cv2.fillPoly(canvas, [np.array(points).round().astype(np.int32)], colour)


def _line(canvas: UInt8, begin: Point, end: Point,
          colour: Colour, thickness: int) -> None:
    cv2.line(canvas, _pixel(begin), _pixel(end), colour, thickness)


def _pixel(point: Point) -> tuple[int, int]:
    return round(point[0]), round(point[1])
