# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Bounded queues between the callbacks, which only enqueue, and the worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
import math
import threading
from typing import Any

REQUEST = 'request'  # kind of the items whose message is a step for the worker
REQUESTS = 100  # queued requests at most
Step = Callable[[], Any]  # returns a list of results


@dataclass(frozen=True)
class Item:
    """
    A message in the queue.

    :param order: capture time by which the worker takes messages, seconds.
    :param stamp: capture time of the message, seconds.
    :param message: None if only the stamp matters.
    :param source: of the input, where there are several of a kind, e.g. the id of a face.
    :param arrival: when it was received, capture time in seconds; None: not known.
    :param held: until the clock of its input was known; such messages come together through no
        fault of the sensor, and no queue is too full for them.
    """

    kind: str
    order: float
    stamp: float
    message: Any
    source: str = ''
    arrival: float | None = None
    held: bool = False


Enqueue = Callable[[Item], None]


class Inbox:
    """
    One bounded queue per kind of message; a full queue drops its oldest message and counts it.

    >>> inbox = Inbox({'audio': 100, 'image': 3})
    >>> inbox.enqueue(Item('image', 12.0, 12.0, image))
    >>> inbox.enqueue(Item('audio', 11.9, 11.8, block))
    >>> [item.kind for item in inbox.dequeue(timeout_s=0.2)]
    ['audio']

    :param depths: kind -> most messages in its queue.
    """

    def __init__(self, depths: Mapping[str, int]) -> None:
        self._depths = {**depths, REQUEST: REQUESTS}
        self._queues: dict[str, deque[tuple[int, Item]]] = {
            kind: deque() for kind in self._depths}
        self._era = 0
        self._ready = threading.Condition()
        self._closed = False
        self.dropped = dict.fromkeys(depths, 0)
        self._reported: dict[str, int] = {}  # of those that were dropped

    def enqueue(self, item: Item) -> None:
        """Add a message."""
        with self._ready:
            queue = self._queues[item.kind]
            if len(queue) >= self._depths[item.kind] and not item.held:
                self._drop_oldest(item.kind)
            queue.append((self._era, item))
            self._ready.notify()

    def _drop_oldest(self, kind: str) -> None:
        """Make room in a full queue, for which messages that were held do not count."""
        queue = self._queues[kind]
        counted = [entry for entry in queue if not entry[1].held]
        if len(counted) >= self._depths[kind]:
            queue.remove(counted[0])
            self.dropped[kind] = self.dropped.get(kind, 0) + 1

    def request(self, step: Step, *, new_era: bool = False) -> None:
        """
        Have the worker run a step before the queued messages.

        :param new_era: time has jumped: run it after the queued messages, before all later ones.
        """
        with self._ready:
            self._era += new_era
        self.enqueue(Item(REQUEST, -math.inf, 0.0, step))

    def dequeue(self, timeout_s: float, most: int = 1) -> list[Item]:
        """
        Return the message that was captured first, and up to `most` of those queued.

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
        """Return the queue whose first message is the next one."""
        filled = [queue for queue in self._queues.values() if queue]
        return min(filled, key=lambda q: (q[0][0], q[0][1].order)) if filled else None

    def waiting(self) -> dict[str, int]:
        """Return the number of queued messages of each kind."""
        with self._ready:
            return {kind: len(queue) for kind, queue in self._queues.items()}

    def new_drops(self) -> dict[str, int]:
        """Return how many messages of each kind were dropped since the last call, if any."""
        before, self._reported = self._reported, dict(self.dropped)
        found = {kind: count - before.get(kind, 0) for kind, count in self._reported.items()}
        return {kind: count for kind, count in found.items() if count}

    def close(self) -> None:
        """Wake the worker for the last time."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()
