# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Plots as SVG within a page: scales, axes, lines, bands, bars and points, coloured by its CSS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
import math

from markupsafe import Markup

Point = tuple[float, float]
Range = tuple[float, float]


@dataclass
class Plot:
    """
    A plot that is filled piece by piece; it is a part of a page like any block.

    :param x: range of the horizontal axis; y: of the vertical one, upwards if it ascends.
    :param label: for screen readers.
    :param margins: pixels left, top, right and bottom of the plotted area.
    """

    width: int
    height: int
    x: Range
    y: Range
    label: str
    margins: tuple[int, int, int, int] = (48, 12, 14, 42)
    parts: list[Markup] = field(default_factory=list)

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the plotted area, pixels."""
        left, top, right, bottom = self.margins
        return left, top, self.width - right, self.height - bottom

    def at_x(self, value: float) -> float:
        """Return the pixel of a value."""
        left, _, right, _ = self.box
        return left + (value - self.x[0]) / (self.x[1] - self.x[0]) * (right - left)

    def at_y(self, value: float) -> float:
        """Return the pixel of a value."""
        _, top, _, bottom = self.box
        return bottom - (value - self.y[0]) / (self.y[1] - self.y[0]) * (bottom - top)

    def axes(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_name: str = '',
             y_name: str = '', shown: Callable[[float], str] = '{:g}'.format) -> None:
        """Draw grid lines, their values and the names of the axes."""
        left, top, right, bottom = self.box
        for value in y_ticks:
            self._way('grid', [(left, self.at_y(value)), (right, self.at_y(value))])
            self.text(left - 7, self.at_y(value) + 4, shown(value), 'end')
        for value in x_ticks:
            self._way('grid', [(self.at_x(value), top), (self.at_x(value), bottom)])
            self.text(self.at_x(value), bottom + 17, shown(value), 'middle')
        self.text((left + right) / 2, self.height - 5, x_name, 'middle')
        self.text(12, (top + bottom) / 2, y_name, 'middle turned')

    def rows(self, names: Sequence[str], small: Sequence[str] = ()) -> None:
        """Name the rows of a plot whose vertical axis is len(names)..0, at their left."""
        for place, name in enumerate(names):
            middle = self.at_y(place + .5) + (0 if small else 4)
            self.text(self.box[0] - 10, middle, name, 'end strong')
            if small:
                self.text(self.box[0] - 10, middle + 13, small[place], 'end small')

    def text(self, x: float, y: float, words: str, kind: str = '') -> None:
        """Write words at a pixel."""
        if words:
            self._add('<text class="{}" x="{:.1f}" y="{:.1f}">{}</text>', kind, x, y, words)

    def line(self, points: Iterable[Point], kind: str, tip: str = '') -> None:
        """Draw a line through values."""
        self._way(f'line {kind}', [(self.at_x(x), self.at_y(y)) for x, y in points], tip=tip)

    def band(self, lower: Sequence[Point], upper: Sequence[Point], kind: str) -> None:
        """Fill between two lines."""
        self._way(f'fill {kind}', [(self.at_x(x), self.at_y(y))
                                   for x, y in [*lower, *reversed(upper)]], close=True)

    def dot(self, point: Point, kind: str, tip: str = '', radius: float = 4) -> None:
        """Mark a value."""
        self._add('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="{:g}"{}/>',
                  kind, self.at_x(point[0]), self.at_y(point[1]), radius, _tooltip(tip))

    def bar(self, lower: Point, upper: Point, kind: str, tip: str = '') -> None:
        """Fill a rectangle between two corners."""
        left, right = sorted((self.at_x(lower[0]), self.at_x(upper[0])))
        top, bottom = sorted((self.at_y(lower[1]), self.at_y(upper[1])))
        self._add('<rect class="bar {}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"{}/>',
                  kind, left, top, right - left, bottom - top, _tooltip(tip))

    def name_ends(self, ends: Mapping[str, tuple[str, float]]) -> None:
        """Name lines at their right ends, apart from each other: name -> class and last value."""
        places: list[float] = []
        ordered = sorted(ends.items(), key=lambda end: end[1][1])
        for _, (_, value) in ordered:
            places.append(min(self.at_y(value) + 4, places[-1] - 14 if places else self.height))
        down = max(0.0, self.box[1] + 8 - min(places, default=self.height))
        for (name, (kind, _)), place in zip(ordered, places, strict=True):
            self.text(self.box[2] + 9, place + down, name, f'end-label {kind}')

    def _way(self, kind: str, pixels: Sequence[Point], tip: str = '', close: bool = False) -> None:
        if pixels:
            way = 'L'.join(f'{x:.1f} {y:.1f}' for x, y in pixels) + 'Z' * close
            self._add('<path class="{}" d="M{}"{}/>', kind, way, _tooltip(tip))

    def _add(self, markup: str, *values: object) -> None:
        self.parts.append(Markup(markup).format(*values))

    def __html__(self) -> str:
        """Return the markup."""
        return Markup(
            '<svg class="drawn" viewBox="0 0 {} {}" role="img" style="max-width:{:.0f}px" '
            'aria-label="{}">{}</svg>').format(
                self.width, self.height, 1.08 * self.width, self.label,
                Markup('').join(self.parts))


def _tooltip(text: str) -> Markup:
    return Markup(' data-tip="{}"').format(text) if text else Markup('')


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about `count` round values within a range."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(step * i, 10) for i in range(first, last + 1)]


def around(values: Iterable[float], pad: float = .06, least: float = 1e-3) -> Range:
    """Return a range that holds all values with some air; 0..1 if there are none."""
    there = list(values)
    if not there:
        return 0.0, 1.0
    air = max(pad * (max(there) - min(there)), least)
    return min(there) - air, max(there) + air
