# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""All tables of an evaluation: the paper's layout and our own."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.evaluation.metrics import Interval
from mmer_ros.report.formats import NONE
from mmer_ros.report.table import blank, Cell, in_percent, Row, row, Table
from training.evaluation.comparisons import Comparison
from training.evaluation.evaluation import Evaluation
from training.evaluation.paper_tables import table_1, table_2, table_3
from training.evaluation.results import Result, title_of
from training.evaluation.robustness import Curve
from training.evaluation.wording import inline, of_figure, ours, OVERALL, TITLES


def all_tables(evaluation: Evaluation) -> list[Table]:
    """Return every table that has content, in the order of a report."""
    tables = [models_table(evaluation)] if evaluation.others or evaluation.baselines else []
    tables += [ablation_table(evaluation)] if evaluation.ablations else []
    tables += [specialist_table(evaluation)] if evaluation.specialists else []
    tables += [singles_table(evaluation)] if len(evaluation.available) > 1 else []
    replied = any(not r.causal for r in evaluation.subsets)
    tables += [table_1(evaluation, causal=causal) for causal in (True, False)[:1 + replied]]
    tables += [table_2(evaluation), table_3(evaluation), subset_table(evaluation)]
    for kind in ('noise', 'missing'):
        curves = [c for c in evaluation.curves if c.kind == kind]
        tables += [robustness_table(curves)] if curves else []
    tables += [comparison_table(evaluation)] if evaluation.comparisons else []
    return tables


def models_table(evaluation: Evaluation) -> Table:
    """Return the model, those that it is set beside and the baselines, with their leads."""
    baselines = evaluation.baselines
    whole = [r for r in evaluation.subsets if r.modalities == evaluation.whole]
    named = [(evaluation.name + ('' if r.causal else ', with reply'), r) for r in whole]
    named += [(r.name, r) for r in (*evaluation.others, *baselines)]
    simple = ' or '.join(b.name for b in baselines)
    lead = (f' Lead: weighted F1 less that of {simple}, in points, on the same examples, with the '
            '95 % interval of a paired bootstrap.' if simple else '')
    leads = ['Lead'] if len(baselines) == 1 else [f'Lead over {b.name}' for b in baselines]
    return Table(
        ('Model', 'Given', 'Examples', *(TITLES[key] for key in OVERALL), *leads),
        [row(name, title_of(result.modalities), str(len(result.labels)), *_cells(result),
             *(gap(evaluation.compared(result, simple)) for simple in baselines))
         for name, result in named],
        key='models', title='Models', heavy=frozenset({0}), words=2,
        caption=f'In percent, with 95 % bootstrap intervals. {ours(evaluation)}{lead}')


def subset_table(evaluation: Evaluation) -> Table:
    """Return the scores for each subset of modalities, causal and with reply."""
    rows = []
    causal = [r for r in evaluation.subsets if r.causal]
    for result in causal:
        other = evaluation.find(result.modalities, causal=False)
        replied = [of_figure(other.figures[key]) for key in ('accuracy', 'weighted_f1')
                   ] if other else blank(2)
        rows.append(row(title_of(result.modalities), str(len(result.labels)), *_cells(result),
                        *replied))
    return Table(
        ('Given', 'Examples', *(TITLES[key] for key in OVERALL), 'Accuracy', 'Weighted F1'), rows,
        key='subsets', title='Scores by subset of modalities',
        groups=(('', 2), ('Causal', 5), ('With reply', 2)),
        heavy=frozenset({causal.index(evaluation.main)}),
        caption='In percent, with 95 % bootstrap intervals. The same model, given only these; '
                'each is scored on the examples that have at least one of them.')


def robustness_table(curves: Sequence[Curve]) -> Table:
    """Return accuracy and weighted F1 by level of noise or rate of loss."""
    noise, count = curves[0].kind == 'noise', curves[0].count
    caption = (
        'Gaussian noise on the features of one modality, in units of their standard deviation; '
        f'all modalities are given, causal, {count} examples.' if noise else
        'The modality is taken away from a random share of the examples; causal, the '
        f'{count} examples that have all. Any: each modality independently; the last one stays.')
    heads = [f'{level:g} σ' if noise else f'{100 * level:g} %' for level in curves[0].levels]
    return Table(
        ('Noise on' if noise else 'Missing', *heads), [
            row(f'{_disturbed(curve)}, {inline(TITLES[key])}', *map(of_figure, figures))
            for key in ('weighted_f1', 'accuracy')
            for curve in curves for figures in [getattr(curve, key)]],
        key='noise' if noise else 'missing',
        title='Noisy modalities' if noise else 'Missing modalities',
        caption=f'In percent, with 95 % bootstrap intervals. {caption}')


