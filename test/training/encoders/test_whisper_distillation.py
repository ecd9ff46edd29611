# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Distillation of Whisper into the audio encoder: states, their alignment, and training."""

from __future__ import annotations

import json
from pathlib import Path
import shutil
from typing import Any

from mmer_ros.networks.audio_encoder import AudioEncoderConfig
from mmer_ros.networks.pretrained import PretrainedUnavailable
from mmer_ros.types import InvalidInput, SAMPLE_RATE
import numpy as np
import pytest
from rich.console import Console
import safetensors.torch
import torch
from torch import nn
from training.augment.speech import SpeechConfig
from training.corpora.examples import Example
from training.encoders.audio.data import AudioData, AudioDataConfig
from training.encoders.audio.stage import AudioConfig, train_audio
from training.encoders.audio.whisper_distillation import (
    make_states,
    UnexplainedVariance,
    WhisperStates,
    WhisperTeacherConfig,
)
from training.engine.fit import EngineConfig
from training.engine.progress import Reporter
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache

from ...fixtures.whisper import save_whisper

QUIET = Console(quiet=True)
HOP = 800
COARSE = AudioEncoderConfig(
    hop_length=HOP, samples_per_step=HOP, upsample_scales=(1,), n_freq=16, n_rnn=16,
    n_res_block=2, n_hidden=8, n_output=8, classifier_hidden=8)


