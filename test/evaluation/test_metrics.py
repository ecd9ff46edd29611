# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Scores, calibration and bootstrap against the paper, scikit-learn and few-line arithmetic."""

from __future__ import annotations

import json
import sys

from mmer_ros.evaluation import metrics
from mmer_ros.evaluation.metrics import bootstrap_interval, paired_difference, reliability, score
from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from numpy.typing import NDArray
import pytest
from scipy.optimize import linprog
from sklearn.metrics import balanced_accuracy_score, f1_score, precision_score

# MELD's test split, in the order of EMOTIONS (2610 utterances).
MELD_TEST = np.array([1256, 281, 50, 208, 402, 68, 345])
# Table 1 of the paper: precision and recall in percent, in the order of EMOTIONS.
MULTIMODAL = np.array([[74.0, 84.9], [54.4, 61.4], [50.0, 6.0], [49.6, 29.3], [56.7, 57.2],
                       [47.1, 11.8], [51.4, 44.7]])
TEXT = np.array([[72.7, 82.1], [53.0, 60.0], [16.1, 10.0], [40.1, 33.2], [54.4, 53.7],
                 [52.4, 16.2], [53.4, 39.1]])
AUDIO = np.array([[48.5, 99.8], [16.7, .4], [0, 0], [0, 0], [45.5, 1.2], [0, 0], [60.0, .9]])
FACE = np.array([[48.1, 99.0], [0, 0], [0, 0], [0, 0], [15.0, .7], [0, 0], [0, 0]])


def confusion_of(rates: NDArray[np.float64]) -> NDArray[np.int64]:
    """
    Return a matrix with these precisions and recalls, ten times MELD's test split.

    Right answers follow from recall and support, the wrong ones of a class from its precision;
    which truths these have is free, and found as a flow from truths to answers.
    """
    precision, recall = rates.T / 100
    right = np.round(10 * recall * MELD_TEST)
    left = 10 * MELD_TEST - right
    wrong = np.round(np.divide(right, precision, out=np.zeros(7), where=precision > 0)) - right
    wrong[0] += left.sum() - wrong.sum()  # the paper rounds: under 1 % of the examples
    margins = np.vstack([np.kron(np.eye(7), np.ones(7)), np.kron(np.ones(7), np.eye(7))])
    flow = linprog(np.ones(49), A_eq=margins, b_eq=np.concatenate([left, wrong]),
                   bounds=[(0, 0 if i == j else None) for i in range(7) for j in range(7)])
    assert flow.success
    return (np.diag(right) + flow.x.reshape(7, 7)).round().astype(np.int64)


