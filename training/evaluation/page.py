# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""An evaluation as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from mmer_ros.report.figures import MIN_BIN, reliability_plot
from mmer_ros.report.page import render
from mmer_ros.report.plot import Plot
from mmer_ros.report.table import Cell
from mmer_ros.types import EMOTIONS, MODALITIES
import numpy as np
from training.evaluation import paper
from training.evaluation.evaluation import Evaluation, PAPER_DATA
from training.evaluation.figures import (
    class_plot,
    embedding_plot,
    kind_of,
    learning_plots,
    reliability,
    robustness_plot,
    subset_plot,
)
from training.evaluation.results import title_of
from training.evaluation.tables import all_tables, gap
from training.evaluation.wording import inline, of_figure, provenance, TITLES

MAX_RUNS = 12  # whose learning curves are drawn
CAUSAL = ('Causal: the answer is given before the next turn of the dialogue is known, as on a '
          'robot.')
SCORES = ('weighted_f1', 'accuracy')  # that are drawn


def render_page(evaluation: Evaluation) -> str:
    """Return the page: markup, style, script and figures in one text, no reference outside."""
    given, several = title_of(evaluation.whole).lower(), len(evaluation.available) > 1
    runs = groupby(evaluation.learning, lambda curve: curve.run)
    return render(
        'report.html', f'Evaluation of {evaluation.name}',
        [evaluation.data, f'{len(evaluation.main.labels)} examples',
         f'{evaluation.seeds} seeds' if evaluation.seeds > 1 else '1 seed', given],
        folder=Path(__file__).parent, footer=f'{provenance(evaluation)} {CAUSAL}',
        evaluation=evaluation, tables={table.key: table for table in all_tables(evaluation)},
        tiles=list(_tiles(evaluation)), given=given, paper_data=PAPER_DATA,
        alone=[(f'mark {kind_of(m)}', f'{title_of(m).lower()} alone')
               for m in evaluation.available if several],
        classes=class_plot(evaluation), robustness=list(_robustness(evaluation)),
        subsets=[subset_plot(evaluation, key, TITLES[key]) for key in SCORES],
        reliability=list(_reliability(evaluation)), min_bin=MIN_BIN,
        learning=[(run, learning_plots(list(curves))) for run, curves in runs],
        max_runs=MAX_RUNS, **_embeddings(evaluation))


def _tiles(evaluation: Evaluation) -> Iterator[tuple[str, Cell, str, str]]:
    """Yield the figures that a reader looks for first, causal, all modalities."""
    alike = paper.WHOLE if len(evaluation.available) > 1 else evaluation.whole
    printed = {'weighted_f1': paper.WEIGHTED_F1[alike]} | {
        key: getattr(paper.OVERALL[alike], key)
        for key in ('harmonic_f1', 'accuracy', 'balanced_accuracy')}
    where = 'paper' if evaluation.data == PAPER_DATA else f'paper, {PAPER_DATA}'
    for key in ('weighted_f1', 'harmonic_f1', 'accuracy', 'balanced_accuracy', 'ece'):
        theirs = f'{where}: {printed[key]:.1f}' if key in printed else 'lower is better'
        yield TITLES[key], of_figure(evaluation.main.figures[key]), '%', theirs
    for simple in evaluation.baselines:
        lead = gap(evaluation.compared(evaluation.main, simple))
        yield 'Lead, weighted F1', lead, 'points', f'over {simple.name}'


def _robustness(evaluation: Evaluation) -> Iterator[Plot]:
    for kind, title in (('noise', 'Noise on one modality'), ('missing', 'A modality missing')):
        curves = [curve for curve in evaluation.curves if curve.kind == kind]
        for key in SCORES if curves else ():
            yield robustness_plot(curves, key, inline(TITLES[key]), title)


def _reliability(evaluation: Evaluation) -> Iterator[tuple[str, Plot, str]]:
    alone = [evaluation.find(m) for m in MODALITIES if len(evaluation.available) > 1]
    for result in filter(None, (evaluation.main, *alone)):
        ece, nll = of_figure(result.figures['ece']), result.figures['nll'].mean
        plot = reliability_plot(reliability(result), f'Reliability, {result.name}', 300)
        yield result.name, plot, f'ECE {ece} %, NLL {nll:.2f}'


def _embeddings(evaluation: Evaluation) -> dict[str, object]:
    drawn = evaluation.embedding_map
    if drawn is None:
        return {}
    counts = np.bincount(drawn.labels, minlength=len(EMOTIONS))
    return {
        'embeddings': embedding_plot(drawn),
        'drawn': [(f'swatch e-{name}', f'{name} {count}')
                  for name, count in zip(EMOTIONS, counts, strict=True)],
        'sampled': f'{len(drawn.labels)} of {drawn.total} examples, drawn at random'
        if len(drawn.labels) < drawn.total else f'all {drawn.total} examples'}
