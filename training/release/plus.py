# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The plus bundle: text and face of another bundle, and a Whisper that has learnt many corpora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.fusion_families import OpinionPool
from mmer_ros.networks.late_fusion import LateFusion, OPENED
from mmer_ros.networks.whisper_encoder import WhisperEncoder
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
import torch
from torch import nn, Tensor
from training.encoders.audio.linear_voice import corpus_weights
from training.encoders.trained_encoder import encoders_of, TrainedEncoder
from training.fusion.assemble import assemble

AUDIO = Modality.AUDIO
FLAT = (1 / len(EMOTIONS),) * len(EMOTIONS)
GATE_STEPS, GATE_RATE, GATE_DECAY = 600, 5e-3, 1e-2
GATE_NOISE = 0.1  # on the features, in units of their deviation


@dataclass(frozen=True)
class UnseenLogits:
    """Logits (N, 7) for a corpus by a model that has not learnt from it, and the labels (N,)."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]


def fit_common_temperature(corpora: Sequence[UnseenLogits]) -> float:
    """Return the divisor of the logits with the least cross-entropy, equal weight a corpus."""
    logits = np.concatenate([c.logits for c in corpora]).astype(np.float64)
    labels = np.concatenate([c.labels for c in corpora])
    share = corpus_weights([c.labels for c in corpora]).double().numpy()

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(share @ log_p[np.arange(len(labels)), labels])

    return float(np.exp(minimize_scalar(loss, bounds=(-3.0, 3.0), method='bounded').x))


def fit_gate(gate: nn.Sequential, people: Sequence[Tensor], others: Tensor) -> float:
    """
    Train a reliability gate to be open for people and closed for sounds without a voice.

    It does not read the first seven features, the logits, which adaptation to a person moves.

    :param people: features of each corpus, (N, width) each, of equal weight.
    :param others: features of other sounds, (N, width); they weigh as much as all people.
    :return: median of the gate over the people of the corpus for which it is lowest.
    """
    generator = torch.Generator().manual_seed(0)
    vectors = torch.cat([*people, others])
    vectors[:, :len(EMOTIONS)] = 0
    first = gate[0]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight[:, :len(EMOTIONS)] = 0
    target = torch.cat([torch.ones(len(vectors) - len(others)), torch.zeros(len(others))])
    share = torch.cat([*(torch.full((len(p),), 0.5 / len(p) / len(people)) for p in people),
                       torch.full((len(others),), 0.5 / len(others))])
    spread = vectors.std(dim=0)
    optimizer = torch.optim.AdamW(gate.parameters(), lr=GATE_RATE, weight_decay=GATE_DECAY)
    for _ in range(GATE_STEPS):
        noise = GATE_NOISE * spread * torch.randn(vectors.shape, generator=generator)
        optimizer.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(
            gate(vectors + noise)[:, 0], target, share, reduction='sum').backward()
        optimizer.step()
    with torch.no_grad():
        return min(float(torch.sigmoid(gate(p)[:, 0]).median()) for p in people)


@torch.no_grad()
def replace_voice(pool: LateFusion, base: LateFusion, prior: Sequence[float]) -> None:
    """
    Copy the late fusion of another bundle, with a new voice in the place of the old one.

    The old fusion sums, for each subset, weighted log-likelihoods of the modalities and offsets.
    That of the old voice is taken out. The new one takes its place with the same exponent.

    :param pool: its classifier and gate of audio stay as they are: a calibrated posterior under a
        flat prior.
    :param prior: class shares (7,) under which the old voice alone is calibrated.
    """
    for name in base.classifiers:
        if name != AUDIO.key:
            pool.classifiers[name].load_state_dict(base.classifiers[name].state_dict())
            pool.gates[name].load_state_dict(base.gates[name].state_dict())
    pool.weights.copy_(base.weights)
    pool.offsets.copy_(base.offsets)
    alone = AUDIO.value
    likelihood = base.offsets[alone] - torch.tensor(prior).log()
    for bits in range(1, len(base.weights)):
        if bits & alone:
            exponent = base.weights[bits, AUDIO.column] / base.weights[alone, AUDIO.column]
            pool.offsets[bits] -= exponent * likelihood
            pool.weights[bits, AUDIO.column] = exponent / OPENED
    pool.offsets[alone] = 0


def pool_of(base: Bundle, encoder: WhisperEncoder) -> OpinionPool:
    """
    Return an untrained pool of the base's text and face and the new voice.

    :raises InvalidInput: if the base has no late fusion.
    """
    late_fusion = getattr(base.model.fusion, 'late_fusion', None)
    if late_fusion is None or AUDIO.title not in base.config.priors:
        raise InvalidInput(f'bundle {base.config.name}: it has no late fusion with priors; '
                           'expected a bundle as the command `starter` makes it')
    parts: dict[Modality, Any] = {**base.model.encoders, AUDIO: encoder}
    return OpinionPool({m: e.width for m, e in parts.items()}, FusionConfig(family='pool'),
                       {m: e.classifier for m, e in parts.items()})


def plus_bundle(name: str, base: Bundle, encoder: WhisperEncoder, pool: OpinionPool, *,
                card: str, notice: str, training: dict[str, Any]) -> Bundle:
    """Return the bundle; temperatures and priors of what has no voice stay those of the base."""
    old = base.model.fusion.late_fusion
    assert isinstance(old, LateFusion)  # pool_of has looked
    replace_voice(pool.late_fusion, old, base.config.priors[AUDIO.title])
    encoders = {**encoders_of(base),
                AUDIO: TrainedEncoder(AUDIO, encoder.config, encoder, {})}
    return assemble(
        name, encoders, FusionConfig(family='pool'), pool, faces=base.config.faces,
        temperatures={**base.config.temperatures, AUDIO.title: 1.0},
        priors={**base.config.priors, AUDIO.title: FLAT},
        modality_weights=base.config.modality_weights, notice=notice, weights='float16',
        voice_adaptation=True, card=card, training=training)
