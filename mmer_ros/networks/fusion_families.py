# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The fusions: the paper's full model, and the simpler families of its section 2.1."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

from mmer_ros.networks.crossmodal import CrossmodalFusion, masked_mean, summary
from mmer_ros.networks.embracenet import EmbraceNet, selection_probabilities
from mmer_ros.networks.fusion import (
    available,
    Classifiers,
    Features,
    FusionConfig,
    FusionOutput,
)
from mmer_ros.networks.late_fusion import LateFusion
from mmer_ros.types import EMOTIONS, MODALITIES, Modality
import torch
from torch import nn, Tensor

Sizes = Mapping[Modality, int]
Vectors = Mapping[Modality, Tensor]  # (B, width) each; zeros in rows that lack the modality


class CrossmodalEmbraceNet(nn.Module):
    """
    The paper's fusion: crossmodal blocks, EmbraceNet and classifier.

    :param sizes: width of each modality's features.
    :param classifiers: the encoders' own, which `config.late_fusion` needs.
    :raises ValueError: if it needs them and they are not given.
    """

    def __init__(self, sizes: Sizes, config: FusionConfig,
                 classifiers: Classifiers | None = None) -> None:
        super().__init__()
        self.crossmodal = CrossmodalFusion(dict(sizes), config)
        self.embracenet = EmbraceNet([config.width] * len(MODALITIES), config.embracement_size)
        self.classifier = nn.Linear(config.embracement_size, len(EMOTIONS))
        self.late_fusion: LateFusion | None = None
        if config.late_fusion:
            if not classifiers:
                raise ValueError("late_fusion: it needs the encoders' own classifiers")
            self.late_fusion = LateFusion(sizes, classifiers)
            nn.init.zeros_(self.classifier.weight)  # training starts from late fusion alone
            nn.init.zeros_(self.classifier.bias)

    def forward(self, features: Features, weights: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """Fuse the features of a batch, as EmotionModel.fuse."""
        if not features:
            raise ValueError('an utterance has no modality; nothing can be estimated')
        pooled = self.crossmodal(features)                                # (B, width) each
        some = next(iter(pooled.values()))
        missing = torch.zeros_like(some)
        present = available(features)                                     # (B, M)
        shares = selection_probabilities(present * weights.to(some))      # (B, M)
        embedding = self.embracenet([pooled.get(m, missing) for m in MODALITIES], shares,
                                    sample=sample, generator=generator)   # (B, size)
        logits = self.classifier(embedding)                               # (B, 7)
        if self.late_fusion is not None:
            logits = logits + self.late_fusion(features, present)
        return FusionOutput(logits, shares, embedding)


class SimpleFusion(nn.Module):
    """
    A fusion in two steps.

    :param pool: makes a vector of each modality: Means or CrossmodalFusion.
    :param join: makes one answer of them: Concatenation, Averaging or Embracement.
    """

    def __init__(self, pool: nn.Module, join: nn.Module) -> None:
        super().__init__()
        self.pool, self.join = pool, join

    def forward(self, features: Features, weights: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """Fuse a batch; `sample` and `generator` matter to EmbraceNet alone."""
        there = available(features)
        shares = selection_probabilities(
            there * weights.to(next(iter(features.values()))[0]))          # (B, M)
        vectors = {m: vector * there[:, [m.column]]
                   for m, vector in self.pool(features).items()}
        joined = self.join(vectors, shares, Draw(sample, generator))
        return FusionOutput(joined.logits, shares, joined.embedding)


class Draw(NamedTuple):
    """How EmbraceNet draws; see there."""

    sample: bool | None
    generator: torch.Generator | None


class Joined(NamedTuple):
    """logits: (B, 7); embedding: (B, size)."""

    logits: Tensor
    embedding: Tensor


class Means(nn.Module):
    """A projection of each modality's mean over time."""

    def __init__(self, sizes: Sizes, config: FusionConfig) -> None:
        super().__init__()
        self.project = nn.ModuleDict({str(m.name): nn.Linear(size, config.width)
                                      for m, size in sizes.items()})

    def forward(self, features: Features) -> dict[Modality, Tensor]:
        """Return (B, width) of each modality; rows that lack it hold no information."""
        return {m: self.project[str(m.name)](masked_mean(values, mask))
                for m, (values, mask) in features.items()}


class Concatenation(nn.Module):
    """Feature-level fusion: vectors side by side, zeros for what is missing."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(len(MODALITIES) * config.width, config.embracement_size), nn.ReLU(),
            nn.Dropout(config.dropout))
        self.classifier = nn.Linear(config.embracement_size, len(EMOTIONS))

    def forward(self, vectors: Vectors, weights: Tensor, draw: Draw) -> Joined:
        """Return the answer of a batch."""
        embedding = self.hidden(torch.cat(_in_order(vectors), dim=1))
        return Joined(self.classifier(embedding), embedding)


class Averaging(nn.Module):
    """Decision-level fusion: each modality answers, the weighted mean of the logits counts."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.classifiers = nn.ModuleDict({
            str(m.name): nn.Sequential(nn.ReLU(), nn.Dropout(config.dropout),
                                       nn.Linear(config.width, len(EMOTIONS)))
            for m in MODALITIES})

    def forward(self, vectors: Vectors, weights: Tensor, draw: Draw) -> Joined:
        """Return the answer of a batch."""
        own = weights[:, [m.column for m in vectors], None]
        answers = torch.stack([self.classifiers[str(m.name)](x) for m, x in vectors.items()], 1)
        embedding = torch.stack(list(vectors.values()), dim=1)
        return Joined((answers * own).sum(dim=1), (embedding * own).sum(dim=1))


