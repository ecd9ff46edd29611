# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What time it is in terms of the stamps, when these come from another clock."""

from __future__ import annotations

IDLE_S = 0.2  # without input for this long, the pipeline is told how late it is,
IDLE_LAG_S = 0.5  # but less by this, for input that is on its way
SAME_CLOCK_S = 10.0  # stamps this close to the clock of arrivals were made by the same clock


def when_spoken(stamp: float, now: float) -> float:
    """Return the stamp of words if it may be of this clock, else the present; seconds."""
    return min(stamp, now) if abs(now - stamp) <= SAME_CLOCK_S else now


class StreamClock:
    """
    The present as capture time.

    Normally that is the clock by which messages arrive. If the stamps are far from it, it is the
    latest stamp plus the time since it arrived.
    """

    def __init__(self) -> None:
        """Start without a stamp."""
        self._latest: tuple[float, float] | None = None  # stamp, arrival
        self.apart = 0.0  # arrivals minus stamps, if they are of different clocks; seconds

    def reset(self) -> None:
        """Forget the stamps, after a jump of time."""
        self._latest, self.apart = None, 0.0

    def saw(self, stamp: float, arrival: float) -> None:
        """Note the capture time of a message and when it arrived, both seconds."""
        if self._latest is None or stamp >= self._estimate(arrival) or (
                stamp < self._latest[0] - SAME_CLOCK_S):
            self._latest = (stamp, arrival)

    def now(self, clock: float, arrival: float | None = None) -> float:
        """
        Return the present as capture time, seconds.

        :param clock: what the stamps are compared with, seconds.
        :param arrival: the present by the clock of arrivals, if that is another one.
        """
        if self._latest is None:
            return clock
        estimate = self._estimate(clock if arrival is None else arrival)
        self.apart = clock - estimate
        if abs(self.apart) <= SAME_CLOCK_S:
            self.apart = 0.0
            return clock
        return estimate

    def _estimate(self, arrival: float) -> float:
        assert self._latest is not None
        return self._latest[0] + arrival - self._latest[1]
