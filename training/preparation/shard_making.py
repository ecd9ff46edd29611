# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Making of shards, in one process or several; clips that kill their process are left out."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
import multiprocessing
from multiprocessing import forkserver
from multiprocessing.connection import wait as wait_for_end
from multiprocessing.context import ForkServerContext
import os
from pathlib import Path
import signal
import sys
import threading
from typing import Any

import cv2
from mmer_ros.sensing.face_detector import make_detector
from mmer_ros.types import InvalidInput
import torch
from training.corpora.corpus import Problem
from training.corpora.examples import Example
from training.engine.files import fingerprint, write_file
from training.preparation.cache_format import (
    PrepareConfig,
    record_file,
    ShardPlan,
    ShardRecord,
    ShardRow,
)
from training.preparation.clip_content import ClipContent, ClipReader
from training.preparation.shards import encode_image, pack_shard

POLL_S = 0.2  # between updates of the progress

Progress = Callable[[int, int], None]  # examples done, examples in all


class Stopped(Exception):
    """The run ends; the unfinished shard is dropped."""


@dataclass
class ShardMaker:
    """
    Makes shards one after the other.

    :param tick: called after each example.
    :param stopped: checked before each example.
    :param journal: record which example is being read, to find the one that killed the process.
    """

    cache: Path
    config: PrepareConfig
    tick: Callable[[], None]
    stopped: Callable[[], bool] = lambda: False
    journal: bool = False

    def __post_init__(self) -> None:
        self._reader = ClipReader(make_detector(self.config.faces), self.config.max_images,
                                  spread=self.config.spread_images)

    def make(self, plan: ShardPlan, skip: frozenset[str] = frozenset()) -> None:
        """
        Read the examples of a shard and write it, then its record.

        :param skip: keys of examples that are not read, because they kill the process.
        :raises OSError: if it cannot be written.
        :raises Stopped: if `stopped` returns True.
        """
        rows, sounds, images = [], [], []
        for example in plan.examples:
            if self.stopped():
                raise Stopped
            if example.key in skip:
                content = crashed(example)
            else:
                if self.journal:
                    journal_file(self.cache, plan).write_text(example.key, encoding='utf-8')
                content = self._reader.read(example)
            sounds.append(content.audio)
            images.append([encode_image(image, self.config) for image in content.faces])
            rows.append(ShardRow(
                key=example.key, faces=len(content.faces), problems=tuple(content.problems),
                audio_samples=0 if content.audio is None else content.audio.size))
            self.tick()
        data = pack_shard([row.key for row in rows], sounds, images)
        write_file(plan.file(self.cache), data)
        record = ShardRecord(fingerprint=plan.fingerprint, sha256=fingerprint(data, digits=64),
                             rows=tuple(rows))
        write_file(record_file(self.cache, plan.name), record.model_dump_json(indent=1).encode())
        journal_file(self.cache, plan).unlink(missing_ok=True)


def journal_file(cache: Path, plan: ShardPlan) -> Path:
    """Return the file with the key of the example that is being read."""
    return plan.file(cache).with_suffix('.current')


def crashed(example: Example) -> ClipContent:
    """Return the content of an example whose decoding killed the process."""
    path = example.video or example.audio or example.faces[0]
    return ClipContent(problems=[Problem(
        'crash', str(path), 'the process that decoded it died (the decoder crashed, or memory '
        'ran out); it is left out', example.key)])


def make_shards(plans: Sequence[ShardPlan], cache: Path, config: PrepareConfig, *, jobs: int = 1,
                progress: Progress = lambda done, total: None) -> None:
    """
    Make shards; their bytes do not depend on the number of jobs.

    :param jobs: processes; 1: this one.
    :param progress: called with the number of examples done and in all.
    :raises OSError: if a shard cannot be written; earlier ones are kept.
    """
    if not plans:
        return
    total = sum(len(plan.examples) for plan in plans)
    if jobs > 1:
        _Parallel(cache, config, lambda done: progress(min(done, total), total)).make(plans, jobs)
        return
    done = 0

    def tick() -> None:
        nonlocal done
        done += 1
        progress(done, total)

    with _one_thread():
        maker = ShardMaker(cache, config, tick)
        for plan in plans:
            maker.make(plan)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Restrict torch to one thread, as in worker processes, so that sums are the same."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


