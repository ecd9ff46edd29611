"""One page for many recordings: all figures together, and the way to each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.outputs import replace_text
from mmer_ros.replay.result import ReplayResult
from mmer_ros.report.answer import CARE, shares_of
from mmer_ros.report.formats import counted, duration, millis, NONE
from mmer_ros.report.page import Banner, Card, Link, Note, Page, Section, Tile, Tiles
from mmer_ros.report.replay_page import (
    evaluation_cards,
    evaluation_tiles,
    PAGE,
    score_cell,
)
from mmer_ros.report.table import Cell, Row, row, Table

HEAD = ('recording', 'emotions', 'length', 'utterances', 'matched', 'accuracy, %',
        'weighted F1, %', 'latency, median', 'left out')


def write_overview(folder: Path, results: Sequence[ReplayResult], summary: Mapping[str, Any]
                   ) -> None:
    """
    Write report.html for several recordings, beside their summary.

    :param summary: of merged_summary.
    """
    replace_text(folder / PAGE, render_overview(results, summary))


def render_overview(results: Sequence[ReplayResult], summary: Mapping[str, Any]) -> str:
    """Return the page, self-contained but for the links to the pages of the recordings."""
    done = [result for result in results if not result.error]
    bundles = {r.summary['bundle']['name']: r.summary['bundle']['trained'] for r in done}
    evaluation = summary['evaluation']
    tiles = [Tile('Recordings', str(len(results)), beneath=[duration(summary['duration_s'])]),
             Tile('Utterances', str(summary['utterances'])), *evaluation_tiles(evaluation or {})]
    sections = [
        Section('answer', 'Result', [Card(
            'Share of the utterances by emotion', shares_of(summary['emotions']), CARE),
            Tiles(tiles), Note([f'{Path(r.bag).name}: {r.error}' for r in results if r.error],
                               'Nothing could be done')]),
        Section('recordings', 'Recordings', [
            Card('', Table(HEAD, list(map(_line, results)), words=2))])]
    if evaluation is not None:
        pairs = [pair for r in done if r.evaluation is not None for pair in r.evaluation.pairs]
        sections.append(Section('evaluation', 'All labelled utterances together',
                                [evaluation_cards(evaluation, pairs)]))
    return str(Page(
        'Replay', [counted(len(results), 'recording'), duration(summary['duration_s']),
                   f'bundle {", ".join(sorted(bundles)) or "none"}'],
        [Banner(UNTRAINED.format(name=name)) for name in sorted(bundles) if not bundles[name]],
        sections))


def _line(result: ReplayResult) -> Row:
    name = Path(result.bag).name
    if result.error:
        return row(Cell(name, 'failed'), *[''] * (len(HEAD) - 1))
    summary, folder = result.summary, result.folder
    evaluation, latency = summary['evaluation'] or {}, summary['latency_s']
    scores = evaluation.get('scores')
    has_page = folder is not None and (folder / PAGE).is_file()
    return row(
        Link(name, f'{quote(folder.name)}/{PAGE}') if folder is not None and has_page else name,
        shares_of(summary['emotions']) if summary['emotions'] else NONE,
        duration(summary['duration_s']), str(summary['utterances']),
        f'{evaluation["matched"]}/{evaluation["labels"]}' if evaluation else '',
        *(score_cell(scores, key) for key in ('accuracy', 'weighted_f1')),
        millis(latency['p50']) if latency else '', str(len(summary['faults']) or ''))
