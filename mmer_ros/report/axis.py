# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The time axis of a page, and how much of what is drawn on it fits at which width."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
import math

TICK_PX = 58  # room that a tick needs on the page
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)  # s, between ticks
WIDTHS = tuple(round(400 * 1.25 ** step) for step in range(28))  # px, of the plot, 400..165436
MINUTES_S = 120  # the longest recording whose ticks count in seconds


@dataclass(frozen=True)
class Axis:
    """
    Capture time, seconds, to positions on the page.

    :param duration: greater than 0.
    """

    start: float
    duration: float

    def percent(self, stamp: float) -> float:
        """Return where the stamp lies, 0..100; times outside the axis go to its ends."""
        return min(100.0, max(0.0, 100 * (stamp - self.start) / self.duration))

    def at(self, stamp: float) -> str:
        """Return the style of what is at a moment."""
        return f'left:{self.percent(stamp):.4f}%'

    def span(self, start: float, end: float) -> str:
        """Return the style of what lasts."""
        left, right = self.percent(start), self.percent(end)
        return f'left:{left:.4f}%;width:{right - left:.4f}%'

    def shows(self, start: float, end: float) -> bool:
        """Return whether a time is on the axis, or a part of it."""
        return end >= self.start and start <= self.start + self.duration

    def since(self, stamp: float) -> str:
        """Return the time since the start, in words."""
        return f'{stamp - self.start:.2f} s'

    @property
    def unit(self) -> str:
        """How the ticks are named."""
        return 'seconds' if self.duration <= MINUTES_S else 'min:s'

    def ticks(self) -> list[tuple[float, str, str]]:
        """Return stamp, name and classes of each tick; they hide it where it does not fit."""
        levels: dict[float, list[int]] = {}
        for level, width in enumerate(WIDTHS):
            least = self.duration * TICK_PX / width
            step = next((step for step in STEPS if step >= least), 3600 * math.ceil(least / 3600))
            for index in range(int(self.duration / step + 1e-9) + 1):
                levels.setdefault(round(index * step, 3), []).append(level)
        return [(self.start + second, self._name(second), fits(seen))
                for second, seen in levels.items()]

    def _name(self, second: float) -> str:
        if self.duration <= MINUTES_S:
            return f'{second:g} s'
        digits = '02.0f' if second % 1 == 0 else '04.1f'
        return f'{int(second // 60)}:{second % 60:{digits}}'


def fits(levels: Iterable[int]) -> str:
    """Return the classes of what shows while the plot is WIDTHS[level] px wide or more."""
    return 'fit ' + ' '.join(f'f{level}' for level in levels)


def pack_tracks(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Give each span the first track on which it overlaps none before it; any order."""
    ends: list[float] = []
    tracks = [0] * len(spans)
    for index in sorted(range(len(spans)), key=lambda i: spans[i]):
        start, end = spans[index]
        track = next((i for i, busy in enumerate(ends) if busy <= start + 1e-6), len(ends))
        ends[track:track + 1] = [end]
        tracks[index] = track
    return tracks