def _disturbed(curve: Curve) -> str:
    return title_of(curve.modality) if curve.modality.bit_count() == 1 else 'Any'


def ablation_table(evaluation: Evaluation) -> Table:
    """Return the full model and those with a part left out, trained alike."""
    rows = [row('Full model', *_cells(evaluation.main), *blank(2))]
    for result in evaluation.ablations:
        found = evaluation.compared(evaluation.main, result)
        rows.append(row(result.name, *_cells(result), gap(found, turned=True), chance(found)))
    return Table(
        ('Model', *(TITLES[key] for key in OVERALL), 'Difference', 'p'), rows,
        key='ablations', title='Ablations', heavy=frozenset({0}),
        caption=f'In percent, causal, all modalities. {ours(evaluation)} '
                'Difference: weighted F1 less that of the full model, in points, paired by '
                'example; p: share of the resamples in which the full model is no better.')


def specialist_table(evaluation: Evaluation) -> Table:
    """Return what a modality that is missing costs, against models that never had it."""
    rows: list[Row] = []
    heavy: set[int] = set()
    for other in evaluation.specialists:
        own = evaluation.find(other.modalities)
        if own is None:
            continue
        if other.modalities.bit_count() == len(evaluation.available) - 1:
            heavy.add(len(rows))
        found = evaluation.compared(own, other)
        rows.append(row(title_of(other.modalities), str(len(own.labels)),
                        *(of_figure(r.figures['weighted_f1']) for r in (own, other)),
                        gap(found), chance(found)))
    return Table(
        ('Given', 'Examples', 'This model', 'Trained for it', 'Difference', 'p'), rows,
        key='specialists', title='Missing modalities, against models trained without them',
        heavy=frozenset(heavy),
        caption='Weighted F1 in percent, causal: this model, which knows all modalities, given '
                'only some of them at test time, and models of the same recipe that were trained '
                'on just these. Difference: the first less the second, in points, paired by '
                'example; p: share of the resamples in which the first is no better. In bold: one '
                'modality missing.')


def singles_table(evaluation: Evaluation) -> Table:
    """Return the gain over each single modality, however its model was trained."""
    def single(results: Sequence[Result]) -> list[Result]:
        return [r for r in results if r.causal and r.modalities.bit_count() == 1]

    main = evaluation.main
    named = [('This model, given it alone', r) for r in single(evaluation.subsets)]
    named += [(r.name, r) for r in single((*evaluation.specialists, *evaluation.others))]
    scores = [result.figures['weighted_f1'].mean for _, result in named]
    rows = []
    for name, result in named:
        found = evaluation.compared(main, result)
        rows.append(row(title_of(result.modalities), name, str(len(result.labels)),
                        of_figure(result.figures['weighted_f1']), gap(found), chance(found)))
    return Table(
        ('Modality', 'Model', 'Examples', TITLES['weighted_f1'], 'Gain', 'p'), rows,
        key='singles', title='All modalities against single ones', words=2,
        heavy=frozenset({scores.index(max(scores))}),
        caption='Weighted F1 in percent, causal. Gain: this model given all modalities less the '
                'model of the row, in points, on the examples that both answer, with the 95 % '
                'interval of a paired bootstrap; p: share of the resamples without a gain. In '
                'bold: the best single modality.')


def comparison_table(evaluation: Evaluation) -> Table:
    """Return the paired differences."""
    return Table(
        ('Models', 'Examples', 'Difference', 'p'), [
            row(f'{c.first} − {c.second}', str(c.count), gap(c), chance(c))
            for c in evaluation.comparisons],
        key='comparisons', title='Differences',
        caption='Weighted F1 of the first less that of the second on the same examples, in '
                'points, with the 95 % interval of a paired bootstrap; p: share of the resamples '
                'in which the first is no better.')


def _cells(result: Result) -> list[Cell]:
    return [of_figure(result.figures[key]) for key in OVERALL]


def gap(found: Comparison | None, *, turned: bool = False) -> Cell:
    """
    Return a difference in percentage points, with its sign and interval.

    :param turned: the second less the first.
    """
    if found is None:
        return Cell(NONE)
    gap = found.difference
    return in_percent(Interval(-gap.value, -gap.high, -gap.low) if turned else gap, signed=True)


def chance(found: Comparison | None) -> Cell:
    """Return p, which the bootstrap resolves down to a thousandth."""
    if found is None:
        return Cell(NONE)
    p = found.difference.p
    return Cell('≤ 0.001' if p <= .001 else f'{p:.3f}')
