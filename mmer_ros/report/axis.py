"""The report's time axis, and what is drawn on it only where it fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import math

TICK_PX = 58  # room that a tick needs on the page
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)  # s, between ticks
WIDTHS = tuple(round(400 * 1.25 ** step) for step in range(28))  # px, of the plot, 400..165436


@dataclass(frozen=True)
class Axis:
    """Capture time to positions on the page."""

    start: float
    duration: float

    def percent(self, stamp: float) -> float:
        """Return where the stamp lies, 0..100; times outside the axis go to its ends."""
        return min(100.0, max(0.0, 100 * (stamp - self.start) / self.duration))

    def at(self, stamp: float) -> str:
        return f'left:{self.percent(stamp):.4f}%'

    def span(self, start: float, end: float) -> str:
        left, right = self.percent(start), self.percent(end)
        return f'left:{left:.4f}%;width:{right - left:.4f}%'

    def shows(self, start: float, end: float) -> bool:
        return end >= self.start and start <= self.start + self.duration

    def since(self, stamp: float) -> str:
        return f'{stamp - self.start:.2f} s'


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


def fit_rules() -> str:
    """Return the style that shows `.fN` while the plot is WIDTHS[N] px wide or more."""
    rules = []
    for level, width in enumerate(WIDTHS):
        wide = f'(min-width:{width if level else 0}px)'
        if level + 1 < len(WIDTHS):
            wide += f' and (max-width:{WIDTHS[level + 1] - .02:.2f}px)'
        rules.append(f'@container plot {wide}{{.f{level}{{display:block}}}}')
    return ''.join(rules)


def classes(levels: Iterable[int]) -> str:
    return 'fit ' + ' '.join(f'f{level}' for level in levels)


def ticks_of(axis: Axis) -> dict[float, list[int]]:
    """Return the seconds that are named on the axis, and the levels of width that name them."""
    ticks: dict[float, list[int]] = {}
    for level, width in enumerate(WIDTHS):
        least = axis.duration * TICK_PX / width
        step = next((step for step in STEPS if step >= least), 3600 * math.ceil(least / 3600))
        for index in range(int(axis.duration / step + 1e-9) + 1):
            ticks.setdefault(round(index * step, 3), []).append(level)
    return ticks


def scale(axis: Axis) -> Iterator[str]:
    for second, levels in ticks_of(axis).items():
        part = second / axis.duration
        edge = ' first' if not second else ' last' if part > .98 else ''
        name = f'{second:g} s' if axis.duration <= 120 else (
            f'{int(second // 60)}:{second % 60:02.0f}' if second % 1 == 0
            else f'{int(second // 60)}:{second % 60:04.1f}')
        yield (f'<span class="tick{edge} {classes(levels)}" '
               f'style="{axis.at(axis.start + second)}">{name}</span>')
