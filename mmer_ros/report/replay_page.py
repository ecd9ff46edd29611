# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The page of a replay: the answer, the recording with its estimates, and how good they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.utterances import spread, utterances
from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.outputs import EVENTS, replace_text
from mmer_ros.replay.pictures import Levels
from mmer_ros.replay.result import ReplayResult
from mmer_ros.replay.thumbnails import BLUR, NONE, SHOW
from mmer_ros.report.answer import Answer
from mmer_ros.report.figures import latency_plot, pairs_plot, stage_plot
from mmer_ros.report.formats import counted, duration, percent
from mmer_ros.report.page import render
from mmer_ros.report.timeline import Timeline
from mmer_ros.types import EMOTIONS

PAGE = 'report.html'
MAX_PICTURES = 1500  # on a page; of more, some are left out evenly
MAX_EVENTS = 2000  # that are read
ASK = 'Treat it like the recording, and ask those who are in it before you pass it on.'
PRIVATE = {
    SHOW: f'This page shows faces, words and emotions: personal data. {ASK}',
    BLUR: 'Detected faces are blurred, and pictures without any as a whole; a face that the '
          f'detector missed beside another is not. Words are shown: personal data. {ASK}',
    NONE: f'This page shows words and emotions: personal data. {ASK}'}
FOOTER = ('Times are capture time, in seconds from the start of the recording ({start:.3f} s). '
          'Latency runs from the end of an utterance to its final estimate. Keys: + and − zoom, '
          '← → move, n and p go from utterance to utterance.')

Row = Mapping[str, Any]


def write_page(result: ReplayResult) -> None:
    """Write report.html into the folder of the result."""
    assert result.folder is not None
    replace_text(result.folder / PAGE, render_page(result))


def render_page(result: ReplayResult, title: str = '') -> str:
    """Return the page of a replay, self-contained HTML; by default it is named for the bag."""
    summary, timeline = result.summary, timeline_of_result(result)
    bundle = summary['bundle']
    late = [row['latency'] for row in utterances(result.estimates)[0]]
    scores = (summary['evaluation'] or {}).get('scores')
    pictures = result.tracks['pictures'] if timeline.thumbnails else NONE
    return render(
        'replay.html', title or Path(summary['bag']).name, _facts_in_short(timeline),
        footer=FOOTER.format(start=timeline.start), result=result, timeline=timeline,
        answer=Answer(timeline), origin=_origin(result), health=_health(timeline),
        warning='' if bundle['trained'] else UNTRAINED.format(name=bundle['name']),
        remarks=[*summary['notices'], PRIVATE[pictures]],
        reliability=pairs_plot(result.evaluation.pairs) if scores and result.evaluation else '',
        late=latency_plot(late) if late else '', first_latency=spread(late),
        stages=stage_plot(result.run, late) if 'finals' in result.run and late else '')


def _facts_in_short(timeline: Timeline) -> list[str]:
    spoken = sum(end - start for start, end in timeline.speech)
    parts = [duration(timeline.end - timeline.start),
             counted(len(timeline.utterances), 'utterance'), f'{duration(spoken)} of speech']
    judged = [truth.right for truth in timeline.truths]
    return parts + ([f'{judged.count(True)} of {len(judged)} labels agree'] if judged else [])


def _health(timeline: Timeline) -> list[list[str]]:
    """Return a row for each kind of event."""
    kinds: dict[str, list[Row]] = {}
    for event in timeline.events:
        kinds.setdefault(event['kind'], []).append(event)
    return [[kind, events[0]['text'], str(len(events)),
             *(timeline.axis.since(event['stamp']) for event in (events[0], events[-1]))]
            for kind, events in kinds.items()]


def _origin(result: ReplayResult) -> dict[str, str]:
    summary, run = result.summary, result.run
    bundle, there = summary['bundle'], summary['availability']
    facts = {'Bundle': f'{bundle["name"]} {bundle["hash"][:8]}',
             'Prior': bundle['prior'] or 'as calibrated',
             'Device': f'{run.get("device", "")}, {counted(run.get("threads", 0), "thread")}'}
    names = {'image': 'Camera', 'audio': 'Audio', 'transcript': 'Words',
             'own_speaking': 'The robot speaks', 'own_speech': 'Words of the robot'}
    facts |= {names[kind]: (
        topic + (f', {percent(there[kind])} % of the time' if kind in there else ''))
        for kind, topic in summary['topics'].items()}
    if 'image' in summary['topics']:
        facts['A face'] = f'{percent(there["face"])} % of the time'
    return facts


