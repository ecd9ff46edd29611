# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""From a corpus of clips to a cache of audio, faces and text that `ClipCache` reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
import fcntl
import json
from pathlib import Path

from mmer_ros.types import InvalidInput
from training.corpora.corpus import Corpus
from training.engine.files import PARTIAL, write_file
from training.preparation.cache_format import (
    CacheInfo,
    ExampleRow,
    EXAMPLES,
    fingerprint_json,
    INFO,
    plan_shards,
    PrepareConfig,
    PROBLEMS,
    record_file,
    shard_file,
    ShardPlan,
    SHARDS,
)
from training.preparation.clip_cache import read_info
from training.preparation.report import Summary
from training.preparation.shard_making import make_shards, Progress


def prepare(corpus: Corpus, output: Path, config: PrepareConfig | None = None, *, jobs: int = 1,
            text_only: bool = False, update: bool = False,
            progress: Progress = lambda done, total: None) -> Summary:
    """
    Decode the clips of a corpus into a cache that `ClipCache` reads.

    Each clip goes through the audio and face code of the robot. Complete shards are kept, so a
    killed run resumes and writes the same bytes. Problems of clips are listed in problems.jsonl
    and do not end the run.

    :param jobs: processes; the result does not depend on their number.
    :param text_only: write the list of examples only.
    :param update: allow a folder with a cache of other files or settings, and replace the shards
        that differ.
    :param progress: called with the number of examples done and in all.
    :raises InvalidInput: if there is no example, the folder holds another cache or is in use,
        or it cannot be written; complete shards are kept.
    """
    if not corpus.examples:
        raise InvalidInput('prepare: the corpus has no examples')
    config = config or PrepareConfig()
    text_only = text_only or not any(e.audio or e.video or e.faces for e in corpus.examples)
    plans = [] if text_only else plan_shards(corpus.examples, config)
    info = CacheInfo(text_only=text_only, preprocessing=config,
                     source=fingerprint_json([plan.fingerprint for plan in plans]),
                     shards=tuple(plan.name for plan in plans))
    try:
        with _claimed(output):
            _begin(output, info, update)
            waiting = [plan for plan in plans if not plan.is_done(output)]
            make_shards(waiting, output, config, jobs=jobs, progress=progress)
            summary = _finish(output, corpus, plans, len(waiting))
    except OSError as error:
        done = sum(plan.record(output) is not None for plan in plans)
        raise InvalidInput(
            f'cache {output}: it cannot be written ({error}); {done} of {len(plans)} shards are '
            'complete and kept. Free some space and repeat the command') from error
    return summary


@contextmanager
def _claimed(output: Path) -> Iterator[None]:
    """Lock the folder against other processes; the lock ends with this process."""
    (output / SHARDS).mkdir(parents=True, exist_ok=True)
    with (output / '.lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(f'cache {output}: another process is writing to it; wait for it, '
                               'or give another folder') from None
        yield


def _begin(output: Path, info: CacheInfo, update: bool) -> None:
    """Check and tidy up an existing cache, or start one."""
    if (output / INFO).exists():
        before = read_info(output)
        changed = [name for name in ('text_only', 'preprocessing', 'source')
                   if getattr(before, name) != getattr(info, name)]
        if changed and not update:
            raise InvalidInput(
                f'cache {output}: it was made from other {" and ".join(map(_what, changed))}; '
                'give another folder, or --update to replace the shards that differ')
    (output / EXAMPLES).unlink(missing_ok=True)
    for path in output.rglob(f'*{PARTIAL}'):
        path.unlink()
    known = {file(output, name) for name in info.shards for file in (shard_file, record_file)}
    for path in (output / SHARDS).iterdir():
        if path not in known:
            path.unlink()
    write_file(output / INFO, info.model_dump_json(indent=1).encode())


def _what(name: str) -> str:
    return {'text_only': 'modalities (text only, or clips)', 'preprocessing': 'settings',
            'source': 'clips'}[name]


def _finish(output: Path, corpus: Corpus, plans: Sequence[ShardPlan], made: int) -> Summary:
    """Write the list of problems and last, to mark the cache as complete, the examples."""
    rows = {example.key: ExampleRow.from_example(example) for example in corpus.examples}
    problems = list(corpus.problems)
    for plan in plans:
        record = plan.record(output)
        assert record is not None
        for number, (example, found) in enumerate(zip(plan.examples, record.rows)):
            rows[example.key] = ExampleRow.from_example(example, plan.name, number, found)
            problems += found.problems
    write_file(output / PROBLEMS, b''.join(
        json.dumps(asdict(problem)).encode() + b'\n' for problem in problems))
    write_file(output / EXAMPLES, b''.join(
        row.model_dump_json().encode() + b'\n' for row in rows.values()))
    return Summary(list(rows.values()), problems, len(plans) - made, made)
