"""Say each fault when it begins and then at most every ten seconds, with a count."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import time


@dataclass
class _Fault:
    said_at: float
    unsaid: int = 0


class EventLog:
    """
    Throttle log lines by kind of fault.

    :param say: writes one line, e.g. logger.warning.
    :param period_s: the same kind is said at most this often.
    """

    def __init__(self, say: Callable[[str], object], period_s: float = 10.0) -> None:
        """Start with nothing said."""
        self._say = say
        self._period_s = period_s
        self._faults: dict[str, _Fault] = {}
        self.counts: dict[str, int] = {}

    def add(self, kind: str, text: str) -> None:
        """Count the event and say it, unless its kind was said just now."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        now = time.monotonic()
        fault = self._faults.get(kind)
        if fault is not None and now - fault.said_at < self._period_s:
            fault.unsaid += 1
            return
        more = f' (and {fault.unsaid} more since the last time)' if fault and fault.unsaid else ''
        self._say(text + more)
        self._faults[kind] = _Fault(now)
