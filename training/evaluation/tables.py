"""All tables of an evaluation: those of the paper, and our own."""

from __future__ import annotations

from collections.abc import Sequence

from training.evaluation.comparisons import Comparison
from training.evaluation.evaluation import Evaluation
from training.evaluation.paper_tables import table_1, table_2, table_3
from training.evaluation.results import Result, title_of
from training.evaluation.robustness import Curve
from training.evaluation.table import blank, Cell, NONE, of_figure, row, Table
from training.evaluation.wording import inline, ours, OVERALL, TITLES


def all_tables(evaluation: Evaluation) -> list[Table]:
    """Return every table that has something to say, in the order of a report."""
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
    whole = [r for r in evaluation.subsets if r.modalities == evaluation.whole]
    named = [(evaluation.name + ('' if r.causal else ', with reply'), r) for r in whole]
    named += [(r.name, r) for r in (*evaluation.others, *evaluation.baselines)]
    rows = tuple((
        Cell(name), Cell(title_of(result.modalities)), Cell(str(len(result.labels))),
        *_cells(result),
        *(gap(evaluation.compared(result, simple)) for simple in evaluation.baselines))
        for name, result in named)
    simple = ' or '.join(b.name for b in evaluation.baselines)
    lead = (f' Lead: weighted F1 less that of {simple}, in points, on the same examples, with the '
            '95 % interval of a paired bootstrap.' if simple else '')
    return Table(
        'models', 'Models',
        f'In percent, with 95 % bootstrap intervals. {ours(evaluation)}{lead}',
        ('Model', 'Given', 'Examples', *(TITLES[key] for key in OVERALL),
         *(['Lead'] if len(evaluation.baselines) == 1 else
           [f'Lead over {b.name}' for b in evaluation.baselines])),
        rows, heavy=frozenset({0}), words=2)


def subset_table(evaluation: Evaluation) -> Table:
    """Return the scores for each subset of modalities, causal and with reply."""
    rows = []
    causal = [r for r in evaluation.subsets if r.causal]
    for result in causal:
        other = evaluation.find(result.modalities, causal=False)
        replied = ([of_figure(other.figures[key]) for key in ('accuracy', 'weighted_f1')]
                   if other else blank(2))
        rows.append(row(title_of(result.modalities), [
            Cell(str(len(result.labels))), *(of_figure(result.figures[key]) for key in OVERALL),
            *replied]))
    heavy = frozenset({causal.index(evaluation.main)})
    return Table(
        'subsets', 'Scores by subset of modalities',
        'In percent, with 95 % bootstrap intervals. The same model, given only these; each '
        'is scored on the examples that have at least one of them.',
        ('Given', 'Examples', *(TITLES[key] for key in OVERALL), 'Accuracy', 'Weighted F1'),
        tuple(rows), (('', 2), ('Causal', 5), ('With reply', 2)), heavy)


def robustness_table(curves: Sequence[Curve]) -> Table:
    """Return accuracy and weighted F1 by level of noise or rate of loss."""
    noise = curves[0].kind == 'noise'
    rows = [row(f'{_disturbed(curve)}, {inline(TITLES[key])}',
                [of_figure(figure) for figure in getattr(curve, key)])
            for key in ('weighted_f1', 'accuracy') for curve in curves]
    count = curves[0].count
    caption = (
        'Gaussian noise on the features of one modality, in units of their standard deviation; '
        f'all modalities are given, causal, {count} examples.' if noise else
        'The modality is taken away from a random share of the examples; causal, the '
        f'{count} examples that have all. Any: each modality independently; the last one stays.')
    heads = [f'{level:g} σ' if noise else f'{100 * level:g} %' for level in curves[0].levels]
    return Table('noise' if noise else 'missing',
                 'Noisy modalities' if noise else 'Missing modalities',
                 f'In percent, with 95 % bootstrap intervals. {caption}',
                 ('Noise on' if noise else 'Missing', *heads), tuple(rows))


def _disturbed(curve: Curve) -> str:
    return title_of(curve.modality) if curve.modality.bit_count() == 1 else 'Any'