_Work = tuple[ShardPlan, frozenset[str]]  # a shard, and the examples to skip


class _Parallel:
    """Shards in several processes, any of which may die."""

    def __init__(self, cache: Path, config: PrepareConfig, progress: Callable[[int], None]
                 ) -> None:
        self._cache, self._config = cache, config
        self._progress = progress
        self._before = 0  # examples done by earlier pools

    def make(self, plans: Sequence[ShardPlan], jobs: int) -> None:
        waiting: deque[_Work] = deque((plan, frozenset()) for plan in plans)
        while waiting:
            before = self._before
            lost = self._run(waiting, jobs)
            suspects = [work for work in lost if self._was_reading(work[0])]
            if lost and not suspects and self._before == before:
                raise InvalidInput('prepare: the worker processes die before reading a clip; '
                                   'run with --jobs 1 to see why')
            waiting.extendleft(work for work in lost if work not in suspects)
            for plan, _ in suspects:
                self._alone(plan)

    def _alone(self, plan: ShardPlan) -> None:
        """Make a shard in a process of its own, without the examples that kill it."""
        skip: frozenset[str] = frozenset()
        while self._run(deque([(plan, skip)]), 1):
            key = self._was_reading(plan)
            if not key or key in skip:
                raise InvalidInput(f'prepare: the process of {plan.name} dies after reading its '
                                   'clips; try a smaller shard_size')
            skip |= {key}

    def _was_reading(self, plan: ShardPlan) -> str:
        """Return the key of the example that was being read when a process died, or ''."""
        journal = journal_file(self._cache, plan)
        key = journal.read_text(encoding='utf-8') if journal.exists() else ''
        journal.unlink(missing_ok=True)
        return key

    def _run(self, waiting: deque[_Work], jobs: int) -> list[_Work]:
        """Work until nothing is waiting; return the unfinished work when a process dies."""
        context = _context()
        # Locks are new in each run, for a process may die while it holds one.
        stop, done = context.RawValue('b', 0), context.Value('q', 0)
        running: dict[Future[None], _Work] = {}
        start = partial(_start, self._cache, self._config, stop, done)
        with ProcessPoolExecutor(jobs, context, start) as pool:
            try:
                while waiting or running:
                    while waiting and len(running) < 2 * jobs:
                        running[pool.submit(_make, *waiting[0])] = waiting[0]
                        waiting.popleft()
                    finished, _ = wait(running, POLL_S, FIRST_COMPLETED)
                    self._progress(self._before + done.get_obj().value)
                    for future in finished:
                        future.result()
                        del running[future]
            except BrokenProcessPool:
                return [work for work in running.values() if not work[0].is_done(self._cache)]
            except BaseException:
                stop.value = 1  # leaving the pool waits for the current examples
                raise
            finally:
                self._before += done.get_obj().value
        return []


_maker: ShardMaker | None = None


def _context() -> ForkServerContext:
    """Return a context whose workers start clean and share one import of torch."""
    context = multiprocessing.get_context('forkserver')
    spec = getattr(sys.modules['__main__'], '__spec__', None)  # which each worker runs
    context.set_forkserver_preload([__name__, *([spec.name] if spec else [])])
    # Workers ignore Ctrl-C: this process stops them.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return context


def _start(cache: Path, config: PrepareConfig, stop: Any, done: Any) -> None:
    """Initialise a worker process."""
    global _maker
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)

    def tick() -> None:
        with done.get_lock():
            done.value += 1

    _maker = ShardMaker(cache, config, tick, lambda: bool(stop.value), journal=True)


def _end_with_parent() -> None:
    """End this process when its parent is killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for_end([parent.sentinel])
    os._exit(1)


def _make(plan: ShardPlan, skip: frozenset[str]) -> None:
    assert _maker is not None
    _maker.make(plan, skip)
