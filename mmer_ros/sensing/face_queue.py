# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Faces on their way into utterances, and how far the images have come."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from mmer_ros.sensing.time_line import Order, TimeLine
from mmer_ros.types import FaceCrop

FORGET_S = 60.0  # a source that sent nothing for so long before another one came is gone


class FaceQueue:
    """
    Faces by capture time, from one camera or from several sources of faces.

    Each source has a time line of its own: a message behind an earlier one of the same source is
    left out, whatever the others send.
    """

    def __init__(self) -> None:
        """Start without an image."""
        self._lines: dict[str, TimeLine] = {}
        self._faces: list[FaceCrop] = []  # by stamp

    def __len__(self) -> int:
        """Return how many faces wait."""
        return len(self._faces)

    @property
    def clock(self) -> float | None:
        """Capture time up to which images have come, seconds; None before the first."""
        return max((line.latest for line in self._lines.values() if line.latest is not None),
                   default=None)

    def order(self, stamp: float, source: str = '') -> Order:
        """Return where an image stands in the time line of its source."""
        line = self._lines.get(source)
        return line.order(stamp) if line is not None else Order.NEXT

    def push_stamp(self, stamp: float, source: str = '') -> Order:
        """Note an image; if its source jumped back, the others' time lines restart."""
        if source not in self._lines:
            self._lines = {name: line for name, line in self._lines.items()
                           if stamp - (line.latest or 0.0) <= FORGET_S}
            self._lines[source] = TimeLine()
        line = self._lines[source]
        order = line.push(stamp)
        if order is Order.JUMP_BACK:
            self._lines = {source: line}
        return order

    def push_faces(self, crops: Sequence[FaceCrop]) -> None:
        """Add the faces of an image."""
        for crop in crops:
            if self._faces and crop.stamp < self._faces[-1].stamp:  # of another source
                self._faces.insert(self._index(crop.stamp + 1e-9), crop)
            else:
                self._faces.append(crop)

    def pop_before(self, end: float) -> list[FaceCrop]:
        """Remove and return the faces captured before `end`, seconds."""
        index = self._index(end)
        popped, self._faces = self._faces[:index], self._faces[index:]
        return popped

    def drop_from(self, start: float) -> None:
        """Forget the faces captured from `start` on, seconds."""
        del self._faces[self._index(start):]

    def any_within(self, start: float, end: float) -> bool:
        """Return whether there are faces captured from `start` to before `end`, seconds."""
        return self._index(start) < self._index(end)

    def clear(self) -> None:
        """Forget the faces; the time lines go on."""
        self._faces = []

    def reset(self) -> None:
        """Forget everything."""
        self._lines, self._faces = {}, []

    def expect_jump(self) -> None:
        """Let each source jump back with its next image, as the audio has done."""
        for line in self._lines.values():
            line.expect_jump()

    def _index(self, stamp: float) -> int:
        return bisect_left(self._faces, stamp, key=lambda crop: crop.stamp)
