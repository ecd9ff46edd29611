"""The page of a comparison: two runs on one timeline, their figures side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.utterances import spread, utterances
from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.comparison import Comparison, Facing
from mmer_ros.replay.result import ReplayResult
from mmer_ros.report.axis import pack_tracks
from mmer_ros.report.figures import confidence_plot, latency_plot
from mmer_ros.report.lanes import Run, Utterance
from mmer_ros.report.markup import card, grid, millis, percent, table, tiles, told
from mmer_ros.report.replay_page import FIGURES, interval, timeline_of_result
from mmer_ros.report.timeline_page import (
    bars,
    chip,
    fill_page,
    length,
    render_timeline,
    Section,
    table_card,
    warning_of,
)

Row = Mapping[str, Any]


def render_comparison(comparison: Comparison) -> str:
    """Return the page, self-contained HTML; with a timeline if it is of one recording."""
    figures = comparison.to_dict()
    names = comparison.names
    head = _tiles(figures, names) + told('Only in one of the two', comparison.alone)
    sections = [Section('figures', 'Figures', _figures(comparison, figures))]
    legend = ' &nbsp;against&nbsp; '.join(f'<b>{letter} {escape(name)}</b>'
                                          for letter, name in zip('AB', names))
    if len(comparison.pairs) == 1:
        one, other = comparison.pairs[0]
        rows = comparison.facing()[0]
        timeline = timeline_of_result(one)
        timeline = replace(timeline, title=f'{timeline.title}: two runs', facts={}, events=(),
                           warning=_warning(comparison))
        return render_timeline(
            timeline, runs=_runs(rows, names), tiles=head, sections=sections,
            summary=f'{legend} &nbsp;·&nbsp; {length(one.summary["duration_s"])}',
            table=_table(rows, timeline.start, names))
    parts = ''.join(f'<section class="part"><h2>{s.title}</h2>{s.body}</section>'
                    for s in sections)
    body = warning_of(_warning(comparison)) + head + parts + _recordings(comparison, names)
    return fill_page('Two runs', f'{legend} &nbsp;·&nbsp; {len(comparison.pairs)} recordings', '',
                     body=body)


def _warning(comparison: Comparison) -> str:
    """Return which of the runs are of bundles that were never trained."""
    untrained = [f'{letter} {name}' for side, (letter, name) in enumerate(zip(
        'AB', comparison.names)) if any(not pair[side].summary['bundle']['trained']
                                        for pair in comparison.pairs)]
    return UNTRAINED.format(name=' and '.join(untrained)) if untrained else ''


def _runs(rows: Sequence[Facing], names: Sequence[str]) -> list[Run]:
    runs = []
    for side, letter in enumerate('AB'):
        there = [(number, row) for number, facing in enumerate(rows, 1)
                 if (row := (facing.first, facing.second)[side]) is not None]
        tracks = pack_tracks([(row['start'], row['end']) for _, row in there])
        runs.append(Run(f'{letter} {names[side]}', [
            Utterance(row, (), number, track, f'u{number}')
            for (number, row), track in zip(there, tracks, strict=True)]))
    return runs


def _tiles(figures: Row, names: Sequence[str]) -> str:
    counts, right = figures['utterances'], figures['right']
    items = [('Utterances of both', str(counts['both']), '',
              f'{counts["only_first"]} only A, {counts["only_second"]} only B'),
             ('Same answer', percent(figures['same_answer']), '%',
              f'{percent(figures["same_bits"])} % to the bit')]
    for letter, evaluation in zip('AB', figures['evaluations']):
        scores = (evaluation or {}).get('scores')
        if scores:
            items.append((f'{letter}: weighted F1', percent(scores['weighted_f1']), '%',
                          interval(scores, 'weighted_f1')))
    if figures['differences']:
        gap = figures['differences']['weighted_f1']
        items.append(('B less A', f'{100 * gap["value"]:+.1f}', 'points', _between(gap)))
    if right:
        items.append(('Right', f'{right["only_first"]} : {right["only_second"]}', '',
                      f'only A : only B; both {right["both"]}, none {right["none"]}'))
    return tiles(items)


def _between(gap: Row) -> str:
    return f'[{100 * gap["low"]:+.1f}, {100 * gap["high"]:+.1f}]'


def _figures(comparison: Comparison, figures: Row) -> str:
    cards = []
    scores = [(evaluation or {}).get('scores') for evaluation in figures['evaluations']]
    if any(scores):
        gaps = figures['differences'] or {}
        rows = [(escape(title), *(_score(each, key) for each in scores),
                 f'{100 * gaps[key]["value"]:+.1f}<br><small>{_between(gaps[key])}</small>'
                 if key in gaps else '') for key, title in FIGURES]
        cards.append(card('Scores, %', table(
            ['figure', f'A {comparison.names[0]}', f'B {comparison.names[1]}', 'B less A'], rows),
            '95 % bootstrap intervals. The differences are paired: over the labelled utterances '
            'that both have.'))
    cards.append(card('Latency and segmentation', _timing(comparison, figures)))
    for side, letter in enumerate('AB'):
        pairs = [p for pair in comparison.pairs if (e := pair[side].evaluation) is not None
                 for p in e.pairs if p['correct'] is not None]
        if pairs:
            cards.append(card(f'{letter}: confidence against correctness',
                              str(confidence_plot(pairs))))
    for side, letter in enumerate('AB'):
        late = _latencies(comparison, side)
        if late:
            cards.append(card(f'{letter}: latency', str(latency_plot(late))))
    return grid(*cards)


def _score(scores: Row | None, key: str) -> str:
    if not scores:
        return ''
    return f'{percent(scores[key])}<br><small>{interval(scores, key)}</small>'


def _latencies(comparison: Comparison, side: int) -> list[float]:
    return [row['latency'] for pair in comparison.pairs
            for row in utterances(pair[side].estimates)[0]]


def _timing(comparison: Comparison, figures: Row) -> str:
    rows = []
    late = [spread(_latencies(comparison, side)) or {} for side in (0, 1)]
    for key, name in (('p50', 'latency, median'), ('p95', 'latency, 95 % within')):
        rows.append((name, *(millis(each.get(key)) for each in late)))
    for name in ('missed', 'split', 'merged', 'spurious'):
        rows.append((name, *('' if each is None else str(each['segmentation'][name])
                             for each in figures['evaluations'])))
    for key in ('start', 'end'):
        rows.append((f'{key}: 95 % are within', *(
            '' if each is None else millis((each['segmentation'][f'{key}_error_s'] or {}).get(
                'p95_abs')) for each in figures['evaluations'])))
    rows.append(('speed, times real time', *(_speed(comparison, side) for side in (0, 1))))
    return table(['', 'A', 'B'], rows)


def _speed(comparison: Comparison, side: int) -> str:
    runs = [pair[side] for pair in comparison.pairs]
    seconds = sum(r.run.get('wall_s', 0) for r in runs)
    return f'{sum(r.summary["duration_s"] for r in runs) / seconds:.1f}' if seconds else ''


# -- tables ---------------------------------------------------------------------------------


def _table(rows: Sequence[Facing], start: float, names: Sequence[str]) -> str:
    head = ''.join(f'<th{kind}>{name}</th>' for name, kind in (
        ('#', ' class="num"'), ('Start', ' class="num"'), ('Truth', ''),
        (f'A {escape(names[0])}', ' class="a"'), ('', ''),
        (f'B {escape(names[1])}', ' class="b"'), ('', ''), ('Transcript', '')))
    lines = []
    for number, row in enumerate(rows, 1):
        text = next((str(each['transcript']) for each in (row.first, row.second)
                     if each is not None and each['transcript']), '')
        marked = ' class="marked"' if row.differs else ''
        lines.append(
            f'<tr id="u{number}"{marked}><td class="num dim">{number}</td>'
            f'<td class="num">{row.start - start:.2f} s</td>'
            f'<td>{chip(row.truth) if row.truth else ""}</td>'
            f'{_answer(row.first, row.truth, "a")}{_answer(row.second, row.truth, "b")}'
            f'<td class="text">{escape(text) or "<small>none</small>"}</td></tr>')
    return table_card(head, ''.join(lines), 'only where the answers differ')


def _answer(row: Row | None, truth: str, kind: str) -> str:
    if row is None:
        return f'<td class="{kind}"><small>no such utterance</small></td><td></td>'
    mark = '' if not truth else (
        '<b class="yes">✓</b>' if row['label'] == truth else '<b class="no">✗</b>')
    return (f'<td class="{kind}">{chip(row["label"])}<small class="verdict">{mark} '
            f'{row["confidence"]:.1%}</small></td><td>{bars(row)}</td>')


def _recordings(comparison: Comparison, names: Sequence[str]) -> str:
    rows = []
    for (one, other), facing in zip(comparison.pairs, comparison.facing(), strict=True):
        differ = sum(row.differs for row in facing)
        rows.append((escape(Path(one.bag).name), str(len(facing)), str(differ),
                     *(_weighted_f1(each) for each in (one, other))))
    scores = (f'{letter} {name}: weighted F1, %' for letter, name in zip('AB', names))
    head = ['recording', 'utterances', 'differ', *scores]
    return ('<section class="part"><h2>Recordings</h2>'
            f'<div class="card">{table(head, rows)}</div></section>')


def _weighted_f1(result: ReplayResult) -> str:
    scores = (result.summary['evaluation'] or {}).get('scores') or {}
    return percent(scores['weighted_f1']) if scores else ''
