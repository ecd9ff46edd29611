# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Many recordings, in turn or in parallel processes, and one summary of all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
import logging
import multiprocessing
from pathlib import Path
import queue
from typing import Any

from mmer_ros.evaluation.utterances import summarize
from mmer_ros.profiling import Clock
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.disk import describe_os_error
from mmer_ros.replay.options import ReplayOptions
from mmer_ros.replay.result import exit_code, ReplayResult
from mmer_ros.replay.run import fingerprint, load_recognizer, replay_bag
from mmer_ros.types import InvalidInput

POLL_S = 0.1
START = 'spawn'  # a fork would not bring the threads of the networks along
PROGRESS_STEPS = 200  # of the progress that a process reports

OnBag = Callable[[int, float, float], object]  # index, seconds done, seconds in all
WritePage = Callable[[ReplayResult], object]
Task = tuple[int, Path, ReplayOptions]


def replay_bags(paths: Sequence[str | Path], options: ReplayOptions | None = None, *,
                jobs: int = 1, resume: bool = False, clock: Clock | None = None,
                write_page: WritePage | None = None,
                on_progress: OnBag = lambda index, done, total: None) -> list[ReplayResult]:
    """
    Replay recordings; one that fails does not stop the others.

    :param options: with an output folder, each of several recordings gets a folder in it.
    :param jobs: processes; 1: this one.
    :param resume: do not replay again what is in the output folder already, unless the
        recording, the options or the bundle changed.
    :param write_page: called with each result that has a folder, unless the options want no
        report; in the process that replayed it, so it must be a function of a module. Its time
        is `report_s` in run.json.
    :return: in the order of the paths; `error` is set where nothing could be done.
    :raises InvalidInput: if the bundle or the device cannot be used.
    """
    options = options or ReplayOptions()
    recognizer = load_recognizer(options)
    bags = [Path(path) for path in paths]
    folders = _folders(bags, options.output)
    tasks = [(i, path, replace(options, output=folder))
             for i, (path, folder) in enumerate(zip(bags, folders))]
    results = _finished(tasks, recognizer) if resume else {}
    tasks = [task for task in tasks if task[0] not in results]
    if jobs > 1 and len(tasks) > 1:
        results |= _in_processes(tasks, min(jobs, len(tasks)), clock, write_page, on_progress)
    else:
        for task in tasks:
            results[task[0]] = _attempt(task, recognizer, clock, write_page, on_progress)
    return [results[i] for i in range(len(paths))]


def merged_summary(results: Sequence[ReplayResult]) -> dict[str, Any]:
    """Return one summary of several recordings, with all their labelled utterances together."""
    evaluations = [r.evaluation for r in results if r.evaluation is not None]

    def total(name: str) -> dict[str, int]:
        counts: Counter[str] = Counter()
        for result in results:
            counts.update(result.summary.get(name, {}))
        return dict(counts)

    def added(name: str) -> float:
        return float(sum(result.summary.get(name, 0) for result in results))

    return {
        'bags': [_brief(result) for result in results],
        'duration_s': added('duration_s'), 'estimates': int(added('estimates')),
        'utterances': int(added('utterances')), 'emotions': total('emotions'),
        'modalities': total('modalities'), 'events': total('events'),
        'evaluation': summarize(evaluations) if evaluations else None,
        'exit_code': exit_code(results)}


def _brief(result: ReplayResult) -> dict[str, Any]:
    evaluation = result.summary.get('evaluation') or {}
    scores = evaluation.get('scores') or {}
    return {'bag': result.bag, 'folder': str(result.folder.name) if result.folder else '',
            'error': result.error, 'exit_code': result.exit_code,
            'duration_s': result.summary.get('duration_s', 0),
            'utterances': result.summary.get('utterances', 0),
            'faults': result.summary.get('faults', []),
            'matched': evaluation.get('matched'), 'accuracy': scores.get('accuracy'),
            'weighted_f1': scores.get('weighted_f1')}


