# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Metrics of emotion estimates: per class, overall, calibration, and bootstrap intervals.

scikit-learn computes them; it comes with `pip install mmer_ros[evaluation]`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Probabilities = NDArray[np.floating[Any]]
Floats = NDArray[np.float64]
Statistic = Callable[[NDArray[np.int64]], Floats]

CLASSES = len(EMOTIONS)
ECE_BINS = 15  # Guo et al., On Calibration of Modern Neural Networks, 2017


@dataclass(frozen=True)
class Scores:
    """
    Figures of one model on one set of examples; fractions are 0..1.

    A class that is never predicted has precision 0, one that never occurs recall 0.

    :param count: number of examples.
    :param balanced_accuracy: mean recall over the classes that occur.
    :param weighted_precision: mean over the classes, weighted by how often they occur; the same
        for weighted_recall, which equals the accuracy, and weighted_f1.
    :param harmonic_f1: harmonic mean of weighted precision and weighted recall. The paper calls
        this F1 in Tables 1 and 2 (64.0 where the weighted F1 is 63.0).
    :param precision: (7,) per class, in the order of EMOTIONS; so recall, f1 and support, the
        number of examples.
    :param confusion: (7, 7) numbers of examples, rows truth, columns answer.
    :param ece: expected calibration error, over ECE_BINS bins of equal width.
    :param nll: mean of -log of the probability of the truth, nats.
    :param brier: mean squared distance of the probabilities from the truth, 0..2.
    """

    count: int
    accuracy: float
    balanced_accuracy: float
    weighted_precision: float
    weighted_recall: float
    weighted_f1: float
    harmonic_f1: float
    precision: Floats
    recall: Floats
    f1: Floats
    support: Labels
    confusion: Labels
    ece: float
    nll: float
    brier: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON; per-class figures by name of the class."""
        plain: dict[str, Any] = {}
        for name, value in vars(self).items():
            if name == 'confusion':
                plain[name] = value.tolist()
            elif isinstance(value, np.ndarray):
                plain[name] = dict(zip(EMOTIONS, value.tolist(), strict=True))
            else:
                plain[name] = value
        return plain


@dataclass(frozen=True)
class Interval:
    """A figure with its bootstrap interval over the examples."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Return percent, e.g. `63.0 [61.2, 64.8]`."""
        return f'{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]'


@dataclass(frozen=True)
class Difference(Interval):
    """
    The difference of two models on the same examples, with its bootstrap interval.

    :param p: share of the resamples in which it is no better, 0..1 (one-sided); never below
        1 / (resamples + 1).
    """

    p: float


@dataclass(frozen=True)
class Reliability:
    """
    The accuracy of answers by their confidence.

    :param edges: (bins + 1,) of the confidence, 0..1.
    :param count: (bins,) answers in each bin, which holds its upper edge.
    :param confidence: (bins,) mean confidence, NaN where a bin is empty.
    :param accuracy: (bins,) share of right answers, NaN where a bin is empty.
    """

    edges: Floats
    count: Labels
    confidence: Floats
    accuracy: Floats

    @property
    def ece(self) -> float:
        """Mean of |accuracy - confidence| over the answers."""
        there = self.count > 0
        gap = np.abs(self.accuracy - self.confidence)[there]
        return float((gap * self.count[there]).sum() / self.count.sum())


def score(labels: Labels, probabilities: Probabilities) -> Scores:
    """
    Return all figures of a model's answers.

    :param labels: (N,) true indices into EMOTIONS, N >= 1.
    :param probabilities: (N, 7), rows sum to 1; the answer is the most probable class.
    :raises InvalidInput: if shapes, indices or probabilities are wrong, or scikit-learn is
        missing.
    """
    labels, probabilities = _checked(labels, probabilities)
    sk = _sklearn_metrics()
    answers = probabilities.argmax(axis=1)
    options = {'labels': range(CLASSES), 'zero_division': 0.0}
    precision, recall, f1, support = sk.precision_recall_fscore_support(
        labels, answers, **options)
    weighted_precision, weighted_recall, weighted_f1, _ = sk.precision_recall_fscore_support(
        labels, answers, average='weighted', **options)
    both = weighted_precision + weighted_recall
    truth = np.eye(CLASSES)[labels]
    return Scores(
        count=len(labels),
        accuracy=float(sk.accuracy_score(labels, answers)),
        balanced_accuracy=float(recall[support > 0].mean()),
        weighted_precision=float(weighted_precision), weighted_recall=float(weighted_recall),
        weighted_f1=float(weighted_f1),
        harmonic_f1=float(2 * weighted_precision * weighted_recall / both) if both else 0.0,
        precision=precision, recall=recall, f1=f1, support=support.astype(np.int64),
        confusion=sk.confusion_matrix(labels, answers, labels=range(CLASSES)).astype(np.int64),
        ece=reliability(labels, probabilities).ece,
        nll=float(sk.log_loss(labels, probabilities, labels=range(CLASSES))),
        brier=float(((probabilities - truth) ** 2).sum(axis=1).mean()))


