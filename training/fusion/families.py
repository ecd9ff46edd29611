"""The full fusion, the simpler families of section 2.1, and an encoder's own classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

from mmer_ros.networks.crossmodal import CrossmodalFusion, FusionConfig, masked_mean, summary
from mmer_ros.networks.embracenet import EmbraceNet, selection_probabilities
from mmer_ros.networks.emotion_model import available, Features, FusionNetwork, FusionOutput
from mmer_ros.types import EMOTIONS, MODALITIES, Modality
import torch
from torch import nn, Tensor
from training.encoders.trained_encoder import TrainedEncoder

Family = Literal['full', 'concatenation', 'averaging', 'crossmodal_only', 'embracenet_only']
Sizes = Mapping[Modality, int]
Vectors = Mapping[Modality, Tensor]  # (B, width) each; zeros in rows that lack the modality


def make_fusion(family: Family, sizes: Sizes, config: FusionConfig) -> nn.Module:
    """Return a network that maps features and trust to a FusionOutput, as FusionNetwork does."""
    if family == 'full':
        return FusionNetwork(sizes, config)
    pool = (CrossmodalFusion if family == 'crossmodal_only' else Means)(dict(sizes), config)
    joins: dict[str, type[nn.Module]] = {
        'averaging': Averaging, 'embracenet_only': Embracement, 'concatenation': Concatenation,
        'crossmodal_only': Concatenation}
    return SimpleFusion(pool, joins[family](config))


class SimpleFusion(nn.Module):
    """
    A fusion in two steps.

    :param pool: makes a vector of each modality: Means or CrossmodalFusion.
    :param join: makes one answer of them: Concatenation, Averaging or Embracement.
    """

    def __init__(self, pool: nn.Module, join: nn.Module) -> None:
        """Take the two steps."""
        super().__init__()
        self.pool, self.join = pool, join

    def forward(self, features: Features, trust: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """Fuse a batch; `sample` and `generator` matter to EmbraceNet alone."""
        there = available(features)
        weights = selection_probabilities(
            there * trust.to(next(iter(features.values()))[0]))
        vectors = {m: vector * there[:, [MODALITIES.index(m)]]
                   for m, vector in self.pool(features).items()}
        joined = self.join(vectors, weights, Draw(sample, generator))
        return FusionOutput(joined.logits, weights, joined.embedding)


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
        """Build the projections with random weights."""
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
        """Build the layers with random weights."""
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
        """Build the classifiers with random weights."""
        super().__init__()
        self.classifiers = nn.ModuleDict({
            str(m.name): nn.Sequential(nn.ReLU(), nn.Dropout(config.dropout),
                                       nn.Linear(config.width, len(EMOTIONS)))
            for m in MODALITIES})

    def forward(self, vectors: Vectors, weights: Tensor, draw: Draw) -> Joined:
        """Return the answer of a batch."""
        own = weights[:, [MODALITIES.index(m) for m in vectors], None]
        answers = torch.stack([self.classifiers[str(m.name)](x) for m, x in vectors.items()], 1)
        embedding = torch.stack(list(vectors.values()), dim=1)
        return Joined((answers * own).sum(dim=1), (embedding * own).sum(dim=1))


class Embracement(nn.Module):
    """EmbraceNet and a classifier, as in the full model."""

    def __init__(self, config: FusionConfig) -> None:
        """Build the layers with random weights."""
        super().__init__()
        self.embracenet = EmbraceNet([config.width] * len(MODALITIES), config.embracement_size)
        self.classifier = nn.Linear(config.embracement_size, len(EMOTIONS))

    def forward(self, vectors: Vectors, weights: Tensor, draw: Draw) -> Joined:
        """Return the answer of a batch."""
        embedding = self.embracenet(_in_order(vectors), weights, sample=draw.sample,
                                    generator=draw.generator)
        return Joined(self.classifier(embedding), embedding)


class OwnClassifier(nn.Module):
    """The classifier that an encoder was trained with, in the place of a fusion."""

    def __init__(self, trained: TrainedEncoder) -> None:
        """Take it from the encoder."""
        super().__init__()
        self.modality, self.classifier = trained.modality, trained.encoder.classifier

    def forward(self, features: Features, trust: Tensor) -> FusionOutput:
        """Return the answer of a batch, each row of which has the modality."""
        values, mask = features[self.modality]
        embedding = summary(self.modality, values, mask)
        weights = available(features).to(values)
        return FusionOutput(self.classifier(embedding), weights, embedding)


def _in_order(vectors: Vectors) -> list[Tensor]:
    missing = torch.zeros_like(next(iter(vectors.values())))
    return [vectors.get(m, missing) for m in MODALITIES]
