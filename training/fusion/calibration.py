# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Temperatures, one for each subset of modalities, fitted on the dev split (Guo 2017)."""

from __future__ import annotations

from typing import Any

from mmer_ros.types import SUBSETS
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from training.engine.predictions import Predictor

MINIMUM = 30  # examples below which a subset is not calibrated
RANGE = (0.05, 20.0)


def fit_temperature(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """
    Return the divisor of the logits with the least negative log-likelihood.

    :param logits: (N, 7).
    :param labels: (N,) true indices.
    """
    wide, rows = logits.astype(np.float64), np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        log_p = log_softmax(wide / np.exp(log_temperature), axis=1)
        return -float(log_p[rows, labels].mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(RANGE)), method='bounded')
    return float(np.exp(found.x))


def fit_temperatures(predictor: Predictor) -> dict[str, float]:
    """Return the temperature of each subset with enough examples, by its name."""
    predictions = {subset.title: predictor.predict(subset) for subset in SUBSETS}
    return {name: fit_temperature(found.logits, found.labels)
            for name, found in predictions.items() if len(found.keys) >= MINIMUM}
