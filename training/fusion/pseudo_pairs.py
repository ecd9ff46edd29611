"""
Compositions: text, voice and face of the same label, put together from different corpora.

No corpus at hand pairs the three. Such a composition is not a moment of a person: given the
label its parts are independent, which those of a person are not. So the labels only decide
what is put together. What the fusion shall answer follows from what calibrated experts say of
the parts, pooled with the trust that was fitted on real pairs
(training.evaluation.pairs.human_votes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mmer_ros.networks.late_fusion import LateFusion, OPENED
from mmer_ros.types import EMOTIONS, MODALITIES, Modality, subset_name, SUBSETS
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import torch
from torch.utils.data import Dataset
from training.engine.config import Settings
from training.engine.sampling import Draw
from training.fusion.calibrated_posteriors import Expert, Floats, log_normalized
from training.fusion.stage import FusionItem
from training.fusion.unimodal_examples import Library, NOTHING, Part

NEUTRAL = EMOTIONS.index('neutral')


class CompositionConfig(Settings):
    """
    How parts are put together.

    :param count: compositions in an epoch.
    :param conflicts: share of the compositions of an emotion in which text, audio, face show
        neutral instead; at least one modality shows the emotion. For audio and face: how often
        they do so in CREMA-D; of words nobody measured it.
    :param nothing: share of the parts that show no person at all, in training.
    """

    count: int = Field(12_000, ge=1)
    conflicts: tuple[float, float, float] = (0.25, 0.4, 0.1)
    nothing: float = Field(0.06, ge=0, lt=1)


class Trust(Settings):
    """
    How far each modality is believed where there are several.

    :param weights: exponents of the likelihoods of text, audio, face.
    :param neutral: offset of neutral for each modality beyond the first, nats.
    """

    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    neutral: float = 0.0


class Composition(NamedTuple):
    """Parts by modality, and the label that they are put together for."""

    label: int
    parts: Mapping[Modality, Part]


def compose(library: Library, subset: Modality, label: int, config: CompositionConfig,
            random: np.random.Generator, *, nothing: float = 0.0) -> Composition:
    """
    Return parts of a label, now and then with a conflict.

    :param nothing: share of the parts that show no person.
    """
    wanted = [m for m in MODALITIES if m in subset]
    shown = dict.fromkeys(wanted, label)
    if label != NEUTRAL and len(wanted) > 1:
        silent = [m for m in wanted
                  if random.random() < config.conflicts[MODALITIES.index(m)]]
        if len(silent) == len(wanted):
            silent.remove(silent[int(random.integers(len(silent)))])
        shown |= dict.fromkeys(silent, NEUTRAL)
    parts = {}
    for modality in wanted:
        empty = random.random() < nothing
        part = library.draw(modality, NOTHING, random) if empty else None
        drawn = part or library.draw(modality, shown[modality], random)
        assert drawn is not None  # the library has each emotion
        parts[modality] = drawn
    return Composition(label, parts)


class Teacher:
    """
    What the fusion shall answer to parts.

    :param experts: of single modalities.
    :param priors: shares under which a subset is answered, by its name; flat where there are none.
    :param say: log-likelihoods of the parts by key, as of `Library.experts_say`.
    """

    def __init__(self, trust: Trust, priors: Mapping[str, Floats],
                 say: Mapping[str, Floats]) -> None:
        """Take what is known."""
        self.trust, self.priors, self.say = trust, dict(priors), say

    def __call__(self, parts: Mapping[Modality, Part]) -> Floats:
        """Return log posteriors, (7,)."""
        subset = Modality(0)
        for modality in parts:
            subset |= modality
        scores = self._pooled([(m, self.say[p.key]) for m, p in parts.items()])
        prior = self.priors.get(subset_name(subset))
        return log_normalized(scores if prior is None else scores + np.log(prior))

    def _pooled(self, said: list[tuple[Modality, Floats]]) -> Floats:
        if len(said) == 1:
            return said[0][1]
        telling = sum(bool(np.any(likelihood)) for _, likelihood in said)
        scores = np.zeros(len(EMOTIONS))
        for modality, likelihood in said:
            weight = self.trust.weights[MODALITIES.index(modality)] if telling > 1 else 1.0
            scores += weight * likelihood
        scores[NEUTRAL] += self.trust.neutral * max(0, telling - 1)
        return scores

    @torch.no_grad()
    def begin(self, own: LateFusion, experts: Mapping[Modality, Sequence[Expert]]) -> None:
        """
        Let a fusion begin with what is taught where all modalities at hand tell something.

        :param own: its weights and offsets are set.
        :param experts: those whose answers are taught, by the number of the condition; with those
            of condition 0 it begins.
        """
        for subset in SUBSETS:
            there = [m for m in MODALITIES if m in subset]
            prior = self.priors.get(subset_name(subset))
            offsets = np.zeros(len(EMOTIONS)) if prior is None else np.log(prior)
            offsets[NEUTRAL] += self.trust.neutral * (len(there) - 1)
            for modality in there:
                column, expert = MODALITIES.index(modality), experts[modality][0]
                trusted = self.trust.weights[column] if len(there) > 1 else 1.0
                own.weights[subset.value, column] = trusted / expert.temperature / OPENED
                offsets += trusted * np.array(expert.offsets)
            own.offsets[subset.value] = torch.from_numpy(offsets)


class Drawn(Dataset[FusionItem]):
    """
    Items for the fusion, drawn anew in each epoch.

    :param sizes: of each item, for batches of similar ones.
    """

    sizes: Sequence[int]


class CompositionData(Drawn):
    """
    Compositions with random subsets of the modalities, anew in each epoch.

    :param teacher: gives the targets; None: the labels are.
    :param training: with parts that show nothing; without it the draws are the same each time.
    """

    def __init__(self, library: Library, config: CompositionConfig, teacher: Teacher | None, *,
                 count: int, training: bool, subset: Modality | None = None) -> None:
        """Take the parts."""
        self.library, self.config, self.teacher = library, config, teacher
        self.count, self.training, self.subset = count, training, subset
        self.sizes = [1] * count

    def __len__(self) -> int:
        """Return the number of compositions of an epoch."""
        return self.count

    def composition(self, draw: Draw) -> Composition:
        """Return the composition of a draw; labels take turns, so that each is as common."""
        random = draw.generator()
        subset = self.subset or SUBSETS[int(random.integers(len(SUBSETS)))]
        return compose(self.library, subset, draw.row % len(EMOTIONS), self.config, random,
                       nothing=self.config.nothing if self.training else 0.0)

    def __getitem__(self, draw: Draw) -> FusionItem:
        """Return a composition as the fusion takes it."""
        made = self.composition(draw)
        if self.teacher is None:
            target = torch.zeros(len(EMOTIONS))
            target[made.label] = 1.0
        else:
            target = torch.from_numpy(np.exp(self.teacher(made.parts)).astype(np.float32))
        key = '|'.join(part.key for part in made.parts.values())
        return FusionItem(key, {m: p.features for m, p in made.parts.items()}, target)


def label_shares(expert: Expert) -> NDArray[np.float64]:
    """Return the shares under which a single modality is answered: those of its own corpus."""
    return np.array(expert.shares)
