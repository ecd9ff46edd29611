"""What the answers of all folds amount to: leads, losses, intervals over the actors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmer_ros.evaluation.metrics import Interval, score
import numpy as np
from numpy.typing import NDArray
from training.evaluation.grouped_bootstrap import mean_interval
from training.fusion.calibrated_posteriors import Floats

WORST_COST = 0.03  # of accuracy, that a missing modality may cost


def plain(interval: Interval) -> dict[str, float]:
    """Return an interval as it is written to JSON."""
    return {'value': interval.value, 'low': interval.low, 'high': interval.high}


def judge_signals(answers: Mapping[str, Floats], labels: NDArray[np.int64],
                  actors: NDArray[np.int64]) -> dict[str, Any]:
    """
    Compare the fusion of both with one modality.

    :param answers: by name as of `answer_fold`, (N, 7) each.
    :return: accuracy of each, the lead of both over the better single model, and what a missing
        modality costs against the model of the other alone.
    """
    right = {name: (given.argmax(axis=1) == labels).astype(np.float64)
             for name, given in answers.items()}
    better = max(('voice alone', 'face alone'), key=lambda name: right[name].mean())
    lead = mean_interval(right['both'] - right[better], actors)
    costs = {side: mean_interval(right[f'{side} alone'] - right[f'{side} given'], actors)
             for side in ('voice', 'face')}
    return {
        'clips': len(labels), 'actors': len(np.unique(actors)),
        'scores': {name: {**plain(mean_interval(hits, actors)),
                          'unweighted_recall': score(labels, answers[name]).balanced_accuracy,
                          'cross_entropy': score(labels, answers[name]).nll}
                   for name, hits in right.items()},
        'better_single': better, 'lead': plain(lead), 'fused_beats_single': lead.low > 0,
        'cost_of_missing': {'face missing': plain(costs['voice']),
                            'voice missing': plain(costs['face'])},
        'missing_is_cheap': all(cost.value <= WORST_COST for cost in costs.values())}
