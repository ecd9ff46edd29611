"""Ranges and round values for the axes of plots."""

from __future__ import annotations

from collections.abc import Iterable

from matplotlib.ticker import MaxNLocator


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round values within a range."""
    span = 1e-9 * (high - low)
    values = MaxNLocator(count, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(value) for value in values if low - span <= value <= high + span]


def around(values: Iterable[float], pad: float = .06, least: float = 1e-3) -> tuple[float, float]:
    """Return a range that holds all values with some air; 0..1 if there are none."""
    there = list(values)
    if not there:
        return 0.0, 1.0
    low, high = min(there), max(there)
    air = max(pad * (high - low), least)
    return low - air, high + air
