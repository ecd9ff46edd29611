"""What is measured while the node is active: arrivals, drops, stages, latencies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
import time

from mmer_ros.nodes.health.window import Window
from mmer_ros.nodes.runtime.inbox import Item
from mmer_ros.types import Estimate

# Kind of item -> the input that it comes from.
INPUTS = {'image': 'image', 'image_time': 'image', 'face': 'image', 'audio': 'audio',
          'transcript': 'transcript'}
GAPS = frozenset({'audio_gap', 'audio_stalled'})  # events
LOSSES = frozenset({'parts_lost', 'end_lost'})  # likewise


class Meter:
    """
    Measure; may be used by several threads.

    :param window_s: how long what was measured counts, seconds.
    :param clock: the time of the node, to which stamps are compared, seconds.
    :param steady: seconds that pass.
    """

    def __init__(self, window_s: float, clock: Callable[[], float],
                 steady: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing measured."""
        self.window_s = window_s
        self.steady = steady
        self._clock = clock
        self.restart()

    def restart(self) -> None:
        """Forget what was measured."""
        self.since = self.steady()
        self.arrivals = self._windows()  # by input
        self.lags = self._windows()      # by input: arrival less capture, seconds
        self.drops = self._windows()     # by queue: how many at a time
        self.stages = self._windows()    # by stage: seconds
        self.latencies = self._windows()  # 'final', 'partial' and 'part': seconds
        self.gaps = Window(self.window_s)
        self.losses = Window(self.window_s)
        self.errors = Window(self.window_s)

    def set_window(self, window_s: float) -> None:
        """Let what was measured count for so long, seconds."""
        if window_s != self.window_s:
            self.window_s = window_s
            self.restart()

    def _windows(self) -> dict[str, Window]:
        return defaultdict(lambda: Window(self.window_s))

    def arrived(self, item: Item) -> None:
        """Measure a message on its way into the inbox."""
        name = INPUTS.get(item.kind)
        if name is not None:
            self.heard(name, self._clock() - item.order)

    def heard(self, name: str, lag: float) -> None:
        """Measure a message of an input that came `lag` seconds after its capture."""
        now = self.steady()
        self.arrivals[name].add(now)
        self.lags[name].add(now, lag)

    def stage(self, name: str, seconds: float) -> None:
        """Measure a run of a stage."""
        self.stages[name].add(self.steady(), seconds)

    def estimated(self, estimate: Estimate, latency: float) -> None:
        """Measure an estimate that is published `latency` seconds after its evidence."""
        self.handed_on('final' if estimate.final else 'partial', latency)

    def handed_on(self, kind: str, latency: float) -> None:
        """Measure what is published `latency` seconds after its evidence."""
        self.latencies[kind].add(self.steady(), latency)

    def noticed(self, kind: str) -> None:
        """Measure a fault by its kind, as the worker tells it."""
        if kind in GAPS:
            self.gaps.add(self.steady())
        elif kind in LOSSES:
            self.losses.add(self.steady())
        elif kind[:1].isupper():  # an internal error is named for its class
            self.errors.add(self.steady())

    def dropped(self, queue: str, count: int) -> None:
        """Measure messages that gave way in a queue."""
        self.drops[queue].add(self.steady(), count)
