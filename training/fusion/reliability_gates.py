# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Training of the reliability gates of the late fusion."""

from __future__ import annotations

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.late_fusion import LateFusion
from mmer_ros.types import MODALITIES
import torch
from torch import nn
from training.fusion.unimodal_examples import OUT_OF_DOMAIN, Posteriors, UnimodalLibrary

STEPS = 600
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 1e-2
NOISE = 0.1  # on the features, in units of their standard deviation


def fit_gates(late_fusion: LateFusion, library: UnimodalLibrary, posteriors: Posteriors,
              seed: int = 0) -> None:
    """
    Train the gates to predict how reliable the encoders' classifiers are, then freeze them.

    The target is 1 in domain and 0 out of domain. In conditions such as noise, in which an encoder
    is overconfident, it is the ratio of the temperatures of the unchanged clips and of the
    condition. Both domains have the same total weight.

    :param library: a modality without out-of-domain examples keeps its gate open.
    """
    generator = torch.Generator().manual_seed(seed)
    for modality in MODALITIES:
        examples = library.examples[modality]
        in_domain = torch.tensor([e.label != OUT_OF_DOMAIN for e in examples])
        if bool(in_domain.all()):
            continue
        each = posteriors[modality]
        reliable = torch.tensor([0.0 if e.label == OUT_OF_DOMAIN else min(
            1.0, each[0].temperature / each[e.condition].temperature) for e in examples])
        vectors = torch.cat([summary(modality, e.features[None].float(),
                                     torch.ones(1, len(e.features), dtype=torch.bool))
                             for e in examples])  # (N, width)
        weights = torch.where(in_domain, 0.5 / in_domain.sum(), 0.5 / (~in_domain).sum())
        gate = late_fusion.gates[modality.key]
        optimizer = torch.optim.AdamW(gate.parameters(), lr=LEARNING_RATE,
                                      weight_decay=WEIGHT_DECAY)
        for _ in range(STEPS):
            noise = NOISE * vectors.std() * torch.randn(vectors.shape, generator=generator)
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(
                gate(vectors + noise)[:, 0], reliable, weights, reduction='sum').backward()
            optimizer.step()
        gate.requires_grad_(False)
