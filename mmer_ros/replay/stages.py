"""Where the time of a replay goes; measured only if the caller gives a clock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any

from mmer_ros.replay.ahead import WatchedPipeline

Clock = Callable[[], float]  # seconds that pass, e.g. time.perf_counter

# Of the recogniser; they run in one thread, so their sum is no more than the time that passes.
RECOGNITION = ('voice activity', 'audio encoder', 'face encoder', 'text encoder', 'fusion')


class Stages:
    """
    Sum up the time spent in stages, by name.

    :param clock: None: nothing is measured.
    """

    def __init__(self, clock: Clock | None) -> None:
        """Start at zero."""
        self.seconds: dict[str, float] = defaultdict(float)
        self.clock = clock or (lambda: 0.0)
        self._is_measured = clock is not None
        self._lock = Lock()

    @contextmanager
    def measuring(self, name: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        begin = self.clock()
        try:
            yield
        finally:
            with self._lock:
                self.seconds[name] += self.clock() - begin

    def each(self, name: str, items: Iterator[Any]) -> Iterator[Any]:
        """Yield items, and add the time that each takes to come."""
        while True:
            with self.measuring(name):
                item = next(items, self)
            if item is self:
                return
            yield item

    @contextmanager
    def inside(self, pipeline: WatchedPipeline) -> Iterator[None]:
        """
        Measure the networks of a pipeline while the block runs.

        Face detection is the sum over its threads, their waiting for a processor included; of
        that, `waiting for faces` is what the recogniser had to wait for.
        """
        if not self._is_measured:
            yield
            return
        model = pipeline.recognizer.model
        detector = pipeline.detector
        places: list[tuple[Any, str, str]] = [
            (detector, '_look', 'face detection'), (detector, 'detect', 'waiting for faces'),
            (pipeline._segmenter._speech, '_probability', 'voice activity'),
            (model.audio, 'stream', 'audio encoder'), (model.audio, 'finish', 'audio encoder'),
            (model.face, 'stream', 'face encoder'), (model.face, 'finish', 'face encoder'),
            (model.text, 'finish', 'text encoder'), (model, 'fuse', 'fusion')]
        before = [(owner, name, vars(owner).get(name)) for owner, name, _ in places]
        for owner, name, stage in places:
            setattr(owner, name, self._timed(getattr(owner, name), stage))
        try:
            yield
        finally:
            for owner, name, inner in before:
                if inner is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, inner)

    def _timed(self, inner: Callable[..., Any], stage: str) -> Callable[..., Any]:
        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.measuring(stage):
                return inner(*args, **kwargs)

        if hasattr(inner, 'reset'):  # the state of voice activity
            timed.reset = inner.reset  # type: ignore[attr-defined]
        return timed

    def recognition(self) -> dict[str, float]:
        """Return the time spent in each stage of the recogniser so far."""
        return {name: self.seconds[name] for name in RECOGNITION}
