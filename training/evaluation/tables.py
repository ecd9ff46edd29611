"""The tables of an evaluation: the paper's Tables 1 to 3 with ours beside them, and our own."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.types import EMOTIONS, Modality
from training.evaluation import paper
from training.evaluation.evaluation import Evaluation, PAPER_DATA
from training.evaluation.results import Result, title_of
from training.evaluation.robustness import Curve
from training.evaluation.table import blank, Cell, NONE, of_figure, of_paper, percent, row, Table

OVERALL = ('accuracy', 'balanced_accuracy', 'weighted_f1', 'harmonic_f1', 'ece')
TITLES = {'accuracy': 'Accuracy', 'balanced_accuracy': 'Balanced accuracy',
          'weighted_f1': 'Weighted F1', 'harmonic_f1': 'Harmonic F1', 'ece': 'ECE'}


def all_tables(evaluation: Evaluation) -> list[Table]:
    """Return every table that has something to say, in the order of a report."""
    replies = (True, False) if Modality.TEXT in evaluation.available else (True,)
    tables = [*(table_1(evaluation, causal=causal) for causal in replies),
              table_2(evaluation), table_3(evaluation), subset_table(evaluation)]
    for kind in ('noise', 'missing'):
        curves = [c for c in evaluation.curves if c.kind == kind]
        tables += [robustness_table(curves)] if curves else []
    tables += [ablation_table(evaluation)] if evaluation.ablations else []
    tables += [comparison_table(evaluation)] if evaluation.comparisons else []
    return tables


def provenance(evaluation: Evaluation) -> str:
    """Return the sentence that says what our figures and the paper's are of."""
    if evaluation.data == PAPER_DATA:
        return f'{_ours(evaluation)} The paper’s: the same split.'
    return (f'{_ours(evaluation)} The paper’s: {PAPER_DATA}, so the two cannot be compared '
            'directly.')


def _ours(evaluation: Evaluation) -> str:
    count = len(evaluation.main.labels)
    seeds = (f'mean ± standard deviation over {evaluation.seeds} seeds'
             if evaluation.seeds > 1 else 'one seed')
    return f'Ours: {evaluation.data}, {count} examples, {seeds}.'


def _paper_key(evaluation: Evaluation, modalities: Modality) -> Modality:
    """Return the modalities of the data that stand for a column of the paper."""
    several = len(evaluation.available) > 1
    return evaluation.whole if modalities == paper.WHOLE and several else modalities


def _column(modalities: Modality) -> str:
    return 'Multimodal' if modalities == paper.WHOLE else title_of(modalities)


# -- the paper's tables ---------------------------------------------------------------------


def table_1(evaluation: Evaluation, *, causal: bool) -> Table:
    """Return precision, recall and F1 of each class; ours, and the paper's beneath."""
    groups = [('', 1)] + [(_column(m), 3) for m in paper.TABLE_MODALITIES]
    found = {m: evaluation.find(_paper_key(evaluation, m), causal=causal)
             or evaluation.find(_paper_key(evaluation, m)) for m in paper.TABLE_MODALITIES}
    rows = [row(name.capitalize(), [
        cell for m in paper.TABLE_MODALITIES
        for cell in _class_cells(found[m], name, paper.PER_CLASS[m][name])])
        for name in paper.TABLE_EMOTIONS]
    for title, key in (('Average, harmonic F1', 'harmonic_f1'),
                       ('Average, weighted F1', 'weighted_f1')):
        rows.append(row(title, [
            cell for m in paper.TABLE_MODALITIES for cell in _average_cells(found[m], m, key)]))
    mode = 'causal' if causal else 'with reply'
    return Table(
        f'table-1-{"causal" if causal else "reply"}', f'Table 1, {mode}: classes',
        'Precision, recall and F1 in percent; ours, and the paper’s after it in brackets. The '
        'averages are weighted by support: the paper prints the harmonic mean of its precision '
        'and recall as F1; its weighted F1 is that of its Table 3, and for the fusion what these '
        'rows come to. '
        + ('The robot’s case: no reply is known yet, the paper’s text had it.' if causal else
           'As in the paper: the text model also reads the reply that follows. Audio and face '
           'are as they were.'),
        ('Emotion', *('PRE', 'REC', 'F1') * 4), tuple(rows), tuple(groups),
        frozenset({len(rows) - 2, len(rows) - 1}))


def _class_cells(result: Result | None, name: str,
                 printed: tuple[float, float, float]) -> list[Cell]:
    keys = ('precision', 'recall', 'f1')
    return [Cell(percent(result.per_class(key)[EMOTIONS.index(name)]) if result else NONE,
                 f'({value:.1f})') for key, value in zip(keys, printed, strict=True)]


def _average_cells(result: Result | None, modalities: Modality, f1: str) -> list[Cell]:
    precision, recall, harmonic = paper.WEIGHTED_AVERAGE[modalities]
    printed = harmonic if f1 == 'harmonic_f1' else paper.WEIGHTED_F1[modalities]
    keys = ('weighted_precision', 'weighted_recall', f1)
    return [Cell(percent(result.figures[key].mean) if result else NONE, f'({value:.1f})')
            for key, value in zip(keys, (precision, recall, printed), strict=True)]


