# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A linear model of the states of a Whisper, learnt from several corpora."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from training.corpora.examples import balanced
from training.engine.tensor_store import TensorStore

SMALLEST = 1e-4  # deviation of a feature that hardly varies
STEPS = 100  # of L-BFGS, at most


@dataclass(frozen=True)
class VoiceVectors:
    """
    The voices of a corpus, one vector a clip.

    :param name: of the corpus.
    :param keys: of the clips, N.
    :param vectors: (N, D) float32.
    :param labels: (N,) indices into EMOTIONS.
    :param speakers: (N,) names, unique among all corpora.
    """

    name: str
    keys: tuple[str, ...]
    vectors: Tensor
    labels: NDArray[np.int64]
    speakers: NDArray[np.str_]

    @classmethod
    def of(cls, name: str, clips: Any, store: TensorStore) -> VoiceVectors:
        """Return the vectors of all clips with one label."""
        examples = [e for e in clips.examples if len(e.labels) == 1 and e.key in store]
        return cls(name, tuple(e.key for e in examples),
                   torch.cat([store.get(e.key) for e in examples]).float(),
                   np.array([e.labels[0] for e in examples], np.int64),
                   np.array([f'{name}/{e.speaker}' for e in examples]))

    def where(self, rows: NDArray[Any]) -> VoiceVectors:
        """Return some of the clips, by index or as a mask (N,)."""
        chosen = np.arange(len(self.keys))[rows]
        return VoiceVectors(self.name, tuple(self.keys[i] for i in chosen),
                            self.vectors[torch.from_numpy(chosen)], self.labels[chosen],
                            self.speakers[chosen])


@dataclass(frozen=True)
class LinearVoice:
    """
    Logits = (vector - mean) / scale @ weight + bias.

    :param mean, scale: (D,).
    :param weight: (D, 7).
    :param bias: (7,).
    """

    mean: Tensor
    scale: Tensor
    weight: Tensor
    bias: Tensor

    def logits(self, vectors: Tensor) -> NDArray[np.float32]:
        """Return (N, 7)."""
        scores = (vectors - self.mean) / self.scale @ self.weight + self.bias
        result: NDArray[np.float32] = scores.numpy()
        return result


def fit_linear(corpora: Sequence[VoiceVectors], decay: float) -> LinearVoice:
    """
    Fit a multinomial logistic regression of standardised vectors.

    :param decay: half the square of all weights costs this much, beside the mean cross-entropy
        in nats.
    """
    vectors = torch.cat([c.vectors for c in corpora])                     # (N, D)
    labels = torch.from_numpy(np.concatenate([c.labels for c in corpora]))
    share = torch.from_numpy(balanced([c.labels for c in corpora])).float()  # (N,)
    mean = share @ vectors
    scale = (share @ (vectors - mean).square()).sqrt() + SMALLEST
    inputs = (vectors - mean) / scale
    weight = torch.zeros(inputs.shape[1], len(EMOTIONS), requires_grad=True)
    bias = torch.zeros(len(EMOTIONS), requires_grad=True)
    optimiser = torch.optim.LBFGS([weight, bias], max_iter=STEPS, tolerance_grad=1e-6,
                                  line_search_fn='strong_wolfe')

    def loss() -> Tensor:
        optimiser.zero_grad()
        each = nn.functional.cross_entropy(inputs @ weight + bias, labels, reduction='none')
        total: Tensor = share @ each + decay / 2 * weight.square().sum()
        total.backward()
        return total

    optimiser.step(loss)
    return LinearVoice(mean, scale, weight.detach(), bias.detach())