def answers_of(confusion: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return labels and certain probabilities that have this confusion matrix."""
    truth, answer = np.divmod(np.repeat(np.arange(49), confusion.ravel()), 7)
    return truth, np.eye(7)[answer]


def draw(count: int, seed: int, skill: float = 1.0) -> tuple[NDArray[np.int64],
                                                             NDArray[np.float64]]:
    """Return labels as frequent as MELD's, and answers that know something of them."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(7, count, p=MELD_TEST / MELD_TEST.sum())
    logits = generator.normal(size=(count, 7)) + skill * np.eye(7)[labels]
    exponents = np.exp(logits)
    return labels, exponents / exponents.sum(axis=1, keepdims=True)


# -- scores ---------------------------------------------------------------------------------


@pytest.mark.parametrize(('rates', 'weighted', 'harmonic'), [
    (MULTIMODAL, 63.0, 64.0), (TEXT, 61.2, 61.8), (AUDIO, 32.1, 43.8), (FACE, 31.4, 33.3)])
def test_the_papers_f1_is_the_harmonic_mean_of_weighted_averages(
        rates: NDArray[np.float64], weighted: float, harmonic: float) -> None:
    """Its Table 1 rows give the F1 of Table 2 in one way, that of Table 3 in the other."""
    scores = score(*answers_of(confusion_of(rates)))
    assert np.array_equal(scores.support, 10 * MELD_TEST)
    assert 100 * scores.weighted_f1 == pytest.approx(weighted, abs=.15)
    assert 100 * scores.harmonic_f1 == pytest.approx(harmonic, abs=.15)


def test_the_papers_accuracies_follow_from_its_recalls() -> None:
    scores = score(*answers_of(confusion_of(MULTIMODAL)))
    assert 100 * scores.accuracy == pytest.approx(65.0, abs=.1)
    assert 100 * scores.balanced_accuracy == pytest.approx(42.2, abs=.05)
    assert 100 * scores.weighted_precision == pytest.approx(63.1, abs=.1)


def test_scores_of_a_case_done_by_hand() -> None:
    """Of three neutral one is called joy; the joy is found."""
    labels = np.array([0, 0, 0, 4])
    probabilities = np.full((4, 7), .05)
    probabilities[np.arange(4), [0, 0, 4, 4]] = .7
    scores = score(labels, probabilities)
    assert scores.accuracy == scores.weighted_recall == 3 / 4
    assert scores.precision.tolist() == [1, 0, 0, 0, 1 / 2, 0, 0]
    assert scores.recall == pytest.approx([2 / 3, 0, 0, 0, 1, 0, 0])
    assert scores.f1 == pytest.approx([4 / 5, 0, 0, 0, 2 / 3, 0, 0])
    assert scores.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert scores.weighted_precision == pytest.approx((3 * 1 + 1 / 2) / 4)
    assert scores.weighted_f1 == pytest.approx((3 * 4 / 5 + 2 / 3) / 4)
    assert scores.harmonic_f1 == pytest.approx(2 * .875 * .75 / (.875 + .75))
    assert scores.confusion[0].tolist() == [2, 0, 0, 0, 1, 0, 0]
    assert scores.confusion.sum() == 4 and scores.confusion[4, 4] == 1
    assert scores.ece == pytest.approx(.75 - .7)
    assert scores.nll == pytest.approx(-(3 * np.log(.7) + np.log(.05)) / 4)
    hit, miss = .3 ** 2 + 6 * .05 ** 2, .7 ** 2 + .95 ** 2 + 5 * .05 ** 2
    assert scores.brier == pytest.approx((3 * hit + miss) / 4)


def test_scores_are_plain_values_for_json() -> None:
    plain = json.loads(json.dumps(score(*draw(50, seed=1)).to_dict()))
    assert list(plain['f1']) == list(EMOTIONS)
    assert sum(plain['support'].values()) == sum(map(sum, plain['confusion'])) == 50


def test_probabilities_of_zero_and_in_single_precision_are_scored() -> None:
    labels, probabilities = draw(500, seed=2)
    single = score(labels, probabilities.astype(np.float32))
    assert single.nll == pytest.approx(score(labels, probabilities).nll, abs=1e-5)
    certain_and_wrong = score(np.array([0]), np.eye(7)[[1]])
    assert np.isfinite(certain_and_wrong.nll) and certain_and_wrong.nll > 30


@pytest.mark.parametrize(('labels', 'probabilities', 'message'), [
    (np.zeros(0, int), np.zeros((0, 7)), 'N >= 1'),
    (np.zeros(2, int), np.full((2, 6), 1 / 6), r'expected \(N,\) and \(N, 7\)'),
    (np.array([0, 7]), np.full((2, 7), 1 / 7), 'integers 0..6'),
    (np.array([-1, 2]), np.full((2, 7), 1 / 7), 'integers 0..6'),
    (np.array([1.0, 2.0]), np.full((2, 7), 1 / 7), 'integers 0..6'),
    (np.zeros(2, int), np.ones((2, 7)), 'softmax'),
    (np.zeros(2, int), np.full((2, 7), np.nan), 'softmax')])
def test_what_cannot_be_scored_is_refused(labels: NDArray[np.int64],
                                          probabilities: NDArray[np.float64],
                                          message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        score(labels, probabilities)


def test_without_scikit_learn_the_message_says_how_to_install_it(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'sklearn', None)
    with pytest.raises(InvalidInput, match=r'pip install mmer_ros\[evaluation\]'):
        score(*draw(10, seed=0))


# -- calibration ----------------------------------------------------------------------------


def test_answers_as_often_right_as_they_say_have_no_calibration_error() -> None:
    """Labels drawn from the answers' own probabilities."""
    generator = np.random.default_rng(5)
    probabilities = generator.dirichlet(np.full(7, .3), size=40_000)
    labels = (probabilities.cumsum(axis=1) < generator.random((40_000, 1))).sum(axis=1)
    scores = score(labels, probabilities)
    assert scores.ece < .01
    sharper = probabilities ** 3 / (probabilities ** 3).sum(axis=1, keepdims=True)
    overconfident = score(labels, sharper)
    assert overconfident.ece > .1 and overconfident.nll > scores.nll
    assert overconfident.brier > scores.brier and overconfident.accuracy == scores.accuracy


def test_overconfidence_is_the_gap_between_confidence_and_accuracy() -> None:
    labels = np.arange(1000) % 2  # half of them are 0
    probabilities = np.tile([.9, .1, 0, 0, 0, 0, 0], (1000, 1))
    result = reliability(labels, probabilities, bins=10)
    assert result.ece == pytest.approx(.4)
    assert result.count.tolist() == [0] * 8 + [1000, 0]  # the bin (0.8, 0.9] holds its upper edge
    assert result.accuracy[8] == .5 and result.confidence[8] == pytest.approx(.9)
    assert np.isnan(result.accuracy[0])


def test_every_answer_is_in_the_bin_of_its_confidence() -> None:
    labels, probabilities = draw(3000, seed=3)
    result = reliability(labels, probabilities)
    assert len(result.count) == 15 and result.count.sum() == 3000
    there = result.count > 0
    assert (result.confidence[there] <= result.edges[1:][there]).all()
    assert (result.confidence[there] > result.edges[:-1][there]).all()
    right = probabilities.argmax(axis=1) == labels
    assert (result.accuracy[there] * result.count[there]).sum() == pytest.approx(right.sum())


# -- bootstrap ------------------------------------------------------------------------------


@pytest.mark.parametrize('count', [3, 40, 2610])
def test_statistics_of_confusions_are_scikit_learns(count: int) -> None:
    labels, probabilities = draw(count, seed=count)
    answers = probabilities.argmax(axis=1)
    scores = score(labels, probabilities)
    stack = np.stack([scores.confusion, np.eye(7, dtype=np.int64)])
    f1 = f1_score(labels, answers, average='weighted', zero_division=0)
    precision = precision_score(labels, answers, average='weighted', zero_division=0)
    accuracy = (labels == answers).mean()
    assert metrics.weighted_f1(stack) == pytest.approx([f1, 1])
    assert metrics.accuracy(stack) == pytest.approx([accuracy, 1])
    assert metrics.harmonic_f1(stack) == pytest.approx(
        [2 * precision * accuracy / (precision + accuracy), 1])
    assert metrics.balanced_accuracy(stack)[0] == pytest.approx(scores.balanced_accuracy)
    if len(set(labels)) == 7:
        assert scores.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, answers))


