# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Estimates against labels: emotions, segmentation and latency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.evaluation.labels import Label
from mmer_ros.evaluation.matching import match, Matching
from mmer_ros.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    bootstrap_interval,
    harmonic_f1,
    score,
    weighted_f1,
)
from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np

STATISTICS = {'accuracy': accuracy, 'balanced_accuracy': balanced_accuracy,
              'weighted_f1': weighted_f1, 'harmonic_f1': harmonic_f1}  # that get an interval

Row = Mapping[str, Any]  # Estimate.to_dict() with published and latency


@dataclass(frozen=True)
class Evaluation:
    """
    One recording's estimates against its labels.

    :param outside: labels that lie before or after the recording.
    :param answers: the latest revision of each utterance.
    :param firsts: the first final estimate of each, on which a robot acts.
    """

    labels: Sequence[Label]
    outside: int
    answers: Sequence[Row]
    firsts: Sequence[Row]
    matching: Matching

    @property
    def pairs(self) -> list[dict[str, Any]]:
        """Matched labels and estimates, with their differences."""
        rows = []
        for pair in self.matching.pairs:
            label, answer = self.labels[pair.label], self.answers[pair.estimate]
            known = label.emotion is not None
            rows.append({
                'label': label.to_dict(), 'utterance_id': answer['utterance_id'],
                'estimate': answer['label'], 'confidence': answer['confidence'],
                'probabilities': answer['probabilities'], 'modalities': answer['modalities'],
                'correct': answer['emotion'] == label.emotion if known else None,
                'iou': pair.iou, 'start_error': answer['start'] - label.start,
                'end_error': answer['end'] - label.end,
                'latency': self.firsts[pair.estimate]['published'] - label.end})
        return rows

    def to_dict(self) -> dict[str, Any]:
        """Return all of it, for a page that shows each utterance."""
        matching = self.matching
        matched = {pair.label for pair in matching.pairs}
        taken = {pair.estimate for pair in matching.pairs}
        return {
            'labels': [label.to_dict() for label in self.labels], 'labels_outside': self.outside,
            'pairs': self.pairs,
            'labels_without_estimate': [i for i in range(len(self.labels)) if i not in matched],
            'estimates_without_label': [row['utterance_id'] for i, row in enumerate(self.answers)
                                        if i not in taken],
            'missed': list(matching.missed), 'split': list(matching.split),
            'spurious': [self.answers[i]['utterance_id'] for i in matching.spurious],
            'merged': [self.answers[i]['utterance_id'] for i in matching.merged]}


def evaluate(labels: Sequence[Label], rows: Sequence[Row], outside: int = 0) -> Evaluation:
    """
    Match estimates to labels.

    :param rows: Estimate.to_dict() with published and latency, as they came.
    """
    firsts, answers = utterances(rows)
    return Evaluation(labels, outside, answers, firsts, match(
        [(label.start, label.end) for label in labels],
        [(row['start'], row['end']) for row in answers]))


def utterances(rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """Return the first and the latest final estimate of each utterance, in order."""
    firsts: list[Row] = []
    latest: list[Row] = []
    place: dict[str, int] = {}
    for row in rows:
        if not row['final']:
            continue
        name = row['utterance_id']
        if row['revision'] == 0 or name not in place:  # ids come again when time jumps back
            place[name] = len(firsts)
            firsts.append(row)
            latest.append(row)
        else:
            latest[place[name]] = row
    return firsts, latest


def summarize(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Return the figures over one recording or several, as plain values."""
    pairs = [pair for evaluation in evaluations for pair in evaluation.pairs]
    counts = Counter[str]()
    for evaluation in evaluations:
        counts += Counter({
            'labels': len(evaluation.labels), 'labels_outside': evaluation.outside,
            'utterances': len(evaluation.answers), 'matched': len(evaluation.matching.pairs),
            **{name: len(getattr(evaluation.matching, name))
               for name in ('missed', 'spurious', 'split', 'merged')}})
    matched = counts['matched']
    scores, problem = _scores(pairs)
    return {
        'labels': counts['labels'], 'labels_outside': counts['labels_outside'],
        'utterances': counts['utterances'], 'matched': matched,
        'labels_without_estimate': counts['labels'] - matched,
        'estimates_without_label': counts['utterances'] - matched,
        'segmentation': {
            **{name: counts[name] for name in ('missed', 'spurious', 'split', 'merged')},
            'mean_iou': _mean([pair['iou'] for pair in pairs]),
            'start_error_s': _errors([pair['start_error'] for pair in pairs]),
            'end_error_s': _errors([pair['end_error'] for pair in pairs])},
        'latency_s': spread([pair['latency'] for pair in pairs]),
        'scores': scores, 'scores_problem': problem, 'by_modalities': _by_modalities(pairs)}


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Return mean, median, 95th percentile and maximum; None without values."""
    if not values:
        return None
    p50, p95 = np.percentile(values, [50, 95])
    return {'mean': float(np.mean(values)), 'p50': float(p50), 'p95': float(p95),
            'max': float(np.max(values))}


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _errors(values: Sequence[float]) -> dict[str, float | None] | None:
    """Return the mean with its sign, and the size of the errors."""
    size = spread([abs(value) for value in values])
    return None if size is None else {
        'mean': _mean(values), **{f'{name}_abs': value for name, value in size.items()}}


def _scores(pairs: Sequence[Row]) -> tuple[dict[str, Any] | None, str]:
    """Return the metrics of `training evaluate`, or the reason why there are none."""
    known = [pair for pair in pairs if pair['correct'] is not None]
    if not known:
        return None, 'no estimate has a label with an emotion'
    truth = np.array([EMOTIONS.index(pair['label']['emotion']) for pair in known])
    answers = np.array([list(pair['probabilities'].values()) for pair in known])
    try:
        scores = score(truth, answers).to_dict()
        intervals = {name: bootstrap_interval(statistic, truth, answers)
                     for name, statistic in STATISTICS.items()}
    except InvalidInput as error:
        return None, str(error)
    return scores | {'intervals': {name: [each.low, each.high]
                                   for name, each in intervals.items()}}, ''


def _by_modalities(pairs: Sequence[Row]) -> dict[str, dict[str, float]]:
    """Return how many labelled utterances had which modalities, and how many were right."""
    right: dict[str, list[bool]] = {}
    for pair in pairs:
        if pair['correct'] is not None:
            right.setdefault('+'.join(pair['modalities']), []).append(pair['correct'])
    return {name: {'count': len(values), 'accuracy': sum(values) / len(values)}
            for name, values in sorted(right.items())}
