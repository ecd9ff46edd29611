# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The plus bundle: published encoders with small heads, joined by a calibrated pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.fusion_families import OpinionPool
from mmer_ros.networks.late_fusion import LateFusion, OPENED
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.sensing.face_detector import FaceConfig
from mmer_ros.types import EMOTIONS, Modality, SUBSETS
import torch
from torch import nn, Tensor
from training.encoders.trained_encoder import TrainedEncoder
from training.fusion.assemble import assemble
from training.fusion.pool_calibration import PoolCalibration

FLAT = (1 / len(EMOTIONS),) * len(EMOTIONS)
GATE_STEPS, GATE_RATE, GATE_DECAY = 600, 5e-3, 1e-2
GATE_NOISE = 0.1  # on the features, in units of their deviation


@dataclass(frozen=True)
class GateExamples:
    """
    Features of inputs of one kind.

    :param features: (N, width), what the classifier sees.
    :param reliable: target of the gate, 0..1: 1 for clean inputs, 0 for what is no person.
    :param share: of the total weight.
    """

    features: Tensor
    reliable: float
    share: float


def fit_gate(gate: nn.Sequential, kinds: Sequence[GateExamples], *, ignored: int = 0) -> None:
    """
    Train a reliability gate, which multiplies the log-probabilities of a classifier.

    :param ignored: first features that it does not read, such as logits that adaptation moves.
    """
    generator = torch.Generator().manual_seed(0)
    vectors = torch.cat([k.features for k in kinds])
    first = gate[0]
    assert isinstance(first, nn.Linear)
    if ignored:
        vectors = torch.cat([torch.zeros_like(vectors[:, :ignored]), vectors[:, ignored:]], dim=1)
        with torch.no_grad():
            first.weight[:, :ignored] = 0
    target = torch.cat([torch.full((len(k.features),), k.reliable) for k in kinds])
    share = torch.cat([torch.full((len(k.features),), k.share / len(k.features)) for k in kinds])
    spread = vectors.std(dim=0)
    optimizer = torch.optim.AdamW(gate.parameters(), lr=GATE_RATE, weight_decay=GATE_DECAY)
    for _ in range(GATE_STEPS):
        noise = GATE_NOISE * spread * torch.randn(vectors.shape, generator=generator)
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(
            gate(vectors + noise)[:, 0], target, share, reduction='sum').backward()
        optimizer.step()
    gate.requires_grad_(False)


@torch.no_grad()
def opened(gate: nn.Module, features: Tensor) -> Tensor:
    """Return how far a gate is open for features (N, width): (N,) in 0..1."""
    result: Tensor = torch.sigmoid(gate(features)[:, 0])
    return result


def make_pool(encoders: Mapping[Modality, TrainedEncoder]) -> OpinionPool:
    """Return a pool of the encoders' classifiers, with open gates."""
    return OpinionPool({m: e.encoder.width for m, e in encoders.items()},
                       FusionConfig(family='pool'),
                       {m: e.encoder.classifier for m, e in encoders.items()})


@torch.no_grad()
def set_pool(late_fusion: LateFusion, calibration: PoolCalibration) -> None:
    """Give a late fusion the likelihoods and exponents of a calibration."""
    for subset in SUBSETS:
        offsets = torch.zeros(len(EMOTIONS))
        if all(m in calibration.posteriors for m in subset.members):
            several = len(subset.members) > 1
            for modality in subset.members:
                posterior = calibration.posteriors[modality]
                exponent = calibration.exponents[modality] if several else 1.0
                late_fusion.weights[subset.value, modality.column] = (
                    exponent / posterior.temperature / OPENED)
                offsets += exponent * torch.tensor(posterior.offsets)
        late_fusion.offsets[subset.value] = offsets


def pool_bundle(name: str, encoders: Mapping[Modality, TrainedEncoder], pool: OpinionPool,
                calibration: PoolCalibration, *, faces: FaceConfig, card: str, notice: str,
                thresholds: Mapping[str, Sequence[float | None]], training: Mapping[str, Any],
                ) -> Bundle:
    """
    Return the bundle, calibrated under equal class shares.

    :param pool: with gates that are fitted.
    :param thresholds: by subset, as of `BundleConfig`.
    """
    set_pool(pool.late_fusion, calibration)
    exponents = calibration.exponents
    weights = tuple(exponents.get(m, 1.0) for m in (Modality.TEXT, Modality.AUDIO, Modality.FACE))
    return assemble(
        name, encoders, FusionConfig(family='pool'), pool, faces=faces,
        temperatures=calibration.temperatures,
        priors=dict.fromkeys((s.title for s in SUBSETS), FLAT),
        modality_weights=weights, notice=notice, weights='float16', voice_adaptation=True,
        thresholds=thresholds, card=card, training=training)
