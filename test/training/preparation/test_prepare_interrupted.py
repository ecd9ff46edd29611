# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Preparation that is killed, interrupted, or runs out of disk: what is complete is kept."""

from __future__ import annotations

from collections.abc import Callable
import contextlib
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys
import threading
import time

from mmer_ros.types import InvalidInput, Modality
import psutil
import pytest
from training.corpora.corpus import Corpus
from training.corpora.examples import Example
from training.corpora.meld import read_meld
from training.engine.files import write_file
from training.preparation.clip_cache import ClipCache
from training.preparation.prepare import prepare

from ...fixtures.clip import CONFIG, content, make_clip, problems
from ...fixtures.stream import ROOT

SCRIPT = """
import sys
from pathlib import Path
from training.preparation.cache_format import PrepareConfig
from training.corpora.meld import read_meld
from training.commands.prepare import prepare
if __name__ == '__main__':
    prepare(read_meld(Path(sys.argv[1])), Path(sys.argv[2]), PrepareConfig(shard_size=2),
            jobs=int(sys.argv[3]))
"""


def start(tmp_path: Path, meld: Path, cache: Path, jobs: int) -> subprocess.Popen[bytes]:
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    return subprocess.Popen([sys.executable, str(script), str(meld), str(cache), str(jobs)],
                            cwd=ROOT, env={**os.environ, 'PYTHONPATH': str(ROOT)})


def until(true: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_run_leaves_no_worker_and_goes_on_to_the_same_bytes(
        meld: Path, whole: Path, tmp_path: Path) -> None:
    """Killed with two jobs at its first shard, resumed with one; what it had made is kept."""
    cache = tmp_path / 'cache'
    process = start(tmp_path, meld, cache, 2)
    until(lambda: any(cache.glob('shards/*.json')) or process.poll() is not None)
    assert process.poll() is None, 'it has work left when it is killed'
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE
                          for child in children))
    with pytest.raises(InvalidInput, match='not complete'):
        ClipCache(cache)
    (cache / 'shards' / 'train-00002.safetensors.partial').write_bytes(b'torn')
    kept = {p: p.stat().st_mtime_ns for p in cache.glob('shards/*.json')}
    summary = prepare(read_meld(meld), cache, CONFIG)
    assert summary.kept >= 1 and summary.kept + summary.made == 6
    assert all(p.stat().st_mtime_ns == written for p, written in kept.items())
    assert content(cache) == content(whole)


class Executioner(threading.Thread):
    """Kills the worker processes whenever they read a certain example."""

    def __init__(self, cache: Path, key: str) -> None:
        super().__init__(daemon=True)
        self.cache, self.key = cache, key
        self.ended = threading.Event()
        self.kills = 0

    def run(self) -> None:
        while not self.ended.wait(0.005):
            for journal in self.cache.glob('shards/*.current'):
                with contextlib.suppress(OSError, psutil.Error):
                    if journal.read_text() == self.key:
                        self.kill_workers()

    def kill_workers(self) -> None:
        workers = [worker for server in psutil.Process().children()
                   for worker in server.children()]
        for worker in workers:
            worker.kill()
            worker.wait(5)
        self.kills += bool(workers)


def test_a_clip_that_kills_its_process_is_left_out(tmp_path: Path) -> None:
    """All the rest is as if it had not been."""
    names = 'abcdef'
    for name in names:
        make_clip(tmp_path / f'{name}.mp4', 4.0 if name == 'c' else 0.5)
    corpus = Corpus([Example(f'train/{name}', 'train', video=tmp_path / f'{name}.mp4')
                     for name in names])
    cache, whole = tmp_path / 'cache', tmp_path / 'whole'
    executioner = Executioner(cache, 'train/c')
    executioner.start()
    prepare(corpus, cache, CONFIG, jobs=2)
    executioner.ended.set()
    executioner.join()
    assert executioner.kills >= 2, 'once beside others, once alone'
    assert [(p['key'], p['kind']) for p in problems(cache)] == [('train/c', 'crash')]
    assert ClipCache(cache).modalities('train/c') == Modality(0)
    prepare(corpus, whole, CONFIG)
    different = {name for name, data in content(cache).items() if content(whole)[name] != data}
    assert different == {'examples.jsonl', 'problems.jsonl', 'shards/train-00001.json',
                         'shards/train-00001.safetensors'}


def test_an_interrupt_stops_soon_and_keeps_the_shards(meld: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(read_meld(meld), tmp_path / 'cache', CONFIG, progress=interrupt)
    assert sorted(p.stem for p in tmp_path.glob('cache/shards/*.json')) == [
        'train-00000', 'train-00001']
    assert prepare(read_meld(meld), tmp_path / 'cache', CONFIG).kept == 2


# ------------------------------------------------------------------------------- the disk


def test_a_full_disk_is_told_and_what_is_complete_is_kept(
        meld: Path, whole: Path, copy: Path) -> None:
    """The system itself refuses to write on, in the midst of a shard."""
    for path in copy.glob('shards/train-00001.*'):
        path.unlink()
    largest = (whole / 'shards' / 'train-00001.safetensors').stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest // 2, before[1]))
    try:
        with pytest.raises(InvalidInput, match='File too large.*5 of 6 shards are complete'):
            prepare(read_meld(meld), copy, CONFIG)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not any(copy.rglob('*.partial'))
    assert prepare(read_meld(meld), copy, CONFIG).made == 1
    assert content(copy) == content(whole)


def test_a_full_device_leaves_nothing_half(tmp_path: Path) -> None:
    """/dev/full answers as a full disk does."""
    path = tmp_path / 'shard'
    path.write_bytes(b'old')
    (tmp_path / 'shard.partial').symlink_to('/dev/full')
    with pytest.raises(OSError, match='No space left'):
        write_file(path, b'new' * 100_000)
    assert [p.name for p in tmp_path.iterdir()] == ['shard'] and path.read_bytes() == b'old'


def test_a_folder_is_written_by_one_run_at_a_time(meld: Path, tmp_path: Path) -> None:
    def second(done: int, total: int) -> None:
        with pytest.raises(InvalidInput, match='another process is writing to it'):
            prepare(read_meld(meld), tmp_path / 'cache', CONFIG)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(read_meld(meld), tmp_path / 'cache', CONFIG, progress=second)
