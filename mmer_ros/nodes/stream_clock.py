"""What time it is in terms of the stamps, when a recording plays without simulated time too."""

from __future__ import annotations

import time

SAME_CLOCK_S = 10.0  # stamps this close to the node's clock were made by the same clock


class StreamClock:
    """
    The present as capture time.

    Normally that is the node's clock. If the stamps are far from it (a recording is played
    without use_sim_time), it is the latest stamp plus the time since it arrived.
    """

    def __init__(self) -> None:
        """Start without a stamp."""
        self._latest: tuple[float, float] | None = None  # stamp, monotonic time of arrival
        self.apart = 0.0  # node's clock minus stamps, if they are of different clocks; seconds

    def saw(self, stamp: float) -> None:
        """Note the capture time (seconds) of a message that arrives now."""
        arrival = time.monotonic()
        if self._latest is None or stamp >= self._estimate(arrival) or (
                stamp < self._latest[0] - SAME_CLOCK_S):
            self._latest = (stamp, arrival)

    def now(self, node_clock: float) -> float:
        """
        Return the present as capture time, seconds.

        :param node_clock: the node's clock, seconds.
        """
        if self._latest is None:
            return node_clock
        estimate = self._estimate(time.monotonic())
        self.apart = node_clock - estimate
        if abs(self.apart) <= SAME_CLOCK_S:
            self.apart = 0.0
            return node_clock
        return estimate

    def _estimate(self, arrival: float) -> float:
        assert self._latest is not None
        return self._latest[0] + arrival - self._latest[1]