def ablation_table(evaluation: Evaluation) -> Table:
    """Return the full model and those with a part left out, trained alike."""
    rows = [row('Full model', [*_cells(evaluation.main), *blank(2)])]
    for result in evaluation.ablations:
        found = evaluation.compared(evaluation.main, result)
        rows.append(row(result.name, [*_cells(result), gap(found, turned=True), chance(found)]))
    return Table(
        'ablations', 'Ablations',
        f'In percent, causal, all modalities. {ours(evaluation)} '
        'Difference: weighted F1 less that of the full model, in points, paired by example; '
        'p: share of the resamples in which the full model is no better.',
        ('Model', *(TITLES[key] for key in OVERALL), 'Difference', 'p'), tuple(rows),
        heavy=frozenset({0}))


def specialist_table(evaluation: Evaluation) -> Table:
    """Return what a modality that is missing costs beyond what it told."""
    rows: list[tuple[Cell, ...]] = []
    heavy: set[int] = set()
    for other in evaluation.specialists:
        own = evaluation.find(other.modalities)
        if own is None:
            continue
        if other.modalities.bit_count() == len(evaluation.available) - 1:
            heavy.add(len(rows))
        found = evaluation.compared(own, other)
        rows.append(row(title_of(other.modalities), [
            Cell(str(len(own.labels))), of_figure(own.figures['weighted_f1']),
            of_figure(other.figures['weighted_f1']), gap(found), chance(found)]))
    return Table(
        'specialists', 'Missing modalities, against models trained without them',
        'Weighted F1 in percent, causal: this model, which knows all modalities, given only some '
        'of them at test time, and models of the same recipe that were trained on just these. '
        'Difference: the first less the second, in points, paired by example; p: share of the '
        'resamples in which the first is no better. In bold: one modality missing.',
        ('Given', 'Examples', 'This model', 'Trained for it', 'Difference', 'p'), tuple(rows),
        heavy=frozenset(heavy))


def singles_table(evaluation: Evaluation) -> Table:
    """Return what is gained over each single modality, however its model was trained."""
    main = evaluation.main
    named = [('This model, given it alone', r) for r in evaluation.subsets
             if r.causal and r.modalities.bit_count() == 1]
    named += [(r.name, r) for r in (*evaluation.specialists, *evaluation.others)
              if r.causal and r.modalities.bit_count() == 1]
    scores = [result.figures['weighted_f1'].mean for _, result in named]
    rows = []
    for name, result in named:
        found = evaluation.compared(main, result)
        rows.append((Cell(title_of(result.modalities)), Cell(name), Cell(str(len(result.labels))),
                     of_figure(result.figures['weighted_f1']), gap(found), chance(found)))
    return Table(
        'singles', 'All modalities against single ones',
        'Weighted F1 in percent, causal. Gain: this model given all modalities less the model of '
        'the row, in points, on the examples that both answer, with the 95 % interval of a paired '
        'bootstrap; p: share of the resamples without a gain. In bold: the best single modality.',
        ('Modality', 'Model', 'Examples', TITLES['weighted_f1'], 'Gain', 'p'), tuple(rows),
        heavy=frozenset({scores.index(max(scores))}), words=2)


def _cells(result: Result) -> list[Cell]:
    return [of_figure(result.figures[key]) for key in OVERALL]


def comparison_table(evaluation: Evaluation) -> Table:
    """Return the paired differences."""
    rows = tuple(row(f'{c.first} − {c.second}', [Cell(str(c.count)), gap(c), chance(c)])
                 for c in evaluation.comparisons)
    return Table(
        'comparisons', 'Differences',
        'Weighted F1 of the first less that of the second on the same examples, in points, with '
        'the 95 % interval of a paired bootstrap; p: share of the resamples in which the first '
        'is no better.', ('Models', 'Examples', 'Difference', 'p'), rows)


def gap(found: Comparison | None, *, turned: bool = False) -> Cell:
    """
    Return a difference in percentage points, with its sign and interval.

    :param turned: the second less the first.
    """
    if found is None:
        return Cell(NONE)
    value, low, high = (100 * v for v in (found.difference.value, found.difference.low,
                                          found.difference.high))
    if turned:
        value, low, high = -value, -high, -low
    return Cell(f'{value:+.1f}', f'[{low:+.1f}, {high:+.1f}]')


def chance(found: Comparison | None) -> Cell:
    """Return p; below a thousandth the bootstrap cannot tell."""
    if found is None:
        return Cell(NONE)
    p = found.difference.p
    return Cell('≤ 0.001' if p <= .001 else f'{p:.3f}')
