# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Time lines of inputs: which messages are late, when time jumped back, and what is absent."""

from __future__ import annotations

from enum import Enum

JUMP_BACK_S = 1.0  # stamps that fall back by more than this may be a jump
JUMP_MESSAGES = 3  # in a row that have to agree: a single message is only late
STEP_S = 0.3  # between two calls, more than this is a process that stood still, not a silent input
STANDSTILL_S = 1.0  # between two calls: what was lost meanwhile is being sent again
CLOCK_JUMP_S = 10.0  # arrivals that fall back by more than this are of another clock


class Order(Enum):
    """Where a message stands in the time line of its input."""

    NEXT = 'next'
    LATE = 'late'
    JUMP_BACK = 'jump back'


class TimeLine:
    """
    The stamps of one input, in the order of their arrival.

    A message whose stamp is behind an earlier one is late. Only when JUMP_MESSAGES in a row go on
    from an earlier time has the input jumped back, as a recording in a loop does. Other inputs
    have no say in it: a slow network delays one of them and not the others.

    >>> line = TimeLine()
    >>> [line.push(stamp).value for stamp in (10.0, 10.1, 8.0, 10.2)]
    ['next', 'next', 'late', 'next']
    >>> [line.push(stamp).value for stamp in (2.0, 2.1, 2.2, 2.3)]
    ['late', 'late', 'jump back', 'next']
    """

    def __init__(self) -> None:
        """Start without a stamp."""
        self.latest: float | None = None
        self._behind = 0  # messages in a row that go on from an earlier time
        self._last_behind = 0.0
        self._expects_jump = False

    def order(self, stamp: float) -> Order:
        """Return what `push` would, and change nothing."""
        if self.latest is None or stamp >= self.latest:
            return Order.NEXT
        if self.latest - stamp <= JUMP_BACK_S:
            return Order.LATE
        goes_on = self._behind > 0 and stamp > self._last_behind
        agree = self._behind + 1 if goes_on else 1
        return Order.JUMP_BACK if self._expects_jump or agree >= JUMP_MESSAGES else Order.LATE

    def push(self, stamp: float) -> Order:
        """Take the stamp of the next message, seconds."""
        order = self.order(stamp)
        if order is Order.LATE:
            goes_on = self._behind > 0 and stamp > self._last_behind
            self._behind = self._behind + 1 if goes_on else 1
            self._last_behind = stamp
            return order
        self.latest = stamp
        self._behind = 0
        self._expects_jump = False
        return order

    def expect_jump(self) -> None:
        """Take the next stamp that falls back far for a jump: another input has jumped already."""
        self._expects_jump = True


class Presence:
    """
    Whether an input still comes, by when its messages arrive.

    Its silence counts while other inputs come, or if it is the only one. When all of them fall
    silent together, the network or a machine has stopped, and `outage_s` have to pass. Time in
    which this is not called at all counts as STEP_S: then this process itself stood still, and
    what was sent meanwhile is about to arrive. After more than STANDSTILL_S, no silence counts for
    `outage_s`, as the middleware may take seconds to send again what was lost.

    Arrivals are seconds of any clock that is the same for all calls; None if they are not known,
    in which case only `idle` lets time pass.

    :param limit_s: an input that is silent for longer is absent.
    :param outage_s: the same, when no other input comes either.
    """

    def __init__(self, limit_s: float, outage_s: float) -> None:
        """Start absent: nothing has arrived."""
        self.limit_s = limit_s
        self.outage_s = max(limit_s, outage_s)
        self.reset()

    def reset(self) -> None:
        """Forget all arrivals."""
        self._clock: float | None = None
        self._arrived = False
        self._arrived_at: float | None = None
        self._other_at: float | None = None  # when another input came last
        self._missed_s = 0.0  # of silence while other inputs came
        self._idle_s = 0.0  # of silence of all inputs
        self._grace_s = 0.0  # in which silence does not count yet

    @property
    def absent(self) -> bool:
        """Whether nothing has arrived for too long, or ever."""
        return (not self._arrived or self._missed_s > self.limit_s
                or self._missed_s + self._idle_s > self.outage_s)

    @property
    def may_begin(self) -> bool:
        """Whether nothing has arrived so far, but there was little time for it."""
        return self._clock is not None and not self._arrived and self._missed_s <= self.limit_s

    def arrived(self, now: float | None) -> None:
        """Note a message of this input."""
        self._pass(now)
        self._arrived, self._arrived_at = True, self._clock
        self._missed_s = self._idle_s = 0.0

    def other_arrived(self, now: float | None) -> None:
        """Note a message of another input."""
        self._missed_s += self._pass(now)
        if now is not None:
            self._other_at = self._clock

    def idle(self, now: float) -> None:
        """Note that time passes in which nothing arrives."""
        passed = self._pass(now)
        if self._has_company():
            self._idle_s += passed
        else:
            self._missed_s += passed

    def _has_company(self) -> bool:
        """Return whether another input came until this one fell silent."""
        if self._other_at is None or self._arrived_at is None:
            return False
        return self._arrived_at - self._other_at <= self.limit_s

    def _pass(self, now: float | None) -> float:
        """Return the seconds that have passed since the call before."""
        if now is None:
            return 0.0
        before = self._clock
        if before is None or now < before - CLOCK_JUMP_S:
            self._clock = now
            return 0.0
        self._clock = max(before, now)
        if self._clock - before > STANDSTILL_S:
            self._grace_s = self.outage_s
        passed = min(self._clock - before, STEP_S, self.limit_s / 2)
        spared = min(passed, self._grace_s)
        self._grace_s -= spared
        return passed - spared
