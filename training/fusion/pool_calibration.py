# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Calibration of a log-linear pool on examples that none of its encoders has learnt from.

Each modality gives log-likelihoods under several conditions: corpora, noise, transcripts. A subset
of the modalities sums them with an exponent for each, and a temperature makes the sum a posterior.
Where one moment was never recorded with all modalities, examples of the same label stand in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mmer_ros.types import EMOTIONS, Modality, SUBSETS
import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
import torch
from torch import nn
from training.corpora.examples import balanced, grouped_folds
from training.fusion.calibrated_posteriors import CalibratedPosterior, FLAT, Floats
from training.fusion.calibration import fit_temperature

CLASSES = len(EMOTIONS)
FEWEST = 25  # answers of a class above a threshold, so that its precision means something
FOLDS = 2


@dataclass(frozen=True)
class Condition:
    """
    Outputs of an encoder's classifier for one corpus in one condition.

    :param name: e.g. 'nemo' or 'ravdess, pink noise at 10 dB'.
    :param logits: (N, 7), by a network that has not learnt from these examples.
    :param labels: (N,) indices into EMOTIONS.
    :param groups: (N,) person, dialogue or picture; a group is fitted on or measured on.
    :param corpus: that is left out as a whole; '' if its groups are divided instead.
    """

    name: str
    logits: NDArray[np.float32]
    labels: NDArray[np.int64]
    groups: NDArray[Any]
    corpus: str = ''

    def where(self, rows: NDArray[Any]) -> Condition:
        """Return some of the examples, by index or as a mask (N,)."""
        return replace(self, logits=self.logits[rows], labels=self.labels[rows],
                       groups=self.groups[rows])


def fit_likelihood(conditions: Sequence[Condition], *, offsets: bool = True, decay: float = 0.003
                   ) -> CalibratedPosterior:
    """
    Fit temperature and offsets of a classifier as likelihoods, under equal class shares.

    :param offsets: fit them; without, only the temperature.
    :param decay: of the squared offsets.
    """
    logits = torch.from_numpy(np.concatenate([c.logits for c in conditions]).astype(np.float64))
    labels = torch.from_numpy(np.concatenate([c.labels for c in conditions]))
    weights = torch.from_numpy(balanced([c.labels for c in conditions]))
    log_temperature = torch.zeros((), dtype=torch.float64, requires_grad=True)
    shift = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=offsets)
    optimizer = torch.optim.LBFGS([log_temperature, *([shift] if offsets else [])], max_iter=300,
                                  line_search_fn='strong_wolfe')

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        each = nn.functional.cross_entropy(logits / log_temperature.exp() + shift, labels,
                                           reduction='none')
        loss: torch.Tensor = weights @ each + decay * shift.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    found = shift.detach() - shift.detach().mean()
    return CalibratedPosterior(temperature=float(log_temperature.detach().exp()),
                               shares=tuple(FLAT.tolist()), offsets=tuple(found.tolist()))


@dataclass(frozen=True)
class PoolCalibration:
    """
    A calibrated pool, under equal class shares.

    :param exponents: of the likelihood of each modality where there are several.
    :param temperatures: by the name of a subset.
    """

    posteriors: Mapping[Modality, CalibratedPosterior]
    exponents: Mapping[Modality, float]
    temperatures: Mapping[str, float]

    def log_posterior(self, logits: Mapping[Modality, NDArray[Any]]) -> Floats:
        """Return log posteriors (N, 7) of the logits of one or more modalities, (N, 7) each."""
        divisor = self.temperatures[Modality.of(logits).title]
        result: Floats = log_softmax(self._pooled(logits) / divisor, axis=1)
        return result

    def _pooled(self, logits: Mapping[Modality, NDArray[Any]]) -> Floats:
        several = len(logits) > 1
        total = np.zeros((len(next(iter(logits.values()))), CLASSES))
        for modality, each in logits.items():
            likelihood = self.posteriors[modality].log_posterior(each)
            total += likelihood * (self.exponents[modality] if several else 1.0)
        return total


Evidence = Mapping[Modality, Sequence[Condition]]


def fit_pool(evidence: Evidence, exponents: Mapping[Modality, float], *, count: int = 4_200,
             sharpest: float = 1.0, offsets: Mapping[Modality, bool] | None = None
             ) -> PoolCalibration:
    """
    Fit likelihoods and temperatures.

    Of the same label, examples of different people agree more often than what one person shows at
    a time; so temperatures of several modalities are not below `sharpest`.

    :param count: examples of each subset of several modalities.
    :param offsets: modalities without offsets of their classes; all have them by default.
    """
    posteriors = {m: fit_likelihood(each, offsets=(offsets or {}).get(m, True))
                  for m, each in evidence.items() if each}
    pool = PoolCalibration(posteriors, exponents, dict.fromkeys((s.title for s in SUBSETS), 1.0))
    temperatures = {}
    for subset in subsets_of(evidence):
        if len(subset.members) == 1:
            temperatures[subset.title] = 1.0  # fitted with the offsets
            continue
        logits, labels = composed(evidence, subset, count)
        found = fit_temperature(pool.log_posterior(logits), labels)
        temperatures[subset.title] = max(sharpest, found)
    return PoolCalibration(posteriors, exponents, temperatures)


