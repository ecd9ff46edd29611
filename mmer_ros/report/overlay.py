# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The debug image: faces, the speaker and the latest estimate drawn over a camera image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
from mmer_ros import colours
from mmer_ros.colours import rgb
from mmer_ros.types import EMOTIONS, Estimate, FaceCrop, UInt8
import numpy as np

Colour = tuple[int, int, int]
WHITE, DARK, GREY, GREEN = (255, 255, 255), (32, 32, 32), (190, 190, 190), (90, 220, 90)
COLOURS: tuple[Colour, ...] = tuple(rgb(colours.COLOURS[name]) for name in EMOTIONS)
FONT = cv2.FONT_HERSHEY_SIMPLEX
SMALL = 0.38  # of letters, where FONT's own size is 1
NAME = 0.3  # above a face, in heights of its box
NECK = 0.4  # below a face, in heights of its box
BESIDE = 0.9  # right of a face, in widths, for what stands above it
SMALLEST = 240  # pixels, height of an image; smaller ones are enlarged, or nothing can be read


@dataclass(frozen=True)
class Scene:
    """
    Content of a debug image.

    :param faces: of the image, their boxes in its pixels.
    :param speaker: id of the face that speaks, '' if not known.
    :param speaking: whether voice activity goes on.
    :param estimate: the latest; None before the first.
    :param expressions: what single faces show, by the id of the face; drawn for listeners.
    """

    faces: Sequence[FaceCrop] = ()
    speaker: str = ''
    speaking: bool = False
    estimate: Estimate | None = None
    expressions: Mapping[str, Estimate] = field(default_factory=dict)


