"""An evaluation as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby

from mmer_ros.report.figures import Confusion, LEGEND, MIN_BIN, reliability_plot
from mmer_ros.report.page import (
    Banner,
    Card,
    Content,
    Facts,
    Figure,
    Grid,
    Note,
    Page,
    Section,
    Tabs,
    Tile,
    Tiles,
)
from mmer_ros.report.table import Table
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

Tables = Mapping[str, Table]


def render_page(evaluation: Evaluation) -> str:
    """Return the page: markup, style, script and figures in one text, no reference outside."""
    seeds = f'{evaluation.seeds} seeds' if evaluation.seeds > 1 else '1 seed'
    return str(Page(
        f'Evaluation of {evaluation.name}',
        [evaluation.data, f'{len(evaluation.main.labels)} examples', seeds,
         title_of(evaluation.whole).lower()],
        [Banner(evaluation.warning), _tiles(evaluation), Facts(evaluation.facts),
         Note(evaluation.notes, most=len(evaluation.notes))],
        list(_sections(evaluation, {table.key: table for table in all_tables(evaluation)})),
        f'{provenance(evaluation)} {CAUSAL}'))


def _tiles(evaluation: Evaluation) -> Tiles:
    """Return the figures that a reader looks for first, causal, all modalities."""
    alike = paper.WHOLE if len(evaluation.available) > 1 else evaluation.whole
    printed = {'weighted_f1': paper.WEIGHTED_F1[alike]} | {
        key: getattr(paper.OVERALL[alike], key)
        for key in ('harmonic_f1', 'accuracy', 'balanced_accuracy')}
    where = 'paper' if evaluation.data == PAPER_DATA else f'paper, {PAPER_DATA}'
    tiles = []
    for key in ('weighted_f1', 'harmonic_f1', 'accuracy', 'balanced_accuracy', 'ece'):
        cell = of_figure(evaluation.main.figures[key])
        theirs = f'{where}: {printed[key]:.1f}' if key in printed else 'lower is better'
        tiles.append(Tile(TITLES[key], str(cell.text), '%', [cell.small, theirs]))
    for simple in evaluation.baselines:
        lead = gap(evaluation.compared(evaluation.main, simple))
        tiles.append(Tile('Lead, weighted F1', str(lead.text), 'points',
                          [lead.small, f'over {simple.name}']))
    return Tiles(tiles)


def _sections(evaluation: Evaluation, tables: Tables) -> Iterator[Section]:
    """Yield each section that has something to show."""
    def cards(*keys: str, folded: bool = False) -> list[Content]:
        return [Card(tables[key].title + ': the figures' * folded, tables[key], folded=folded)
                for key in keys if key in tables]

    for key, name in (('models', 'Models'), ('ablations', 'Ablations'),
                      ('specialists', 'Trained without')):
        if key in tables:
            title = tables[key].title
            yield Section(key, name, [Card('' if title == name else title, tables[key])])
    yield Section('classes', 'Classes', [Grid(
        Card('Confusion matrix', Confusion(evaluation.main.confusion), 'As Fig. 7. Rows: truth; '
             'columns: answer. Percent of the row, and the number of examples'
             + (' over all seeds.' if evaluation.seeds > 1 else '.')),
        Card('F1 by class', class_plot(evaluation), legend=_class_legend(evaluation)))])
    firsts = {tables[key].title: tables[key] for key in ('table-1-causal', 'table-1-reply')
              if key in tables}
    yield Section('tables', 'The paper’s tables', [Tabs(firsts), *cards('table-2', 'table-3')])
    yield Section('subsets', 'Subsets of modalities', [
        _subsets(evaluation), *cards('subsets', 'singles')])
    if evaluation.curves:
        yield Section('robustness', 'Robustness', [
            _robustness(evaluation), *cards('noise', 'missing', folded=True)])
    yield Section('calibration', 'Calibration', [_calibration(evaluation)])
    if evaluation.embedding_map:
        yield Section('embeddings', 'Embeddings', [_embeddings(evaluation)])
    if evaluation.learning:
        yield Section('learning', 'Learning curves', list(_learning(evaluation)))
    if 'comparisons' in tables:
        yield Section('differences', 'Differences', [Card('', tables['comparisons'])])


# -- figures --------------------------------------------------------------------------------


def _subsets(evaluation: Evaluation) -> Grid:
    legend = (('mark', 'causal'), ('mark ring', 'with reply'),
              ('whisker', '95 % bootstrap interval'))
    return Grid(*(Card(f'{TITLES[key]} by subset',
                       subset_plot(evaluation, key, inline(TITLES[key])), legend=legend)
                  for key in SCORES))


def _class_legend(evaluation: Evaluation) -> list[tuple[str, str]]:
    several = evaluation.available if len(evaluation.available) > 1 else ()
    return [('swatch all', title_of(evaluation.whole).lower()),
            *((f'mark {kind_of(m)}', f'{title_of(m).lower()} alone') for m in several),
            ('stroke paper', f'paper’s fusion, {PAPER_DATA}')]


def _robustness(evaluation: Evaluation) -> Grid:
    kinds = {'noise': 'Noise on one modality', 'missing': 'A modality missing'}
    curves = {kind: [c for c in evaluation.curves if c.kind == kind] for kind in kinds}
    return Grid(*(
        Card(f'{kinds[kind]}: {inline(TITLES[key])}',
             robustness_plot(found, key, inline(TITLES[key])))
        for kind, found in curves.items() if found for key in SCORES))


def _calibration(evaluation: Evaluation) -> Card:
    shown = [evaluation.main]
    if len(evaluation.available) > 1:
        shown += [r for m in MODALITIES if (r := evaluation.find(m))]
    return Card('Reliability', Grid(*(
        Figure(reliability_plot(reliability(result), f'Reliability, {result.name}', 300),
               result.name, f'ECE {of_figure(result.figures["ece"])} %, '
               f'NLL {result.figures["nll"].mean:.2f}') for result in shown), columns='many'),
        'Of the answers of a confidence, how many are right. Diagonal: perfectly calibrated; '
        'shaded: the gap that the expected calibration error (ECE) sums up; bars at the bottom: '
        f'how many answers there are. 15 bins of equal width; the line leaves out those with '
        f'fewer than {MIN_BIN} answers.', LEGEND)


def _embeddings(evaluation: Evaluation) -> Card:
    drawn = evaluation.embedding_map
    assert drawn is not None
    count = np.bincount(drawn.labels, minlength=len(EMOTIONS))
    sampled = (f'{len(drawn.labels)} of {drawn.total} examples, drawn at random'
               if len(drawn.labels) < drawn.total else f'all {drawn.total} examples')
    return Card(
        't-SNE of the fused embeddings', embedding_plot(drawn),
        f'As Fig. 8, coloured by truth; {sampled}; first seed. Distances between clusters mean '
        'nothing in t-SNE, neighbourhoods do.',
        [*((f'swatch e-{name}', f'{name} {number}')
           for name, number in zip(EMOTIONS, count, strict=True)),
         ('mark ring', 'answered wrongly')])


def _learning(evaluation: Evaluation) -> Iterator[Content]:
    runs = [list(curves) for _, curves in groupby(evaluation.learning, lambda c: c.run)]
    for curves in runs[:MAX_RUNS]:
        yield Card(curves[0].run, Grid(*learning_plots(curves), columns='many two'))
    if len(runs) > MAX_RUNS:
        yield Note([f'{len(runs) - MAX_RUNS} more runs are in evaluation.json.'])
