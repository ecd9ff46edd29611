# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A sliding window over measured values."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from threading import Lock

import numpy as np

PAUSE_S = 5.0  # after a longer pause the rate is measured from the next value on


class Window:
    """
    The values of the last seconds; may be used from several threads.

    >>> window = Window(10.0)
    >>> window.add(100.0, 0.2)
    >>> window.values(105.0), window.values(111.0)
    ([0.2], [])

    :param length_s: how long a value stays in the window, seconds.
    """

    def __init__(self, length_s: float) -> None:
        self.length_s = length_s
        self.total = 0  # values ever added
        self.began: float | None = None  # time of the first value since a pause, seconds
        self.latest: float | None = None  # time of the last value, seconds
        self._values: deque[tuple[float, float]] = deque()
        self._lock = Lock()

    def add(self, now: float, value: float = 1.0) -> None:
        """Add a value measured at time `now`, seconds."""
        with self._lock:
            self.total += 1
            if self.latest is None or now - self.latest > PAUSE_S:
                self.began = now
            self.latest = now
            self._values.append((now, value))
            self._forget(now)

    def values(self, now: float) -> list[float]:
        """Return the values in the window that ends at `now`, seconds."""
        with self._lock:
            self._forget(now)
            return [value for _, value in self._values]

    def rate(self, now: float) -> float:
        """Return the values per second, measured since the last pause."""
        with self._lock:
            self._forget(now)
            if self.began is None:
                return 0.0
            count = sum(time >= self.began for time, _ in self._values)
            return count / min(self.length_s, max(now - self.began, 1.0))

    def _forget(self, now: float) -> None:
        while self._values and now - self._values[0][0] > self.length_s:
            self._values.popleft()


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return a percentile; None if there are no values."""
    return float(np.percentile(values, percent)) if values else None
