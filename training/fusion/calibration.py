"""Temperatures, one for each subset of modalities, fitted on the dev split (Guo 2017)."""

from __future__ import annotations

from typing import Any

from mmer_ros.types import subset_name, SUBSETS
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from training.engine.predictions import Predictions, Predictor

MINIMUM = 30  # examples below which a subset is not calibrated
RANGE = (0.05, 20.0)


def fit_temperature(logits: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """
    Return the divisor of the logits with the least negative log-likelihood.

    :param logits: (N, 7).
    :param labels: (N,) true indices.
    """
    wide = logits.astype(np.float64)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        scaled = wide / np.exp(log_temperature)
        top = scaled.max(axis=1, keepdims=True)
        log_sum = top[:, 0] + np.log(np.exp(scaled - top).sum(axis=1))
        return float((log_sum - scaled[rows, labels]).mean())

    found = minimize_scalar(loss, bounds=tuple(np.log(RANGE)), method='bounded')
    return float(np.exp(found.x))


def fit_temperatures(predictor: Predictor) -> dict[str, float]:
    """Return a temperature by name for each subset that occurs often enough."""
    temperatures = {}
    for subset in SUBSETS:
        answers: Predictions = predictor.predict(subset)
        if len(answers.keys) >= MINIMUM:
            temperatures[subset_name(subset)] = fit_temperature(answers.logits, answers.labels)
    return temperatures
