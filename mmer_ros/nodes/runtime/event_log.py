"""Say each fault when it begins and again when it is over, not each time it happens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
import time

Say = Callable[[str], object]


@dataclass
class _Fault:
    text: str
    began: float
    latest: float
    times: int = 0
    lasting: bool = False


class EventLog:
    """
    Log faults by their kind; may be used by several threads.

    :param warn: writes the line that tells a fault, e.g. logger.warning.
    :param inform: writes the line that tells its end.
    :param quiet_s: a fault is over when it has not happened for so long.
    :param clock: seconds that pass.
    """

    def __init__(self, warn: Say, inform: Say = lambda text: None, quiet_s: float = 10.0,
                 clock: Callable[[], float] = time.monotonic) -> None:
        """Start with nothing said."""
        self.counts: dict[str, int] = {}  # of what was added
        self._warn = warn
        self._inform = inform
        self._quiet_s = quiet_s
        self._clock = clock
        self._faults: dict[str, _Fault] = {}
        self._lock = Lock()

    @property
    def current(self) -> dict[str, str]:
        """The faults that are not over: kind -> what was said."""
        with self._lock:
            return {kind: fault.text for kind, fault in self._faults.items()}

    def add(self, kind: str, text: str, times: int = 1) -> None:
        """Count what happened `times` times, and say it unless this kind was said already."""
        with self._lock:
            self.counts[kind] = self.counts.get(kind, 0) + times
            fault = self._begin(kind, text)
            fault.times += times
            fault.latest = self._clock()

    def hold(self, kind: str, text: str) -> None:
        """Say that something is wrong, unless it is known; it lasts until it is cleared."""
        with self._lock:
            if kind not in self._faults:
                self._begin(kind, text).lasting = True

    def clear(self, kind: str) -> None:
        """Say that what was held is over, if it was held."""
        with self._lock:
            fault = self._faults.pop(kind, None)
            if fault is not None:
                self._inform(f'over after {self._clock() - fault.began:.0f} s: {fault.text}')

    def tick(self) -> None:
        """Say which of the faults that were added are over; call it about once a second."""
        with self._lock:
            now = self._clock()
            over = [kind for kind, fault in self._faults.items()
                    if not fault.lasting and now - fault.latest > self._quiet_s]
            for kind in over:
                fault = self._faults.pop(kind)
                if fault.times > 1:  # what happened once has no end
                    self._inform(f'over, after {fault.times} times in '
                                 f'{fault.latest - fault.began:.0f} s: {fault.text}')

    def _begin(self, kind: str, text: str) -> _Fault:
        if kind not in self._faults:
            now = self._clock()
            self._faults[kind] = _Fault(text, now, now)
            self._warn(text)
        return self._faults[kind]