# -- the timeline ---------------------------------------------------------------------------


def timeline_of_result(result: ReplayResult) -> Timeline:
    """Return what the timeline shows of a replay; pictures and events are read from its folder."""
    tracks = result.tracks
    start, end = _axis(result)
    _, answers = utterances(result.estimates)
    levels = Levels.parse(tracks['levels']['start'], tracks['levels']['peaks'])
    return Timeline(
        start=start, end=end, estimates=judged_rows(result),
        envelope=levels.between(start, end) if levels.peaks else (),
        speech=[(row['start'], row['end']) for row in answers], thumbnails=_pictures(result),
        transcripts=[(row['stamp'], row['text']) for row in tracks['transcripts']],
        faces={name: _spans(spans) for name, spans in tracks['faces'].items()},
        persons=tracks.get('persons', {}),
        inputs={kind: _spans(tracks['inputs'].get(kind, ())) for kind in (
            'image', 'audio', 'face')},
        events=_events(result), labels=_labels(result))


def judged_rows(result: ReplayResult) -> list[dict[str, Any]]:
    """Return the estimates, each with the truth where it is known; ids that come again differ."""
    truth = {}
    if result.evaluation is not None:
        truth = {id(result.evaluation.answers[pair.estimate]): result.evaluation.labels[pair.label]
                 for pair in result.evaluation.matching.pairs}
    rows, again = [], Counter[str]()
    for estimate in result.estimates:
        name = estimate['utterance_id']
        label = truth.get(id(estimate))
        number = again[name] - (estimate['revision'] > 0)
        more: dict[str, Any] = {'utterance_id': f'{name}/{number}'}
        if label is not None and label.emotion is not None:
            more |= {'truth': EMOTIONS[label.emotion],
                     'agrees': estimate['emotion'] == label.emotion}
        rows.append({**estimate, **more})
        again[name] += estimate['final'] and estimate['revision'] == 0
    return rows


def _axis(result: ReplayResult) -> tuple[float, float]:
    """Return the capture time that the page spans: all that was there, unless stamps are off."""
    summary, tracks = result.summary, result.tracks
    over = summary['availability_over_time']
    start, end = over['start'], over['start'] + summary['duration_s']
    spans = [span for each in (*tracks['inputs'].values(), *tracks['faces'].values())
             for span in each] + [(each['start'], each['end']) for each in result.estimates]
    slack = max(5.0, .1 * (end - start))
    first = min((span[0] for span in spans), default=start)
    last = max((span[1] for span in spans), default=end)
    return (first if start - slack < first < start else start,
            last if end < last < end + slack else end)


def _spans(spans: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    return [(first, last) for first, last in spans]


def _pictures(result: ReplayResult) -> list[tuple[float, bytes]]:
    rows = result.tracks.get('thumbnails', [])
    every = -(-len(rows) // MAX_PICTURES) or 1
    found = []
    for picture in rows[::every] if result.folder is not None else []:
        file = result.folder / picture['file']
        if file.is_file():  # whoever wants no pictures may have removed them
            found.append((picture['stamp'], file.read_bytes()))
    return found


def _events(result: ReplayResult) -> list[dict[str, Any]]:
    file = result.folder / EVENTS if result.folder is not None else None
    if file is None or not file.is_file():
        return []
    with file.open(encoding='utf-8') as lines:
        return [json.loads(line) for line, _ in zip(lines, range(MAX_EVENTS))]


def _labels(result: ReplayResult) -> list[dict[str, Any]]:
    if result.evaluation is None:
        return []
    answers = {pair.label: result.evaluation.answers[pair.estimate]['emotion']
               for pair in result.evaluation.matching.pairs}
    return [{**label.to_dict(), 'agrees': None if label.emotion is None or i not in answers
             else answers[i] == label.emotion}
            for i, label in enumerate(result.evaluation.labels)]
