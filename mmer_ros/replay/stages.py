# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Time that each stage of a replay takes; measured only if the caller passes a clock."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
import math
from threading import Lock
from typing import Any

from mmer_ros.profiling import Clock, FACE_DETECTION, RECOGNITION, Stages

WAITING = 'waiting for faces'
BINS_PER_DECADE = 10  # of the histograms, whose bin k begins at 10 ** (k / 10) s


class StageTimes:
    """
    Sum up the time spent in each stage.

    Face detection is the sum over its threads, including the time in which they wait for a
    processor; `waiting for faces` is the part for which the recogniser had to wait.

    :param clock: current time of any monotonic clock, seconds; None: nothing is measured.
    """

    def __init__(self, clock: Clock | None) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self.per_image: Counter[int] = Counter()  # bin of how long face detection took -> images
        self.clock = clock or (lambda: 0.0)
        self.here = Stages(clock, self._add)  # of the replay itself, and of its detector
        self.pipeline = Stages(clock, lambda name, seconds: self._add(
            WAITING if name == FACE_DETECTION else name, seconds))
        self._lock = Lock()

    def each(self, name: str, items: Iterator[Any]) -> Iterator[Any]:
        """Yield items, and add the time until each is available."""
        while True:
            with self.here.measuring(name):
                item = next(items, self)
            if item is self:
                return
            yield item

    def recognition(self) -> dict[str, float]:
        """Return the time spent in each stage of the recogniser so far."""
        return {name: self.seconds[name] for name in RECOGNITION}

    def _add(self, name: str, seconds: float) -> None:
        with self._lock:
            self.seconds[name] += seconds
            if name == FACE_DETECTION:
                self.per_image[bin_of(seconds)] += 1


def bin_of(seconds: float) -> int:
    """Return the bin of a time in a histogram."""
    return math.floor(BINS_PER_DECADE * math.log10(max(seconds, 1e-6)))
