"""The thread that feeds the pipeline; whatever is wrong with the input, it lives on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import threading

from mmer_ros.nodes.inbox import Inbox, REQUEST, Step
from mmer_ros.nodes.inputs.feeding import feed
from mmer_ros.nodes.inputs.topic_input import Tell
from mmer_ros.pipeline import Pipeline
from mmer_ros.stream_clock import IDLE_LAG_S, IDLE_S
from mmer_ros.types import Estimate, InvalidInput


class Worker:
    """
    Take what waits in the inbox, in the order of capture, and hand on what is estimated.

    :param now: the present as capture time, seconds.
    :param publish: takes each estimate.
    :param tell: is told faults.
    """

    def __init__(self, pipeline: Pipeline, inbox: Inbox, *, now: Callable[[], float],
                 publish: Callable[[Estimate], object], tell: Tell) -> None:
        """Start no thread yet."""
        self._pipeline = pipeline
        self._inbox = inbox
        self._now = now
        self._publish = publish
        self._tell = tell
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
            item = self._inbox.get(IDLE_S)
            if item is not None and item.kind == REQUEST:
                self._guarded(item.message)
            elif item is not None:
                self._is_fed = True
                self._guarded(partial(feed, self._pipeline, item))
            elif self._is_fed:
                self._guarded(lambda: self._pipeline.advance(self._now() - IDLE_LAG_S))
        if self._finishes:
            self._guarded(self._pipeline.flush)

    def _guarded(self, step: Step) -> None:
        """Do one step, publish what it estimates and tell what was noticed."""
        try:
            for estimate in step():
                self._publish(estimate)
        except InvalidInput as error:
            self._tell(str(error).split(':', 1)[0], str(error))
        except Exception as error:
            self._tell(type(error).__name__, (
                f'internal error, the input was left out: {type(error).__name__}: {error}'))
        for event in self._pipeline.drain_events():
            self._tell(event.kind, event.text)
