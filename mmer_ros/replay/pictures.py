# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Small camera images and the loudness of the audio, for the pages of a recording."""

from __future__ import annotations

from collections.abc import Iterable

import cv2
from mmer_ros.sensing.audio_front_end import to_mono
from mmer_ros.types import AudioBlock, UInt8
import numpy as np

HEIGHT = 96  # pixels, of a small picture
JPEG_QUALITY = 70
LEVELS_PER_S = 25
MARGIN = 0.35  # of a face's width and height that is blurred around it as well
CELLS = 3  # that remain of a blurred face, each way
WHOLE_CELLS = 6  # that remain of a blurred picture, each way

Box = tuple[float, float, float, float]  # left, top, right, bottom; shares of the picture, 0..1


def shrink(image: UInt8, height: int = HEIGHT) -> UInt8:
    """Return the image (height, width, 3) at a small height, RGB as it was."""
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def to_jpeg(image: UInt8) -> bytes:
    """Return an RGB image as a JPEG file."""
    _, jpeg = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                           [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return jpeg.tobytes()


def blurred(image: UInt8, boxes: Iterable[Box]) -> UInt8:
    """
    Return the image with its faces blurred beyond recognition.

    :param boxes: of the faces; without any the whole picture is blurred, since a face may have
        been missed.
    """
    canvas = image.copy()
    height, width = image.shape[:2]
    faces = list(boxes)
    for left, top, right, bottom in faces:
        x, y = MARGIN * (right - left), MARGIN * (bottom - top)
        _wipe(canvas, (int((left - x) * width), int((top - y) * height),
                       int((right + x) * width) + 1, int((bottom + y) * height) + 1), CELLS)
    if not faces:
        _wipe(canvas, (0, 0, width, height), WHOLE_CELLS)
    return canvas


def _wipe(canvas: UInt8, box: tuple[int, int, int, int], cells: int) -> None:
    left, top, right, bottom = box
    part = canvas[max(top, 0):max(bottom, 0), max(left, 0):max(right, 0)]
    if part.size:
        few = cv2.resize(part, (cells, cells), interpolation=cv2.INTER_AREA)
        part[:] = cv2.resize(few, (part.shape[1], part.shape[0]), interpolation=cv2.INTER_LINEAR)


class Levels:
    """
    Loudness of audio: the peak of each 40 ms.

    :param limit_s: seconds after the first block from which on audio is left out.
    """

    def __init__(self, limit_s: float) -> None:
        self.start: float | None = None
        self.peaks: list[int] = []  # percent of full scale
        self._limit = int(limit_s * LEVELS_PER_S)

    @classmethod
    def parse(cls, start: float | None, peaks: str) -> Levels:
        """Return levels from their `start` and their text."""
        levels = cls(0)
        levels.start, levels.peaks = start, [int(peak) for peak in peaks.split()]
        return levels

    def __str__(self) -> str:
        """Return the peaks as text."""
        return ' '.join(map(str, self.peaks))

    def add(self, block: AudioBlock) -> None:
        """Add a block; blocks that begin before the first one are left out."""
        self.start = block.stamp if self.start is None else self.start
        levels = np.abs(to_mono(block.samples))
        first = (block.stamp - self.start) * LEVELS_PER_S
        if not levels.size or first < 0:
            return
        bins = (first + np.arange(levels.size) * (LEVELS_PER_S / block.sample_rate)).astype(int)
        if bins[-1] >= self._limit:
            return
        self.peaks += [0] * (int(bins[-1]) + 1 - len(self.peaks))
        places = np.flatnonzero(np.diff(bins, prepend=-1))
        for place, level in zip(bins[places], np.maximum.reduceat(levels, places)):
            self.peaks[place] = max(self.peaks[place], min(100, round(100 * float(level))))

    def between(self, start: float, end: float) -> list[float]:
        """Return the peaks, 0..1, of bins that divide start..end (seconds) evenly."""
        envelope = np.zeros(max(1, round((end - start) * LEVELS_PER_S)))
        if self.start is not None and self.peaks:
            places = np.arange(len(self.peaks)) + round((self.start - start) * LEVELS_PER_S)
            inside = (places >= 0) & (places < len(envelope))
            envelope[places[inside]] = np.array(self.peaks)[inside] / 100
        return [float(value) for value in envelope]
