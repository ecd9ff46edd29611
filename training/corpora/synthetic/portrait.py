# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The still parts of a drawn person: shaded head, hair, neck and shoulders.

A portrait is a canvas of HEIGHT x WIDTH pixels. Coordinates of the face are pixels with the
origin between the eyes, x to the right and y down; the face is about 124 wide, the chin at 100.
"""

from __future__ import annotations

from typing import Any

import cv2
from mmer_ros.types import Float32, UInt8
import numpy as np
from numpy.typing import NDArray
from training.corpora.synthetic.people import Color, Person

Curve = NDArray[np.floating[Any]]  # one coordinate of points along a line
WIDTH, HEIGHT = 360, 460
ORIGIN = np.array([180., 160.])  # of the face on the canvas: x, y
FACE_HALF_WIDTH, CHIN, CROWN = 62., 100., 92.
MOUTH_BELOW_NOSE = 27.

_Y, _X = (grid.astype(np.float32) for grid in np.mgrid[:HEIGHT, :WIDTH])
X, Y = _X - np.float32(ORIGIN[0]), _Y - np.float32(ORIGIN[1])  # (HEIGHT, WIDTH)


def bump(x: float, y: float, sigma_x: float, sigma_y: float) -> Float32:
    """Weigh each pixel of the canvas by a Gaussian around (x, y), 1 in its middle."""
    across = np.exp(-.5 * ((X[:1] - x) / sigma_x) ** 2)
    down = np.exp(-.5 * ((Y[:, :1] - y) / sigma_y) ** 2)
    return np.asarray(across * down, np.float32)


def points(x: Curve, y: Curve) -> NDArray[np.int32]:
    """Turn coordinates of the face into the fixed-point vertices that OpenCV draws (shift=4)."""
    vertices = np.stack([x + ORIGIN[0], y + ORIGIN[1]], axis=1) * 16
    return np.asarray(np.round(vertices), np.int32)


def _soft(inside: Float32) -> Float32:
    """Turn a signed distance in pixels (positive within) into coverage."""
    return np.clip(inside + .5, 0, 1)


class Portrait:
    """
    The canvas of one person under one light.

    :param turn: how far the face is turned to its right or left, pixels that its features move.
    :param light: where the light comes from, -1 left .. 1 right.
    :param rng: of the texture of skin and hair.

    It has `image`, (HEIGHT, WIDTH, 3) uint8 RGB, and `cover`, (HEIGHT, WIDTH) uint8, how much
    each pixel hides what is behind.
    """

    def __init__(self, person: Person, turn: float, light: float,
                 rng: np.random.Generator) -> None:
        """Draw all that does not move."""
        self.person, self.turn = person, turn
        self._grain: Float32 = np.asarray(rng.normal(0, 1, X.shape), np.float32)
        self._rng = rng
        self._color: Float32 = np.empty((HEIGHT, WIDTH, 3), np.float32)
        self._color[:] = person.hair
        self._alpha: Float32 = np.zeros((HEIGHT, WIDTH), np.float32)
        direction = np.array([light, -.5, 1.1])
        self._light = direction / np.linalg.norm(direction)
        self._draw()
        self.image: UInt8 = np.clip(self._color, 0, 255).astype(np.uint8)
        self.cover: UInt8 = np.round(255 * self._alpha).astype(np.uint8)

    def _paint(self, coverage: Float32, color: Float32 | Color) -> None:
        """Lay a colour, one or one a pixel, over the canvas."""
        self._color += coverage[..., None] * (np.asarray(color, np.float32) - self._color)
        self._alpha = np.maximum(self._alpha, coverage)

    def _draw(self) -> None:
        self._outline()
        strands = self._hair_color()
        self._paint(self._hair_behind(), strands * .72)
        self._shoulders()
        self._ears()
        self._paint(_soft(self._inside), self._skin())
        self._paint(self._hair_before(), strands)

    def _outline(self) -> None:
        """Measure how far each pixel lies within the outline of the face."""
        person = self.person
        below, above = CHIN * person.height, CROWN * person.height
        y = Y[:, :1]  # the half width depends on y only
        down = np.where(y > 0, y / below, -y / above)
        jaw = 1 + (person.jaw - 1) * np.clip(y / 60, 0, 1)
        power = np.where(y > 0, 2.3, 2.6)
        reach = np.clip(1 - down ** power, 0, 1) ** .5
        half = FACE_HALF_WIDTH * person.width * reach * jaw
        across = np.abs(X) / np.maximum(half, 1)
        inside = np.minimum(half - np.abs(X), (1 - down) * below)
        self._inside: Float32 = inside.astype(np.float32)
        self._normal = np.clip(across * np.sign(X), -1, 1), np.clip(y / below, -1, 1)

    def _skin(self) -> Float32:
        """Colour the face: an egg under a light, with sockets, nose, cheeks and lips' shadow."""
        person, turn = self.person, self.turn
        nose, away = person.nose_length, -np.sign(self._light[0]) or 1
        nx, ny = self._normal
        nz = np.sqrt(np.clip(1 - .8 * nx ** 2 - .55 * ny ** 2, 0.05, 1))
        lit = nx * self._light[0] + ny * self._light[1] + nz * self._light[2]
        shade = .62 + .42 * np.clip(lit, -.2, 1)
        for side in (-1, 1):
            shade -= .15 * bump(side * person.eye_distance + turn, -5, 15, 9)
            shade += .05 * bump(side * 34 + turn, 26, 13, 12)
            shade -= .07 * bump(side * 52, 42, 10, 30)
        shade += .09 * bump(1.3 * turn, 12, 4, 18) + .1 * bump(1.5 * turn, nose - 4, 6, 5)
        shade -= .1 * bump(1.3 * turn + away * 9, 18, 4.5, 18)
        shade -= .2 * bump(1.4 * turn, nose + 6, person.nose_width, 3.2)
        shade -= .12 * bump(turn, nose + MOUTH_BELOW_NOSE + 14, 14, 4)
        shade += .05 * bump(turn, 92, 12, 7) + .05 * bump(turn, -42, 28, 15)
        shade += .012 * np.asarray(cv2.GaussianBlur(self._grain, (0, 0), 1.2), np.float32)
        skin = np.asarray(person.skin, np.float32) * shade[..., None]
        flush = bump(turn - 36, 28, 14, 11) + bump(turn + 36, 28, 14, 11)
        skin += flush[..., None] * np.array([8, -5, -4], np.float32)
        return self._bearded(skin) if person.beard else skin

    def _bearded(self, skin: Float32) -> Float32:
        person, mouth = self.person, self.person.nose_length + MOUTH_BELOW_NOSE
        chin = np.clip((Y - 40 + 14 * np.cos(X / 22)) / 16, 0, 1)
        lips = bump(self.turn, mouth + 2, 17, 8)
        cover = person.beard * .75 * chin * np.clip(1 - 1.3 * lips, 0, 1)
        hair = np.asarray(person.hair, np.float32) * (1 + .12 * self._grain[..., None])
        return np.asarray(skin + cover[..., None] * (hair - skin), np.float32)

    def _hair_color(self) -> Float32:
        angle = np.arctan2(X, 130 - Y)
        waves = np.interp(angle, np.linspace(-np.pi, np.pi, 400), self._rng.normal(0, 1, 400))
        gloss = .5 * bump(40 * float(self._light[0]), -70, 40, 14)
        tone = .9 + .13 * waves + gloss + .03 * self._grain
        return np.asarray(np.asarray(self.person.hair) * tone[..., None], np.float32)

    def _hair_behind(self) -> Float32:
        width, cut = 74 * self.person.width, self.person.cut
        cap = 1 - np.sqrt((X / width) ** 2 + ((Y + 26) / 82) ** 2)
        if cut == 'receding':
            return np.zeros_like(X)
        if cut in ('long', 'bob'):
            bottom = (150 if cut == 'long' else 78) - .004 * X ** 2 + 3 * np.sin(X / 5)
            flow = np.minimum(width + 5 - np.abs(X) - 3 * np.sin(Y / 14), bottom - Y)
            return _soft(np.where(Y > -26, flow, cap * width))
        coverage = _soft(cap * width) * (Y < 20)
        if cut == 'bun':
            coverage = np.maximum(coverage, _soft(30 - np.hypot(X, Y + 114)))
        return np.asarray(coverage, np.float32)

    def _hair_before(self) -> Float32:
        """Cover the head above the hairline."""
        x = X[:1]  # the line depends on x only
        line = {'long': -58 + 46 * (np.abs(x) / 56) ** 3, 'bob': -44 + 6 * np.cos(x / 9),
                'bun': -60 + 44 * (np.abs(x) / 56) ** 2.4, 'short': -56 + 32 * (x / 56) ** 4,
                'side': -54 + .28 * x + 40 * (np.abs(x) / 58) ** 5,
                'receding': -68 + 50 * (np.abs(x) / 60) ** 2}[self.person.cut]
        above = (line * self.person.height - Y) / 1.6
        lower = {'long': 60., 'bob': 60.}.get(self.person.cut, 6.)
        width = (66 if self.person.cut == 'receding' else 71) * self.person.width
        cap = 1 - np.sqrt((X / width) ** 2 + ((Y + 26) / (width + 10)) ** 2)
        around = np.where(Y < -26, cap * width, self._inside + 9)
        fading = np.clip((lower - Y) / 10, 0, 1)
        return np.asarray(_soft(np.minimum(above, around)) * fading, np.float32)

    def _ears(self) -> None:
        color = np.asarray(self.person.skin, np.float32) * .8
        for side in (-1, 1):
            x = side * (FACE_HALF_WIDTH * self.person.width - 1) - .4 * self.turn
            distance = 1 - np.hypot((X - x) / 8.5, (Y - 14) / 17)
            tone = 1 - .18 * bump(x, 14, 3.5, 8)
            self._paint(_soft(distance * 9), color * tone[..., None])

    def _shoulders(self) -> None:
        skin = np.asarray(self.person.skin, np.float32)
        neck = np.minimum(34 + 8 * (self.person.jaw - 1) - np.abs(X) + .002 * (Y - 90) ** 2,
                          Y - 40)
        shadow = .84 - .3 * bump(0, 102, 60, 16) - .06 * np.abs(X / 34)
        self._paint(_soft(neck) * (Y < 200), skin * shadow[..., None])
        x = X[:1]
        top = 122 + 58 * (np.abs(x) / 130) ** 1.7 + 26 * np.exp(-(x / 26) ** 2)
        inside = np.minimum(Y - top, 140 - np.abs(X) + .1 * (Y - 190))
        folds = .9 + .1 * self._light[0] * X / 130 + .04 * np.sin(X / 17 + Y / 40)
        folds -= .12 * np.exp(-((Y - top) / 5) ** 2)
        self._paint(_soft(inside), np.asarray(self.person.clothes, np.float32)
                    * folds[..., None].astype(np.float32))
