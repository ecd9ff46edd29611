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

from mmer_ros.sensing.time_line import Order, TimeLine

AUDIO = 'audio'  # name of the input that the others are matched to
IDLE_S = 0.2  # without input for this long, the pipeline learns how late it is,
IDLE_LAG_S = 0.5  # but less by this, for input that is on its way
SAME_CLOCK_S = 10.0  # stamps this close to the clock of arrivals were made by the same clock


def when_spoken(stamp: float, now: float, shift: float = 0.0) -> float:
    """
    Return the stamp of words if it may be of this clock, else the present; seconds.

    :param stamp: 0 if there is none.
    :param shift: of the clock of the audio, from which the words may have their stamp.
    """
    times = [time for time in (stamp, stamp + shift) if abs(now - time) <= SAME_CLOCK_S]
    return min(max(times), now) if times and stamp > 0 else now


class StreamClock:
    """
    The present as capture time.

    Normally that is the clock by which messages arrive. If the stamps are far from it, as those
    of a recording that is played, it is the latest stamp plus the time since it arrived: that of
    audio as soon as there is audio, since the other inputs are matched to it.
    """

    def __init__(self) -> None:
        """Start without a stamp."""
        self._lines: dict[str, TimeLine] = {}
        self._latest: dict[str, tuple[float, float]] = {}  # by input: stamp, arrival
        self.apart = 0.0  # arrivals minus stamps, if they are of different clocks; seconds

    def reset(self) -> None:
        """Forget the stamps, after a jump of time."""
        self._lines, self._latest, self.apart = {}, {}, 0.0

    def saw(self, name: str, stamp: float, arrival: float) -> None:
        """
        Note a message: a late one changes nothing, one input's jump back nothing for the others.

        :param name: of the input, e.g. AUDIO.
        :param stamp: up to which capture time it reaches, seconds.
        :param arrival: when it arrived, seconds.
        """
        order = self._lines.setdefault(name, TimeLine()).push(stamp)
        is_ahead = name not in self._latest or stamp >= self._estimate(name, arrival)
        if order is Order.JUMP_BACK or (order is Order.NEXT and is_ahead):
            self._latest[name] = (stamp, arrival)

    def now(self, clock: float, arrival: float | None = None) -> float:
        """
        Return the present as capture time, seconds.

        :param clock: what the stamps are compared with, seconds.
        :param arrival: the present by the clock of arrivals, if that is another one.
        """
        if not self._latest:
            return clock
        name = AUDIO if AUDIO in self._latest else next(iter(self._latest))
        estimate = self._estimate(name, clock if arrival is None else arrival)
        self.apart = clock - estimate
        if abs(self.apart) <= SAME_CLOCK_S:
            self.apart = 0.0
            return clock
        return estimate

    def _estimate(self, name: str, arrival: float) -> float:
        stamp, when = self._latest[name]
        return stamp + arrival - when