def reliability(labels: Labels, probabilities: Probabilities, bins: int = ECE_BINS) -> Reliability:
    """
    Group answers by confidence, the probability of the answer, in bins of equal width.

    :param labels: as of `score`; so probabilities.
    """
    labels, probabilities = _checked(labels, probabilities)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    edges: Floats = np.linspace(0, 1, bins + 1, dtype=np.float64)
    place = np.clip(np.digitize(confidence, edges, right=True) - 1, 0, bins - 1)
    count = np.bincount(place, minlength=bins)

    def mean(values: NDArray[Any]) -> Floats:
        with np.errstate(invalid='ignore'):  # 0 / 0 in an empty bin
            result: Floats = np.bincount(place, values, bins) / count
        return result

    return Reliability(edges, count, mean(confidence), mean(right))


# -- statistics of confusion matrices, many at a time ---------------------------------------


def accuracy(confusion: NDArray[np.int64]) -> Floats:
    """Return the accuracy of each matrix, (..., 7, 7) -> (...)."""
    right = np.trace(confusion, axis1=-2, axis2=-1)
    result: Floats = right / confusion.sum(axis=(-2, -1))
    return result


def balanced_accuracy(confusion: NDArray[np.int64]) -> Floats:
    """Return the mean recall over the classes that occur, (..., 7, 7) -> (...)."""
    support = confusion.sum(axis=-1)
    recall = _divide(np.diagonal(confusion, axis1=-2, axis2=-1), support)
    result: Floats = recall.sum(axis=-1) / (support > 0).sum(axis=-1)
    return result


def weighted_f1(confusion: NDArray[np.int64]) -> Floats:
    """Return the mean F1 of the classes, weighted by support, (..., 7, 7) -> (...)."""
    support = confusion.sum(axis=-1)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    f1 = _divide(2 * right, support + confusion.sum(axis=-2))
    result: Floats = (f1 * support).sum(axis=-1) / support.sum(axis=-1)
    return result


def harmonic_f1(confusion: NDArray[np.int64]) -> Floats:
    """Return the harmonic mean of weighted precision and recall, (..., 7, 7) -> (...)."""
    support = confusion.sum(axis=-1)
    precision = _divide(np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-2))
    weighted = (precision * support).sum(axis=-1) / support.sum(axis=-1)
    recall = accuracy(confusion)
    return _divide(2 * weighted * recall, weighted + recall)


def class_scores(confusion: NDArray[np.int64]) -> Floats:
    """
    Return what the paper's Table 1 shows.

    :param confusion: (..., 7, 7), rows truth, columns answer.
    :return: (..., 23): precision, recall and F1 of each class, in this order, and their means
        weighted by support, without that of F1.
    """
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, answers = confusion.sum(axis=-1), confusion.sum(axis=-2)
    precision, recall = _divide(right, answers), _divide(right, support)
    means = [_divide((each * support).sum(axis=-1), support.sum(axis=-1))[..., None]
             for each in (precision, recall)]
    return np.concatenate([precision, recall, _divide(2 * right, support + answers), *means],
                          axis=-1)


def _divide(upper: NDArray[Any], lower: NDArray[Any]) -> Floats:
    """Divide; x / 0 is 0."""
    result: Floats = np.divide(upper, lower, out=np.zeros(np.shape(upper)), where=lower > 0)
    return result


