"""The page of a comparison: two runs on one timeline, their figures side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import Interval
from mmer_ros.evaluation.utterances import spread, utterances
from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.comparison import Comparison, PairedUtterance
from mmer_ros.replay.result import ReplayResult
from mmer_ros.report.formats import counted, duration, millis, percent
from mmer_ros.report.page import (
    Banner,
    Bars,
    Card,
    Chip,
    Content,
    Grid,
    Note,
    Page,
    Section,
    Tile,
    Tiles,
)
from mmer_ros.report.replay_page import (
    confidence_card,
    FIGURES,
    latency_card,
    score_cell,
    timeline_of_result,
)
from mmer_ros.report.table import Cell, in_percent, Row, row, Table
from mmer_ros.report.utterances import numbered, Run, Utterance

Figures = Mapping[str, Any]


def render_comparison(comparison: Comparison) -> str:
    """Return the page, self-contained HTML; with a timeline if it is of one recording."""
    figures = comparison.to_dict()
    names = [f'{letter} {name}' for letter, name in zip('AB', comparison.names)]
    head = [Banner(_warning(comparison, names)), Tiles(list(_tiles(figures))),
            Note(comparison.alone, 'Only in one of the two')]
    measures = Section('figures', 'Figures', [Grid(*_figures(comparison, figures, names))])
    if len(comparison.pairs) > 1:
        sections = [measures, Section('recordings', 'Recordings', [
            Card('', _recordings(comparison, names))])]
        return str(Page('Two runs', [*names, counted(len(comparison.pairs), 'recording')], head,
                        sections))
    one = comparison.pairs[0][0]
    rows = comparison.paired()[0]
    timeline = replace(timeline_of_result(one), events=(), runs=[
        _run(rows, side, name) for side, name in enumerate(names)])
    return str(Page(
        f'{Path(one.summary["bag"]).name}: two runs',
        [*names, duration(one.summary['duration_s'])], head, [
            Section('timeline', 'Timeline', [timeline], as_card=True), measures,
            Section('utterances', 'Utterances', [_utterances(rows, timeline.start, names)],
                    as_card=True)]))


def _warning(comparison: Comparison, names: Sequence[str]) -> str:
    """Return which of the runs are of bundles that were never trained."""
    untrained = [name for side, name in enumerate(names) if any(
        not pair[side].summary['bundle']['trained'] for pair in comparison.pairs)]
    return UNTRAINED.format(name=' and '.join(untrained)) if untrained else ''


def _run(rows: Sequence[PairedUtterance], side: int, name: str) -> Run:
    there = [(number, row) for number, paired in enumerate(rows, 1)
             if (row := (paired.first, paired.second)[side]) is not None]
    return Run(name, numbered([Utterance(row) for _, row in there], [n for n, _ in there]))


def _tiles(figures: Figures) -> Iterator[Tile]:
    counts, right = figures['utterances'], figures['right']
    yield Tile('Utterances of both', str(counts['both']), beneath=[
        f'{counts["only_first"]} only A, {counts["only_second"]} only B'])
    yield Tile('Same answer', percent(figures['same_answer']), '%',
               [f'{percent(figures["same_bits"])} % to the bit'])
    for letter, evaluation in zip('AB', figures['evaluations']):
        if scores := (evaluation or {}).get('scores'):
            cell = score_cell(scores, 'weighted_f1')
            yield Tile(f'{letter}: weighted F1', str(cell.text), '%', [cell.small])
    if figures['differences']:
        gap = _gap(figures['differences'], 'weighted_f1')
        yield Tile('B less A', str(gap.text), 'points', [gap.small])
    if right:
        yield Tile('Right', f'{right["only_first"]} : {right["only_second"]}', beneath=[
            f'only A : only B; both {right["both"]}, none {right["none"]}'])


def _gap(differences: Figures | None, key: str) -> Cell:
    """Return second less first in points, with its interval; empty without labels."""
    if not differences or key not in differences:
        return Cell('')
    found = differences[key]
    return in_percent(Interval(found['value'], found['low'], found['high']), signed=True)


def _figures(comparison: Comparison, figures: Figures, names: Sequence[str]) -> Iterator[Content]:
    scores = [(evaluation or {}).get('scores') for evaluation in figures['evaluations']]
    if any(scores):
        yield Card('Scores, %', Table(('figure', *names, 'B less A'), [
            row(title, *(score_cell(each, key) for each in scores),
                _gap(figures['differences'], key)) for key, title in FIGURES.items()]),
            '95 % bootstrap intervals. The differences are paired: over the labelled utterances '
            'that both have.')
    yield Card('Latency and segmentation', _timing(comparison, figures))
    for side, letter in enumerate('AB'):
        pairs = [p for pair in comparison.pairs if (e := pair[side].evaluation) is not None
                 for p in e.pairs]
        if scores[side]:
            yield confidence_card(pairs, f'{letter}: confidence against correctness')
    for side, letter in enumerate('AB'):
        if late := _latencies(comparison, side):
            yield latency_card(late, f'{letter}: latency')


def _latencies(comparison: Comparison, side: int) -> list[float]:
    return [row['latency'] for pair in comparison.pairs
            for row in utterances(pair[side].estimates)[0]]


def _timing(comparison: Comparison, figures: Figures) -> Table:
    late = [spread(_latencies(comparison, side)) or {} for side in (0, 1)]
    rows = [row(name, *(millis(each.get(key)) for each in late))
            for key, name in (('p50', 'latency, median'), ('p95', 'latency, 95 % within'))]
    cuts = [(evaluation or {}).get('segmentation') for evaluation in figures['evaluations']]
    rows += [row(name, *(str(cut[name]) if cut else '' for cut in cuts))
             for name in ('missed', 'split', 'merged', 'spurious')]
    rows += [row(f'{key}: 95 % are within', *(
        millis((cut[f'{key}_error_s'] or {}).get('p95_abs')) if cut else '' for cut in cuts))
        for key in ('start', 'end')]
    rows.append(row('speed, times real time', *(_speed(comparison, side) for side in (0, 1))))
    return Table(('', 'A', 'B'), rows)


def _speed(comparison: Comparison, side: int) -> str:
    runs = [pair[side] for pair in comparison.pairs]
    seconds = sum(r.run.get('wall_s', 0) for r in runs)
    return f'{sum(r.summary["duration_s"] for r in runs) / seconds:.1f}' if seconds else ''


# -- tables ---------------------------------------------------------------------------------


def _utterances(rows: Sequence[PairedUtterance], start: float, names: Sequence[str]) -> Table:
    return Table(
        ('#', 'Start', 'Truth', names[0], '', names[1], '', 'Transcript'), [
            row(Cell(str(number), kind='dim'), f'{paired.start - start:.2f} s',
                Chip(paired.truth) if paired.truth else '',
                *_answer(paired.first, paired.truth, 'a'),
                *_answer(paired.second, paired.truth, 'b'), Cell(_words(paired), kind='text'))
            for number, paired in enumerate(rows, 1)],
        align='nnwwwwww', title='Utterances',
        anchors=[Utterance({}, number=n).anchor for n in range(1, len(rows) + 1)],
        marked=frozenset(i for i, paired in enumerate(rows) if paired.differs),
        mark='only where the answers differ')


def _words(paired: PairedUtterance) -> str:
    return next((str(each['transcript']) for each in (paired.first, paired.second)
                 if each is not None and each['transcript']), '–')


def _answer(estimate: Figures | None, truth: str, kind: str) -> Row:
    if estimate is None:
        return row(Cell('', 'no such utterance', kind), '')
    right = estimate['label'] == truth if truth else None
    chip = Chip(estimate['label'], f'{percent(estimate["confidence"])} %', right,
                {True: 'right', False: 'wrong', None: ''}[right])
    return row(Cell(chip, kind=kind), Bars(estimate['probabilities']))


def _recordings(comparison: Comparison, names: Sequence[str]) -> Table:
    return Table(
        ('recording', 'utterances', 'differ', *(f'{name}: weighted F1, %' for name in names)), [
            row(Path(one.bag).name, str(len(paired)), str(sum(each.differs for each in paired)),
                *(score_cell(_scores(each), 'weighted_f1') for each in (one, other)))
            for (one, other), paired in zip(comparison.pairs, comparison.paired(), strict=True)])


def _scores(result: ReplayResult) -> Figures | None:
    found: Figures | None = (result.summary['evaluation'] or {}).get('scores')
    return found
