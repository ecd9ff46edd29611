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
    digest,
    ExampleRow,
    EXAMPLES,
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

    Each clip goes through the audio and face code of the robot. Shards that are complete are
    kept, so a run that was killed goes on where it was, and gives the same bytes. What is wrong
    with a clip is noted, in problems.jsonl too, and ends nothing.

    :param jobs: processes; what they make does not depend on their number.
    :param text_only: write the list of examples only.
    :param update: the folder may hold a cache of other files or settings; the shards that
        these do not concern are kept.
    :param progress: called with the examples done and those that this run has to do.
    :raises InvalidInput: if there is no example, the folder holds another cache or is in use,
        or it cannot be written; what is complete is kept.
    """
    if not corpus.examples:
        raise InvalidInput('prepare: the corpus has no examples')
    config = config or PrepareConfig()
    text_only = text_only or not any(e.audio or e.video or e.faces for e in corpus.examples)
    plans = [] if text_only else plan_shards(corpus.examples, config)
    info = CacheInfo(text_only=text_only, preprocessing=config,
                     source=digest([plan.fingerprint for plan in plans]),
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
            'complete and kept. Make room and run the same command again') from error
    return summary


@contextmanager
def _claimed(output: Path) -> Iterator[None]:
    """Keep other processes from writing to the folder; the system ends that with this one."""
    (output / SHARDS).mkdir(parents=True, exist_ok=True)
    with (output / '.lock').open('w') as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(f'cache {output}: another process is writing it; wait for it, or '
                               'give another folder') from None
        yield


def _begin(output: Path, info: CacheInfo, update: bool) -> None:
    """Take up the cache that is there, or begin one."""
    if (output / INFO).exists():
        before = read_info(output)
        changed = [name for name in ('text_only', 'preprocessing', 'source')
                   if getattr(before, name) != getattr(info, name)]
        if changed and not update:
            raise InvalidInput(
                f'cache {output}: it was made from other {" and ".join(map(_what, changed))}; '
                'give another folder, or --update to make the shards anew that it concerns')
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
    """Write the list of problems and, as the sign that all is done, that of the examples."""
    rows = {example.key: ExampleRow.of(example) for example in corpus.examples}
    problems = list(corpus.problems)
    for plan in plans:
        record = plan.record(output)
        assert record is not None
        for number, (example, found) in enumerate(zip(plan.examples, record.rows)):
            rows[example.key] = ExampleRow.of(example, plan.name, number, found)
            problems += found.problems
    write_file(output / PROBLEMS, b''.join(
        json.dumps(asdict(problem)).encode() + b'\n' for problem in problems))
    write_file(output / EXAMPLES, b''.join(
        row.model_dump_json().encode() + b'\n' for row in rows.values()))
    return Summary(list(rows.values()), problems, len(plans) - made, made)
