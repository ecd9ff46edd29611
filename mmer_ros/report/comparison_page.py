# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The page of a comparison: two runs on one timeline, their figures side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.utterances import spread, utterances
from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.comparison import Comparison, PairedUtterance
from mmer_ros.replay.result import ReplayResult
from mmer_ros.report.figures import latency_plot, pairs_plot
from mmer_ros.report.formats import counted, duration, percent
from mmer_ros.report.page import render
from mmer_ros.report.plot import Plot
from mmer_ros.report.replay_page import timeline_of_result
from mmer_ros.report.timeline import Timeline
from mmer_ros.report.utterances import numbered, Run, Utterance

NONE = {'p50': None, 'p95': None}


def render_comparison(comparison: Comparison) -> str:
    """Return the page, self-contained HTML; with a timeline if it is of one recording."""
    names = [f'{letter} {name}' for letter, name in zip('AB', comparison.names)]
    sides: list[list[ReplayResult]] = [list(side) for side in zip(*comparison.pairs)]
    late = [[row['latency'] for result in side for row in utterances(result.estimates)[0]]
            for side in sides]
    one, rows = comparison.pairs[0][0], comparison.paired()[0]
    timeline = _timeline(one, rows, names) if len(comparison.pairs) == 1 else None
    figures = comparison.to_dict()
    untrained = [name for name, side in zip(names, sides) if any(
        not result.summary['bundle']['trained'] for result in side)]
    return render(
        'comparison.html',
        f'{Path(one.summary["bag"]).name}: two runs' if timeline else 'Two runs',
        [*names, duration(one.summary['duration_s']) if timeline else counted(
            len(comparison.pairs), 'recording')],
        figures=figures, sentence=_sentence(figures), names=names, alone=comparison.alone,
        timeline=timeline, rows=rows,
        warning=UNTRAINED.format(name=' and '.join(untrained)) if untrained else '',
        latencies=[spread(each) or NONE for each in late], speeds=list(map(_speed, sides)),
        reliability=[_reliability(side, letter) for letter, side in zip('AB', sides)],
        late=[latency_plot(each, f'{letter}: latency') for letter, each in zip('AB', late)
              if each],
        recordings=[] if timeline else _recordings(comparison))


def _sentence(figures: Mapping[str, Any]) -> str:
    """Return how the runs differ, in one sentence."""
    both, right = figures['utterances']['both'], figures['right']
    same = round((figures['same_answer'] or 0.0) * both)
    words = f'A and B give the same answer to {same} of {counted(both, "utterance")}'
    if right is None:
        return f'{words}; no labels say which of them is right.'
    judged = sum(right.values())
    ones, others = (right['both'] + right[side] for side in ('only_first', 'only_second'))
    words += f'; of {counted(judged, "label")}, '
    if ones == others:
        return f'{words}each finds {ones}.'
    gap = figures['differences']['accuracy']
    chance = gap['low'] <= 0 <= gap['high']
    return f'{words}A finds {ones} and B {others}{", which may be chance" if chance else ""}.'


def _timeline(one: ReplayResult, rows: Sequence[PairedUtterance], names: Sequence[str]
              ) -> Timeline:
    """Return the timeline of the first run, with the utterances of both."""
    runs = []
    for side, name in enumerate(names):
        there = {number: estimate for number, row in enumerate(rows, 1)
                 if (estimate := (row.first, row.second)[side]) is not None}
        runs.append(Run(name, numbered(list(map(Utterance, there.values())), there)))
    return replace(timeline_of_result(one), events=(), runs=runs)


def _reliability(side: Sequence[ReplayResult], letter: str) -> Plot | None:
    pairs = [pair for result in side if result.evaluation is not None
             for pair in result.evaluation.pairs]
    known = any(pair['correct'] is not None for pair in pairs)
    return pairs_plot(pairs, f'{letter}: confidence against correctness') if known else None


def _speed(side: Sequence[ReplayResult]) -> str:
    seconds = sum(result.run.get('wall_s', 0) for result in side)
    return f'{sum(r.summary["duration_s"] for r in side) / seconds:.1f}' if seconds else ''


def _recordings(comparison: Comparison) -> list[list[str]]:
    """Return a row for each recording: name, utterances, different answers, scores."""
    def score(result: ReplayResult) -> str:
        scores: dict[str, Any] = (result.summary['evaluation'] or {}).get('scores') or {}
        return percent(scores.get('weighted_f1'))

    return [[Path(one.bag).name, str(len(rows)), str(sum(row.differs for row in rows)),
             score(one), score(other)]
            for (one, other), rows in zip(comparison.pairs, comparison.paired(), strict=True)]
