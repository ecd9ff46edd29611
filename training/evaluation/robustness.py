# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Cost of noisy and missing modalities: scores by noise level and by rate of loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mmer_ros.evaluation.metrics import accuracy, weighted_f1
from mmer_ros.types import Modality
import numpy as np
from numpy.typing import NDArray
from training.engine.predictions import Predictions
from training.evaluation.conditions import Panel, subsets
from training.evaluation.results import Figure, interval, names_of, select

NOISE_LEVELS = (0.0, .25, .5, 1.0, 2.0)  # standard deviations of the feature
MISSING_RATES = (0.0, .25, .5, .75, 1.0)

Disturbance = Literal['noise', 'missing']


@dataclass(frozen=True)
class Curve:
    """
    Scores as one modality degrades and the others stay.

    :param modality: that degrades; of several, each independently.
    :param levels: standard deviations of noise, or probabilities of being missing.
    :param accuracy, weighted_f1: at each level.
    :param count: examples.
    """

    kind: Disturbance
    modality: Modality
    levels: tuple[float, ...]
    accuracy: tuple[Figure, ...]
    weighted_f1: tuple[Figure, ...]
    count: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {'kind': self.kind, 'modality': names_of(self.modality),
                'levels': list(self.levels), 'count': self.count,
                'accuracy': [vars(f) for f in self.accuracy],
                'weighted_f1': [vars(f) for f in self.weighted_f1]}


def noise_curves(panel: Panel, available: Sequence[Modality], *,
                 levels: Sequence[float] = NOISE_LEVELS, resamples: int = 1000) -> list[Curve]:
    """
    Return the curves of Gaussian noise on the features of one modality at a time.

    There are none for a model without features.
    """
    whole = Modality.of(available)
    if not panel.ask(whole, noise={available[0]: levels[-1]})[0].keys:
        return []
    return [_curve('noise', modality, levels,
                   [panel.ask(whole, noise={modality: level} if level else None)
                    for level in levels], resamples)
            for modality in available]


def missing_curves(panel: Panel, available: Sequence[Modality], *,
                   rates: Sequence[float] = MISSING_RATES, resamples: int = 1000) -> list[Curve]:
    """
    Return the curves of missing modalities: one at a time, then all independently.

    Only examples with every modality count. The last modality of an example always stays. An
    example that loses a modality at some rate also loses it at every higher one.
    """
    if len(available) < 2:
        return []
    whole = Modality.of(available)
    answers = _predictions(panel, available)
    found = [_curve('missing', lost, rates, [_mixed(answers, lost, whole, rate) for rate in rates],
                    resamples) for lost in available]
    return [*found, _curve('missing', whole, rates,
                           [_mixed(answers, whole, whole, rate) for rate in rates], resamples)]


def _curve(kind: Disturbance, modality: Modality, levels: Sequence[float],
           answers: Sequence[Sequence[Predictions]], resamples: int) -> Curve:
    return Curve(
        kind, modality, tuple(levels),
        tuple(interval(accuracy, seeds, resamples) for seeds in answers),
        tuple(interval(weighted_f1, seeds, resamples) for seeds in answers),
        len(answers[0][0].keys))


def _predictions(panel: Panel, available: Sequence[Modality]) -> dict[Modality, list[Predictions]]:
    """Return the predictions from each subset, for examples that have all modalities."""
    alone = [set(panel.ask(modality)[0].keys) for modality in available]
    shared = set.intersection(*alone)
    keys = [key for key in panel.ask(Modality.of(available))[0].keys if key in shared]
    return {subset: [select(p, keys) for p in panel.ask(subset)] for subset in subsets(available)}


def _mixed(answers: dict[Modality, list[Predictions]], exposed: Modality, whole: Modality,
           rate: float) -> list[Predictions]:
    """Return for each seed the predictions from the remaining modalities of each example."""
    mixed = []
    for seed, base in enumerate(answers[whole]):
        left = _left(len(base.keys), exposed, whole, rate, seed)
        logits = base.logits.copy()
        for subset in answers:
            rows = left == int(subset)
            logits[rows] = answers[subset][seed].logits[rows]
        mixed.append(Predictions(base.name, base.keys, base.labels, logits))
    return mixed


def _left(count: int, exposed: Modality, whole: Modality, rate: float,
          seed: int) -> NDArray[np.int64]:
    """Return the bitmask of the remaining modalities, (count,); never 0."""
    luck = np.random.default_rng(seed).random((count, 8))  # one column per bit
    left = np.full(count, int(whole))
    for bit in _bits(exposed):
        left[luck[:, bit] < rate] &= ~bit
    bits = np.array(list(_bits(whole)))
    last = bits[luck[:, bits].argmax(axis=1)]
    return np.where(left == 0, last, left)


def _bits(modalities: Modality) -> Iterator[int]:
    return (int(m) for m in Modality if m in modalities)
