# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Scores of the real pairs over all folds, with intervals over the actors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mmer_ros.evaluation.metrics import score
import numpy as np
from numpy.typing import NDArray
from training.evaluation.grouped_bootstrap import mean_interval
from training.fusion.calibrated_posteriors import fit_posterior, Floats, LabelledLogits

LARGEST_COST = 0.03  # of accuracy, that a missing modality may cost


def score_pairs(predicted: Mapping[str, Floats], labels: NDArray[np.int64],
                actors: NDArray[np.int64]) -> dict[str, Any]:
    """
    Compare the fusion of both modalities with one of them.

    :param predicted: probabilities (N, 7) by name, as of `predict_fold`.
    :return: accuracy of each, the lead of both over the better single model, and the cost of a
        missing modality relative to a model of the other one alone.
    """
    right = {name: (each.argmax(axis=1) == labels).astype(np.float64)
             for name, each in predicted.items()}
    better = max(('voice alone', 'face alone'), key=lambda name: right[name].mean())
    lead = mean_interval(right['both'] - right[better], actors)
    costs = {side: mean_interval(right[f'{side} alone'] - right[f'{side} given'], actors)
             for side in ('voice', 'face')}
    scores = {name: score(labels, each) for name, each in predicted.items()}
    return {
        'clips': len(labels), 'actors': len(np.unique(actors)),
        'scores': {name: {**asdict(mean_interval(hits, actors)),
                          'unweighted_recall': scores[name].balanced_accuracy,
                          'cross_entropy': scores[name].nll} for name, hits in right.items()},
        'better_single': better, 'lead': asdict(lead), 'fused_beats_single': lead.low > 0,
        'cost_of_missing': {'face missing': asdict(costs['voice']),
                            'voice missing': asdict(costs['face'])},
        'missing_is_cheap': all(cost.value <= LARGEST_COST for cost in costs.values())}


@dataclass(frozen=True)
class UnseenSpeakers:
    """Logits of a fold's encoder for speakers that it has not seen, and the actors, (n,)."""

    known: LabelledLogits
    actors: NDArray[np.int64]


def score_unseen_speakers(folds: Sequence[UnseenSpeakers]) -> dict[str, Any]:
    """
    Score all folds, each calibrated on the others.

    :return: accuracy with its interval over the actors; unweighted recall, calibration error and
        confidence over all clips; accuracy of the worst and the best actor.
    """
    predicted = np.concatenate([_calibrated(fold, [f for f in folds if f is not fold])
                                for fold in folds])
    labels = np.concatenate([fold.known.labels for fold in folds])
    actors = np.concatenate([fold.actors for fold in folds])
    scores = score(labels, predicted)
    right = (predicted.argmax(axis=1) == labels).astype(np.float64)
    each = [float(right[actors == actor].mean()) for actor in np.unique(actors)]
    return {'clips': len(labels), 'actors': len(each),
            'accuracy': asdict(mean_interval(right, actors)),
            'unweighted_recall': scores.balanced_accuracy, 'ece': scores.ece,
            'mean_confidence': float(predicted.max(axis=1).mean()),
            'worst_actor': min(each), 'best_actor': max(each)}


def _calibrated(fold: UnseenSpeakers, others: Sequence[UnseenSpeakers]) -> Floats:
    posterior = fit_posterior(LabelledLogits(
        np.concatenate([other.known.logits for other in others]),
        np.concatenate([other.known.labels for other in others])))
    return posterior.posterior(fold.known.logits)
