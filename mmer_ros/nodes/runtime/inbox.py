"""Bounded queues between the callbacks, which only enqueue, and the worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import math
import threading
from typing import Any

REQUEST = 'request'  # kind of the items whose message is a step for the worker
REQUESTS = 100  # that wait at most
Step = Callable[[], Any]  # returns a list of what is to be handed on


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
        self._depths = {**depths, REQUEST: REQUESTS}
        self._queues: dict[str, deque[tuple[int, Item]]] = {
            kind: deque() for kind in self._depths}
        self._era = 0
        self._ready = threading.Condition()
        self._closed = False
        self.dropped = dict.fromkeys(depths, 0)

    def put(self, item: Item) -> None:
        """Add a message."""
        with self._ready:
            queue = self._queues[item.kind]
            if len(queue) >= self._depths[item.kind]:
                queue.popleft()
                self.dropped[item.kind] = self.dropped.get(item.kind, 0) + 1
            queue.append((self._era, item))
            self._ready.notify()

    def request(self, step: Step, *, new_era: bool = False) -> None:
        """
        Have the worker do a step before the messages that wait.

        :param new_era: the time has jumped: after the messages that wait, before all later ones.
        """
        with self._ready:
            self._era += new_era
        self.put(Item(REQUEST, -math.inf, 0.0, step))

    def get(self, timeout_s: float, most: int = 1) -> list[Item]:
        """
        Return the message that was captured first, and up to `most` of those that wait.

        :return: empty after the timeout; a request comes alone.
        """
        with self._ready:
            if not any(self._queues.values()) and not self._closed:
                self._ready.wait(timeout_s)
            items: list[Item] = []
            while len(items) < most and (queue := self._next()):
                if items and REQUEST in (items[0].kind, queue[0][1].kind):
                    break
                items.append(queue.popleft()[1])
            return items

    def _next(self) -> deque[tuple[int, Item]] | None:
        """Return the queue whose first message is the next."""
        waiting = [queue for queue in self._queues.values() if queue]
        return min(waiting, key=lambda q: (q[0][0], q[0][1].order)) if waiting else None

    def waiting(self) -> dict[str, int]:
        """Return how many messages of each kind wait."""
        with self._ready:
            return {kind: len(queue) for kind, queue in self._queues.items()}

    def close(self) -> None:
        """Wake the worker up for the last time."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
