"""The thread that works on what waits; whatever is wrong with the input, it lives on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
import threading
from typing import Generic, Protocol, TypeVar

from mmer_ros.nodes.inputs.topic_input import Tell
from mmer_ros.nodes.runtime.inbox import Inbox, Item, REQUEST
from mmer_ros.sensing.stream_clock import IDLE_LAG_S, IDLE_S
from mmer_ros.types import InvalidInput, StreamEvent

Result = TypeVar('Result')


class Engine(Protocol[Result]):
    """What a worker works with, as mmer_ros.recognition.pipeline.Pipeline."""

    def advance(self, now: float) -> list[Result]:
        """Tell that the time `now` (seconds) is reached; return what is complete."""

    def flush(self) -> list[Result]:
        """End what is open; return what is left."""

    def drain_events(self) -> list[StreamEvent]:
        """Return what a person should know since the last call."""


class Worker(Generic[Result]):
    """
    Take what waits in the inbox, in the order of capture, and hand on what comes of it.

    :param feed: gives items to the engine.
    :param now: the present as the engine has it, seconds.
    :param publish: takes each result.
    :param tell: is told faults.
    :param most: items that are taken at once.
    """

    def __init__(self, engine: Engine[Result], inbox: Inbox, *,
                 feed: Callable[[Sequence[Item]], list[Result]], now: Callable[[], float],
                 publish: Callable[[Result], object], tell: Tell, most: int = 1) -> None:
        """Start no thread yet."""
        self._engine = engine
        self._inbox = inbox
        self._feed = feed
        self._now = now
        self._publish = publish
        self._tell = tell
        self._most = most
        self._stopping = threading.Event()
        self._finishes = True
        self._is_fed = False
        # A daemon: a process that is told to end does not wait for a network to finish.
        self._thread = threading.Thread(target=self._work, name='emotion-worker', daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        """
        Stop after the step at hand.

        :param finish: first end the open utterance, and hand on its estimate.
        :param timeout_s: it is waited for at most so long; None: until it has stopped.
        """
        self._finishes = finish
        self._stopping.set()
        self._inbox.close()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while not self._stopping.is_set():
            items = self._inbox.get(IDLE_S, self._most)
            if items and items[0].kind == REQUEST:
                self._guarded(items[0].message)
            elif items:
                self._is_fed = True
                self._guarded(partial(self._feed, items))
            elif self._is_fed:
                self._guarded(lambda: self._engine.advance(self._now() - IDLE_LAG_S))
        if self._finishes:
            self._guarded(self._engine.flush)

    def _guarded(self, step: Callable[[], list[Result]]) -> None:
        """Do one step, publish what comes of it and tell what was noticed."""
        try:
            for result in step():
                self._publish(result)
        except InvalidInput as error:
            self._tell(str(error).split(':', 1)[0], str(error))
        except Exception as error:
            self._tell(type(error).__name__, (
                f'internal error, the input was left out: {type(error).__name__}: {error}'))
        for event in self._engine.drain_events():
            self._tell(event.kind, event.text)
