"""Messages that gave way in the queues: counted there, told here."""

from __future__ import annotations

from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.runtime.event_log import EventLog
from mmer_ros.nodes.runtime.inbox import Inbox

DROPPED = ('{kind}: messages were dropped, since they came faster than they could be worked on; '
           'lower the rate, or use a smaller bundle or a GPU')


class Drops:
    """Tell what the inbox has dropped since the last time."""

    def __init__(self, inbox: Inbox, meter: Meter, events: EventLog) -> None:
        """Start with what is in order."""
        self._inbox = inbox
        self._meter = meter
        self._events = events
        self._told: dict[str, int] = {}

    def tick(self) -> None:
        """Tell; call it about once a second."""
        for kind, count in self._inbox.dropped.items():
            new = count - self._told.get(kind, 0)
            if new:
                self._told[kind] = count
                self._meter.dropped('image' if kind == 'face' else kind, new)
                self._events.add(f'{kind}_dropped', DROPPED.format(kind=kind), times=new)
