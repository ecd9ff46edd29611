"""How often right, and how sure, a voice is of actors whom nothing in it has heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.evaluation.metrics import score
import numpy as np
from numpy.typing import NDArray
from training.evaluation.grouped_bootstrap import mean_interval
from training.evaluation.pairs.judge import plain
from training.fusion.calibrated_posteriors import Answers, fit_expert


@dataclass(frozen=True)
class Asked:
    """What the encoder of a fold says of actors whom it has not heard; whose clips they are."""

    answers: Answers
    actors: NDArray[np.int64]


def judge_strangers(folds: Sequence[Asked]) -> dict[str, Any]:
    """
    Calibrate what each fold says on what the others say of their actors, and judge it.

    :return: accuracy with its interval over the actors, unweighted recall, calibration error and
        confidence over all clips, and the accuracy of the worst and the best actor.
    """
    said = np.concatenate([_calibrated(fold, [f for f in folds if f is not fold])
                           for fold in folds])
    labels = np.concatenate([fold.answers.labels for fold in folds])
    actors = np.concatenate([fold.actors for fold in folds])
    scores, right = score(labels, said), (said.argmax(axis=1) == labels).astype(np.float64)
    each = [float(right[actors == actor].mean()) for actor in np.unique(actors)]
    return {'clips': len(labels), 'actors': len(each), 'accuracy': plain(
                mean_interval(right, actors)), 'unweighted_recall': scores.balanced_accuracy,
            'ece': scores.ece, 'mean_confidence': float(said.max(axis=1).mean()),
            'worst_actor': min(each), 'best_actor': max(each)}


def _calibrated(fold: Asked, others: Sequence[Asked]) -> NDArray[np.float64]:
    """Return probabilities (n, 7) of a fold by the expert of the others."""
    expert = fit_expert(Answers(np.concatenate([o.answers.logits for o in others]),
                                np.concatenate([o.answers.labels for o in others])))
    result: NDArray[np.float64] = np.exp(
        expert.answer(fold.answers.logits, np.array(expert.shares)))
    return result
