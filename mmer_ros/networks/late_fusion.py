# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Late fusion: a gated, weighted sum of the unimodal classifiers' log-probabilities.

The paper fuses features only. Added to its logits, late fusion is a skip connection from each
encoder's own classifier: a log-linear opinion pool (Genest & Zidek, 1986) with reliability gates.
"""

from __future__ import annotations

from collections.abc import Mapping
import copy
import math

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.fusion import Features
from mmer_ros.types import EMOTIONS, MODALITIES, Modality, SUBSETS
import torch
from torch import nn, Tensor
from typing_extensions import Self

GATE_HIDDEN = 32
OPEN = 4.0  # logit of a gate before training
OPENED = 1 / (1 + math.exp(-OPEN))


class LateFusion(nn.Module):
    """
    Sum over the modalities at hand of weight * gate * log p, plus an offset for each emotion.

    Weights and offsets are learnt for each subset of the modalities. A gate in [0, 1] estimates
    from the features how reliable the posterior is: low in noise, zero for out-of-domain input.
    The classifiers are copies and stay frozen.

    :param sizes: width of each modality's features.
    :param classifiers: each maps `summary` of the features, (B, width), to (B, 7) logits.
    """

    def __init__(self, sizes: Mapping[Modality, int],
                 classifiers: Mapping[Modality, nn.Module]) -> None:
        super().__init__()
        known = {m.key: m for m in MODALITIES if m in classifiers}
        self.classifiers = nn.ModuleDict({
            name: copy.deepcopy(classifiers[m]) for name, m in known.items()})
        self.classifiers.requires_grad_(False)
        self.gates = nn.ModuleDict({name: make_gate(sizes[m]) for name, m in known.items()})
        rows = len(SUBSETS) + 1  # indexed by the bits of the subset; row 0 is never used
        self.weights = nn.Parameter(torch.full((rows, len(MODALITIES)), 1 / OPENED))
        self.offsets = nn.Parameter(torch.zeros(rows, len(EMOTIONS)))

    def train(self, mode: bool = True) -> Self:
        """Set the mode; the frozen classifiers use no dropout in training either."""
        super().train(mode)
        self.classifiers.eval()
        return self

    def forward(self, features: Features, present: Tensor) -> Tensor:
        """
        Return what is added to the logits.

        :param features: as of EmotionModel.fuse; modalities without a classifier are left out.
        :param present: (B, M) bool, which of MODALITIES each row has.
        :return: (B, 7).
        """
        bits = torch.tensor([m.value for m in MODALITIES], device=present.device)
        subset = (present * bits).sum(dim=1)                                        # (B,)
        logits = self.offsets[subset]                                               # (B, 7)
        for modality in MODALITIES:
            name = modality.key
            if modality not in features or name not in self.classifiers:
                continue
            vector = summary(modality, *features[modality])                         # (B, width)
            gate = torch.sigmoid(self.gates[name](vector)[:, 0])                    # (B,)
            column = modality.column
            weight = self.weights[subset, column] * gate * present[:, column]       # (B,)
            posterior = torch.log_softmax(self.classifiers[name](vector), dim=1)    # (B, 7)
            logits = logits + weight[:, None] * posterior
        return logits


def make_gate(size: int) -> nn.Sequential:
    """Return a gate that is open before training: (B, size) -> (B, 1)."""
    last = nn.Linear(GATE_HIDDEN, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, OPEN)
    return nn.Sequential(nn.Linear(size, GATE_HIDDEN), nn.ReLU(), last)
