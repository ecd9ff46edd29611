# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Stage `train audio` with an ensemble: its runs, and the network that they become."""

from __future__ import annotations

from pathlib import Path
import shutil

from rich.console import Console
import torch
from training.augment.speech import SpeechConfig
from training.encoders.audio.data import AudioDataConfig
from training.encoders.audio.stage import AudioConfig, train_audio
from training.engine.fit import EngineConfig
from training.engine.progress import Reporter
from training.preparation.clip_cache import ClipCache
import yaml

from ...fixtures.model import TINY_AUDIO


def test_no_two_seeds_of_a_recipe_share_a_network(whole: Path, tmp_path: Path) -> None:
    """Otherwise they would look more alike than they are."""
    cache, reporter, seeds = ClipCache(whole), Reporter('audio', Console(quiet=True)), []
    for seed in range(2):
        config = AudioConfig(ensemble=2, model=TINY_AUDIO,
                             engine=EngineConfig(seed=seed, epochs=1, batch_size=8))
        train_audio(config, cache, tmp_path / str(seed), reporter)
        seeds += [yaml.safe_load(path.read_text())['engine']['seed'] for path in sorted(
            (tmp_path / str(seed) / 'ensemble').glob('*/config.yaml'))]
    assert seeds == [0, 1, 2, 3]


def test_the_networks_of_an_ensemble_become_one(whole: Path, tmp_path: Path) -> None:
    """The run ends with one network of twice the width, and resumes where it was stopped."""
    config = AudioConfig(
        ensemble=2, model=TINY_AUDIO,
        data=AudioDataConfig(plain_epochs=1, speech=SpeechConfig(noise=1)),
        engine=EngineConfig(epochs=2, batch_size=4, keep='last'))
    reporter = Reporter('audio', Console(quiet=True))
    cache = ClipCache(whole)
    trained = train_audio(config, cache, tmp_path / 'run', reporter)
    assert trained.encoder.width == 2 * TINY_AUDIO.n_rnn == trained.config.n_rnn
    runs = sorted(str(p.parent.relative_to(tmp_path / 'run'))
                  for p in (tmp_path / 'run').rglob('finished.json'))
    assert runs == ['ensemble/0', 'ensemble/1']
    weights = trained.encoder.state_dict()
    done = [(tmp_path / 'run' / run / 'metrics.jsonl').stat().st_mtime_ns for run in runs]
    (tmp_path / 'run' / 'encoder' / 'encoder.json').unlink()
    again = train_audio(config, cache, tmp_path / 'run', reporter)
    assert all(torch.equal(weights[k], v) for k, v in again.encoder.state_dict().items())
    assert done == [(tmp_path / 'run' / run / 'metrics.jsonl').stat().st_mtime_ns for run in runs]
    (tmp_path / 'run' / 'ensemble' / '1' / 'finished.json').unlink()
    *_, last = sorted((tmp_path / 'run' / 'ensemble' / '1' / 'checkpoints').iterdir())
    shutil.rmtree(last)
    resumed = train_audio(config, cache, tmp_path / 'run', reporter)
    assert all(torch.equal(weights[k], v) for k, v in resumed.encoder.state_dict().items())
    halves = [TINY_AUDIO.n_rnn * n for n in (1, 2)]
    features, _ = trained.encoder.eval()(torch.randn(1, 2_000) / 4, torch.tensor([2_000]))
    assert not torch.allclose(features[..., :halves[0]], features[..., halves[0]:], atol=1e-3)