def table_2(evaluation: Evaluation) -> Table:
    """Return overall scores of single modalities and all together."""
    rows: list[tuple[Cell, ...]] = []
    heavy: set[int] = set()
    for modalities in paper.TABLE_MODALITIES:
        for causal in (True, False):
            if Modality.TEXT not in modalities and not causal:
                continue
            result = evaluation.find(_paper_key(evaluation, modalities), causal=causal)
            as_paper = not causal or Modality.TEXT not in modalities
            name = _column(modalities) + ('' if causal else ', with reply')
            if result is evaluation.main:
                heavy.add(len(rows))
            rows.append(row(name, _overall_cells(result, modalities if as_paper else None)))
    spans = [('', 1), *((TITLES[key], 2) for key in OVERALL[:4]), (TITLES['ece'], 1)]
    return Table(
        'table-2', 'Table 2: overall',
        f'In percent. {provenance(evaluation)} In brackets: 95 % bootstrap interval over the '
        'examples. Weighted F1 is the mean F1 of the classes weighted by support; harmonic F1 is '
        'that of weighted precision and recall, which the paper prints as F1. Its text had the '
        'reply, so its figures stand beside ours with reply.',
        ('Modality', *('ours', 'paper') * 4, 'ours'), tuple(rows), tuple(spans),
        frozenset(heavy))


def _overall_cells(result: Result | None, printed: Modality | None) -> list[Cell]:
    cells = []
    for key in OVERALL:
        cells.append(of_figure(result.figures[key]) if result else Cell(NONE))
        if key == 'weighted_f1':
            cells.append(of_paper(paper.WEIGHTED_F1[printed] if printed else None))
        elif key != 'ece':
            cells.append(of_paper(getattr(paper.OVERALL[printed], key) if printed else None))
    return cells


def table_3(evaluation: Evaluation) -> Table:
    """Return the studies that the paper lists, and ours among them."""
    rows: list[tuple[Cell, ...]] = []
    for study in paper.STUDIES:
        own = study.name == paper.PROPOSED
        rows.append((Cell(study.name), Cell(title_of(study.modalities)),
                     of_paper(study.accuracy), of_paper(study.f1),
                     of_paper(paper.WEIGHTED_F1[study.modalities] if own else None),
                     of_paper(paper.OVERALL[study.modalities].harmonic_f1 if own else None)))
    ours = [(evaluation.name, r) for r in evaluation.subsets]
    ours += [(r.name, r) for r in evaluation.baselines]
    first = len(rows)
    for name, result in ours:
        given = title_of(result.modalities) + ('' if result.causal else ', with reply')
        rows.append((Cell(name), Cell(given), of_figure(result.figures['accuracy'], spread=False),
                     Cell(NONE), of_figure(result.figures['weighted_f1'], spread=False),
                     of_figure(result.figures['harmonic_f1'], spread=False)))
    heavy = first + ours.index((evaluation.name, evaluation.main))
    return Table(
        'table-3', 'Table 3: existing studies',
        f'In percent. {provenance(evaluation)} F1 as printed is the weighted F1 for the paper’s '
        'single modalities and the harmonic one for its fusion; the columns beside it tell the '
        'two apart.',
        ('Model', 'Modality', 'Accuracy', 'F1 as printed', 'Weighted F1', 'Harmonic F1'),
        tuple(rows), heavy=frozenset({heavy}), words=2)


# -- our own --------------------------------------------------------------------------------


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


def inline(title: str) -> str:
    """Return a title within a sentence: `weighted F1`."""
    return title[:1].lower() + title[1:]


def _disturbed(curve: Curve) -> str:
    return title_of(curve.modality) if curve.modality.bit_count() == 1 else 'Any'


def ablation_table(evaluation: Evaluation) -> Table:
    """Return the full model and those with a part left out, trained alike."""
    against = {c.second: c for c in evaluation.comparisons if c.first == evaluation.main.name}
    rows = [row('Full model', [*_cells(evaluation.main), *blank(2)])]
    for result in evaluation.ablations:
        found = against.get(result.name)
        gap = [points(-found.difference.value, -found.difference.high, -found.difference.low),
               Cell(chance(found.difference.p))] if found else blank(2)
        rows.append(row(result.name, [*_cells(result), *gap]))
    return Table(
        'ablations', 'Ablations',
        f'In percent, causal, all modalities. {_ours(evaluation)} '
        'Difference: weighted F1 less that of the full model, in points, paired by example; '
        'p: share of the resamples in which the full model is no better.',
        ('Model', *(TITLES[key] for key in OVERALL), 'Difference', 'p'), tuple(rows),
        heavy=frozenset({0}))


def _cells(result: Result) -> list[Cell]:
    return [of_figure(result.figures[key]) for key in OVERALL]


def comparison_table(evaluation: Evaluation) -> Table:
    """Return the paired differences."""
    rows = tuple(row(f'{c.first} − {c.second}', [
        Cell(str(c.count)), points(c.difference.value, c.difference.low, c.difference.high),
        Cell(chance(c.difference.p))]) for c in evaluation.comparisons)
    return Table(
        'comparisons', 'Differences',
        'Weighted F1 of the first less that of the second on the same examples, in points, with '
        'the 95 % interval of a paired bootstrap; p: share of the resamples in which the first '
        'is no better.', ('Models', 'Examples', 'Difference', 'p'), rows)


def points(value: float, low: float, high: float) -> Cell:
    """Return a difference in percentage points, with its sign."""
    return Cell(f'{100 * value:+.1f}', f'[{100 * low:+.1f}, {100 * high:+.1f}]')


def chance(p: float) -> str:
    """Return p; below a thousandth the bootstrap cannot tell."""
    return '≤ 0.001' if p <= .001 else f'{p:.3f}'
