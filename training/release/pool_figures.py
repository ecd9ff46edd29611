# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Figures of a calibrated pool on what neither encoders nor calibration have learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmer_ros.recognition.prior_correction import NAMED, ROBOT
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
from training.corpora.examples import balanced
from training.fusion.calibrated_posteriors import Floats
from training.fusion.pool_calibration import (
    Answers,
    corrected,
    cross_fitted,
    Evidence,
    folds_of,
    thresholds,
)
from training.release.scores import figures_of

FLAT = NAMED['flat']
COVERAGES = (1.0, 0.8, 0.6, 0.4, 0.2)


def pool_figures(evidence: Evidence, exponents: Mapping[Modality, float], **settings: Any
                 ) -> dict[str, Any]:
    """
    Return scores and thresholds by subset, of pools that were fitted on other examples.

    Of the voices one corpus is left out at a time, of words and faces a third of the dialogues
    and pictures.

    :param settings: of `fit_pool`.
    """
    folds = {m: folds_of(each) for m, each in evidence.items()}
    found = cross_fitted(evidence, exponents, folds, **settings)
    natural = (Modality.TEXT.title, Modality.FACE.title)  # scored under the shares of their data
    return {'subsets': {title: {a.name: _scores(a, _shares(a) if title in natural else FLAT)
                                for a in each} for title, each in found.items()},
            'as_on_a_robot': {title: {a.name: _scores(a, NAMED[ROBOT]) for a in found[title]}
                              for title in natural if title in found},
            'thresholds': {title: _thresholds(each) for title, each in found.items()},
            'coverage': {title: _coverage(each) for title, each in found.items()}}


def _scores(answers: Answers, shares: Sequence[float]) -> dict[str, Any]:
    """Return the scores under some class shares, with intervals over the examples."""
    return figures_of(answers.labels, corrected(answers.probabilities, shares))


def _shares(answers: Answers) -> list[float]:
    """Return the class shares of the examples; a missing class counts as half an example."""
    counts = np.bincount(answers.labels, minlength=len(EMOTIONS)).clip(min=0.5)
    shares: list[float] = (counts / counts.sum()).tolist()
    return shares


def _robot(answers: Sequence[Answers]) -> tuple[Floats, Any, Floats]:
    """Return probabilities under the robot's prior, labels, and weights by its shares."""
    labels = [a.labels for a in answers]
    return (corrected(np.concatenate([a.probabilities for a in answers]), NAMED[ROBOT]),
            np.concatenate(labels), balanced(labels, NAMED[ROBOT]))


def _thresholds(answers: Sequence[Answers]) -> list[float | None]:
    probabilities, labels, weights = _robot(answers)
    return thresholds(labels, probabilities, weights)


def _coverage(answers: Sequence[Answers]) -> dict[str, float]:
    """Return the share of right answers among the surest, by their share of all."""
    probabilities, labels, weights = _robot(answers)
    order = np.argsort(-probabilities.max(axis=1), kind='stable')
    share = np.cumsum(weights[order])
    right = np.cumsum(weights[order] * (probabilities.argmax(axis=1) == labels)[order])
    rows = [min(int(np.searchsorted(share, c * share[-1])), len(share) - 1) for c in COVERAGES]
    return {f'{c:.1f}': float(right[row] / share[row]) for c, row in zip(COVERAGES, rows)}
