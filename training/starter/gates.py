"""The gates before the encoders' own answers: is anybody to be heard or seen, or nobody."""

from __future__ import annotations

from mmer_ros.fusion import summary
from mmer_ros.own_answers import OwnAnswers
from mmer_ros.types import MODALITIES, subset_name
import torch
from torch import nn
from training.starter.parts import Library, NOTHING

STEPS = 600
LEARNING_RATE = 5e-3
WEIGHT_DECAY = 1e-2
NOISE = 0.1  # on the features, in units of their standard deviation


def fit_gates(own: OwnAnswers, library: Library, seed: int = 0) -> None:
    """
    Teach the gates to tell parts of people from parts of nobody, and leave them so.

    Together, people count as much as nobody, however few parts there are of one of them.

    :param library: a modality without parts of nobody keeps its gate open.
    """
    generator = torch.Generator().manual_seed(seed)
    for modality in MODALITIES:
        parts = library.parts[modality]
        somebody = torch.tensor([part.label != NOTHING for part in parts]).float()
        if bool(somebody.all()):
            continue
        vectors = torch.cat([summary(modality, part.features[None].float(),
                                     torch.ones(1, len(part.features), dtype=torch.bool))
                             for part in parts])
        weights = torch.where(somebody > 0, 0.5 / somebody.sum(), 0.5 / (1 - somebody).sum())
        gate = own.gates[subset_name(modality)]
        optimizer = torch.optim.AdamW(gate.parameters(), lr=LEARNING_RATE,
                                      weight_decay=WEIGHT_DECAY)
        for _ in range(STEPS):
            noise = NOISE * vectors.std() * torch.randn(vectors.shape, generator=generator)
            optimizer.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(
                gate(vectors + noise)[:, 0], somebody, weights, reduction='sum').backward()
            optimizer.step()
        gate.requires_grad_(False)
