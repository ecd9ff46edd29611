# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The stages `prepare` and `convert` as a person calls them."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmer_ros.types import InvalidInput
import pytest
from training.commands import convert, prepare
from training.corpora.manifest import read_manifest
from training.preparation.clip_cache import ClipCache

from ...fixtures.clip import make_clip, meld_row, write_table


def call(stage: object, *arguments: object) -> int:
    parser = argparse.ArgumentParser()
    stage.add_arguments(parser)  # type: ignore[attr-defined]
    return int(stage.run(parser.parse_args([*map(str, arguments)])))  # type: ignore[attr-defined]


@pytest.fixture
def meld(tmp_path: Path) -> Path:
    folder = tmp_path / 'MELD.Raw'
    write_table(folder / 'dev_sent_emo.csv', [meld_row(0, u, f'“line” {u}') for u in range(4)])
    for name in ('dia0_utt0', 'dia0_utt1'):
        make_clip(folder / 'dev_splits_complete' / f'{name}.mp4', 0.5, sound=name[-1] == '0')
    return folder


def test_a_folder_becomes_a_cache_and_what_it_lacks_is_told(
        meld: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', '200')
    cache = tmp_path / 'cache'
    command = ['--meld', meld, '--output', cache, '--jobs', 1]
    assert call(prepare, *command, 'max_images=2', 'faces.rate_hz=10', 'shard_size=1') == 0
    told = capsys.readouterr().err
    assert '4 examples; the cache needs at most about' in told and 'NOT BE ENOUGH' not in told
    assert 'dia0_utt2.mp4 is not there' in told and 'it has no audio' in told
    rows = [[cell.strip() for cell in line.split('│')[1:-1]] for line in told.splitlines()]
    assert ['dev', '4', '4', '1', '0.00', '2', '4'] in rows
    assert ['no audio', '1'] in [row[:2] for row in rows]
    assert str(cache / 'problems.jsonl') in told and '4 shards made' in told
    assert '4 examples in ' in told and ' per second; 1 process(es)' in told
    assert ClipCache(cache).info.preprocessing.max_images == 2
    assert call(prepare, *command, 'max_images=2', 'faces.rate_hz=10', 'shard_size=1') == 0
    told = capsys.readouterr().err
    assert '0 shards made, 4 kept' in told and 'per second' not in told
    with pytest.raises(InvalidInput, match='other settings'):
        call(prepare, *command)


def test_bad_options_are_told(meld: Path, tmp_path: Path) -> None:
    command = ['--meld', meld, '--output', tmp_path / 'cache']
    with pytest.raises(InvalidInput, match="did you mean 'max_images'"):
        call(prepare, *command, 'max_image=3')
    with pytest.raises(InvalidInput, match='--jobs 0'):
        call(prepare, *command, '--jobs', 0)
    with pytest.raises(InvalidInput, match='nowhere'):
        call(prepare, '--manifest', 'nowhere.jsonl', '--output', tmp_path / 'cache')
    (tmp_path / 'file').write_text('')
    with pytest.raises(InvalidInput, match='it cannot be written'):
        call(prepare, '--meld', meld, '--output', tmp_path / 'file' / 'cache', '--text-only')
    assert not (tmp_path / 'cache').exists()


def test_text_alone_asks_for_no_clips(meld: Path, tmp_path: Path,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    assert call(prepare, '--meld', meld, '--output', tmp_path / 'cache', '--text-only') == 0
    assert '.mp4' not in capsys.readouterr().err
    assert [e.text for e in ClipCache(tmp_path / 'cache').examples] == [
        f'"line" {u}' for u in range(4)]


def test_a_corpus_becomes_a_manifest_that_can_be_prepared(
        meld: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = tmp_path / 'manifests' / 'meld.jsonl'
    assert call(convert, '--meld', meld, manifest) == 0
    assert 'wrote 4 examples' in capsys.readouterr().err
    assert len(read_manifest(manifest).examples) == 4
    for source, path in (('--manifest', manifest), ('--meld', meld)):
        assert call(prepare, source, path, '--output', tmp_path / source, '--jobs', 1) == 0
    one, other = ClipCache(tmp_path / '--manifest'), ClipCache(tmp_path / '--meld')
    assert one.examples == other.examples
    assert one.sizes('dev/dia0_utt0') == other.sizes('dev/dia0_utt0') != (0, 0)
