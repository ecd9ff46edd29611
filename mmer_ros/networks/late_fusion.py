"""The encoders' own classifiers beside the fusion: a skip connection from features to logits."""

from __future__ import annotations

from collections.abc import Mapping
import copy
import math

from mmer_ros.networks.crossmodal import summary
from mmer_ros.types import EMOTIONS, MODALITIES, Modality, SUBSETS
import torch
from torch import nn, Tensor
from typing_extensions import Self

GATE_HIDDEN = 32
OPEN = 4.0  # the logit of gates that have learnt nothing
OPENED = 1 / (1 + math.exp(-OPEN))


class OwnAnswers(nn.Module):
    """
    What the encoders' own classifiers say of the features, weighted.

    The sum over the modalities at hand of weight * gate * log p, and an offset for each emotion.
    Weights and offsets are learnt for each subset of the modalities; gates in 0..1 tell from the
    features how far the answer holds: less in noise, not at all where there is nobody to be heard
    or seen. The classifiers stay as they are. So the rest of the fusion learns what is to be
    changed about that sum, and where it has learnt nothing, the encoders' answers stand.
    """

    def __init__(self, sizes: Mapping[Modality, int],
                 classifiers: Mapping[Modality, nn.Module]) -> None:
        """
        Copy the classifiers.

        :param sizes: width of each modality's features.
        :param classifiers: each maps `summary` of the features, (B, width), to (B, 7).
        """
        super().__init__()
        members = {m.key: m for m in MODALITIES if m in classifiers}
        self.classifiers = nn.ModuleDict({
            name: copy.deepcopy(classifiers[m]) for name, m in members.items()})
        self.classifiers.requires_grad_(False)
        self.gates = nn.ModuleDict({name: _gate(sizes[m]) for name, m in members.items()})
        rows = len(SUBSETS) + 1  # by the bits of the subset; there is none without a modality
        self.weights = nn.Parameter(torch.full((rows, len(MODALITIES)), 1 / OPENED))
        self.offsets = nn.Parameter(torch.zeros(rows, len(EMOTIONS)))

    def train(self, mode: bool = True) -> Self:
        """Set the mode; the classifiers drop nothing out in training either."""
        super().train(mode)
        self.classifiers.eval()
        return self

    def forward(self, features: Mapping[Modality, tuple[Tensor, Tensor]], present: Tensor
                ) -> Tensor:
        """
        Return what is added to the logits, (B, 7).

        :param features: as of FusionNetwork.forward; modalities without a classifier say nothing.
        :param present: (B, 3) bool, which of text, audio and face each row has.
        """
        bits = torch.tensor([m.value for m in MODALITIES], device=present.device)
        subset = (present * bits).sum(dim=1)
        logits = self.offsets[subset]
        for column, modality in enumerate(MODALITIES):
            name = modality.key
            if modality not in features or name not in self.classifiers:
                continue
            vector = summary(modality, *features[modality])
            gate = torch.sigmoid(self.gates[name](vector)[:, 0])
            weight = self.weights[subset, column] * gate * present[:, column]
            said = torch.log_softmax(self.classifiers[name](vector), dim=1)
            logits = logits + weight[:, None] * said
        return logits


def _gate(size: int) -> nn.Module:
    """Return what is open at first, whatever the features: (B, size) -> (B, 1)."""
    last = nn.Linear(GATE_HIDDEN, 1)
    nn.init.zeros_(last.weight)
    nn.init.constant_(last.bias, OPEN)
    return nn.Sequential(nn.Linear(size, GATE_HIDDEN), nn.ReLU(), last)
