"""Bootstrap over people: clips of one actor are alike, so whole actors are drawn anew."""

from __future__ import annotations

from typing import Any

from mmer_ros.evaluation.metrics import Interval
import numpy as np
from numpy.typing import NDArray


def mean_interval(values: NDArray[np.float64], groups: NDArray[Any], *, resamples: int = 2000,
                  seed: int = 0, level: float = .95) -> Interval:
    """
    Return the mean of a value with its percentile interval over resampled groups.

    :param values: (N,) e.g. 1 where an answer is right; for two models their differences.
    :param groups: (N,) whose clip it is.
    """
    _, where = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(where, values), np.bincount(where)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(values.mean()), float(low), float(high))
