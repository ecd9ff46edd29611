# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Measurements of an active node: arrivals, drops, stages, latencies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
import time

from mmer_ros.nodes.health.window import Window
from mmer_ros.types import Estimate

# Kind of queued item -> the input that it comes from.
INPUTS = {'image': 'image', 'image_time': 'image', 'face': 'image', 'audio': 'audio',
          'transcript': 'transcript'}
GAPS = frozenset({'audio_gap', 'audio_stalled'})  # kinds of faults
LOSSES = frozenset({'parts_lost', 'end_lost'})


class Meter:
    """
    Record measurements, from any thread; they count for the length of a window.

    :param window_s: length of the window, seconds.
    :param clock: time of the node, which stamps are compared to, seconds.
    :param steady: monotonic time, seconds.
    """

    def __init__(self, window_s: float, clock: Callable[[], float],
                 steady: Callable[[], float] = time.monotonic) -> None:
        self.window_s = window_s
        self.steady = steady
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Forget all measurements."""
        self.since = self.steady()
        self.arrivals = self._windows()  # by input
        self.lags = self._windows()      # by input: arrival minus capture, seconds
        self.usable = self._windows()    # by input: what was of use, of that looked at
        self.unusable = self._windows()  # by input: what was of no use
        self.problems: dict[str, str] = {}  # by input: what was wrong with the latest
        self.unusable_since: dict[str, float] = {}  # by input: while nothing was of use
        self.drops = self._windows()     # by queue: messages dropped at a time
        self.losses_on_the_way = self._windows()  # by input: messages lost at a time
        self.stages = self._windows()    # by stage: seconds
        self.latencies = self._windows()  # 'final', 'provisional', 'partial', 'part': seconds
        self.gaps = Window(self.window_s)
        self.losses = Window(self.window_s)
        self.errors = Window(self.window_s)

    def set_window(self, window_s: float) -> None:
        """Change the length of the window, which forgets all measurements."""
        if window_s != self.window_s:
            self.window_s = window_s
            self.restart()

    def _windows(self) -> dict[str, Window]:
        return defaultdict(lambda: Window(self.window_s))

    def record_item(self, kind: str, captured: float) -> None:
        """
        Record a message on its way into the queues.

        :param captured: capture time of its end, seconds.
        """
        name = INPUTS.get(kind)
        if name is not None:
            self.record_arrival(name, self._clock() - captured)

    def record_arrival(self, name: str, lag: float) -> None:
        """Record a message of an input that arrived `lag` seconds after its capture."""
        now = self.steady()
        self.arrivals[name].add(now)
        self.lags[name].add(now, lag)

    def record_quality(self, name: str, problem: str) -> None:
        """
        Record whether a message of an input was of use.

        :param problem: what is wrong with it; '' if it is of use.
        """
        now = self.steady()
        if problem:
            self.unusable[name].add(now)
            self.problems[name] = problem
            self.unusable_since.setdefault(name, now)
        else:
            self.usable[name].add(now)
            self.unusable_since.pop(name, None)

    def record_refusal(self, name: str, text: str) -> None:
        """Record a message that was refused on arrival, by the fault that was reported."""
        name = name.removesuffix('_coding')
        if name in INPUTS.values():
            self.arrivals[name].add(self.steady())
            self.record_quality(name, text.partition(': ')[2] or text)

    def record_transit(self, seconds: float) -> None:
        """Record how long an utterance part was on the way, beyond the fastest of its sender."""
        self.lags['transit'].add(self.steady(), seconds)

    def record_stage(self, name: str, seconds: float) -> None:
        """Record one run of a processing stage."""
        self.stages[name].add(self.steady(), seconds)

    def record_estimate(self, estimate: Estimate, latency: float) -> None:
        """Record an estimate that was published `latency` seconds after its evidence."""
        self.record_latency('final' if estimate.final else
                            'provisional' if estimate.provisional else 'partial', latency)

    def record_latency(self, kind: str, latency: float) -> None:
        """Record a result that was published `latency` seconds after its evidence."""
        self.latencies[kind].add(self.steady(), latency)

    def record_fault(self, kind: str, seconds: float = 0.0) -> None:
        """Record a fault by its kind, as the worker reports it, and the length of a gap."""
        if kind in GAPS:
            self.gaps.add(self.steady(), seconds)
        elif kind in LOSSES:
            self.losses.add(self.steady())
        elif kind[:1].isupper():  # an internal error is named for its class
            self.errors.add(self.steady())

    def record_losses(self, name: str, count: int) -> None:
        """Record messages of an input that the middleware has lost."""
        self.losses_on_the_way[name].add(self.steady(), count)

    def record_drops(self, queue: str, count: int) -> None:
        """Record messages that a full queue has dropped."""
        self.drops[queue].add(self.steady(), count)
