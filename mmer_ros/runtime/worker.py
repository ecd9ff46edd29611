# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The thread that processes the queued messages; bad input never ends it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
import threading
from typing import Generic, Protocol, TypeVar

from mmer_ros.runtime.inbox import Inbox, Item, REQUEST
from mmer_ros.runtime.internal_error import describe_error
from mmer_ros.sensing.stream_clock import IDLE_LAG_S, IDLE_S
from mmer_ros.types import InvalidInput, StreamEvent

Result = TypeVar('Result')


class Engine(Protocol[Result]):
    """The part of the core that a worker drives, such as recognition.pipeline.Pipeline."""

    def advance(self, now: float) -> list[Result]:
        """Reach capture time `now`, seconds; return the results that it completes."""

    def flush(self) -> list[Result]:
        """End the open utterance; return the remaining results."""

    def drain_events(self) -> list[StreamEvent]:
        """Return the warnings since the last call."""


class Worker(Generic[Result]):
    """
    Take messages from the inbox in the order of capture, and publish the results.

    :param feed: gives items to the engine.
    :param now: the present as the engine has it, seconds.
    :param publish: takes each result.
    :param on_fault: takes the kind and the text of each fault, and how long a gap is, seconds.
    :param most: items that are taken at once.
    """

    def __init__(self, engine: Engine[Result], inbox: Inbox, *,
                 feed: Callable[[Sequence[Item]], list[Result]], now: Callable[[], float],
                 publish: Callable[[Result], object],
                 on_fault: Callable[[str, str, float], object], most: int = 1) -> None:
        self._engine = engine
        self._inbox = inbox
        self._feed = feed
        self._now = now
        self._publish = publish
        self._on_fault = on_fault
        self._most = most
        self._stopping = threading.Event()
        self._finishes = True
        self._is_fed = False
        # A daemon: a process that ends does not wait for a network to finish.
        self._thread = threading.Thread(target=self._work, name='emotion-worker', daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        """
        Stop after the current step.

        :param finish: first end the open utterance and publish its estimate.
        :param timeout_s: longest time to wait for the thread, seconds; None: until it has ended.
        """
        self._finishes = finish
        self._stopping.set()
        self._inbox.close()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while not self._stopping.is_set():
            items = self._inbox.dequeue(IDLE_S, self._most)
            if items and items[0].kind == REQUEST:
                self._run_step(items[0].message)
            elif items:
                self._is_fed = True
                self._run_step(partial(self._feed, items))
            elif self._is_fed:
                self._run_step(lambda: self._engine.advance(self._now() - IDLE_LAG_S))
        if self._finishes:
            self._run_step(self._engine.flush)

    def _run_step(self, step: Callable[[], list[Result]]) -> None:
        """Run a step, publish its results and report its faults."""
        try:
            for result in step():
                self._publish(result)
        except InvalidInput as error:
            self._on_fault(str(error).split(':', 1)[0], str(error), 0.0)
        except Exception as error:
            self._on_fault(type(error).__name__, (
                f'internal error, the input was skipped: {describe_error(error)}'), 0.0)
        for event in self._engine.drain_events():
            self._on_fault(event.kind, event.text, event.seconds)
