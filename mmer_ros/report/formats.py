# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Numbers as a reader sees them, the same on every page, in every table and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping

NONE = '–'
LONG_S = 120  # times from here on are in minutes


def percent(share: float | None, digits: int = 1) -> str:
    """Return a share as percent without the sign: `.63` -> `63.0`."""
    return NONE if share is None else f'{100 * share:.{digits}f}'


def points(difference: float) -> str:
    """Return a difference of shares in percentage points: `.021` -> `+2.1`."""
    return f'{100 * difference:+.1f}'


def interval(low: float, high: float, *, signed: bool = False) -> str:
    """Return the ends of an interval as percent: `[61.2, 64.8]`."""
    shown = points if signed else percent
    return f'[{shown(low)}, {shown(high)}]'


def millis(seconds: float | None) -> str:
    """Return a short time: `194 ms`."""
    return NONE if seconds is None else f'{1000 * seconds:.0f} ms'


def duration(seconds: float) -> str:
    """Return a time with about three digits: `1.2 ms`, `41.0 s`, `2.5 min`."""
    if seconds < 1:
        return f'{1000 * seconds:.2g} ms' if seconds < .01 else f'{1000 * seconds:.0f} ms'
    return f'{seconds:.1f} s' if seconds < LONG_S else f'{seconds / 60:.1f} min'


def clock(seconds: float, whole: float) -> str:
    """Return a moment of a recording: `4.6 s` of a short one, `12:04` of one of minutes."""
    if whole <= LONG_S:
        return f'{seconds:.1f} s'
    return f'{int(seconds // 60)}:{int(seconds % 60):02d}'


def counted(number: int, name: str) -> str:
    """Return a number of things: `1 utterance`, `2 utterances`."""
    return f'{number} {name}{"" if number == 1 else "s"}'


def shares(counts: Mapping[str, float]) -> dict[str, float]:
    """Return parts of a whole as shares, 0..1, the largest first."""
    whole = sum(counts.values()) or 1.0
    return {name: value / whole
            for name, value in sorted(counts.items(), key=lambda item: -item[1])}
