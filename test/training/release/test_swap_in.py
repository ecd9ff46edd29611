# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The `paper` bundle: published networks in the place of the compact ones, by the paper's recipes.

Here the networks come from local files of the published kinds, smaller where the kind allows it;
the downloads themselves need a network.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facenet_pytorch import InceptionResnetV1
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import Modality, Utterance
import numpy as np
import pytest
import torch
from torchaudio.models import WaveRNN
from training.__main__ import main

from ...fixtures.model import random_audio, random_faces, seeded
from ...networks.test_pretrained import GPT, published_gpt, words_tokenizer

ENGINE = ['engine.epochs=1', 'engine.batch_size=4', 'engine.accumulate=1']
TEXT = [f'model.{name}={getattr(GPT, name)}' for name in (
    'vocab_size', 'n_positions', 'n_embd', 'n_layer', 'n_head')]
SHORT = ['data.train_s=0.1', 'data.eval_s=0.1']  # a recurrent step a sample takes its time
AUDIO = {'n_rnn': 8, 'n_res_block': 2, 'n_hidden': 8, 'n_output': 8, 'n_freq': 16}


def published(folder: Path) -> dict[str, Any]:
    """Write a GPT with its tokenizer, a WaveRNN and a FaceNet; return the last two."""
    published_gpt(folder / 'gpt', words_tokenizer())
    wavernn = seeded(WaveRNN, [5, 5, 8], 256, 200, AUDIO['n_res_block'], AUDIO['n_rnn'], 8, 5,
                     AUDIO['n_freq'], AUDIO['n_hidden'], AUDIO['n_output'], seed=1)
    facenet = seeded(InceptionResnetV1, None, seed=1)
    torch.save(wavernn.state_dict(), folder / 'wavernn.pt')
    torch.save(facenet.state_dict(), folder / 'facenet.pt')
    return {'wavernn': wavernn.state_dict(), 'facenet': facenet.state_dict()}


def test_published_networks_train_on_clips_and_become_a_bundle(
        whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    given = published(tmp_path)
    monkeypatch.chdir(tmp_path)
    data = ['--data', str(whole)]
    audio = [f'model.{name}={value}' for name, value in AUDIO.items()]
    for command in (
            ['train', 'text', *data, '--output', 'text', '--recipe', 'text/paper', 'init=gpt',
             *TEXT, 'finetune.epochs=1', 'finetune.batch_size=4', 'finetune.accumulate=1'],
            ['train', 'audio', *data, '--output', 'audio', '--recipe', 'audio/paper',
             'init=wavernn.pt', *audio, *SHORT, *ENGINE],
            ['train', 'face', *data, '--output', 'face', '--recipe', 'face/paper',
             'init=facenet.pt', 'model.hidden=16', 'model.max_images=3', *ENGINE],
            ['train', 'fusion', *data, '--output', 'fusion', '--recipe', 'fusion/paper',
             '--text', 'text', '--audio', 'audio', '--face', 'face', '--bundle', 'paper',
             'fusion.width=16', 'fusion.heads=2', *ENGINE]):
        assert main(command) == 0, command

    bundle = Bundle.load(tmp_path / 'paper')
    assert bundle.config.trained and bundle.config.name == 'paper'
    assert bundle.config.model.face.backbone == 'inception_resnet_v1'
    assert bundle.config.model.audio.samples_per_step == 1
    for name, weight in bundle.model.face.facenet.state_dict().items():  # it stays as it is
        assert torch.equal(weight, given['facenet'][name]), name
    learnt, first = bundle.model.audio.wavernn.rnn1.weight_hh_l0, given['wavernn'][
        'rnn1.weight_hh_l0']
    assert 0 < (learnt - first).abs().max() < 0.01  # goes on from where it was
    estimate = Recognizer(bundle).recognize(Utterance(
        text='how was i', audio=random_audio(1000), faces=random_faces(2)))
    assert estimate.modalities == Modality(7) and estimate.trained
    assert np.isclose(estimate.probabilities.sum(), 1)
