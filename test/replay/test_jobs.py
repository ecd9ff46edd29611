# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Many recordings: side by side, one summary, and nobody stops the others."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mmer_ros.cli.main import main
from mmer_ros.replay import jobs, merged_summary, replay_bags, ReplayOptions, ReplayResult
import pytest

from ..fixtures.replay import NO_IMAGES, rewrite
from ..fixtures.stream import SAMPLE

OPTIONS = ReplayOptions(topics=NO_IMAGES, labels=SAMPLE / 'labels.csv')


@pytest.fixture(scope='module')
def bags(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Make a recording of two utterances, one of one, one that is broken, one of the same name."""
    folder = tmp_path_factory.mktemp('bags')
    broken = folder / 'broken.mcap'
    broken.write_bytes(b'no recording')
    return [rewrite(folder / 'talk'), broken, rewrite(folder / 'short', until_s=4.3),
            rewrite(folder / 'again' / 'talk', until_s=4.3)]


def answers(results: list[ReplayResult]) -> list[list[Any]]:
    return [result.estimates for result in results]


@pytest.mark.slow
def test_processes_give_what_one_gives_and_a_broken_one_stops_nobody(
        bags: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [*map(str, bags), '--topics', 'image=', '--labels', str(SAMPLE / 'labels.csv'),
                 '--jobs', '2', '--output', 'out']
    assert main(['replay', *arguments]) == 3
    found = json.loads((tmp_path / 'out' / 'summary.json').read_text())
    assert [bag['folder'] for bag in found['bags']] == ['talk', '', 'short', 'talk-2']
    assert [bag['exit_code'] for bag in found['bags']] == [0, 2, 0, 0]
    assert 'broken.mcap' in found['bags'][1]['error']
    alone = replay_bags(bags, OPTIONS)
    assert answers([ReplayResult.load(tmp_path / 'out' / name)
                    for name in ('talk', 'short', 'talk-2')]) == answers(
        [alone[i] for i in (0, 2, 3)])
    assert [sum(row['final'] for row in rows) for rows in answers(alone)] == [2, 0, 1, 1]
    merged = merged_summary(alone)
    for name in ('utterances', 'duration_s', 'evaluation', 'emotions', 'exit_code'):
        assert merged[name] == found[name]
    assert merged['evaluation']['scores']['count'] == merged['utterances'] == 4


def test_what_is_done_is_not_done_again_unless_something_changed(
        bags: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [bags[0], bags[2]]
    options = ReplayOptions(topics=NO_IMAGES, output=tmp_path)
    first = replay_bags(paths, options)
    replayed: list[str] = []
    inner = jobs.replay_bag

    def counted(path: Path, *args: Any, **kwargs: Any) -> ReplayResult:
        replayed.append(path.name)
        return inner(path, *args, **kwargs)

    monkeypatch.setattr(jobs, 'replay_bag', counted)
    again = replay_bags(paths, options, resume=True)
    assert replayed == [] and answers(again) == answers(first)
    (tmp_path / 'short' / 'summary.json').unlink()  # as if it had been interrupted
    assert answers(replay_bags(paths, options, resume=True)) == answers(first)
    assert replayed == ['short']
    changed = ReplayOptions(topics={'image': '', 'transcript': ''}, output=tmp_path)
    replay_bags(paths, changed, resume=True)
    assert replayed == ['short', 'talk', 'short']


def test_a_process_that_is_killed_takes_only_its_own_recording_along(
        bags: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the memory is full."""
    monkeypatch.setattr(jobs, 'START', 'fork')  # the work below needs no networks
    monkeypatch.setattr(jobs, '_work', die_on_short)
    results = replay_bags([bags[0], bags[2], bags[3]], OPTIONS, jobs=2)
    assert [result.error for result in results] == ['worked', results[1].error, 'worked']
    assert 'ended from outside' in results[1].error


def die_on_short(task: jobs.Task) -> ReplayResult:
    """Stand for the work of a process."""
    if task[1].name == 'short':
        os._exit(9)
    return ReplayResult(str(task[1]), error='worked')


def test_all_broken_is_bad_input(bags: list[Path], tmp_path: Path,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(['replay', str(bags[1]), str(tmp_path / 'nowhere'), '--output', 'out']) == 2
    assert json.loads((tmp_path / 'out' / 'summary.json').read_text())['exit_code'] == 2
