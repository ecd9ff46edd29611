# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The paper's Tables 1 to 3, with ours beside them."""

from __future__ import annotations

from mmer_ros.report.formats import NONE
from mmer_ros.report.table import Cell, Row, row, Table
from mmer_ros.types import Modality
from training.evaluation import paper
from training.evaluation.conditions import reply_title
from training.evaluation.evaluation import Evaluation
from training.evaluation.results import Result, title_of
from training.evaluation.wording import of_figure, of_paper, OVERALL, provenance, TITLES

UNIMODAL = ('Audio, Face, Text: the unimodal models that were given beside this one, as in the '
            'paper; – where none was. What the fusion answers from one modality stands in the '
            'table of the subsets.')


def table_1(evaluation: Evaluation, *, causal: bool) -> Table:
    """Return precision, recall and F1 of each class; ours, and the paper's beneath."""
    groups = [('', 1)] + [(_column(m), 3) for m in paper.TABLE_MODALITIES]
    found = {m: column(evaluation, m, causal=causal) for m in paper.TABLE_MODALITIES}
    rows = [row(name.capitalize(), *(
        cell for m in paper.TABLE_MODALITIES
        for cell in _class_cells(found[m], name, paper.PER_CLASS[m][name])))
        for name in paper.TABLE_EMOTIONS]
    for title, key in (('Average, harmonic F1', 'harmonic_f1'),
                       ('Average, weighted F1', 'weighted_f1')):
        rows.append(row(title, *(
            cell for m in paper.TABLE_MODALITIES for cell in _average_cells(found[m], m, key))))
    mode = 'causal' if causal else 'with reply'
    return Table(
        ('Emotion', *('PRE', 'REC', 'F1') * 4), rows, groups=groups,
        heavy=frozenset({len(rows) - 2, len(rows) - 1}),
        key=f'table-1-{"causal" if causal else "reply"}', title=f'Table 1, {mode}: classes',
        caption='Precision, recall and F1 in percent; ours with the 95 % bootstrap interval, and '
        f'the paper’s after it in round brackets. {UNIMODAL} The averages are weighted by '
        'support: the paper prints the harmonic mean of '
        'its precision and recall as F1; its weighted F1 is that of its Table 3, and for the '
        'fusion it follows from these rows. '
        + ('The robot’s case: no reply is known yet, the paper’s text had it.' if causal else
           'As in the paper: the text model also reads the reply that follows. Audio and face '
           'are as they were.'))


def _class_cells(result: Result | None, name: str,
                 printed: tuple[float, float, float]) -> list[Cell]:
    keys = [f'{kind}/{name}' for kind in ('precision', 'recall', 'f1')]
    return [_beside(result, key, value) for key, value in zip(keys, printed, strict=True)]


def _beside(result: Result | None, key: str, printed: float) -> Cell:
    """Return our figure with the paper's after it."""
    cell = of_figure(result.figures[key]) if result else Cell(NONE)
    return Cell(cell.text, f'{cell.small} ({printed:.1f})'.strip())


def _average_cells(result: Result | None, modalities: Modality, f1: str) -> list[Cell]:
    precision, recall, harmonic = paper.WEIGHTED_AVERAGE[modalities]
    printed = harmonic if f1 == 'harmonic_f1' else paper.WEIGHTED_F1[modalities]
    keys = ('weighted_precision', 'weighted_recall', f1)
    return [_beside(result, key, value)
            for key, value in zip(keys, (precision, recall, printed), strict=True)]


def table_2(evaluation: Evaluation) -> Table:
    """Return overall scores of single modalities and all together."""
    rows: list[Row] = []
    heavy: set[int] = set()
    for modalities in paper.TABLE_MODALITIES:
        for causal in (True, False):
            if Modality.TEXT not in modalities and not causal:
                continue
            result = column(evaluation, modalities, causal=causal)
            as_paper = not causal or Modality.TEXT not in modalities
            name = _column(modalities) + ('' if causal else ', with reply')
            if result is evaluation.main:
                heavy.add(len(rows))
            rows.append(row(name, *_overall_cells(result, modalities if as_paper else None)))
    spans = [('', 1), *((TITLES[key], 2) for key in OVERALL[:4]), (TITLES['ece'], 1)]
    return Table(
        ('Modality', *('ours', 'paper') * 4, 'ours'), rows, groups=spans, heavy=frozenset(heavy),
        key='table-2', title='Table 2: overall', caption=f'In percent. {provenance(evaluation)} '
        f'In brackets: 95 % bootstrap interval over the examples. {UNIMODAL} Weighted F1 is the '
        'mean F1 of '
        'the classes weighted by support; harmonic F1 is that of weighted precision and recall, '
        'which the paper prints as F1. Its text had the reply, so its figures stand beside ours '
        'with reply.')


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
    rows: list[Row] = []
    for study in paper.STUDIES:
        own = study.name == paper.PROPOSED
        rows.append(row(
            study.name, title_of(study.modalities), of_paper(study.accuracy), of_paper(study.f1),
            of_paper(paper.WEIGHTED_F1[study.modalities] if own else None),
            of_paper(paper.OVERALL[study.modalities].harmonic_f1 if own else None)))
    ours = [(evaluation.name, r) for r in evaluation.subsets]
    ours += [(r.name.removesuffix(reply_title(r.causal)), r)
             for r in (*evaluation.others, *evaluation.baselines)]
    first = len(rows)
    for name, result in ours:
        given = title_of(result.modalities) + ('' if result.causal else ', with reply')
        rows.append(row(name, given, of_figure(result.figures['accuracy'], spread=False), NONE,
                        of_figure(result.figures['weighted_f1'], spread=False),
                        of_figure(result.figures['harmonic_f1'], spread=False)))
    heavy = first + ours.index((evaluation.name, evaluation.main))
    return Table(
        ('Model', 'Modality', 'Accuracy', 'F1 as printed', 'Weighted F1', 'Harmonic F1'), rows,
        heavy=frozenset({heavy}), words=2, key='table-3', title='Table 3: existing studies',
        caption=f'In percent. {provenance(evaluation)} F1 as printed is the weighted F1 for the '
        'paper’s single modalities and the harmonic one for its fusion; the columns '
        'beside it give both.')


def column(evaluation: Evaluation, modalities: Modality, *, causal: bool) -> Result | None:
    """
    Return our result for a column of the paper's Tables 1 and 2; None without such a model.

    :param causal: False: with the reply, where the column has text.
    """
    if Modality.TEXT not in modalities:
        causal = True
    several = len(evaluation.available) > 1
    if modalities == paper.WHOLE and several:
        return evaluation.find(evaluation.whole, causal=causal)
    if modalities == evaluation.whole:
        return evaluation.find(modalities, causal=causal)
    return next((r for r in evaluation.others
                 if (r.modalities, r.causal) == (modalities, causal)), None)


def _column(modalities: Modality) -> str:
    return 'Multimodal' if modalities == paper.WHOLE else title_of(modalities)