def test_bootstrap_resamples_examples_as_a_plain_loop_does() -> None:
    labels, probabilities = draw(200, seed=7)
    found = bootstrap_interval(metrics.weighted_f1, labels, probabilities, resamples=2000)
    generator = np.random.default_rng(99)
    values = []
    for _ in range(400):
        rows = generator.integers(200, size=200)
        values.append(f1_score(labels[rows], probabilities[rows].argmax(axis=1),
                               average='weighted', zero_division=0))
    assert found.low == pytest.approx(np.percentile(values, 2.5), abs=.015)
    assert found.high == pytest.approx(np.percentile(values, 97.5), abs=.015)
    assert found.value == pytest.approx(score(labels, probabilities).weighted_f1)


def test_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    """Over 200 sets of a known accuracy, 95 % give or take 3 standard errors (1.5 % each)."""
    generator = np.random.default_rng(11)
    covered = 0
    for seed in range(200):
        right = generator.random(300) < .6
        labels = np.zeros(300, np.int64)
        found = bootstrap_interval(metrics.accuracy, labels, np.eye(7)[(~right).astype(int)],
                                   resamples=300, seed=seed)
        covered += found.low <= .6 <= found.high
    assert 181 <= covered <= 199


def test_bootstrap_is_seeded_and_narrows_with_the_examples() -> None:
    labels, probabilities = draw(4000, seed=8)
    wide = bootstrap_interval(metrics.accuracy, labels[:250], probabilities[:250], seed=3)
    assert wide == bootstrap_interval(metrics.accuracy, labels[:250], probabilities[:250], seed=3)
    assert wide != bootstrap_interval(metrics.accuracy, labels[:250], probabilities[:250], seed=4)
    narrow = bootstrap_interval(metrics.accuracy, labels, probabilities)
    # Sixteen times the examples: a quarter of the width.
    assert (wide.high - wide.low) / (narrow.high - narrow.low) == pytest.approx(4, rel=.25)
    assert str(metrics.Interval(.63, .612, .648)) == '63.0 [61.2, 64.8]'