def confusion_matrices(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    """
    Count the answers of each seed, rows truth, columns answer.

    :param labels: (N,) true indices into EMOTIONS.
    :param probabilities: (N, 7), or (S, N, 7) of S seeds.
    :return: (S, 7, 7).
    """
    matrices: NDArray[np.int64] = _resample(_cells(labels, probabilities), 0, 0)[0]
    return matrices


# -- bootstrap ------------------------------------------------------------------------------


def bootstrap_interval(statistic: Statistic, labels: Labels, probabilities: Probabilities, *,
                       resamples: int = 1000, seed: int = 0, level: float = .95) -> Interval:
    """
    Return a statistic with its percentile bootstrap interval over the examples.

    :param statistic: of confusion matrices, e.g. `weighted_f1`.
    :param labels: (N,) true indices into EMOTIONS.
    :param probabilities: (N, 7); or (S, N, 7) of a model trained with S seeds, over which the
        statistic is averaged.
    :param level: share of the resamples within the interval.
    """
    resampled = _resample(_cells(labels, probabilities), resamples, seed)
    values = statistic(resampled).mean(axis=1)
    return Interval(float(values[0]), *_percentiles(values[1:], level))


def bootstrap_intervals(statistics: Statistic, labels: Labels, probabilities: Probabilities, *,
                        resamples: int = 1000, seed: int = 0, level: float = .95
                        ) -> list[Interval]:
    """
    Return several statistics with their intervals, from the same resamples.

    :param statistics: (..., K) of confusion matrices, e.g. `class_scores`; the rest as of
        `bootstrap_interval`.
    """
    resampled = _resample(_cells(labels, probabilities), resamples, seed)
    values = statistics(resampled).mean(axis=1)  # (1 + resamples, K)
    return [Interval(float(each[0]), *_percentiles(each[1:], level)) for each in values.T]


def paired_difference(statistic: Statistic, labels: Labels, probabilities: Probabilities,
                      others: Probabilities, *, resamples: int = 1000, seed: int = 0,
                      level: float = .95) -> Difference:
    """
    Return the statistic of the first model minus the second's on the same examples.

    :param statistic: of confusion matrices, e.g. `weighted_f1`.
    :param labels: (N,) true indices into EMOTIONS.
    :param probabilities: (N, 7) or (S, N, 7) of the first model, as of `bootstrap_interval`.
    :param others: of the second; with as many seeds or not.
    """
    first, second = _cells(labels, probabilities), _cells(labels, others)
    values = statistic(_resample(np.concatenate([first, second]), resamples, seed))
    gaps = values[:, :len(first)].mean(axis=1) - values[:, len(first):].mean(axis=1)
    low, high = _percentiles(gaps[1:], level)
    return Difference(float(gaps[0]), low, high,
                      float((1 + (gaps[1:] <= 0).sum()) / (1 + resamples)))


def _cells(labels: Labels, probabilities: Probabilities) -> NDArray[np.int64]:
    """Return for each seed and example its place in the flattened confusion matrix, (S, N)."""
    probabilities = np.asarray(probabilities)
    seeds = probabilities if probabilities.ndim == 3 else probabilities[None]
    checked = [_checked(labels, each) for each in seeds]
    return np.stack([truth * CLASSES + each.argmax(axis=1) for truth, each in checked])


def _resample(cells: NDArray[np.int64], resamples: int, seed: int) -> NDArray[np.int64]:
    """
    Resample the examples and count them, (S, N) -> (1 + resamples, S, 7, 7).

    The first matrices are of the examples as they are. Examples with the same truth and the
    same answers of all models are alike, so that it is enough to draw how many of each kind
    there are: a multinomial draw is the same as drawing N examples with replacement.
    """
    kinds, counts = np.unique(cells, axis=1, return_counts=True)  # (S, K), (K,)
    generator = np.random.default_rng(seed)
    total, block = cells.shape[1], max(1, 4_000_000 // len(counts))
    sizes = [min(block, resamples - done) for done in range(0, resamples, block)]
    draws = [generator.multinomial(total, counts / total, size=size) for size in sizes]
    places = np.eye(CLASSES * CLASSES)[kinds]  # (S, K, 49)
    matrices = np.concatenate([(drawn @ places).swapaxes(0, 1)
                               for drawn in (counts[None], *draws)])
    return matrices.reshape(-1, len(cells), CLASSES, CLASSES).round().astype(np.int64)


def _percentiles(values: Floats, level: float) -> tuple[float, float]:
    low, high = np.percentile(values, [50 * (1 - level), 50 * (1 + level)])
    return float(low), float(high)


# -- input ----------------------------------------------------------------------------------


def _checked(labels: Labels, probabilities: Probabilities) -> tuple[Labels, Probabilities]:
    labels, probabilities = np.asarray(labels), np.asarray(probabilities)
    if labels.ndim != 1 or not len(labels) or probabilities.shape != (len(labels), CLASSES):
        raise InvalidInput(
            f'scores: labels of shape {labels.shape} and probabilities of shape '
            f'{probabilities.shape}; expected (N,) and (N, {CLASSES}) with N >= 1')
    if labels.dtype.kind not in 'iu' or labels.min() < 0 or labels.max() >= CLASSES:
        raise InvalidInput(f'scores: labels are not all integers 0..{CLASSES - 1}; '
                           'leave out examples without a label')
    if not np.isfinite(probabilities).all() or probabilities.min() < 0 or (
            np.abs(probabilities.sum(axis=1) - 1).max() > 1e-3):
        raise InvalidInput('scores: probabilities are not all finite, >= 0 and 1 in sum; '
                           'pass logits through a softmax first')
    exact = probabilities.astype(np.float64)
    return labels.astype(np.int64), exact / exact.sum(axis=1, keepdims=True)


def _sklearn_metrics() -> ModuleType:
    try:
        from sklearn import metrics
    except ImportError as error:
        raise InvalidInput('scores need scikit-learn, which is not installed; '
                           'pip install mmer_ros[evaluation]') from error
    module: ModuleType = metrics
    return module
