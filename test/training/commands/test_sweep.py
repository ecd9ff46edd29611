# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Sweeps: Optuna chooses, `train` trains, and a killed sweep goes on."""

from __future__ import annotations

import json
from pathlib import Path

from mmer_ros.types import InvalidInput
import pytest
from training.__main__ import main
from training.commands import train
from training.commands.sweep import Range
from training.encoders.text.stage import TextConfig
from training.engine.config import load_settings

from ...fixtures.text import corpus

TINY = ['model.vocab_size=400', 'model.n_positions=64', 'model.n_embd=16', 'model.n_layer=1',
        'model.n_head=2', 'pretrain=null', 'finetune.epochs=1', 'finetune.batch_size=32']


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    lines = [json.dumps({'id': e.key, 'split': e.split, 'text': e.text,
                         'label': 'joy' if e.labels[0] == 4 else 'neutral'}) for e in corpus(8)]
    path = tmp_path / 'corpus.jsonl'
    path.write_text('\n'.join(lines))
    return path


def sweep(manifest: Path, output: Path, *vary: str, trials: int = 3) -> int:
    return main(['sweep', '--output', str(output), '--trials', str(trials),
                 *(x for each in vary for x in ('--vary', each)), '--', 'text', '--data',
                 str(manifest), *TINY])


def test_a_killed_sweep_goes_on_with_the_trial_it_was_at(
        manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / 'sweep'
    vary = 'finetune.lr=1e-4..1e-2:log', 'model.history_turns=0,2', 'finetune.accumulate=1..2'
    run, tried = train.run, []

    def killed(options: object) -> int:
        tried.append(options)
        if len(tried) == 2:
            raise KeyboardInterrupt
        return run(options)  # type: ignore[arg-type]

    monkeypatch.setattr(train, 'run', killed)
    assert sweep(manifest, output, *vary) == 130
    assert len(list((output / 'runs').iterdir())) == 1 and not (output / 'best.yaml').exists()
    assert sweep(manifest, output, *vary) == 0
    assert tried[1].settings == tried[2].settings  # type: ignore[attr-defined]
    assert len(list((output / 'runs').iterdir())) == 3
    best = load_settings(TextConfig, output / 'best.yaml')
    assert best.finetune is not None and 1e-4 <= best.finetune.lr <= 1e-2
    assert best.model.n_embd == 16  # type: ignore[union-attr]
    assert len(tried) == 4 and sweep(manifest, output, *vary) == 0 and len(tried) == 4


def test_another_space_in_the_same_folder_is_refused(
        manifest: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(manifest, tmp_path / 's', 'finetune.lr=1e-4..1e-2', trials=1) == 0
    assert sweep(manifest, tmp_path / 's', 'finetune.lr=1e-3..1e-2', trials=2) == 2
    assert 'it was started on other data' in ' '.join(capsys.readouterr().err.split())


@pytest.mark.parametrize('text', ['lr', 'lr=', 'lr=3..1', 'lr=0..1:log', 'lr=a..b', '=1..2'])
def test_a_range_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match='--vary .*expected'):
        Range.parse(text)