@pytest.fixture(scope='module')
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Save a small Whisper of random weights."""
    return save_whisper(tmp_path_factory.mktemp('whisper'))


class Clips:
    """Two utterances of noise."""

    def __init__(self, seconds: tuple[float, ...] = (1.3, 0.4)) -> None:
        random = np.random.default_rng(0)
        self.sound = {f'train/{i}': random.normal(0, 3_000, round(s * SAMPLE_RATE))
                      .astype(np.int16) for i, s in enumerate(seconds)}
        self.examples = [Example(key, 'train', labels=(4,)) for key in self.sound]

    def audio(self, key: str) -> np.ndarray:
        return self.sound[key]

    def sizes(self, key: str) -> tuple[int, int]:
        return len(self.sound[key]), 0


def states_of(whisper: Path, folder: Path, clips: Any, speed: float = 0.2, **config: Any
              ) -> WhisperStates:
    small: dict[str, Any] = {'layers': (1, 2), 'width': 6, 'speeds': 3}
    teacher = WhisperTeacherConfig(name=str(whisper), **(small | config))
    return make_states(teacher, speed, HOP, clips, folder, QUIET)


def test_there_is_a_state_for_each_hop_at_each_speed(whisper: Path, tmp_path: Path) -> None:
    clips: Any = Clips()
    states = states_of(whisper, tmp_path, clips)
    assert states.speeds == (0.8, 1.0, 1.2)
    for key, sound in clips.sound.items():
        for number, speed in enumerate(states.speeds):
            count = round(len(sound) / speed)
            found = states.get(key, number, 0, count)
            assert found.shape == (-(-count // HOP), 6) and found.isfinite().all()
    slow, plain = (states.get('train/0', n, 0, 16_000) for n in (0, 1))
    assert not torch.allclose(slow, plain, atol=1e-3)


def test_a_part_has_the_states_of_its_place(whisper: Path, tmp_path: Path) -> None:
    states = states_of(whisper, tmp_path, Clips())
    whole = states.get('train/0', 1, 0, round(1.3 * SAMPLE_RATE))
    torch.testing.assert_close(states.get('train/0', 1, 5 * HOP, 3 * HOP + 1), whole[5:9])


def test_states_are_kept_and_computed_again_for_other_audio_or_teachers(
        whisper: Path, tmp_path: Path) -> None:
    clips: Any = Clips()
    states_of(whisper, tmp_path, clips)
    written = {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*.safetensors')}
    states_of(whisper, tmp_path, clips)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob('*.safetensors')} == written
    states_of(whisper, tmp_path, clips, layers=(2,))
    clips.sound['train/1'][7] += 1
    states_of(whisper, tmp_path, clips)
    assert len(list(tmp_path.iterdir())) == 3


def test_more_than_half_a_minute_is_encoded_in_parts(whisper: Path, tmp_path: Path) -> None:
    states = states_of(whisper, tmp_path, Clips((31.0,)), speed=0)
    assert states.speeds == (1.0,)
    assert states.get('train/0', 0, 0, 31 * SAMPLE_RATE).shape[0] == 31 * 20


def test_the_window_and_its_states_belong_together(whisper: Path, tmp_path: Path) -> None:
    """Each draw's sound lies where its states do, at the same speed."""
    clips: Any = Clips((2.0, 1.0))
    states = states_of(whisper, tmp_path, clips)
    config = AudioDataConfig(train_s=0.5, speech=SpeechConfig(gain_db=0, speed=0.2))
    data = AudioData(clips, config, states, clips.examples, training=True)
    places = set()
    for seed in range(12):
        item = data[Draw(0, 0, seed)]
        assert item.states is not None and len(item.states) == -(-len(item.values) // HOP)
        found = [(number, begin) for number, speed in enumerate(states.speeds)
                 for begin in range(0, round(32_000 / speed) - len(item.values) + 1, HOP)
                 if torch.equal(states.get('train/0', number, begin, len(item.values)),
                                item.states)]
        assert len(found) == 1
        number, begin = found[0]
        if states.speeds[number] == 1:
            own = torch.from_numpy(clips.sound['train/0'] / np.float32(32_768))
            torch.testing.assert_close(item.values, own[begin:begin + len(item.values)].float(),
                                       atol=1e-3, rtol=0)
        places.add(found[0])
    assert len(places) > 6


def test_non_speech_and_dev_have_no_states(
        whisper: Path, tmp_path: Path) -> None:
    clips: Any = Clips()
    config = AudioDataConfig(non_speech=0.5, speech=SpeechConfig(speed=0.2))
    data = AudioData(clips, config, states_of(whisper, tmp_path, clips), clips.examples, True)
    items = [data[Draw(0, 0, seed)] for seed in range(20)]
    batch = data.collate(items)
    assert batch['states'].shape[:2] == (20, -(-int(batch['lengths'].max()) // HOP))
    for item, row in zip(items, batch['states'], strict=True):
        hops = -(-len(item.values) // HOP)
        assert row[hops:].isnan().all()
        assert row[:hops].isnan().all() == item.key.endswith('(non-speech)')
    dev = AudioData(clips, config, states_of(whisper, tmp_path, clips), clips.examples, False)
    assert dev[Draw(0, 0, 0)].states is None and 'states' not in dev.collate([dev[Draw(0, 0, 0)]])


def test_the_loss_is_the_unexplained_share_of_the_variance() -> None:
    torch.manual_seed(0)
    features, mask = torch.randn(8, 50, 4), torch.ones(8, 50, dtype=torch.bool)
    mask[:, 40:] = False
    explained = features @ nn.functional.normalize(torch.randn(4, 3), dim=0)
    explained[0, :5] = torch.nan
    assert best_fit(features, mask, explained) < 1e-3
    assert 0.9 < best_fit(features, mask, torch.randn(8, 50, 3)) < 1.1
    assert float(UnexplainedVariance(4, 3)(features, mask, explained * torch.nan)) == 0


def best_fit(features: torch.Tensor, mask: torch.Tensor, states: torch.Tensor) -> float:
    """Return the loss of the best linear map."""
    module = UnexplainedVariance(features.shape[2], states.shape[2])
    optimizer = torch.optim.LBFGS(module.parameters(), max_iter=100)

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value: torch.Tensor = module(features, mask, states)
        value.backward()
        return value

    optimizer.step(loss)
    return float(loss().detach())


def test_the_audio_encoder_learns_the_states_of_the_teacher(
        whole: Path, whisper: Path, tmp_path: Path) -> None:
    """The networks share them; once finished, the same command needs no teacher."""
    config = AudioConfig(
        ensemble=2, model=COARSE, data=AudioDataConfig(train_s=0.6),
        teacher=WhisperTeacherConfig(name=str(whisper), layers=(1,), width=8, speeds=1),
        engine=EngineConfig(epochs=16, batch_size=4, lr=3e-2, keep='last', log_steps=1))
    cache, reporter = ClipCache(whole), Reporter('audio', QUIET)
    trained = train_audio(config, cache, tmp_path / 'run', reporter)
    assert len(list((tmp_path / 'run' / 'states').iterdir())) == 1
    lines = [json.loads(line) for line in (
        tmp_path / 'run' / 'ensemble' / '0' / 'metrics.jsonl').read_text().splitlines()]
    unexplained = [line['unexplained'] for line in lines if 'unexplained' in line]
    assert np.mean(unexplained[-5:]) < 0.9 * np.mean(unexplained[:5])
    (tmp_path / 'run' / 'states').rename(tmp_path / 'elsewhere')
    again = train_audio(config, cache, tmp_path / 'run', reporter)
    assert all(torch.equal(v, again.encoder.state_dict()[k])
               for k, v in trained.encoder.state_dict().items())
    assert not (tmp_path / 'run' / 'states').exists()


def test_a_missing_or_too_small_teacher_is_refused(whisper: Path, tmp_path: Path) -> None:
    with pytest.raises(PretrainedUnavailable, match=r'speech encoder .*nowhere.*folder of a copy'):
        states_of(tmp_path / 'nowhere', tmp_path, Clips())
    with pytest.raises(InvalidInput, match=r'teacher\.layers: .* has outputs 0 to 2'):
        states_of(whisper, tmp_path, Clips(), layers=(3,))


def test_weights_of_another_network_are_refused(whisper: Path, tmp_path: Path) -> None:
    """Otherwise random weights would teach."""
    other = shutil.copytree(whisper, tmp_path / 'other')
    weights = safetensors.torch.load_file(other / 'model.safetensors')
    name = next(key for key in weights if key.endswith('encoder.conv1.weight'))
    weights.pop(name)
    safetensors.torch.save_file(weights, other / 'model.safetensors', metadata={'format': 'pt'})
    with pytest.raises(PretrainedUnavailable, match=r'it lacks .*conv1\.weight; give a model'):
        states_of(other, tmp_path, Clips())
