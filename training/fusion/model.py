"""The full fusion and the simpler families of section 2.1 that it is compared with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from mmer_ros.embracenet import EmbraceNet, selection_probabilities
from mmer_ros.fusion import CrossmodalFusion, FusionConfig
from mmer_ros.model import available, Features, FusionNetwork, FusionOutput
from mmer_ros.types import EMOTIONS, MODALITIES, Modality
import torch
from torch import nn, Tensor

Family = Literal['full', 'concatenation', 'averaging', 'crossmodal_only', 'embracenet_only']
Sizes = Mapping[Modality, int]


def make_fusion(family: Family, sizes: Sizes, config: FusionConfig) -> nn.Module:
    """Return a network that maps features and trust to a FusionOutput, as FusionNetwork does."""
    makers: dict[str, Callable[[Sizes, FusionConfig], nn.Module]] = {
        'full': FusionNetwork, 'concatenation': Concatenation, 'averaging': Averaging,
        'crossmodal_only': CrossmodalOnly, 'embracenet_only': EmbraceNetOnly}
    return makers[family](sizes, config)


class Concatenation(nn.Module):
    """Feature-level fusion: mean features side by side, zeros for what is missing."""

    def __init__(self, sizes: Sizes, config: FusionConfig) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.project = _projections(sizes, config)
        self.join = nn.Sequential(
            nn.Linear(3 * config.width, config.embracement_size), nn.ReLU(),
            nn.Dropout(config.dropout))
        self.classifier = nn.Linear(config.embracement_size, len(EMOTIONS))

    def forward(self, features: Features, trust: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """Fuse a batch; `sample` and `generator` do not matter."""
        pooled = _projected(self.project, features)
        embedding = self.join(torch.cat(_in_order(pooled), dim=1))
        return FusionOutput(self.classifier(embedding), _weights(features, trust), embedding)


class Averaging(nn.Module):
    """Decision-level fusion: each modality answers, the weighted mean of the logits counts."""

    def __init__(self, sizes: Sizes, config: FusionConfig) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.project = _projections(sizes, config)
        self.classifiers = nn.ModuleDict({
            str(m.name): nn.Sequential(nn.ReLU(), nn.Dropout(config.dropout),
                                       nn.Linear(config.width, len(EMOTIONS))) for m in sizes})

    def forward(self, features: Features, trust: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """Fuse a batch; `sample` and `generator` do not matter."""
        pooled = _projected(self.project, features)
        weights = _weights(features, trust)
        answers = torch.stack([self.classifiers[str(m.name)](x) for m, x in pooled.items()], 1)
        own = weights[:, [MODALITIES.index(m) for m in pooled]]
        embedding = torch.stack(list(pooled.values()), dim=1)
        return FusionOutput((answers * own[..., None]).sum(dim=1), weights,
                            (embedding * own[..., None]).sum(dim=1))


class CrossmodalOnly(nn.Module):
    """Crossmodal blocks whose outputs are concatenated, without EmbraceNet."""

    def __init__(self, sizes: Sizes, config: FusionConfig) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.crossmodal = CrossmodalFusion(dict(sizes), config)
        self.join = nn.Sequential(
            nn.Linear(3 * config.width, config.embracement_size), nn.ReLU(),
            nn.Dropout(config.dropout))
        self.classifier = nn.Linear(config.embracement_size, len(EMOTIONS))

    def forward(self, features: Features, trust: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """Fuse a batch; `sample` and `generator` do not matter."""
        there = available(features)
        pooled = {m: x * there[:, [MODALITIES.index(m)]]
                  for m, x in self.crossmodal(features).items()}
        embedding = self.join(torch.cat(_in_order(pooled), dim=1))
        return FusionOutput(self.classifier(embedding), _weights(features, trust), embedding)


class EmbraceNetOnly(nn.Module):
    """EmbraceNet over mean features, without crossmodal blocks."""

    def __init__(self, sizes: Sizes, config: FusionConfig) -> None:
        """Build the network with random weights."""
        super().__init__()
        self.project = _projections(sizes, config)
        self.embracenet = EmbraceNet([config.width] * len(MODALITIES), config.embracement_size)
        self.classifier = nn.Linear(config.embracement_size, len(EMOTIONS))

    def forward(self, features: Features, trust: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """Fuse a batch."""
        pooled = _projected(self.project, features)
        weights = _weights(features, trust)
        embedding = self.embracenet(_in_order(pooled), weights, sample=sample,
                                    generator=generator)
        return FusionOutput(self.classifier(embedding), weights, embedding)


def _projections(sizes: Sizes, config: FusionConfig) -> nn.ModuleDict:
    return nn.ModuleDict({str(m.name): nn.Linear(size, config.width)
                          for m, size in sizes.items()})


def _projected(project: nn.ModuleDict, features: Features) -> dict[Modality, Tensor]:
    """Return the projected mean over time of each modality, zeros in rows that lack it."""
    pooled = {}
    for modality, (values, mask) in features.items():
        mean = (values * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
        there = mask.any(dim=1, keepdim=True)
        pooled[modality] = project[str(modality.name)](mean) * there
    return pooled


def _in_order(pooled: Mapping[Modality, Tensor]) -> list[Tensor]:
    missing = torch.zeros_like(next(iter(pooled.values())))
    return [pooled.get(m, missing) for m in MODALITIES]


def _weights(features: Features, trust: Tensor) -> Tensor:
    there = available(features)
    return selection_probabilities(there * trust.to(next(iter(features.values()))[0]))