def test_a_better_model_differs_from_a_worse_one_on_the_same_examples() -> None:
    labels, good = draw(800, seed=9, skill=2.0)
    worse = draw(800, seed=9, skill=1.0)[1]
    difference = paired_difference(metrics.weighted_f1, labels, good, worse)
    assert difference.value == pytest.approx(
        score(labels, good).weighted_f1 - score(labels, worse).weighted_f1)
    assert 0 < difference.low < difference.value < difference.high
    assert difference.p == pytest.approx(1 / 1001)
    mirrored = paired_difference(metrics.weighted_f1, labels, worse, good)
    assert mirrored.value == -difference.value
    assert mirrored.low == pytest.approx(-difference.high, abs=.01)
    assert mirrored.p == 1


def test_a_model_does_not_differ_from_itself() -> None:
    labels, probabilities = draw(300, seed=10)
    difference = paired_difference(metrics.accuracy, labels, probabilities, probabilities)
    assert difference == metrics.Difference(0, 0, 0, p=1)


def test_pairing_sees_a_difference_that_two_intervals_do_not() -> None:
    """One model is the other with 12 more of 600 right: surely better, though each is unsure."""
    labels, probabilities = draw(600, seed=12)
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)[:12]
    better = probabilities.copy()
    better[wrong] = np.eye(7)[labels[wrong]]
    difference = paired_difference(metrics.accuracy, labels, better, probabilities)
    first, second = (bootstrap_interval(metrics.accuracy, labels, p)
                     for p in (better, probabilities))
    assert first.low < second.high and difference.low > 0


def test_several_seeds_are_averaged_and_stay_paired() -> None:
    labels, first = draw(500, seed=13)
    second = draw(500, seed=13, skill=1.5)[1]
    both = np.stack([first, second])
    found = bootstrap_interval(metrics.weighted_f1, labels, both)
    assert found.value == pytest.approx(
        (score(labels, first).weighted_f1 + score(labels, second).weighted_f1) / 2)
    assert found.low < found.value < found.high
    swapped = paired_difference(metrics.weighted_f1, labels, both, both[::-1])
    assert swapped.value == swapped.low == swapped.high == 0
    matrices = metrics.confusion_matrices(labels, both)
    assert np.array_equal(matrices[0], score(labels, first).confusion)
    assert np.array_equal(matrices[1], score(labels, second).confusion)
    less = paired_difference(metrics.accuracy, labels, both, first)
    more = paired_difference(metrics.accuracy, labels, second, first)
    assert less.value == pytest.approx(more.value / 2)
