"""One page for many recordings: all figures together, and the way to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.outputs import replace_text
from mmer_ros.replay.result import ReplayResult
from mmer_ros.report.markup import percent, table, tiles, told
from mmer_ros.report.replay_page import evaluation_cards, interval, PAGE
from mmer_ros.report.timeline_page import fill_page, length, warning_of
from mmer_ros.types import EMOTIONS

Row = Mapping[str, Any]


def write_overview(folder: Path, results: Sequence[ReplayResult], summary: Row) -> None:
    """
    Write report.html for several recordings, beside their summary.

    :param summary: of merged_summary.
    """
    replace_text(folder / PAGE, render_overview(results, summary))


def render_overview(results: Sequence[ReplayResult], summary: Row) -> str:
    """Return the page, self-contained but for the links to the pages of the recordings."""
    failed = [f'{Path(r.bag).name}: {r.error}' for r in results if r.error]
    names = sorted({r.summary['bundle']['name'] for r in results if not r.error})
    untrained = sorted({r.summary['bundle']['name'] for r in results
                        if not r.error and not r.summary['bundle']['trained']})
    body = ''.join(warning_of(UNTRAINED.format(name=name)) for name in untrained)
    body += _tiles(summary) + told('Nothing could be done', failed)
    body += f'<section class="part"><h2>Recordings</h2>{_recordings(results)}</section>'
    if summary['evaluation'] is not None:
        pairs = [pair for r in results if r.evaluation is not None for pair in r.evaluation.pairs]
        body += ('<section class="part"><h2>All labelled utterances together</h2>'
                 f'{evaluation_cards(summary["evaluation"], pairs)}</section>')
    line = ' &nbsp;·&nbsp; '.join([f'{len(results)} recordings', length(summary['duration_s']),
                                   f'bundle {escape(", ".join(names)) or "none"}'])
    return fill_page('Replay', line, '', body=body)


def _tiles(summary: Row) -> str:
    evaluation = summary['evaluation'] or {}
    scores = evaluation.get('scores') or {}
    items = [('Recordings', str(len(summary['bags'])), '', length(summary['duration_s'])),
             ('Utterances', str(summary['utterances']), '', '')]
    if evaluation:
        items.append(('Labels matched', f'{evaluation["matched"]}/{evaluation["labels"]}', '',
                      f'{evaluation["segmentation"]["missed"]} missed'))
    items += [(name, percent(scores[key]), '%', interval(scores, key)) for key, name in (
        ('weighted_f1', 'Weighted F1'), ('accuracy', 'Accuracy'),
        ('balanced_accuracy', 'Balanced accuracy')) if scores]
    return tiles(items)


def _recordings(results: Sequence[ReplayResult]) -> str:
    head = ['recording', 'emotions', 'length', 'utterances', 'matched', 'accuracy, %',
            'weighted F1, %', 'latency, median', 'left out']
    return f'<div class="card">{table(head, map(_line, results), 2)}</div>'


def _line(result: ReplayResult) -> list[str]:
    name = escape(Path(result.bag).name)
    if result.error:
        return [f'<b>{name}</b><br><small>failed</small>', *[''] * 8]
    summary = result.summary
    evaluation = summary['evaluation'] or {}
    scores = evaluation.get('scores') or {}
    latency = summary['latency_s']
    has_page = result.folder is not None and (result.folder / PAGE).is_file()
    link = f'<a href="{quote(result.folder.name)}/{PAGE}">{name}</a>' if (
        has_page and result.folder is not None) else name
    matched = f'{evaluation["matched"]}/{evaluation["labels"]}' if evaluation else ''
    return [f'<b>{link}</b>', _strip(summary['emotions']), length(summary['duration_s']),
            str(summary['utterances']), matched,
            *(percent(scores[key]) if key in scores else ''
              for key in ('accuracy', 'weighted_f1')),
            f'{1000 * latency["p50"]:.0f} ms' if latency else '',
            str(len(summary['faults'])) if summary['faults'] else '']


def _strip(emotions: Mapping[str, int]) -> str:
    """Return how often each emotion was estimated, as a strip."""
    total = sum(emotions.values())
    if not total:
        return '<small>none</small>'
    return '<div class="strip">' + ''.join(
        f'<i class="e-{name}" style="width:{100 * emotions[name] / total:.1f}%" '
        f'title="{name}: {emotions[name]} of {total}"></i>'
        for name in EMOTIONS if emotions.get(name)) + '</div>'
