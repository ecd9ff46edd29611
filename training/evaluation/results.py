# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Results of one model under one condition, over its seeds: scores, spread, intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from mmer_ros.evaluation import metrics
from mmer_ros.evaluation.metrics import score, Scores, Statistic
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import numpy as np
from numpy.typing import NDArray
from training.engine.predictions import Predictions

STATISTICS: dict[str, Statistic] = {
    'accuracy': metrics.accuracy, 'balanced_accuracy': metrics.balanced_accuracy,
    'weighted_f1': metrics.weighted_f1, 'harmonic_f1': metrics.harmonic_f1}

# Of `metrics.class_scores`, in its order.
CLASS_STATISTICS = (*(f'{kind}/{name}' for kind in ('precision', 'recall', 'f1')
                      for name in EMOTIONS), 'weighted_precision', 'weighted_recall')


@dataclass(frozen=True)
class Figure:
    """
    A score over seeds and resampled examples.

    :param mean: over the seeds.
    :param deviation: sample standard deviation over the seeds; None for a single one.
    :param low, high: 95 % bootstrap interval of the mean; None without one.
    """

    mean: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None

    @classmethod
    def over(cls, values: Sequence[float]) -> Figure:
        """Return the mean and deviation of the seeds' values."""
        deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
        return cls(float(np.mean(values)), deviation)


@dataclass(frozen=True)
class Result:
    """
    Predictions of one model under one condition.

    :param name: of the model, as tables show it.
    :param modalities: its inputs.
    :param causal: without the reply.
    :param predictions: one per seed, of the same examples in the same order.
    :param figures: of STATISTICS and CLASS_STATISTICS, and ece, nll and brier without an interval.
    """

    name: str
    modalities: Modality
    causal: bool
    predictions: tuple[Predictions, ...]
    figures: dict[str, Figure]

    @cached_property
    def scores(self) -> tuple[Scores, ...]:
        """Scores of each seed."""
        return tuple(score(p.labels, p.probabilities) for p in self.predictions)

    @property
    def labels(self) -> NDArray[np.int64]:
        """(N,) true indices into EMOTIONS."""
        return self.predictions[0].labels

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(S, N, 7) of all seeds."""
        return np.stack([p.probabilities for p in self.predictions])

    @property
    def confusion(self) -> NDArray[np.int64]:
        """(7, 7) predictions of all seeds, rows truth, columns prediction."""
        total: NDArray[np.int64] = np.sum([s.confusion for s in self.scores], axis=0)
        return total

    def per_class(self, name: str) -> NDArray[np.float64]:
        """Return precision, recall, f1 or support, (7,), averaged over the seeds."""
        result: NDArray[np.float64] = np.mean([getattr(s, name) for s in self.scores], axis=0)
        return result

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            'name': self.name, 'modalities': names_of(self.modalities), 'causal': self.causal,
            'count': len(self.labels), 'figures': {k: vars(f) for k, f in self.figures.items()},
            'seeds': [s.to_dict() for s in self.scores]}


def measure(name: str, modalities: Modality, predictions: Sequence[Predictions], *,
            causal: bool = True, resamples: int = 1000) -> Result:
    """
    Score the predictions of all seeds.

    :param predictions: one per seed, of the same examples in any order.
    :param resamples: of the bootstrap.
    :raises InvalidInput: if the seeds predict different examples.
    """
    seeds = align(predictions)
    result = Result(name, modalities, causal, seeds, {})
    figures = {key: interval(statistic, seeds, resamples)
               for key, statistic in STATISTICS.items()}
    figures |= class_intervals(seeds, resamples)
    figures |= {key: Figure.over([getattr(s, key) for s in result.scores])
                for key in ('ece', 'nll', 'brier')}
    result.figures.update(figures)
    return result


def interval(statistic: Statistic, seeds: Sequence[Predictions], resamples: int) -> Figure:
    """Return a statistic over aligned seeds with its bootstrap interval."""
    labels, probabilities = seeds[0].labels, np.stack([p.probabilities for p in seeds])
    found = metrics.bootstrap_interval(statistic, labels, probabilities, resamples=resamples)
    each = statistic(metrics.confusion_matrices(labels, probabilities))
    return replace(Figure.over(each.tolist()), low=found.low, high=found.high)


def class_intervals(seeds: Sequence[Predictions], resamples: int) -> dict[str, Figure]:
    """Return CLASS_STATISTICS over aligned seeds with their bootstrap intervals."""
    labels, probabilities = seeds[0].labels, np.stack([p.probabilities for p in seeds])
    found = metrics.bootstrap_intervals(metrics.class_scores, labels, probabilities,
                                        resamples=resamples)
    each = metrics.class_scores(metrics.confusion_matrices(labels, probabilities))  # (S, K)
    return {name: replace(Figure.over(values.tolist()), low=interval.low, high=interval.high)
            for name, values, interval in zip(CLASS_STATISTICS, each.T, found, strict=True)}


def align(predictions: Sequence[Predictions]) -> tuple[Predictions, ...]:
    """
    Return the predictions with the examples in the order of the first.

    :raises InvalidInput: if they are not of the same examples.
    """
    keys = list(predictions[0].keys)
    for other in predictions[1:]:
        if set(other.keys) != set(keys):
            raise InvalidInput(
                f'predictions {other.name}: {len(set(other.keys) ^ set(keys))} examples differ '
                f'from those of {predictions[0].name}; evaluate all on the same split')
    return tuple(select(each, keys) for each in predictions)


def select(predictions: Predictions, keys: Sequence[str]) -> Predictions:
    """Return the predictions for these keys in this order."""
    if list(predictions.keys) == list(keys):
        return predictions
    place = {key: row for row, key in enumerate(predictions.keys)}
    rows = np.array([place[key] for key in keys], np.int64)
    embeddings = predictions.embeddings
    return Predictions(predictions.name, list(keys), predictions.labels[rows],
                       predictions.logits[rows],
                       None if embeddings is None else embeddings[rows])


def names_of(modalities: Modality) -> list[str]:
    """Return the names of the modalities, in the order of MODALITIES."""
    return list(modalities.names)


def title_of(modalities: Modality) -> str:
    """Return e.g. `Text + audio`."""
    return ' + '.join(names_of(modalities)).capitalize()