def _folders(paths: Sequence[Path], output: Path | None) -> list[Path | None]:
    """Return a folder for each: the output itself for one, else folders of their names in it."""
    if output is None or len(paths) == 1:
        return [output] * len(paths)
    taken: Counter[str] = Counter()
    folders: list[Path | None] = []
    for path in paths:
        name = path.resolve().stem if path.is_file() else path.resolve().name
        taken[name] += 1
        folders.append(output / (name if taken[name] == 1 else f'{name}-{taken[name]}'))
    return folders


def _finished(tasks: Sequence[Task], recognizer: Recognizer) -> dict[int, ReplayResult]:
    found = {}
    for index, path, options in tasks:
        try:
            result = ReplayResult.load(options.output) if options.output else None
        except InvalidInput:
            continue
        if result and result.run['fingerprint'] == fingerprint(path, options, recognizer):
            found[index] = result
    return found


def _attempt(task: Task, recognizer: Recognizer | None, clock: Clock | None,
             write_page: WritePage | None, on_progress: OnBag) -> ReplayResult:
    index, path, options = task
    try:
        result = replay_bag(path, options, recognizer=recognizer, clock=clock,
                            on_progress=lambda done, total: on_progress(index, done, total))
        if write_page is not None and options.report and result.folder is not None:
            begin = clock() if clock else 0.0
            write_page(result)
            if clock:
                result.run['report_s'] = clock() - begin
                result.save_run()
        return result
    except InvalidInput as error:
        return ReplayResult(str(path), error=str(error))
    except OSError as error:
        return ReplayResult(str(path), error=describe_os_error(error))
    except Exception as error:  # a fault of the program must not stop the others
        logging.getLogger('mmer_ros').exception('%s', path)
        return ReplayResult(str(path), error=f'internal error: {type(error).__name__}: {error}')


# ---------------------------------------------------------------------- processes

_worker: dict[str, Any] = {}  # what a process keeps between its recordings


def _start_worker(progress: Any, clock: Clock | None, write_page: WritePage | None) -> None:
    logging.getLogger('mmer_ros').setLevel(logging.ERROR)  # the summary names untrained bundles
    _worker.update(progress=progress, clock=clock, write_page=write_page)


def _work(task: Task) -> ReplayResult:
    options = task[2]
    if 'recognizer' not in _worker:
        _worker['recognizer'] = load_recognizer(options)
    last = -1

    def report(index: int, done: float, total: float) -> None:
        nonlocal last
        step = int(PROGRESS_STEPS * done / total) if total > 0 else 0
        if step != last:
            last = step
            _worker['progress'].put((index, done, total))

    return _attempt(task, _worker['recognizer'], _worker['clock'], _worker['write_page'],
                    report)


def _in_processes(tasks: Sequence[Task], jobs: int, clock: Clock | None,
                  write_page: WritePage | None, on_progress: OnBag) -> dict[int, ReplayResult]:
    results = _pool(tasks, jobs, clock, write_page, on_progress)
    for task in tasks:  # a process that dies takes its pool along: find the recording at fault
        if task[0] not in results:
            results |= _pool([task], 1, clock, write_page, on_progress)
    return {index: results.get(index) or ReplayResult(
        str(path), error='its process was ended from outside; perhaps the memory was full')
        for index, path, _ in tasks}


def _pool(tasks: Sequence[Task], jobs: int, clock: Clock | None, write_page: WritePage | None,
          on_progress: OnBag) -> dict[int, ReplayResult]:
    context = multiprocessing.get_context(START)
    progress = context.Queue()
    results: dict[int, ReplayResult] = {}
    worker = progress, clock, write_page
    with ProcessPoolExecutor(jobs, context, _start_worker, worker) as pool:
        running: dict[Future[ReplayResult], int] = {
            pool.submit(_work, task): task[0] for task in tasks}
        pending = set(running)
        try:
            while pending:
                done, pending = wait(pending, POLL_S, FIRST_COMPLETED)
                _pass_on(progress, on_progress)
                for future in done:
                    if not isinstance(future.exception(), BrokenProcessPool):
                        results[running[future]] = future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return results


def _pass_on(progress: Any, on_progress: OnBag) -> None:
    while True:
        try:
            on_progress(*progress.get_nowait())
        except queue.Empty:
            return
