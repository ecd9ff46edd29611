# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Many dialogues, one after the other or in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
import multiprocessing
from pathlib import Path
import signal

import cv2
from mmer_ros.recordings.meld.corpus import MeldDialogue
from mmer_ros.recordings.meld.dialogue import write_dialogue, Written
from mmer_ros.recordings.meld.settings import BagSettings
from mmer_ros.types import InvalidInput

START = 'spawn'


def write_dialogues(dialogues: Sequence[MeldDialogue], output: Path, settings: BagSettings, *,
                    jobs: int = 1, resume: bool = False,
                    on_done: Callable[[Written], object] = lambda written: None
                    ) -> list[Written]:
    """
    Write a recording of each dialogue into a folder; one that fails does not stop the others.

    :param jobs: processes; the recordings do not depend on it.
    :param resume: keep recordings that are there, unless clips or settings changed.
    :param on_done: called with each result as soon as it is there.
    :return: in the order of the dialogues.
    """
    output.mkdir(parents=True, exist_ok=True)
    found: dict[str, Written] = {}
    for written in _each(dialogues, output, settings, jobs, resume):
        found[written.name] = written
        on_done(written)
    return [found[dialogue.name] for dialogue in dialogues]


def _each(dialogues: Sequence[MeldDialogue], output: Path, settings: BagSettings, jobs: int,
          resume: bool) -> Iterator[Written]:
    if jobs == 1 or len(dialogues) < 2:
        for dialogue in dialogues:
            yield _attempt(dialogue, output, settings, resume)
        return
    context = multiprocessing.get_context(START)
    pool = ProcessPoolExecutor(min(jobs, len(dialogues)), context, _start_worker)
    try:
        work = {pool.submit(_attempt, dialogue, output, settings, resume): dialogue
                for dialogue in dialogues}
        for future in as_completed(work):
            yield _result(future, work[future])
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future: Future[Written], dialogue: MeldDialogue) -> Written:
    try:
        return future.result()
    except BrokenProcessPool:
        return Written(dialogue.name, None, problems=(
            f'{dialogue.name}: its process was ended from outside; perhaps the memory was full. '
            'Run again with --resume and fewer --jobs',))


def _start_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the work
    cv2.setNumThreads(1)


def _attempt(dialogue: MeldDialogue, output: Path, settings: BagSettings, resume: bool
             ) -> Written:
    try:
        return write_dialogue(dialogue, output, settings, resume=resume)
    except InvalidInput as error:
        return Written(dialogue.name, None, problems=(str(error),))
    except OSError as error:
        return Written(dialogue.name, None, problems=(
            f'{dialogue.name}: it cannot be written to {output} ({error}); free space or give '
            'another --output, then run again with --resume',))