def subsets_of(evidence: Evidence) -> list[Modality]:
    """Return the subsets of the modalities that there is evidence of."""
    return [s for s in SUBSETS if all(evidence.get(m) for m in s.members)]


def composed(evidence: Evidence, subset: Modality, count: int, seed: int = 0
             ) -> tuple[dict[Modality, NDArray[np.float32]], NDArray[np.int64]]:
    """
    Return logits (N, 7) of each modality of examples with the same label, and the labels (N,).

    Labels that a modality lacks are left out; each other label is drawn equally often, and each
    condition of a modality by its share in `balanced`.
    """
    random = np.random.default_rng(seed)
    known = {m: np.concatenate([c.labels for c in evidence[m]]) for m in subset.members}
    labels = [e for e in range(CLASSES) if all((each == e).any() for each in known.values())]
    truth = np.repeat(np.array(labels, np.int64), count // len(labels))
    logits = {}
    for modality in subset.members:
        each = np.concatenate([c.logits for c in evidence[modality]])
        weights = balanced([c.labels for c in evidence[modality]])
        rows = np.zeros(len(truth), np.int64)
        for label in labels:
            own = np.flatnonzero(known[modality] == label)
            share = weights[own] / weights[own].sum()
            rows[truth == label] = random.choice(own, (truth == label).sum(), p=share)
        logits[modality] = each[rows]
    return logits, truth


@dataclass(frozen=True)
class Answers:
    """Probabilities (N, 7) for examples on which neither network nor calibration was fitted."""

    name: str
    probabilities: Floats
    labels: NDArray[np.int64]


def cross_fitted(evidence: Evidence, exponents: Mapping[Modality, float],
                 folds: Mapping[Modality, Sequence[NDArray[np.int64]]], count: int = 4_200,
                 **settings: Any) -> dict[str, list[Answers]]:
    """
    Return the answers of each subset by pools that were fitted on the other folds.

    :param folds: the fold of each example, for each condition of each modality.
    :param settings: of `fit_pool`.
    :return: of one modality, the answers to each condition; of several, to compositions.
    """
    number = 1 + max(int(f.max()) for each in folds.values() for f in each)
    found: dict[str, dict[str, list[Answers]]] = {s.title: {} for s in subsets_of(evidence)}
    for fold in range(number):
        asked = _chosen(evidence, folds, fold)
        pool = fit_pool(_chosen(evidence, folds, fold, others=True), exponents, **settings)
        for subset in subsets_of(asked):
            for name, logits, labels in _questions(asked, subset, count // number, fold):
                found[subset.title].setdefault(name, []).append(
                    Answers(name, np.exp(pool.log_posterior(logits)), labels))
    return {title: [Answers(name, np.concatenate([a.probabilities for a in parts]),
                            np.concatenate([a.labels for a in parts]))
                    for name, parts in named.items()] for title, named in found.items()}


def _chosen(evidence: Evidence, folds: Mapping[Modality, Sequence[NDArray[np.int64]]], fold: int,
            *, others: bool = False) -> dict[Modality, list[Condition]]:
    """Return the examples of a fold, or those of all others."""
    return {m: [c.where(rows) for c, own in zip(each, folds[m])
                if (rows := (own != fold) if others else (own == fold)).any()]
            for m, each in evidence.items()}


def _questions(evidence: Evidence, subset: Modality, count: int, seed: int) -> Any:
    if len(subset.members) == 1:
        for condition in evidence[subset]:
            yield condition.name, {subset: condition.logits}, condition.labels
    else:
        yield 'composed', *composed(evidence, subset, count, seed)


def folds_of(conditions: Sequence[Condition]) -> list[NDArray[np.int64]]:
    """Return folds (N,) of each condition: one for each corpus, or thirds of the groups."""
    corpora = list(dict.fromkeys(c.corpus for c in conditions))
    return [np.full(len(c.labels), corpora.index(c.corpus), np.int64) if c.corpus
            else grouped_folds(c.groups, 3) for c in conditions]


def thresholds(labels: NDArray[np.int64], probabilities: Floats, weights: Floats,
               precision: float = 0.8) -> list[float | None]:
    """
    Return for each class the least confidence above which its answers are right often enough.

    :param weights: (N,) of the examples, e.g. by how common their class is.
    :param precision: weighted share of right answers among those of the class at and above the
        threshold. None where FEWEST answers never reach it.
    """
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found: list[float | None] = []
    for label in range(CLASSES):
        own = np.flatnonzero(answers == label)
        own = own[np.argsort(-confidence[own], kind='stable')]
        right = np.cumsum(weights[own] * (labels[own] == label))
        share = right / np.cumsum(weights[own]).clip(min=1e-12)
        enough = np.flatnonzero((share >= precision) & (np.arange(len(own)) + 1 >= FEWEST))
        found.append(round(float(confidence[own[enough[-1]]]), 2) if len(enough) else None)
    return found


def corrected(probabilities: Floats, shares: Sequence[float]) -> Floats:
    """Return the posteriors under other class shares than equal ones, (N, 7)."""
    result: Floats = softmax(np.log(probabilities.clip(min=1e-12)) + np.log(shares), axis=1)
    return result
