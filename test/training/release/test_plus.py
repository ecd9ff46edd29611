# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The pool of the plus bundle: its gates, its likelihoods, and what the bundle answers."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.networks.late_fusion import LateFusion
from mmer_ros.networks.whisper_encoder import WhisperEncoder, WhisperEncoderConfig
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import EMOTIONS, MODALITIES, Modality, SUBSETS, Utterance
import numpy as np
import pytest
from scipy.special import log_softmax, softmax
import torch
from torch import nn
from training.encoders.trained_encoder import encoders_of, TrainedEncoder
from training.fusion.calibrated_posteriors import CalibratedPosterior
from training.fusion.pool_calibration import PoolCalibration
from training.release.plus import (
    fit_gate,
    FLAT,
    GateExamples,
    make_pool,
    opened,
    pool_bundle,
    set_pool,
)

from ...fixtures.model import random_audio, random_faces, seeded, tiny_bundle

TEXT, AUDIO, FACE = MODALITIES
VOICE = WhisperEncoderConfig(d_model=16, n_layer=2, n_head=2, n_inner=32, states=(1, 2), width=9)
NEVER = dict.fromkeys((s.title for s in SUBSETS), (None,) * 7)


def calibration() -> PoolCalibration:
    """Return one with other settings for each modality and subset."""
    return PoolCalibration(
        {m: CalibratedPosterior(temperature=1.5 + m.column, shares=FLAT,
                                offsets=tuple(np.linspace(-1, 1, 7) * (m.column - 1)))
         for m in MODALITIES},
        {TEXT: 0.8, AUDIO: 0.6, FACE: 0.9},
        {s.title: 1 + i / 10 for i, s in enumerate(SUBSETS)})


@pytest.fixture(scope='module')
def plus() -> Bundle:
    base = tiny_bundle()
    torch.manual_seed(0)
    encoder = seeded(WhisperEncoder, VOICE, 7)
    encoders = {**encoders_of(base), AUDIO: TrainedEncoder(AUDIO, VOICE, encoder, {})}
    return pool_bundle('plus', encoders, make_pool(encoders), calibration(),
                       faces=base.config.faces, card='# plus\n', notice='', thresholds=NEVER,
                       training={})


def utterance(subset: Modality) -> Utterance:
    return Utterance(text='how was I to know' if TEXT in subset else None,
                     audio=random_audio(9_000) if AUDIO in subset else None,
                     faces=random_faces(3) if FACE in subset else None)


@pytest.mark.parametrize('subset', SUBSETS)
def test_the_late_fusion_gives_the_posteriors_of_the_calibration(subset: Modality) -> None:
    torch.manual_seed(0)
    heads = {m: nn.Linear(5, 7) for m in MODALITIES}
    pool = LateFusion(dict.fromkeys(MODALITIES, 5), heads)
    set_pool(pool, calibration())
    there = {m: (torch.randn(4, 1, 5), torch.ones(4, 1, dtype=torch.bool))
             for m in subset.members}
    present = torch.tensor([[m in subset for m in MODALITIES]]).expand(4, 3)
    with torch.no_grad():
        found = pool(there, present).double().numpy() / calibration().temperatures[subset.title]
        logits = {m: heads[m](x[:, 0]).double().numpy() for m, (x, _) in there.items()}
    np.testing.assert_allclose(log_softmax(found, axis=1),
                               calibration().log_posterior(logits), atol=1e-4)


@torch.inference_mode()
def test_the_voice_alone_is_its_own_classifier_calibrated(plus: Bundle) -> None:
    encoder = plus.model.audio
    assert isinstance(encoder, WhisperEncoder)
    moments = encoder.moments(encoder.whole(random_audio(9_000)))
    logits = encoder.classifier(encoder.project(moments))[None].numpy()
    expected = softmax(calibration().log_posterior({AUDIO: logits})[0])
    found = Recognizer(plus).recognize(utterance(AUDIO)).probabilities
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert plus.config.priors['audio'] == pytest.approx(FLAT)


def test_the_gate_opens_for_people_and_closes_for_other_sounds() -> None:
    torch.manual_seed(0)
    width = len(EMOTIONS) + 4
    pool = LateFusion({AUDIO: width}, {AUDIO: nn.Linear(width, 7)})
    gate = pool.gates['audio']
    assert isinstance(gate, nn.Sequential)
    people, others = torch.randn(500, width) + 3, torch.randn(200, width) - 3
    noisy = torch.randn(300, width) + torch.tensor([3.0] * 9 + [-3.0] * 2)
    fit_gate(gate, [GateExamples(people, 1.0, 0.25), GateExamples(noisy, 0.5, 0.25),
                    GateExamples(others, 0.0, 0.5)], ignored=len(EMOTIONS))
    assert float(opened(gate, people).median()) > 0.95
    assert 0.35 < float(opened(gate, noisy).median()) < 0.65
    assert float(opened(gate, others).median()) < 0.05
    moved = people.clone()
    moved[:, :len(EMOTIONS)] -= 20  # by adaptation to a person
    torch.testing.assert_close(opened(gate, moved), opened(gate, people))


def test_it_survives_saving(plus: Bundle, tmp_path: Path) -> None:
    plus.save(tmp_path / 'plus')
    loaded = Recognizer(Bundle.load(tmp_path / 'plus'))
    for subset in SUBSETS:
        np.testing.assert_array_equal(
            loaded.recognize(utterance(subset)).probabilities,
            Recognizer(plus).recognize(utterance(subset)).probabilities)
    assert Bundle.load(tmp_path / 'plus').config.thresholds['text'] == (None,) * 7
