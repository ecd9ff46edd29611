# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The figures of an evaluation, drawn for its page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmer_ros.evaluation import metrics
from mmer_ros.evaluation.metrics import Reliability
from mmer_ros.report.plot import around, Plot, Point, ticks
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
from training.evaluation import paper
from training.evaluation.embedding_map import EmbeddingMap
from training.evaluation.evaluation import Evaluation, PAPER_DATA
from training.evaluation.learning import LearningCurve
from training.evaluation.results import Figure, names_of, Result, title_of
from training.evaluation.robustness import Curve
from training.evaluation.wording import inline, of_figure

MAX_LINE_POINTS = 300


def kind_of(modalities: Modality) -> str:
    """Return the class that colours a modality, or several."""
    return f'm-{names_of(modalities)[0]}' if modalities.bit_count() == 1 else 'm-all'


def percents(figure: Figure) -> str:
    """Return a figure for a tooltip: `63.0 % ± 0.4 [61.2, 64.8]`."""
    cell = of_figure(figure)
    return f'{cell.text} % {cell.small}'.strip()


# -- subsets of modalities ------------------------------------------------------------------


def subset_plot(evaluation: Evaluation, statistic: str, name: str) -> Plot:
    """Draw a score of each subset with its interval; causal, and with reply below it."""
    shown = [r for r in evaluation.subsets if r.causal]
    figures = [r.figures[statistic] for r in evaluation.subsets]
    low, high = around([100 * v for f in figures for v in _ends(f)], least=1)
    plot = Plot(620, 48 + 40 * len(shown), (low, high), (len(shown), 0), f'{name} by subset',
                (138, 6, 18, 42))
    plot.axes(ticks(low, high, 6), [], f'{inline(name)}, %')
    plot.rows([title_of(result.modalities) for result in shown])
    for place, result in enumerate(shown):
        other = evaluation.find(result.modalities, causal=False)
        kind = kind_of(result.modalities)
        _whisker(plot, place + (.36 if other else .5), result, statistic, kind)
        if other:
            _whisker(plot, place + .66, other, statistic, f'{kind} hollow')
    return plot


def _whisker(plot: Plot, place: float, result: Result, statistic: str, kind: str) -> None:
    figure = result.figures[statistic]
    low, high = min(_ends(figure)), max(_ends(figure))
    plot.line([(100 * low, place), (100 * high, place)], kind)
    plot.dot((100 * figure.mean, place), kind, f'{result.name}: {percents(figure)}', 5)


def _ends(figure: Figure) -> Iterable[float]:
    return [v for v in (figure.mean, figure.low, figure.high) if v is not None]


# -- classes --------------------------------------------------------------------------------


def class_plot(evaluation: Evaluation) -> Plot:
    """Draw F1 by class: a bar for all modalities, marks for single ones and for the paper."""
    plot = Plot(620, 48 + 42 * len(EMOTIONS), (0, 100), (len(EMOTIONS), 0), 'F1 by class',
                (108, 6, 18, 42))
    plot.axes(ticks(0, 100), [], 'F1, %')
    f1 = evaluation.main.per_class('f1')
    support = evaluation.main.per_class('support')
    plot.rows(EMOTIONS, [f'{number:.0f} examples' for number in support])
    for place, name in enumerate(EMOTIONS):
        plot.bar((0, place + .2), (100 * f1[place], place + .8), f'e-{name}',
                 f'{name}, {title_of(evaluation.whole).lower()}: F1 {100 * f1[place]:.1f} %')
        if len(evaluation.available) > 1:
            _single_marks(plot, evaluation, place, name)
        printed = paper.PER_CLASS[paper.WHOLE][name][2]
        ends = [(printed, place + .1), (printed, place + .9)]
        plot.line(ends, 'halo')
        plot.line(ends, 'paper', f'{name}, the paper’s fusion on {PAPER_DATA}: F1 {printed} %')
    return plot


def _single_marks(plot: Plot, evaluation: Evaluation, place: int, name: str) -> None:
    for index, modality in enumerate(evaluation.available):
        result = evaluation.find(modality)
        if result:
            value = 100 * result.per_class('f1')[place]
            plot.dot((value, place + .32 + .18 * index), f'{kind_of(modality)} ringed',
                     f'{name}, {title_of(modality).lower()} alone: F1 {value:.1f} %', 4.5)


# -- calibration ----------------------------------------------------------------------------