class Embracement(nn.Module):
    """EmbraceNet and a classifier, as in the full model."""

    def __init__(self, config: FusionConfig) -> None:
        super().__init__()
        self.embracenet = EmbraceNet([config.width] * len(MODALITIES), config.embracement_size)
        self.classifier = nn.Linear(config.embracement_size, len(EMOTIONS))

    def forward(self, vectors: Vectors, weights: Tensor, draw: Draw) -> Joined:
        """Return the answer of a batch."""
        embedding = self.embracenet(_in_order(vectors), weights, sample=draw.sample,
                                    generator=draw.generator)
        return Joined(self.classifier(embedding), embedding)


class OpinionPool(nn.Module):
    """
    Late fusion alone: the encoders' own posteriors, weighted and gated, without fused features.

    :param sizes: width of each modality's features.
    :param classifiers: the encoders' own.
    :raises ValueError: if they are not given.
    """

    def __init__(self, sizes: Sizes, config: FusionConfig,
                 classifiers: Classifiers | None = None) -> None:
        super().__init__()
        if not classifiers:
            raise ValueError("fusion 'pool': it needs the encoders' own classifiers")
        self.late_fusion = LateFusion(sizes, classifiers)

    def forward(self, features: Features, weights: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """Pool the posteriors of a batch, which are also its embedding; nothing is drawn."""
        if not features:
            raise ValueError('an utterance has no modality; nothing can be estimated')
        present = available(features)                                     # (B, M)
        logits = self.late_fusion(features, present)                      # (B, 7)
        return FusionOutput(logits, selection_probabilities(present * weights.to(logits)), logits)


class UnimodalClassifier(nn.Module):
    """
    The classifier that an encoder was trained with, in the place of a fusion.

    :param modality: of the encoder.
    :param classifier: maps the `summary` of its features, (B, width), to (B, 7).
    """

    def __init__(self, modality: Modality, classifier: nn.Module) -> None:
        super().__init__()
        self.modality, self.classifier = modality, classifier

    def forward(self, features: Features, weights: Tensor) -> FusionOutput:
        """Classify a batch, each row of which has the modality."""
        values, mask = features[self.modality]
        embedding = summary(self.modality, values, mask)                  # (B, width)
        return FusionOutput(self.classifier(embedding), available(features).to(values), embedding)


def _simple(pool: type[nn.Module], join: type[nn.Module], sizes: Sizes, config: FusionConfig,
            classifiers: Classifiers | None = None) -> SimpleFusion:
    return SimpleFusion(pool(dict(sizes), config), join(config))


# Registered in fusion_config.py, by these names.
full = CrossmodalEmbraceNet
pool = OpinionPool
concatenation = partial(_simple, Means, Concatenation)
averaging = partial(_simple, Means, Averaging)
crossmodal_only = partial(_simple, CrossmodalFusion, Concatenation)
embracenet_only = partial(_simple, Means, Embracement)


def _in_order(vectors: Vectors) -> list[Tensor]:
    missing = torch.zeros_like(next(iter(vectors.values())))
    return [vectors.get(m, missing) for m in MODALITIES]
