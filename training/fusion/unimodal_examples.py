"""Parts of compositions: what one modality shows of an emotion, as features."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmer_ros.networks.crossmodal import summary
from mmer_ros.types import EMOTIONS, InvalidInput, MODALITIES, Modality
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from training.corpora.examples import reference_key
from training.encoders.trained_encoder import TrainedEncoder
from training.fusion.calibrated_posteriors import Answers, Expert

NOTHING = -1  # label of what shows no person at all: noise, a wall


@dataclass(frozen=True)
class Part:
    """
    One example of one modality.

    :param label: index into EMOTIONS, or NOTHING.
    :param features: (T, width) of the encoder.
    :param logits: (7,) of the encoder's own classifier.
    :param condition: number of the conditions under which it was heard or seen, which tells the
        expert that answers; see `build.Material`.
    """

    key: str
    label: int
    features: Tensor
    logits: NDArray[np.float32]
    condition: int = 0


class Library:
    """Parts of all modalities, found by label."""

    def __init__(self, parts: Mapping[Modality, Sequence[Part]]) -> None:
        """
        Sort the parts.

        :raises InvalidInput: if a modality lacks an emotion.
        """
        self.parts = dict(parts)
        self._of: dict[Modality, dict[int, list[Part]]] = {}
        for modality, members in parts.items():
            groups: dict[int, list[Part]] = defaultdict(list)
            for part in members:
                groups[part.label].append(part)
            missing = [name for i, name in enumerate(EMOTIONS) if not groups[i]]
            if missing:
                raise InvalidInput(f'compositions: no {str(modality.name).lower()} of '
                                   f'{", ".join(missing)}; give data that has each emotion')
            self._of[modality] = dict(groups)

    @property
    def widths(self) -> dict[Modality, int]:
        """Width of the features by modality."""
        return {m: members[0].features.shape[1] for m, members in self.parts.items()}

    def draw(self, modality: Modality, label: int, random: np.random.Generator) -> Part | None:
        """Return a random part of a label; None if there is none."""
        found = self._of[modality].get(label)
        return found[int(random.integers(len(found)))] if found else None

    def answers(self, modality: Modality) -> Answers:
        """Return what the encoder's own classifier says of the labelled parts."""
        return answers_of(self.parts[modality])

    def experts_say(self, experts: Mapping[Modality, Sequence[Expert]]
                    ) -> dict[str, NDArray[np.float64]]:
        """
        Return log-likelihoods (7,) by key; those of NOTHING say nothing: zeros.

        Of a clip by a louder microphone they say what they say of the clip as it is.

        :param experts: of each modality, by the number of the condition.
        """
        said: dict[str, NDArray[np.float64]] = {}
        for modality in (m for m in MODALITIES if m in self.parts):
            for part in self.parts[modality]:
                said[part.key] = (
                    np.zeros(len(EMOTIONS)) if part.label == NOTHING else
                    experts[modality][part.condition].answer(part.logits[None])[0])
        return {key: said[reference_key(key)] for key in said}


def answers_of(parts: Iterable[Part]) -> Answers:
    """Return what the encoder's own classifier says of the labelled ones among the parts."""
    known = [p for p in parts if p.label != NOTHING]
    return Answers(np.stack([p.logits for p in known]),
                   np.array([p.label for p in known], np.int64))


@torch.inference_mode()
def make_parts(trained: TrainedEncoder, found: Iterable[tuple[str, int, Tensor]],
               condition: int = 0) -> list[Part]:
    """
    Return parts of features, with what the encoder's own classifier says of them.

    :param found: key, label and features (T, width) of each.
    :param condition: of all of them.
    """
    parts = []
    for key, label, features in found:
        mask = torch.ones(1, len(features), dtype=torch.bool)
        vector = summary(trained.modality, features[None], mask)
        logits = trained.encoder.classifier(vector)[0].numpy()
        parts.append(Part(key, label, features, logits, condition))
    return parts
