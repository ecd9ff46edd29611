"""Bounded queues between the callbacks, which only enqueue, and the worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
import threading
from typing import Any


@dataclass(frozen=True)
class Item:
    """
    A message that waits for the worker.

    :param order: capture time by which the worker takes messages, seconds.
    :param stamp: capture time of the message, seconds.
    :param message: None if only the stamp matters.
    """

    kind: str
    order: float
    stamp: float
    message: Any


class Inbox:
    """
    One bounded queue for each kind of message; the oldest gives way, and is counted.

    :param depths: kind -> most messages that wait.
    """

    def __init__(self, depths: Mapping[str, int]) -> None:
        """Start empty."""
        self._queues: dict[str, deque[Item]] = {kind: deque() for kind in depths}
        self._depths = dict(depths)
        self._ready = threading.Condition()
        self._closed = False
        self.dropped = dict.fromkeys(depths, 0)

    def put(self, item: Item) -> None:
        """Add a message."""
        with self._ready:
            queue = self._queues[item.kind]
            if len(queue) >= self._depths[item.kind]:
                queue.popleft()
                self.dropped[item.kind] += 1
            queue.append(item)
            self._ready.notify()

    def get(self, timeout_s: float) -> Item | None:
        """Return the message that was captured first, or None after the timeout."""
        with self._ready:
            if not any(self._queues.values()) and not self._closed:
                self._ready.wait(timeout_s)
            waiting = [queue for queue in self._queues.values() if queue]
            return min(waiting, key=lambda q: q[0].order).popleft() if waiting else None

    def close(self) -> None:
        """Wake the worker up for the last time."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