def draw(image: UInt8, scene: Scene) -> UInt8:
    """
    Return a copy of the image with the scene drawn over it.

    :param image: (height, width, 3) uint8 RGB.
    """
    scale = max(1, -(-SMALLEST // image.shape[0]))
    canvas = cv2.resize(image, None, fx=scale, fy=scale) if scale > 1 else image.copy()
    pen = _Pen(np.ascontiguousarray(canvas, np.uint8))
    for face in scene.faces:
        pen.face(face, scale, scene.expressions.get(face.face_id),
                 is_speaker=face.face_id == scene.speaker and scene.speaking)
    pen.speech(scene.speaking)
    if scene.estimate is not None:
        pen.bars(scene.estimate, [_with_surroundings(face, scale) for face in scene.faces])
    return pen.canvas


def _with_surroundings(face: FaceCrop, scale: int) -> list[float]:
    """Return the box of a face with its name and its neck, in pixels of the canvas."""
    left, top, right, bottom = face.box
    return [scale * edge for edge in (
        left, top - NAME * (bottom - top), right + BESIDE * (right - left),
        bottom + NECK * (bottom - top))]


class _Pen:
    """Draws in sizes that fit the image."""

    def __init__(self, canvas: UInt8) -> None:
        self.canvas = canvas
        self.height, self.width = canvas.shape[:2]
        self.size = self.height / 480  # of letters
        self.line = max(1, round(2 * self.size))
        self.row = max(10, round(20 * self.size))

    def text(self, words: str, left: int, baseline: int, colour: Colour, size: float = 0.5
             ) -> None:
        """Write words with a dark edge, to be read on any ground."""
        scale = self._scale(size)
        for ink, thickness in ((DARK, self.line + 2), (colour, max(1, self.line // 2))):
            cv2.putText(self.canvas, words, (left, baseline), FONT, scale, ink, thickness,
                        cv2.LINE_AA)

    def _scale(self, size: float) -> float:
        return max(0.3, size * self.size)

    def _length(self, words: str, size: float) -> int:
        return int(cv2.getTextSize(words, FONT, self._scale(size), 1)[0][0])

    def shade(self, left: int, top: int, right: int, bottom: int) -> None:
        """Darken a rectangle."""
        part = self.canvas[max(top, 0):bottom, max(left, 0):right]
        part //= 3

    def face(self, face: FaceCrop, scale: int, expression: Estimate | None, *,
             is_speaker: bool) -> None:
        left, top, right, bottom = (round(scale * x) for x in face.box)
        colour = GREEN if is_speaker else WHITE
        cv2.rectangle(self.canvas, (left, top), (right, bottom), DARK, self.line + 2)
        cv2.rectangle(self.canvas, (left, top), (right, bottom), colour,
                      self.line * (2 if is_speaker else 1))
        name = f'{face.name} speaks' if is_speaker else face.name
        baseline = max(top - self.line * 3, 2 * self.row)
        if expression is not None and not is_speaker:  # the bars show what the speaker does
            self._expression(expression, left, baseline, right - left)
            baseline -= self.row
        self.text(name, left, baseline, colour, self._fitting(name, right - left))

    def _expression(self, expression: Estimate, left: int, baseline: int, room: int) -> None:
        """Write what a face shows, after a square in the colour of the emotion."""
        words = f'{expression.label} {expression.confidence:.0%}'
        side = self.row // 2
        cv2.rectangle(self.canvas, (left, baseline - side), (left + side, baseline), DARK, 2)
        cv2.rectangle(self.canvas, (left, baseline - side), (left + side, baseline),
                      COLOURS[expression.emotion], -1)
        self.text(words, left + side + self.line * 2, baseline, WHITE,
                  self._fitting(words, room - side))

    def _fitting(self, words: str, room: int) -> float:
        """Return the size of letters that keeps words about as wide as a face, and legible."""
        return 0.5 if self._length(words, 0.5) <= 1.3 * room else SMALL

    def speech(self, speaking: bool) -> None:
        radius = max(3, self.row // 3)
        centre = self.width - 2 * radius, 2 * radius
        cv2.circle(self.canvas, centre, radius + 1, DARK, -1, cv2.LINE_AA)
        cv2.circle(self.canvas, centre, radius, GREEN if speaking else GREY, -1, cv2.LINE_AA)
        words = 'speech' if speaking else 'silence'
        self.text(words, centre[0] - 2 * radius - self._length(words, 0.5), centre[1] + radius,
                  GREEN if speaking else GREY)

    def bars(self, estimate: Estimate, faces: Sequence[Sequence[float]]) -> None:
        """Draw the probabilities where they hide no face; where they would, their label alone."""
        kind = '' if estimate.final else ' ?' if estimate.provisional else ' ...'
        warning = '' if estimate.trained else '  UNTRAINED'
        verdict = f'{estimate.label} {estimate.confidence:.0%}{kind}{warning}'
        pad = self.row // 3
        place = self._gap(self.row * (len(EMOTIONS) + 2), faces)
        if place is None:
            top = self.height - self.row
            self.shade(0, top - pad, self._length(verdict, 0.55) + 2 * pad, self.height)
            self.text(verdict, pad, top + self.row // 2, WHITE, 0.55)
            return
        left, right, top = place
        self.shade(left, top - self.row // 2, right, top + self.row * (len(EMOTIONS) + 2))
        self.text(verdict, left + pad, top + self.row // 2, WHITE, 0.55)
        begin = left + 2 * pad + max(self._length(name, SMALL) for name in EMOTIONS)
        full = right - pad
        for index, name in enumerate(EMOTIONS):
            line = top + self.row * (index + 1)
            value = min(max(float(estimate.probabilities[index]), 0.0), 1.0)
            upper, lower = line + self.row // 6, line + 5 * self.row // 6
            baseline = line + 3 * self.row // 4
            self.text(name, left + pad, baseline, WHITE, SMALL)
            cv2.rectangle(self.canvas, (begin, upper), (full, lower), GREY, 1)
            cv2.rectangle(self.canvas, (begin, upper),
                          (begin + round((full - begin) * value), lower), COLOURS[index], -1)
            number = f'{value:.0%}'
            self.text(number, full - pad - self._length(number, SMALL), baseline, WHITE, SMALL)

    def _gap(self, high: int, faces: Sequence[Sequence[float]]) -> tuple[int, int, int] | None:
        """
        Return left, right and top of a panel in the widest gap beside or between the faces.

        It is at the bottom, else at the top; None if it would hide a face in each.
        """
        for top in (self.height - high, 2 * self.row):  # below the state of the speech
            near = sorted((box[0], box[2]) for box in faces
                          if box[3] > top and box[1] < top + high)
            gaps, left = [], 0.0
            for begin, end in near:
                gaps.append((begin - left, left))
                left = max(left, end)
            gaps.append((self.width - left, left))
            free, left = max(gaps, key=lambda gap: gap[0])
            width = round(min(free - 2 * self.line, 0.4 * self.width, 260 * self.size))
            if free - 2 * self.line < 0.2 * self.width:
                continue
            start = 0 if not left else (
                self.width - width if left + free >= self.width else round(left) + self.line)
            return start, start + width, top
        return None
