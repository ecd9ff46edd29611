"""Plots as SVG within a page: scales, axes, lines, bands and points; colours come from its CSS."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

Point = tuple[float, float]


@dataclass
class Plot:
    """
    A plot that is filled piece by piece.

    :param x: range of the horizontal axis; y: of the vertical one, upwards.
    :param margins: pixels left, top, right and bottom of the plotted area.
    :param label: what a screen reader says.
    """

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]
    label: str
    margins: tuple[int, int, int, int] = (44, 12, 12, 40)
    parts: list[str] = field(default_factory=list)

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

    def add(self, markup: str) -> None:
        """Draw on top of what is there."""
        self.parts.append(markup)

    def axes(self, x_ticks: Sequence[float], y_ticks: Sequence[float], x_name: str = '',
             y_name: str = '', shown: Callable[[float], str] = '{:g}'.format) -> None:
        """Draw grid lines, their values and the names of the axes."""
        left, top, right, bottom = self.box
        for value in y_ticks:
            y = self.at_y(value)
            self.add(f'<path class="grid" d="M{left:.1f} {y:.1f}H{right:.1f}"/>')
            self.text(left - 7, y + 4, shown(value), 'tick end')
        for value in x_ticks:
            x = self.at_x(value)
            self.add(f'<path class="grid" d="M{x:.1f} {top:.1f}V{bottom:.1f}"/>')
            self.text(x, bottom + 17, shown(value), 'tick middle')
        self.text((left + right) / 2, self.height - 5, x_name, 'name middle')
        if y_name:
            turned = f'translate(12 {(top + bottom) / 2:.1f}) rotate(-90)'
            self.add(f'<text class="name middle" transform="{turned}">{escape(y_name)}</text>')

    def text(self, x: float, y: float, words: str, kind: str = '') -> None:
        """Write words at a pixel."""
        if words:
            self.add(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>')

    def line(self, points: Iterable[Point], kind: str) -> None:
        """Draw a line through values."""
        way = 'L'.join(f'{self.at_x(x):.1f} {self.at_y(y):.1f}' for x, y in points)
        if way:
            self.add(f'<path class="line {kind}" d="M{way}"/>')

    def band(self, lower: Sequence[Point], upper: Sequence[Point], kind: str) -> None:
        """Fill between two lines."""
        way = 'L'.join(f'{self.at_x(x):.1f} {self.at_y(y):.1f}'
                       for x, y in [*lower, *reversed(upper)])
        self.add(f'<path class="fill {kind}" d="M{way}Z"/>')

    def dot(self, point: Point, kind: str, tip: str = '', radius: float = 4) -> None:
        """Mark a value."""
        self.add(f'<circle class="dot {kind}" cx="{self.at_x(point[0]):.1f}" '
                 f'cy="{self.at_y(point[1]):.1f}" r="{radius:g}"{tooltip(tip)}/>')

    def bar(self, lower: Point, upper: Point, kind: str, tip: str = '') -> None:
        """Fill a rectangle between two corners."""
        left, right = sorted((self.at_x(lower[0]), self.at_x(upper[0])))
        top, bottom = sorted((self.at_y(lower[1]), self.at_y(upper[1])))
        self.add(f'<rect class="bar {kind}" x="{left:.1f}" y="{top:.1f}" '
                 f'width="{right - left:.1f}" height="{bottom - top:.1f}"{tooltip(tip)}/>')

    def __str__(self) -> str:
        """Return the markup."""
        return (f'<svg class="drawn" viewBox="0 0 {self.width} {self.height}" role="img" '
                f'style="max-width:{self.width * 1.08:.0f}px" '
                f'aria-label="{escape(self.label)}">{"".join(self.parts)}</svg>')


def tooltip(text: str) -> str:
    """Return the attribute that shows text under the pointer."""
    return f' data-tip="{escape(text)}"' if text else ''
