# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Losses of emotion classification, plain and for unbalanced classes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from mmer_ros.types import EMOTIONS
import torch
from torch import nn, Tensor
from training.engine.config import Settings

UNIFORM = torch.full((len(EMOTIONS),), 1 / len(EMOTIONS))  # target of out-of-domain examples


class LossConfig(Settings):
    """
    Loss of the emotion logits.

    :param kind: cross_entropy as in the paper; weighted: classes weighted by their inverse
        frequency to the power `strength`; focal (Lin et al. 2017) with gamma = `strength`;
        logit_adjusted (Menon et al. 2021): `strength` times the log priors is added to the
        logits in training.
    :param label_smoothing: share of the target that is spread evenly over all classes, 0..1.
    """

    kind: Literal['cross_entropy', 'weighted', 'focal', 'logit_adjusted'] = 'cross_entropy'
    strength: float = 1.0
    label_smoothing: float = 0.0


class EmotionLoss(nn.Module):
    """
    Mean loss of a batch of logits against target distributions.

    :param counts: (7,) training examples of each class.
    """

    weights: Tensor
    log_priors: Tensor

    def __init__(self, config: LossConfig, counts: Sequence[float]) -> None:
        super().__init__()
        self.config = config
        frequencies = torch.tensor(counts, dtype=torch.float32).clamp(min=1)
        frequencies /= frequencies.sum()
        weights = frequencies ** -config.strength
        self.register_buffer('weights', weights / (weights * frequencies).sum(), persistent=False)
        self.register_buffer('log_priors', frequencies.log(), persistent=False)

    @classmethod
    def from_labels(cls, config: LossConfig, labels: Iterable[Sequence[int]]) -> EmotionLoss:
        """Return the loss for training examples with these labels."""
        return cls(config, class_counts(list(labels)))

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """
        Return the mean loss of the labelled rows.

        :param logits: (B, 7).
        :param targets: (B, 7) distributions times the weight of the row; a row of zeros is not
            labelled and is ignored.
        """
        config = self.config
        weight = targets.sum(dim=1, keepdim=True)  # (B, 1)
        smooth = config.label_smoothing
        targets = targets * (1 - smooth) + smooth / len(EMOTIONS) * weight
        if config.kind == 'logit_adjusted':
            logits = logits + config.strength * self.log_priors
        log_p = torch.log_softmax(logits, dim=1)
        terms = -targets * log_p
        if config.kind == 'weighted':
            terms = terms * self.weights
        if config.kind == 'focal':
            terms = terms * (1 - log_p.exp()) ** config.strength
        total = weight.sum()
        return terms.sum() / torch.where(total > 0, total, 1)


def target_of(shares: Sequence[float]) -> Tensor:
    """Return the target of an example (`Example.target`) as a tensor (7,); zeros for ()."""
    return torch.tensor(shares) if shares else torch.zeros(len(EMOTIONS))


def class_counts(labels: Sequence[Sequence[int]]) -> list[float]:
    """Return the examples of each class, (7,); one with two labels counts half for each."""
    counts = torch.zeros(len(EMOTIONS))
    for row in labels:
        counts[list(row)] += 1 / max(1, len(set(row)))
    return counts.tolist()
