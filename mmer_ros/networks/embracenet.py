# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""EmbraceNet: docking layers and the embracement of any subset of modalities (section 4.2.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn, Tensor


class EmbraceNet(nn.Module):
    """
    Combine m vectors into one of `size`, each of its elements from one of them (eq. 13 to 16).

    In training each element is drawn from the modalities at hand; inference uses the expectation
    of that draw, which is deterministic.

    :param sizes: of the m inputs; each gets a docking layer (fully connected, ReLU).
    :param size: of the result, c in the paper.
    """

    def __init__(self, sizes: Sequence[int], size: int) -> None:
        super().__init__()
        self.docking = nn.ModuleList(nn.Linear(n, size) for n in sizes)

    def forward(self, inputs: Sequence[Tensor], weights: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> Tensor:
        """
        Embrace a batch.

        :param inputs: m tensors (B, size_k).
        :param weights: (B, m) >= 0, 0 for a modality that is missing; at least one > 0 a row.
        :param sample: draw (True) or take the expectation (False); by default draw in training.
        :param generator: of the draw, for repeatable training.
        :return: (B, size).
        """
        docked = torch.stack([torch.relu(layer(x)) for layer, x in zip(self.docking, inputs)],
                             dim=1)                                             # (B, m, size)
        p = selection_probabilities(weights)
        if not (self.training if sample is None else sample):
            return torch.einsum('bm,bms->bs', p, docked)
        choice = torch.multinomial(p, docked.shape[2], replacement=True,
                                   generator=generator)                         # (B, size)
        return docked.gather(1, choice[:, None, :])[:, 0]


def selection_probabilities(weights: Tensor) -> Tensor:
    """
    Return p of equation 13: the weights, scaled to sum 1.

    :param weights: (B, m) >= 0.
    :raises ValueError: if a row has no modality at all.
    """
    total = weights.sum(dim=1, keepdim=True)
    if not torch.onnx.is_in_onnx_export() and bool((total <= 0).any()):
        raise ValueError('EmbraceNet: an utterance has no modality; nothing can be estimated')
    return weights / total
