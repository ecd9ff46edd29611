# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Training in several processes, as accelerate's launcher starts them, here on the CPU."""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys

import pytest
from rich.console import Console
import safetensors.torch
import torch
from training.corpora.examples import Example
from training.encoders.text.stage import TextConfig, train_text
from training.engine.files import partial_of, write_file
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder

from ...fixtures.stream import ROOT
from ...fixtures.text import corpus, recipe, TINY

SCRIPT = """
from pathlib import Path
import sys
from test.training.engine.test_processes import config, even_corpus
from training.engine.progress import Reporter
from training.encoders.text.stage import train_text
train_text(config(accumulate=1), even_corpus(), [], Path(sys.argv[1]), Reporter('text'))
"""


def config(accumulate: int) -> TextConfig:
    """Return a recipe of two phases in which nothing is left to chance but the draws."""
    base = recipe(epochs=2, accumulate=accumulate, average=0.5, clip_norm=1e3, optimizer='sgd')
    return base.model_copy(update={
        'model': TINY.model_copy(update={'dropout': 0.0}), 'pretrain': base.finetune})


def even_corpus() -> list[Example]:
    """Return 96 examples for training, so that all batches are full."""
    return corpus(dialogues=32)


def test_two_processes_learn_what_one_does_with_batches_twice_as_large(tmp_path: Path) -> None:
    """And the run folder is that of a single run: no line twice, nothing half."""
    together, alone = tmp_path / 'together', tmp_path / 'alone'
    script = tmp_path / 'script.py'
    script.write_text(SCRIPT)
    found = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         str(script), str(together)], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT), 'ACCELERATE_USE_CPU': 'true',
             'CUDA_VISIBLE_DEVICES': '', 'OMP_NUM_THREADS': '1'})
    assert found.returncode == 0, found.stderr
    assert found.stderr.count('text/finetune: epoch 2') == 1, 'told once'
    train_text(config(accumulate=2), even_corpus(), [], alone,
               Reporter('test', Console(quiet=True)))
    for phase in ('pretrain', 'finetune'):
        first, second = (list(RunFolder(run / phase).read_metrics()) for run in (together, alone))
        assert [(x['step'], x['split']) for x in first] == [(x['step'], x['split'])
                                                            for x in second]
        losses = [[x['loss'] for x in lines if x['split'] == 'dev'] for lines in (first, second)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    weights = [safetensors.torch.load_file(run / 'encoder' / 'encoder.safetensors')
               for run in (together, alone)]
    for name, expected in weights[1].items():
        torch.testing.assert_close(weights[0][name], expected, atol=1e-4, rtol=1e-3)
    assert not list(together.rglob('*.partial'))


def test_processes_do_not_write_each_others_files(tmp_path: Path,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    places = {partial_of(tmp_path / 'file')}
    monkeypatch.setenv('RANK', '1')
    places.add(partial_of(tmp_path / 'file'))
    assert len(places) == 2
    write_file(tmp_path / 'file', b'whole')
    assert [p.name for p in tmp_path.iterdir()] == ['file']
