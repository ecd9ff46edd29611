# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The moving parts of a drawn face: brows, eyes, wrinkles and the mouth."""

from __future__ import annotations

import cv2
from mmer_ros.types import Float32, UInt8
import numpy as np
from training.corpora.synthetic.expression import Expression
from training.corpora.synthetic.people import Color
from training.corpora.synthetic.portrait import Curve, MOUTH_BELOW_NOSE, ORIGIN, points, Portrait

BROW_Y = -21.
EYE_HALF_WIDTH, EYE_ABOVE, EYE_BELOW = 13.5, 6.4, 4.2
TEETH: Color = (232, 228, 218)
MOUTH_INSIDE: Color = (62, 20, 24)
WHITE: Color = (236, 234, 230)
_T: Float32 = np.linspace(-1, 1, 17).astype(np.float32)
_ARCH = 1 - _T ** 2
_EYE_ROOM = 26  # pixels around an eye in which it is drawn
_LEFT, _TOP, _RIGHT, _BOTTOM = 100, 105, 260, 275  # of the canvas: here are all wrinkles


def draw_face(portrait: Portrait, expression: Expression) -> UInt8:
    """
    Give a portrait an expression.

    :return: (HEIGHT, WIDTH, 3) uint8 RGB; `portrait.cover` is its alpha channel.
    """
    canvas = portrait.image.copy()
    _wrinkles(canvas, portrait, expression)
    _nose(canvas, portrait, expression)
    for side in (-1, 1):
        _eye(canvas, portrait, expression, side)
        _brow(canvas, portrait, expression, side)
    _mouth(canvas, portrait, expression)
    if portrait.person.glasses:
        _glasses(canvas, portrait)
    return canvas


def _band(canvas: UInt8, x: Curve, above: Curve, below: Curve, color: Color) -> None:
    """Fill what lies between two curves over the same x."""
    outline = points(np.concatenate([x, x[::-1]]), np.concatenate([above, below[::-1]]))
    cv2.fillPoly(canvas, [outline], color, cv2.LINE_AA, 4)


def _line(canvas: UInt8, x: Curve, y: Curve, color: Color, width: int = 1) -> None:
    cv2.polylines(canvas, [points(x, y)], False, color, width, cv2.LINE_AA, 4)


def _tone(color: Color, factor: float, red: float = 0.) -> Color:
    r, g, b = (min(max(c * factor, 0.), 255.) for c in color)
    return min(r + red, 255.), g, b


def _eye(canvas: UInt8, portrait: Portrait, expression: Expression, side: int) -> None:
    person = portrait.person
    center, size = side * person.eye_distance + portrait.turn, person.eye_size
    x = center + EYE_HALF_WIDTH * size * _T
    opening = max(expression.lid, 0.) * size
    cant = -1.2 * side * _T  # the outer corner lies a little higher
    upper = cant - EYE_ABOVE * opening * _ARCH ** .75
    lower = cant + EYE_BELOW * size * (1 - 1.6 * expression.squint) * _ARCH * min(opening, 1)
    _band(canvas, x, upper - 3.5 * _ARCH, lower, _tone(person.skin, .78))
    left = int(ORIGIN[0] + center) - _EYE_ROOM
    part = slice(int(ORIGIN[1]) - _EYE_ROOM, int(ORIGIN[1]) + _EYE_ROOM), slice(
        left, left + 2 * _EYE_ROOM)
    ball = canvas.copy()
    _band(ball, x, upper, lower, WHITE)
    _iris(ball, portrait, expression, center)
    between = np.zeros(canvas.shape[:2], np.uint8)
    _band(between, x, upper, lower, (1, 1, 1))
    canvas[part] = np.where(between[part][..., None] > 0, ball[part], canvas[part])
    _line(canvas, x, upper, _tone(person.hair, .45), 2)
    _line(canvas, x, upper - 4.5 * _ARCH ** .5 - 1, _tone(person.skin, .62))
    _line(canvas, x, lower, _tone(person.skin, .66))


def _iris(canvas: UInt8, portrait: Portrait, expression: Expression, center: float) -> None:
    at = points(np.array([center + .5 * portrait.turn], np.float32),
                np.array([-.8 - expression.gaze], np.float32))[0]
    size = portrait.person.eye_size
    place = int(at[0]), int(at[1])
    for radius, color in ((6.6, _tone(portrait.person.iris, .55)), (5.6, portrait.person.iris),
                          (2.8, (14., 12., 12.))):
        cv2.circle(canvas, place, round(radius * size * 16), color, -1, cv2.LINE_AA, 4)
    cv2.circle(canvas, (place[0] - 32, place[1] - 36), 24, (250, 250, 250), -1, cv2.LINE_AA, 4)


def _brow(canvas: UInt8, portrait: Portrait, expression: Expression, side: int) -> None:
    person = portrait.person
    t = (_T + 1) / 2  # 0 the inner end, 1 the outer
    inner = person.eye_distance - 15 - expression.knit
    x = portrait.turn + side * (inner + (34 + .5 * expression.knit) * t)
    rise = expression.brow_inner * (1 - t) ** 1.2 + (expression.brow_outer + person.brow_tilt) * t
    y = BROW_Y - rise - 4.5 * np.sin(np.pi * np.clip(t * .9 + .1, 0, 1))
    thick = person.brow_width * (1 - .75 * t ** 2) * np.minimum(1, .55 + 3 * t)
    color = _tone(person.hair, .62 if sum(person.hair) > 200 else .85)
    _band(canvas, x, y - thick / 2, y + thick / 2, color)


