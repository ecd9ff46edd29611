# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Bootstrap over people: whole actors are resampled, for their clips are correlated."""

from __future__ import annotations

from typing import Any

from mmer_ros.evaluation.metrics import confusion_matrices, Interval, Statistic
import numpy as np
from numpy.typing import NDArray


def mean_interval(values: NDArray[np.float64], groups: NDArray[Any], *, resamples: int = 2000,
                  seed: int = 0, level: float = .95) -> Interval:
    """
    Return the mean of a value with its percentile interval over resampled groups.

    :param values: (N,), e.g. 1 for a right prediction, or differences of two models.
    :param groups: (N,), e.g. actors.
    """
    _, where = np.unique(groups, return_inverse=True)
    sums, counts = np.bincount(where, values), np.bincount(where)
    drawn = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.percentile(means, [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(values.mean()), float(low), float(high))


def grouped_difference(statistic: Statistic, labels: NDArray[np.int64], first: NDArray[Any],
                       second: NDArray[Any], groups: NDArray[Any], *, resamples: int = 2000,
                       seed: int = 0, level: float = .95) -> Interval:
    """
    Return a statistic of the first model less the second's, with its interval over groups.

    :param statistic: of confusion matrices, e.g. `weighted_f1`.
    :param labels: (N,) true indices into EMOTIONS.
    :param first, second: probabilities, (N, 7).
    :param groups: (N,), e.g. people.
    """
    names = np.unique(groups)
    matrices = np.stack([
        confusion_matrices(labels[groups == name], np.stack([first, second])[:, groups == name])
        for name in names])  # (G, 2, 7, 7)
    drawn = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=resamples)
    counts = np.concatenate([np.ones((1, len(names)), np.int64), drawn])  # (1 + R, G)
    values = statistic(np.einsum('rg,gmij->rmij', counts, matrices))
    gaps = values[:, 0] - values[:, 1]
    low, high = np.percentile(gaps[1:], [50 * (1 - level), 50 * (1 + level)])
    return Interval(float(gaps[0]), float(low), float(high))
