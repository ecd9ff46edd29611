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

from collections.abc import Sequence
from dataclasses import dataclass

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
SMALLEST = 240  # pixels, height of an image; smaller ones are enlarged, or nothing can be read


@dataclass(frozen=True)
class Scene:
    """
    Content of a debug image.

    :param faces: of the image, their boxes in its pixels.
    :param speaker: id of the face that speaks, '' if not known.
    :param speaking: whether voice activity goes on.
    :param estimate: the latest; None before the first.
    """

    faces: Sequence[FaceCrop] = ()
    speaker: str = ''
    speaking: bool = False
    estimate: Estimate | None = None


def draw(image: UInt8, scene: Scene) -> UInt8:
    """
    Return a copy of the image with the scene drawn over it.

    :param image: (height, width, 3) uint8 RGB.
    """
    scale = max(1, -(-SMALLEST // image.shape[0]))
    canvas = cv2.resize(image, None, fx=scale, fy=scale) if scale > 1 else image.copy()
    pen = _Pen(np.ascontiguousarray(canvas, np.uint8))
    for face in scene.faces:
        pen.face(face, scale, is_speaker=face.face_id == scene.speaker and scene.speaking)
    pen.speech(scene.speaking)
    if scene.estimate is not None:
        pen.bars(scene.estimate, [[scale * edge for edge in face.box] for face in scene.faces])
    return pen.canvas


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

    def face(self, face: FaceCrop, scale: int, *, is_speaker: bool) -> None:
        left, top, right, bottom = (round(scale * x) for x in face.box)
        colour = GREEN if is_speaker else WHITE
        cv2.rectangle(self.canvas, (left, top), (right, bottom), DARK, self.line + 2)
        cv2.rectangle(self.canvas, (left, top), (right, bottom), colour,
                      self.line * (2 if is_speaker else 1))
        name = f'{face.face_id} speaks' if is_speaker else face.face_id
        self.text(name, left, max(top - self.line * 3, self.row), colour)

    def speech(self, speaking: bool) -> None:
        radius = max(3, self.row // 3)
        centre = self.width - 2 * radius, 2 * radius
        cv2.circle(self.canvas, centre, radius + 1, DARK, -1, cv2.LINE_AA)
        cv2.circle(self.canvas, centre, radius, GREEN if speaking else GREY, -1, cv2.LINE_AA)
        words = 'speech' if speaking else 'silence'
        self.text(words, centre[0] - 2 * radius - self._length(words, 0.5), centre[1] + radius,
                  GREEN if speaking else GREY)

    def bars(self, estimate: Estimate, faces: Sequence[Sequence[float]]) -> None:
        """Draw the probabilities in a lower corner, beside the faces where there is room."""
        top = self.height - self.row * (len(EMOTIONS) + 2)
        left, right = self._room(top, faces)
        self.shade(left, top - self.row // 2, right, self.height)
        kind = '' if estimate.final else ' ?' if estimate.provisional else ' ...'
        warning = '' if estimate.trained else '  UNTRAINED'
        self.text(f'{estimate.label} {estimate.confidence:.0%}{kind}{warning}',
                  left + self.row // 3, top + self.row // 2, WHITE, 0.55)
        pad = self.row // 3
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

    def _room(self, top: float, faces: Sequence[Sequence[float]]) -> tuple[int, int]:
        """Return the left and right end of the corner below `top` that hides least of faces."""
        near = [box for box in faces if box[3] > top]
        on_left = min([box[0] for box in near], default=self.width)
        on_right = self.width - max([box[2] for box in near], default=0)
        free = max(on_left, on_right) - 2 * self.line
        width = round(min(max(free, 0.2 * self.width), 0.4 * self.width, 260 * self.size))
        return (0, width) if on_left >= on_right else (self.width - width, self.width)
