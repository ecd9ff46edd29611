"""The gates before the encoders' own answers: how far they hold for what is heard or seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.late_fusion import LateFusion
from mmer_ros.types import MODALITIES, Modality, subset_name
import torch
from torch import nn
from training.fusion.calibrated_posteriors import Expert
from training.fusion.unimodal_examples import Library, NOTHING, Part

STEPS = 600
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 1e-2
NOISE = 0.1  # on the features, in units of their standard deviation


def fit_gates(own: LateFusion, library: Library, experts: Mapping[Modality, Sequence[Expert]],
              seed: int = 0) -> None:
    """
    Teach the gates how far the encoders' answers hold, and leave them so.

    Open for parts of people, closed for those of nobody; between the two in conditions, such as
    noise, in which an encoder is surer than it ought to be. Together, people count as much as
    nobody, however few parts there are of one of them.

    :param library: a modality without parts of nobody keeps its gate open.
    :param experts: of each modality, by the number of the condition.
    """
    generator = torch.Generator().manual_seed(seed)
    for modality in MODALITIES:
        parts = library.parts[modality]
        somebody = torch.tensor([part.label != NOTHING for part in parts])
        if bool(somebody.all()):
            continue
        holds = torch.tensor([_holds(part, experts[modality]) for part in parts])
        vectors = torch.cat([summary(modality, part.features[None].float(),
                                     torch.ones(1, len(part.features), dtype=torch.bool))
                             for part in parts])
        weights = torch.where(somebody, 0.5 / somebody.sum(), 0.5 / (~somebody).sum())
        gate = own.gates[subset_name(modality)]
        optimizer = torch.optim.AdamW(gate.parameters(), lr=LEARNING_RATE,
                                      weight_decay=WEIGHT_DECAY)
        for _ in range(STEPS):
            noise = NOISE * vectors.std() * torch.randn(vectors.shape, generator=generator)
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(
                gate(vectors + noise)[:, 0], holds, weights, reduction='sum').backward()
            optimizer.step()
        gate.requires_grad_(False)


def _holds(part: Part, experts: Sequence[Expert]) -> float:
    """Return how far to trust what an encoder says of a part, as the temperatures tell, 0..1."""
    if part.label == NOTHING:
        return 0.0
    return min(1.0, experts[0].temperature / experts[part.condition].temperature)