def reliability(result: Result) -> Reliability:
    """Return how often answers of a confidence are right, over all seeds together."""
    return metrics.reliability(np.tile(result.labels, len(result.predictions)),
                               result.probabilities.reshape(-1, len(EMOTIONS)))


# -- robustness -----------------------------------------------------------------------------


def robustness_plot(curves: Sequence[Curve], statistic: str, name: str, title: str) -> Plot:
    """Draw a score against the level of disturbance, one line per modality with its interval."""
    figures = {curve.modality: getattr(curve, statistic) for curve in curves}
    low, high = around([100 * v for each in figures.values() for f in each for v in _ends(f)],
                       least=1)
    levels, noise = curves[0].levels, curves[0].kind == 'noise'
    plot = Plot(480, 300, (levels[0], levels[-1]), (low, high), f'{title}: {name}',
                (52, 10, 72, 42))
    plot.axes(levels, ticks(low, high), 'noise, standard deviations of the feature' if noise
              else 'rate of missing', f'{name}, %')
    for modality, each in figures.items():
        kind = kind_of(modality)
        plot.band([(x, 100 * f.low) for x, f in zip(levels, each, strict=True)],
                  [(x, 100 * f.high) for x, f in zip(levels, each, strict=True)], kind)
    for modality, each in figures.items():
        kind = kind_of(modality)
        plot.line([(x, 100 * f.mean) for x, f in zip(levels, each, strict=True)], kind)
        for x, figure in zip(levels, each, strict=True):
            plot.dot((x, 100 * figure.mean), kind, f'{_label(modality)} at {x:g}: '
                     f'{percents(figure)}', 3.5)
    plot.name_ends({_label(m): (kind_of(m), 100 * f[-1].mean) for m, f in figures.items()})
    return plot


def _label(modality: Modality) -> str:
    return title_of(modality).lower() if modality.bit_count() == 1 else 'any'


# -- learning -------------------------------------------------------------------------------


def learning_plots(curves: Sequence[LearningCurve]) -> list[Plot]:
    """Draw loss and weighted F1 of one run against its steps, train and dev."""
    plots = []
    for quantity, name, scale in (('loss', 'loss', 1.0), ('weighted_f1', 'weighted F1, %', 100.0)):
        found = [c for c in curves if c.quantity == quantity]
        if not found:
            continue
        points = {c.split: [(step, scale * value) for step, value in _thin(c.points)]
                  for c in found}
        x = around([step for each in points.values() for step, _ in each], pad=0, least=.5)
        y = around([value for each in points.values() for _, value in each])
        plot = Plot(480, 230, x, y, f'{name} of {found[0].run}', (52, 10, 52, 42))
        plot.axes(ticks(*x), ticks(*y), 'step', name)
        for split, each in points.items():
            kind = _split_kind(split)
            plot.line(each, kind)
            for step, value in each if len(each) <= 60 else []:
                plot.dot((step, value), kind, f'{split}, step {step:.0f}: {value:.3g}', 2.5)
        plot.name_ends({split: (_split_kind(split), each[-1][1])
                        for split, each in points.items()})
        plots.append(plot)
    return plots


def _split_kind(split: str) -> str:
    return f's-{split}' if split in ('train', 'dev') else 's-other'


def _thin(points: Sequence[tuple[int, float]]) -> list[Point]:
    """Return means of neighbours where there are more points than can be seen."""
    group = -(-len(points) // MAX_LINE_POINTS)
    return [(float(block[:, 0].mean()), float(block[:, 1].mean()))
            for block in (np.array(points[i:i + group]) for i in range(0, len(points), group))]


# -- embeddings -----------------------------------------------------------------------------


def embedding_plot(drawn: EmbeddingMap) -> Plot:
    """Draw the fused vectors, coloured by truth; what is answered wrongly is hollow."""
    plot = Plot(620, 520, (-1.04, 1.04), (-1.04, 1.04), 't-SNE of the fused embeddings',
                (6, 6, 6, 6))
    order = np.random.default_rng(0).permutation(len(drawn.labels))  # no class hides another
    for index in order:
        truth, answer = EMOTIONS[drawn.labels[index]], EMOTIONS[drawn.answers[index]]
        right = truth == answer
        plot.dot((float(drawn.points[index, 0]), float(drawn.points[index, 1])),
                 f'e-{truth} point' + ('' if right else ' wrong'),
                 truth if right else f'{truth}, answered {answer}', 3.2)
    return plot
