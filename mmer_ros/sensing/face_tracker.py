# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Faces get ids that last: by where they move, and by how they look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import math

from mmer_ros.sensing.assignment import assign
from mmer_ros.types import Float32
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]

MAX_COST = 1.2  # of a match by place: (1 - overlap) + distance of the centres in box widths
# Added to MAX_COST for each second in which a face was not seen; people walk up to nine times the
# width of their head in a second, but only looks identify them.
WIDER_PER_S, WIDER_IF_ALIKE_PER_S = 1.0, 5.0
COAST_S = 1.0  # an unseen face is thought to slow down: its speed falls to 1/e within this
LOOK_WEIGHT = 6.0  # of the difference in looks beside the cost by place
# Differences in looks, 1 - correlation, of frontal faces: of the same person 0.06 at most, of two
# people 0.13 at least (measured within clips). The limit leaves room for turns and changing light.
MAX_LOOK = 0.5
ALIKE = 0.15
LOOK_MEMORY = 0.8  # of a face's earlier looks, at each image


@dataclass
class _Track:
    face_id: str
    box: NDArray[np.float64]
    stamp: float
    look: Float32 | None
    velocity: NDArray[np.float64] = field(default_factory=lambda: np.zeros(4))

    def predict(self, stamp: float) -> NDArray[np.float64]:
        since = max(stamp - self.stamp, -COAST_S)  # before a stamp of the future, not for ever
        return self.box + self.velocity * COAST_S * (1 - math.exp(-since / COAST_S))

    def update(self, box: NDArray[np.float64], stamp: float, look: Float32 | None) -> None:
        if stamp > self.stamp:  # else an image was from the future
            elapsed = max(stamp - self.stamp, 1e-3)
            self.velocity = 0.5 * self.velocity + 0.5 * (box - self.box) / elapsed
        self.box, self.stamp = box, stamp
        if look is not None:
            self.look = look if self.look is None else (
                LOOK_MEMORY * self.look + (1 - LOOK_MEMORY) * look)


class FaceTracker:
    """
    Give faces ids that last while they move and through short occlusions.

    Boxes are matched to predictions by the Hungarian method, on overlap, distance and, where
    they are known, looks: people who cross keep their ids.

    :param max_occlusion_s: a face that comes back within this keeps its id, seconds.
    """

    def __init__(self, max_occlusion_s: float) -> None:
        """Start with no faces."""
        self.max_occlusion_s = max_occlusion_s
        self._tracks: list[_Track] = []
        self._count = 0

    def update(self, stamp: float, boxes: Sequence[Box],
               looks: Sequence[Float32 | None] = ()) -> list[str]:
        """
        Take the boxes of one image.

        :param stamp: capture time, seconds; where it jumps back, everybody is new.
        :param looks: of the same faces, as face_patch.look_of; None where it is not known.
        :return: the id of each box, in their order.
        """
        self._tracks = [t for t in self._tracks if abs(stamp - t.stamp) <= self.max_occlusion_s]
        found = [np.array(box) for box in boxes]
        seen = list(looks) or [None] * len(found)
        ids = [''] * len(found)
        if found and self._tracks:
            costs = np.array([[_cost(t, stamp, b, look) for b, look in zip(found, seen)]
                              for t in self._tracks])
            for row, column in assign(costs):
                if costs[row, column] < _NEVER:
                    self._tracks[row].update(found[column], stamp, seen[column])
                    ids[column] = self._tracks[row].face_id
        for column, face_id in enumerate(ids):
            if not face_id:
                self._count += 1
                ids[column] = f'face{self._count}'
                self._tracks.append(_Track(ids[column], found[column], stamp, seen[column]))
        return ids

    def moves(self, stamp: float) -> dict[str, tuple[float, float]]:
        """
        Return by id how far the centre of each face should have moved since it was last seen.

        :param stamp: capture time, seconds.
        :return: x and y, pixels.
        """
        moved = {t.face_id: t.predict(stamp) - t.box for t in self._tracks}
        return {face_id: (float(m[0] + m[2]) / 2, float(m[1] + m[3]) / 2)
                for face_id, m in moved.items()}

    def rename(self, face_id: str) -> str:
        """Give a face another id, since it turned out to be another face; return the new id."""
        self._count += 1
        for track in self._tracks:
            if track.face_id == face_id:
                track.face_id = f'face{self._count}'
        return f'face{self._count}'

    def reset(self) -> None:
        """Forget the tracks; ids already given are not given again."""
        self._tracks = []


_NEVER = 1e3  # the cost of a match that is out of the question


def _cost(track: _Track, stamp: float, box: NDArray[np.float64], look: Float32 | None) -> float:
    place = _place_cost(track.predict(stamp), box)
    unseen = abs(stamp - track.stamp)
    if look is None or track.look is None:
        return place if place <= MAX_COST + WIDER_PER_S * unseen else _NEVER
    length = float(np.linalg.norm(track.look)) * float(np.linalg.norm(look))
    different = 1.0 - float(track.look @ look) / length if length > 1e-6 else 0.0
    wider = WIDER_IF_ALIKE_PER_S if different <= ALIKE else WIDER_PER_S
    if different > MAX_LOOK or place > MAX_COST + wider * unseen:
        return _NEVER
    return place + LOOK_WEIGHT * different


def _place_cost(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    overlap = np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None).prod()
    areas = (a[2:] - a[:2]).clip(1).prod() + (b[2:] - b[:2]).clip(1).prod()
    distance = np.linalg.norm((a[:2] + a[2:] - b[:2] - b[2:]) / 2)
    width = max((a[2] - a[0] + b[2] - b[0]) / 2, 1.0)
    return float(1.0 - overlap / (areas - overlap) + distance / width)