def _wrinkles(canvas: UInt8, portrait: Portrait, expression: Expression) -> None:
    """Darken the folds that an expression makes in the skin, softly."""
    folds = np.full(canvas.shape[:2], 255, np.uint8)
    turn, nose = portrait.turn, portrait.person.nose_length

    def fold(strength: float, x: list[float], y: list[float], width: int = 3) -> None:
        if strength > .05:
            tone = int(255 - 85 * min(strength, 1))
            _line(folds, np.asarray(x, np.float32) + turn, np.asarray(y, np.float32),
                  (tone, tone, tone), width)

    for side in (-1, 1):
        smile = max(expression.corner, 0) / 11
        cheek = max(smile, expression.sneer / 8, .22)
        fold(cheek, [side * 14, side * 24, side * (29 + 3 * smile)],
             [nose - 2, nose + 9, nose + 24])
        fold(expression.knit / 6, [side * 4, side * 5], [-25, -12])
        fold(expression.sneer / 7, [side * 11, side * 3], [6, 12])
        fold(expression.sneer / 7, [side * 12, side * 4], [13, 18])
        fold(2.2 * expression.squint, [side * 16, side * 27, side * 38], [10, 13, 9])
        fold(max(-expression.corner, 0) / 12, [side * 25, side * 28], [nose + 34, nose + 44])
    raised = max(expression.brow_inner + expression.brow_outer, 0) / 22
    for y in (-44., -52.):
        fold(raised, [-26, -10, 10, 26], [y + 2, y, y, y + 2], 2)
    part = canvas[_TOP:_BOTTOM, _LEFT:_RIGHT]
    soft = cv2.GaussianBlur(folds[_TOP:_BOTTOM, _LEFT:_RIGHT], (0, 0), 1.6)
    part[:] = cv2.multiply(part, cv2.merge([soft, soft, soft]), scale=1 / 255)


def _nose(canvas: UInt8, portrait: Portrait, expression: Expression) -> None:
    person, turn = portrait.person, 1.4 * portrait.turn
    base = person.nose_length - .45 * expression.sneer
    wide = person.nose_width + .25 * expression.sneer
    dark = _tone(person.skin, .5)
    t = _T * np.pi / 2
    for side in (-1, 1):
        x = turn + side * (wide - 2.5 + 3 * np.cos(t))
        _line(canvas, x, base - 3 + 5 * np.sin(t),
              _tone(person.skin, .68))
        at = points(np.array([turn + side * wide * .5]), np.array([base + 1.5]))[0]
        cv2.ellipse(canvas, (int(at[0]), int(at[1])), (56, 30), 12 * side, 0, 360, dark, -1,
                    cv2.LINE_AA, 4)


def _mouth(canvas: UInt8, portrait: Portrait, expression: Expression) -> None:
    person = portrait.person
    middle = person.nose_length + MOUTH_BELOW_NOSE
    x = portrait.turn + person.mouth_width * expression.stretch * _T
    gap = max(expression.gap, 0.)
    # Raised corners pull the middle down a little, so that the mouth bends about its place.
    bend = middle + expression.corner * (.35 - _T ** 2)
    thin = person.lip * (1 - .6 * expression.press)
    upper = bend - (.3 * gap + .7 * expression.sneer) * _ARCH ** .8
    lower = bend + .7 * gap * _ARCH ** .8
    bow = 5.2 * thin * _ARCH ** .7 - 1.4 * thin * np.exp(-(_T / .16) ** 2)
    lip = _tone(person.skin, .74, red=10 + 14 * person.lip)
    _band(canvas, x, upper - bow, lower + 6.5 * thin * _ARCH ** .8, lip)
    _band(canvas, x, upper - bow, upper + .8, _tone(lip, .88))
    if gap > 1 or expression.sneer > 2:
        _band(canvas, x, upper, lower, MOUTH_INSIDE)
        shown = np.minimum(.5 * (lower - upper), 4.5) * np.clip((.95 - np.abs(_T)) / .3, 0, 1)
        _band(canvas, x, upper, upper + shown, TEETH)
    _line(canvas, x, upper, _tone(person.skin, .42))


def _glasses(canvas: UInt8, portrait: Portrait) -> None:
    for side in (-1, 1):
        x = ORIGIN[0] + side * portrait.person.eye_distance + portrait.turn
        cv2.ellipse(canvas, (round(x * 16), round((ORIGIN[1] + 1) * 16)), (19 * 16, 15 * 16), 0,
                    0, 360, (40, 36, 38), 2, cv2.LINE_AA, 4)
    bridge = np.array([-8, 8], np.float32) + np.float32(portrait.turn)
    _line(canvas, bridge, np.array([-2, -2], np.float32), (40, 36, 38), 2)
