# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Words, order and form of the figures, the same in every table and plot."""

from __future__ import annotations

from mmer_ros.report.formats import interval, NONE, percent
from mmer_ros.report.table import Cell
from training.evaluation.evaluation import Evaluation, PAPER_DATA
from training.evaluation.results import Figure

OVERALL = ('accuracy', 'balanced_accuracy', 'weighted_f1', 'harmonic_f1', 'ece')
TITLES = {'accuracy': 'Accuracy', 'balanced_accuracy': 'Balanced accuracy',
          'weighted_f1': 'Weighted F1', 'harmonic_f1': 'Harmonic F1', 'ece': 'ECE'}


def inline(title: str) -> str:
    """Return a title within a sentence: `weighted F1`."""
    return title[:1].lower() + title[1:]


def provenance(evaluation: Evaluation) -> str:
    """Return the sentence that names the data of our figures and of the paper's."""
    if evaluation.data == PAPER_DATA:
        return f'{ours(evaluation)} The paper’s: the same split.'
    return (f'{ours(evaluation)} The paper’s: {PAPER_DATA}, so the two cannot be compared '
            'directly.')


def ours(evaluation: Evaluation) -> str:
    """Return the sentence that names the data of our figures."""
    count = len(evaluation.main.labels)
    seeds = (f'mean ± standard deviation over {evaluation.seeds} seeds'
             if evaluation.seeds > 1 else 'one seed')
    return f'Ours: {evaluation.data}, {count} examples, {seeds}.'


def of_figure(figure: Figure, *, spread: bool = True) -> Cell:
    """Return percent, with the deviation of the seeds and the interval beneath."""
    small = [f'± {percent(figure.deviation)}'] if figure.deviation is not None else []
    if spread and figure.low is not None and figure.high is not None:
        small.append(interval(figure.low, figure.high))
    return Cell(percent(figure.mean), ' '.join(small))


def of_paper(value: float | None) -> Cell:
    """Return a figure of the paper, which is in percent already."""
    return Cell(NONE if value is None else f'{value:.1f}', theirs=True)
