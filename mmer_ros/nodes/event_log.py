# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Edge-triggered fault log: one line for each fault when it starts, one when its kind clears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
import re
from threading import Lock
import time

from mmer_ros.text_repair import one_line

WriteLine = Callable[[str], object]
NUMBER = re.compile(r'\d+([.,]\d+)*')


# Different texts of one kind that are logged while it is current: a sender could invent more.
MOST_TEXTS = 10


@dataclass
class _Fault:
    text: str
    began: float
    latest: float
    times: int = 0
    seconds: float = 0.0
    lasting: bool = False
    forms: set[str] = field(default_factory=set)  # of the texts that were logged


class EventLog:
    """
    Log faults by their kind, from any thread.

    Faults of one kind whose texts differ in more than numbers are logged once each. A fault
    either recurs (`report` each time; it clears after a quiet period) or lasts (`hold`
    until `clear`).

    >>> log = EventLog(print)
    >>> for _ in range(100):
    ...     log.report('audio_gap', 'audio: 0.1 s is missing')
    audio: 0.1 s is missing

    :param warn: writes the line of a fault that starts, e.g. logger.warning.
    :param inform: writes the line of a fault that clears.
    :param quiet_s: a recurring fault clears after this many seconds without it.
    :param clock: monotonic time, seconds.
    """

    def __init__(self, warn: WriteLine, inform: WriteLine = lambda text: None,
                 quiet_s: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.counts: dict[str, int] = {}  # reported occurrences by kind
        self._warn = warn
        self._inform = inform
        self._quiet_s = quiet_s
        self._clock = clock
        self._faults: dict[str, _Fault] = {}
        self._lock = Lock()

    @property
    def current(self) -> dict[str, str]:
        """The faults that have not cleared: kind -> logged text."""
        with self._lock:
            return {kind: fault.text for kind, fault in self._faults.items()}

    def report(self, kind: str, text: str, times: int = 1, seconds: float = 0.0) -> None:
        """
        Count occurrences of a fault, and log it if it is not current.

        :param seconds: that were lost by it; their sum is logged when the kind clears.
        """
        with self._lock:
            self.counts[kind] = self.counts.get(kind, 0) + times
            fault = self._begin(kind, text)
            fault.times += times
            fault.seconds += seconds
            fault.latest = self._clock()

    def hold(self, kind: str, text: str) -> None:
        """Log a fault that lasts until its kind is cleared, if it is not current."""
        with self._lock:
            self._begin(kind, text).lasting = True

    def clear(self, kind: str) -> None:
        """Log that a lasting fault has cleared, if it is current."""
        with self._lock:
            fault = self._faults.pop(kind, None)
            if fault is not None:
                self._inform(f'cleared after {self._clock() - fault.began:.0f} s: {fault.text}')

    def tick(self) -> None:
        """Clear the recurring faults that have become quiet; call it about once per second."""
        with self._lock:
            now = self._clock()
            quiet = [kind for kind, fault in self._faults.items()
                     if not fault.lasting and now - fault.latest > self._quiet_s]
            for kind in quiet:
                fault = self._faults.pop(kind)
                if fault.times > 1:  # a single occurrence has no end
                    lost = f', {fault.seconds:.2f} s in all' if fault.seconds else ''
                    self._inform(f'cleared after {fault.times} occurrences in '
                                 f'{fault.latest - fault.began:.0f} s{lost}: {fault.text}')

    def _begin(self, kind: str, text: str) -> _Fault:
        fault = self._faults.get(kind)
        if fault is None:
            now = self._clock()
            fault = self._faults[kind] = _Fault(one_line(text), now, now)
        form = NUMBER.sub('0', text[:1000])
        if form not in fault.forms and len(fault.forms) < MOST_TEXTS:
            fault.forms.add(form)
            self._warn(one_line(text))
        return fault
