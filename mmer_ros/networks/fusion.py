# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
What all fusions have in common, as torch modules.

A fusion is added by registering a class; nothing else has to know of it::

    @register_fusion('mean')
    class MeanFusion(nn.Module):
        def __init__(self, sizes, config, classifiers): ...
        def forward(self, features, weights, *, sample=None, generator=None): ...

and is then chosen by the bundle's configuration: `"fusion": {"family": "mean"}`.
docs/extending.md shows a complete example.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mmer_ros.networks.fusion_config import (
    AnyFusionConfig,
    FAMILIES,
    FusionConfig,
    parse_fusion_config,
    register_fusion,
)
from mmer_ros.types import MODALITIES, Modality
import torch
from torch import nn, Tensor

__all__ = ['AnyFusionConfig', 'available', 'Classifiers', 'FAMILIES', 'Features', 'FusionConfig',
           'FusionOutput', 'make_fusion', 'parse_fusion_config', 'register_fusion']

Features = Mapping[Modality, tuple[Tensor, Tensor]]  # (B, T, size) and mask (B, T) each


class FusionOutput(NamedTuple):
    """
    Output of a fusion for a batch.

    logits: (B, 7); weights: (B, M) of MODALITIES in the result, sum 1; embedding:
    (B, embracement_size), the fused vector.
    """

    logits: Tensor
    weights: Tensor
    embedding: Tensor


def available(features: Features) -> Tensor:
    """Return which of MODALITIES each row has, (B, M) bool."""
    some = next(iter(features.values()))[1]
    none = torch.zeros(some.shape[0], dtype=torch.bool, device=some.device)
    return torch.stack([features[m][1].any(dim=1) if m in features else none
                        for m in MODALITIES], dim=1)


Classifiers = Mapping[Modality, nn.Module]


def make_fusion(sizes: Mapping[Modality, int], config: FusionConfig,
                classifiers: Classifiers | None = None) -> nn.Module:
    """
    Return the fusion of these settings, with random weights.

    :param sizes: width of each modality's features.
    :param classifiers: the encoders' own, for fusions that read them.
    """
    fusion: nn.Module = FAMILIES.find(config.family).build(sizes, config, classifiers)
    return fusion
