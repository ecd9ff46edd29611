# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Pseudo-multimodal pairs: text, voice and face of the same label from different corpora.

No corpus at hand has all three. Given the label, the modalities of a pseudo pair are
independent, unlike those of a person, so the label only decides which examples are combined. The
target of the fusion is the log-linear pool of their calibrated posteriors, with modality weights
fitted on real pairs (training.evaluation.pairs.human_votes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mmer_ros.networks.late_fusion import LateFusion, OPENED
from mmer_ros.types import EMOTIONS, Modality, SUBSETS
import numpy as np
from pydantic import Field
from scipy.special import log_softmax
import torch
from training.engine.config import Settings
from training.engine.fit import DrawnDataset
from training.engine.sampling import Draw
from training.fusion.calibrated_posteriors import Floats
from training.fusion.stage import FusionItem
from training.fusion.unimodal_examples import (
    OUT_OF_DOMAIN,
    Posteriors,
    UnimodalExample,
    UnimodalLibrary,
)

NEUTRAL = EMOTIONS.index('neutral')


class PseudoPairConfig(Settings):
    """
    How unimodal examples are combined.

    :param count: pseudo pairs per epoch.
    :param disagreement: share of the pseudo pairs of an emotion in which text, audio, face is
        neutral instead; at least one modality shows the emotion. The shares of audio and face are
        those of CREMA-D; for text none was measured.
    :param out_of_domain: share of out-of-domain examples in training.
    """

    count: int = Field(12_000, ge=1)
    disagreement: tuple[float, float, float] = (0.25, 0.4, 0.1)
    out_of_domain: float = Field(0.06, ge=0, lt=1)


class ModalityWeights(Settings):
    """
    Weights of the log-linear pool.

    :param weights: exponents of the likelihoods of text, audio, face.
    :param neutral: offset of neutral for each modality beyond the first, nats.
    """

    weights: tuple[float, float, float] = (1.0, 1.0, 1.0)
    neutral: float = 0.0


class PseudoPair(NamedTuple):
    """Unimodal examples by modality, and the label that they were combined for."""

    label: int
    examples: Mapping[Modality, UnimodalExample]


def draw_pseudo_pair(library: UnimodalLibrary, subset: Modality, label: int,
                     config: PseudoPairConfig, random: np.random.Generator, *,
                     out_of_domain: float = 0.0) -> PseudoPair:
    """
    Return unimodal examples of a label, some of them neutral in disagreement.

    :param out_of_domain: share of out-of-domain examples.
    """
    wanted = subset.members
    shown = dict.fromkeys(wanted, label)
    if label != NEUTRAL and len(wanted) > 1:
        neutral = [m for m in wanted if random.random() < config.disagreement[m.column]]
        if len(neutral) == len(wanted):
            neutral.remove(neutral[int(random.integers(len(neutral)))])
        shown |= dict.fromkeys(neutral, NEUTRAL)
    examples = {}
    for modality in wanted:
        outside = random.random() < out_of_domain
        example = library.draw(modality, OUT_OF_DOMAIN, random) if outside else None
        drawn = example or library.draw(modality, shown[modality], random)
        assert drawn is not None  # the library has each emotion
        examples[modality] = drawn
    return PseudoPair(label, examples)


class PooledTarget:
    """
    Target of the fusion: the log-linear pool of the calibrated unimodal posteriors.

    :param priors: class shares by the name of a subset; flat for others.
    :param likelihoods: log-likelihoods (7,) by key, as of `UnimodalLibrary.log_likelihoods`.
    """

    def __init__(self, weights: ModalityWeights, priors: Mapping[str, Floats],
                 likelihoods: Mapping[str, Floats]) -> None:
        self.weights, self.priors, self.likelihoods = weights, dict(priors), likelihoods

    def log_posterior(self, examples: Mapping[Modality, UnimodalExample]) -> Floats:
        """Return log posteriors, (7,)."""
        scores = self._pooled([(m, self.likelihoods[e.key]) for m, e in examples.items()])
        prior = self.priors.get(Modality.of(examples).title)
        result: Floats = log_softmax(scores if prior is None else scores + np.log(prior))
        return result

    def _pooled(self, likelihoods: Sequence[tuple[Modality, Floats]]) -> Floats:
        informative = sum(bool(np.any(each)) for _, each in likelihoods)
        scores = np.zeros(len(EMOTIONS))
        for modality, each in likelihoods:
            scores += each * (self.weights.weights[modality.column] if informative > 1 else 1.0)
        scores[NEUTRAL] += self.weights.neutral * max(0, informative - 1)
        return scores

    @torch.no_grad()
    def initialise(self, late_fusion: LateFusion, posteriors: Posteriors) -> None:
        """
        Set weights and offsets of the late fusion to this pool, for in-domain inputs.

        :param posteriors: those of condition 0 are used.
        """
        for subset in SUBSETS:
            prior = self.priors.get(subset.title)
            offsets = np.zeros(len(EMOTIONS)) if prior is None else np.log(prior)
            offsets[NEUTRAL] += self.weights.neutral * (len(subset.members) - 1)
            for modality in subset.members:
                column, posterior = modality.column, posteriors[modality][0]
                weight = self.weights.weights[column] if len(subset.members) > 1 else 1.0
                late_fusion.weights[subset.value, column] = weight / posterior.temperature / OPENED
                offsets += weight * np.array(posterior.offsets)
            late_fusion.offsets[subset.value] = torch.from_numpy(offsets)


class PseudoPairData(DrawnDataset[FusionItem]):
    """
    Pseudo pairs with random subsets of the modalities; labels take turns.

    :param target: None: the labels are the targets.
    :param training: draw out-of-domain examples, too.
    :param subset: of all pairs; None: random ones.
    """

    def __init__(self, library: UnimodalLibrary, config: PseudoPairConfig,
                 target: PooledTarget | None, *, count: int, training: bool,
                 subset: Modality | None = None) -> None:
        self.library, self.config, self.target = library, config, target
        self.training, self.subset = training, subset
        self.sizes = [1] * count

    def pair(self, draw: Draw) -> PseudoPair:
        """Return the pseudo pair of a draw."""
        random = draw.generator()
        subset = self.subset or SUBSETS[int(random.integers(len(SUBSETS)))]
        return draw_pseudo_pair(
            self.library, subset, draw.row % len(EMOTIONS), self.config, random,
            out_of_domain=self.config.out_of_domain if self.training else 0.0)

    def __getitem__(self, draw: Draw) -> FusionItem:
        return fusion_item(*self.pair(draw), self.target)


def fusion_item(label: int, examples: Mapping[Modality, UnimodalExample],
                target: PooledTarget | None) -> FusionItem:
    """Return features and target of unimodal examples; without a pooled one it is the label."""
    if target is None:
        distribution = torch.eye(len(EMOTIONS))[label]
    else:
        distribution = torch.from_numpy(np.exp(target.log_posterior(examples)).astype(np.float32))
    return FusionItem('|'.join(e.key for e in examples.values()),
                      {m: e.features for m, e in examples.items()}, distribution)
