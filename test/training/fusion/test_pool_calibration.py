# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Calibration of a pool on drawn outputs whose right calibration is known."""

from mmer_ros.evaluation.metrics import score
from mmer_ros.types import Modality
import numpy as np
import pytest
from scipy.special import softmax
from training.corpora.examples import balanced, grouped_folds
from training.fusion.pool_calibration import (
    composed,
    Condition,
    corrected,
    cross_fitted,
    fit_likelihood,
    fit_pool,
    thresholds,
)

AUDIO, FACE = Modality.AUDIO, Modality.FACE
EQUAL = {AUDIO: 1.0, FACE: 1.0}


def drawn(name, count, clear, temperature, seed=0, *, classes=7, offset=0.0):
    """Return outputs that are `temperature` times too large, and prefer neutral by `offset`."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    evidence = random.standard_normal((count, 7)) + clear * np.eye(7)[labels]
    logits = clear * evidence * temperature  # of unit variance: the log-likelihood ratio
    logits[:, 0] += offset
    return Condition(name, logits.astype(np.float32), labels, np.arange(count))


def test_temperature_and_offsets_are_found():
    found = fit_likelihood([drawn('a', 7_000, 1.5, 3.0, offset=2.0)], decay=0.0)
    assert found.temperature == pytest.approx(3.0, rel=0.1)
    assert found.offsets[0] - np.mean(found.offsets[1:]) == pytest.approx(-2 / 3, abs=0.1)


def test_each_condition_counts_the_same():
    many, few = drawn('many', 7_000, 1.5, 4.0), drawn('few', 700, 1.5, 1.0, seed=1)
    found = fit_likelihood([many, few], offsets=False).temperature
    assert found == pytest.approx(fit_likelihood([many.where(np.arange(700)), few],
                                                 offsets=False).temperature, rel=0.1)
    assert 1.2 < found < 3.8


def test_weights_follow_the_asked_shares():
    labels = np.array([0, 0, 0, 1, 2])
    shares = np.array([0.5, 0.25, 0.25, 0.1, 0.1, 0.1, 0.1])
    weights = balanced([labels, np.array([0, 1, 2])], shares)
    assert weights.sum() == pytest.approx(1)
    assert weights[:3].sum() == pytest.approx(0.25)
    assert weights[3] == pytest.approx(0.125)


def test_independent_evidence_is_pooled_to_calibrated_posteriors():
    evidence = {AUDIO: [drawn('voice', 2_100, 1.0, 2.0)], FACE: [drawn('f', 2_100, 1.3, 0.5, 1)]}
    pool = fit_pool(evidence, EQUAL)
    assert pool.temperatures['audio+face'] == pytest.approx(1.0, abs=0.1)
    logits, labels = composed(evidence, AUDIO | FACE, 2_100, seed=5)
    assert score(labels, np.exp(pool.log_posterior(logits))).ece < 0.04


def test_temperatures_of_several_are_not_sharper_than_asked():
    evidence = {AUDIO: [drawn('voice', 2_100, 1.0, 2.0)], FACE: [drawn('f', 2_100, 1.3, 0.5, 1)]}
    half = {AUDIO: 0.5, FACE: 0.5}
    assert fit_pool(evidence, half).temperatures['audio+face'] == 1.0
    assert fit_pool(evidence, half, sharpest=0.1).temperatures['audio+face'] == pytest.approx(
        0.5, abs=0.07)


def test_compositions_have_the_labels_that_all_modalities_have():
    evidence = {AUDIO: [drawn('voice', 400, 1.0, 1.0, classes=4)], FACE: [drawn('f', 700, 1, 1)]}
    logits, labels = composed(evidence, AUDIO | FACE, 100)
    assert np.bincount(labels).tolist() == [25, 25, 25, 25]
    assert logits[AUDIO].shape == logits[FACE].shape == (100, 7)


def test_cross_fitting_asks_each_example_once_and_by_a_pool_of_the_others():
    sharp, flat = drawn('sharp', 700, 1.5, 6.0), drawn('flat', 700, 1.5, 1.0, 1)
    evidence = {AUDIO: [sharp, flat], FACE: [drawn('face', 1_400, 1.3, 1.0, 2)]}
    folds = {AUDIO: [np.zeros(700, np.int64), np.ones(700, np.int64)],
             FACE: [grouped_folds(np.arange(1_400), 2)]}
    found = cross_fitted(evidence, EQUAL, folds)
    by_name = {a.name: a for a in found['audio']}
    assert set(by_name) == {'sharp', 'flat'} and len(by_name['sharp'].labels) == 700
    # The temperature of the flat one, 1, leaves the other six times too sure; and the reverse.
    right = (by_name['sharp'].probabilities.argmax(axis=1) == by_name['sharp'].labels).mean()
    assert by_name['sharp'].probabilities.max(axis=1).mean() > right + 0.1
    assert by_name['flat'].probabilities.max(axis=1).mean() < right - 0.1
    assert len(found['face'][0].labels) == 1_400
    assert [a.name for a in found['audio+face']] == ['composed']


def test_thresholds_give_the_precision():
    random = np.random.default_rng(0)
    labels = np.arange(14_000) % 7
    probabilities = softmax(2 * (random.standard_normal((14_000, 7)) + 2 * np.eye(7)[labels]), 1)
    weights = balanced([labels])
    found = thresholds(labels, probabilities, weights)
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    for label, limit in enumerate(found):
        above = (answers == label) & (confidence >= limit + 0.005)
        assert (labels[above] == label).mean() > 0.79
        below = (answers == label) & (confidence < limit - 0.005)
        assert (labels[below] == label).mean() < 0.8
    never = thresholds(labels, softmax(random.standard_normal((14_000, 7)), axis=1), weights)
    assert never == [None] * 7


def test_correction_for_other_shares_is_bayes():
    found = corrected(np.array([[0.5, 0.5, 0, 0, 0, 0, 0]]), [0.75, 0.25, *[1e-9] * 5])
    assert found[0, :2] == pytest.approx([0.75, 0.25], abs=1e-6)
