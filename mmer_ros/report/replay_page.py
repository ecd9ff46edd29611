"""The page of a replay: the answer, the recording with its estimates, and how good they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import Interval, reliability
from mmer_ros.evaluation.utterances import spread, utterances
from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.outputs import EVENTS, replace_text
from mmer_ros.replay.pictures import Levels
from mmer_ros.replay.result import ReplayResult
from mmer_ros.replay.thumbnails import BLUR, SHOW
from mmer_ros.replay.thumbnails import NONE as NO_PICTURES
from mmer_ros.report.answer import Answer
from mmer_ros.report.figures import (
    Confusion,
    latency_plot,
    LEGEND,
    reliability_plot,
    stage_plot,
)
from mmer_ros.report.formats import counted, duration, millis, percent
from mmer_ros.report.page import (
    Banner,
    Card,
    Chip,
    Content,
    Facts,
    Grid,
    Note,
    Page,
    Section,
    Tile,
    Tiles,
)
from mmer_ros.report.table import Cell, in_percent, row, Table
from mmer_ros.report.timeline import Timeline
from mmer_ros.report.utterances import utterance_table
from mmer_ros.types import EMOTIONS
import numpy as np

PAGE = 'report.html'
BINS = 10  # of the confidence
MAX_PICTURES = 1500  # on a page; of more, some are left out evenly
MAX_EVENTS = 2000  # that are read
ASK = 'Treat it like the recording, and ask those who are in it before you pass it on.'
PRIVATE = {
    SHOW: f'This page shows faces, words and emotions: personal data. {ASK}',
    BLUR: 'Detected faces are blurred, and pictures without any as a whole; a face that the '
          f'detector missed beside another is not. Words are shown: personal data. {ASK}',
    NO_PICTURES: f'This page shows words and emotions: personal data. {ASK}'}
HEADLINES = {'weighted_f1': 'Weighted F1', 'accuracy': 'Accuracy',
             'balanced_accuracy': 'Balanced accuracy'}
FIGURES = {
    'accuracy': 'Accuracy', 'balanced_accuracy': 'Balanced accuracy',
    'weighted_precision': 'Weighted precision', 'weighted_recall': 'Weighted recall',
    'weighted_f1': 'Weighted F1',
    'harmonic_f1': 'Harmonic mean of weighted precision and recall (the paper’s F1)',
    'ece': 'Expected calibration error'}
EMPTY = ('Check that the topics carry audio, images or transcripts, and read the node’s '
         'diagnostics for the reason.')
COMPUTING = {True: 'computing included', False: 'computing not counted'}
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
    timeline = timeline_of_result(result)
    bundle = result.summary['bundle']
    return str(Page(
        title or Path(result.summary['bag']).name, _summary(result, timeline),
        [Banner('' if bundle['trained'] else UNTRAINED.format(name=bundle['name']))],
        list(_sections(result, timeline)), FOOTER.format(start=timeline.start)))


def _summary(result: ReplayResult, timeline: Timeline) -> list[str]:
    spoken = sum(end - start for start, end in timeline.speech)
    parts = [duration(timeline.end - timeline.start),
             counted(len(timeline.utterances), 'utterance'), f'{duration(spoken)} of speech']
    judged = [truth.right for truth in timeline.truths]
    return parts + ([f'{judged.count(True)} of {len(judged)} labels agree'] if judged else [])


def _sections(result: ReplayResult, timeline: Timeline) -> Iterator[Section]:
    yield Section('answer', 'Result', [Answer(timeline)], as_card=True)
    yield Section('timeline', 'Timeline', [timeline], as_card=True)
    yield Section('measures', 'Measures', [_tiles(result), Note(
        result.summary['faults'], 'Left out'), *_measures(result)])
    yield Section('utterances', 'Utterances', [
        utterance_table(timeline.utterances, timeline.start) if timeline.utterances
        else Note([EMPTY], 'No estimate came')], as_card=bool(timeline.utterances))
    if timeline.events:
        yield Section('health', 'Health', [Card('', _health(timeline))])
    pictures = result.tracks['pictures'] if timeline.thumbnails else NO_PICTURES
    yield Section('origin', 'Origin', [
        Facts(_facts(result)), Note([*result.summary['notices'], PRIVATE[pictures]])])


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


# -- measures -------------------------------------------------------------------------------


def _facts(result: ReplayResult) -> dict[str, str]:
    summary, run = result.summary, result.run
    bundle, there = summary['bundle'], summary['availability']
    facts = {'Bundle': f'{bundle["name"]} {bundle["hash"][:8]}',
             'Prior': bundle['prior'] or 'as calibrated',
             'Device': f'{run.get("device", "")}, {counted(run.get("threads", 0), "thread")}'}
    facts |= {{'image': 'Camera', 'audio': 'Audio', 'transcript': 'Words'}[kind]: (
        topic + (f', {percent(there[kind])} % of the time' if kind in there else ''))
        for kind, topic in summary['topics'].items()}
    if 'image' in summary['topics']:
        facts['A face'] = f'{percent(there["face"])} % of the time'
    return facts


def _tiles(result: ReplayResult) -> Tiles:
    summary, evaluation = result.summary, result.summary['evaluation'] or {}
    latency, speed = summary['latency_s'], result.run.get('times_real_time')
    tiles = [Tile('Recording', duration(summary['duration_s']),
                  beneath=[f'{speed:.1f} × real time'] if speed else ()),
             Tile('Utterances', str(summary['utterances']),
                  beneath=[f'{summary["revised"]} revised by late words']),
             *evaluation_tiles(evaluation)]
    if latency:
        tiles.append(Tile('Latency, median', f'{1000 * latency["p50"]:.0f}', 'ms',
                          [f'95 % within {millis(latency["p95"])}', COMPUTING[_is_live(result)]]))
    return Tiles(tiles)


def evaluation_tiles(evaluation: Row) -> Iterator[Tile]:
    """Yield the figures that a reader looks for first; none without labels."""
    if evaluation:
        yield Tile('Labels matched', f'{evaluation["matched"]}/{evaluation["labels"]}',
                   beneath=[f'{evaluation["segmentation"]["missed"]} missed'])
        for key, name in HEADLINES.items() if evaluation['scores'] else ():
            cell = score_cell(evaluation['scores'], key)
            yield Tile(name, str(cell.text), '%', [cell.small])


def score_cell(scores: Row | None, key: str) -> Cell:
    """Return a score in percent, with its bootstrap interval if it has one."""
    if not scores or key not in scores:
        return Cell('')
    found = scores.get('intervals', {}).get(key)
    return in_percent(Interval(scores[key], *found)) if found else Cell(percent(scores[key]))


def _measures(result: ReplayResult) -> Iterator[Content]:
    if result.evaluation is not None:
        yield evaluation_cards(result.summary['evaluation'], result.evaluation.pairs)
    firsts, _ = utterances(result.estimates)
    if latencies := [estimate['latency'] for estimate in firsts]:
        yield _latency(result, latencies)


def evaluation_cards(summary: Row, pairs: Sequence[Row]) -> Grid:
    """
    Return the figures of an evaluation, over one recording or several.

    :param summary: of evaluation.summarize.
    :param pairs: of its evaluations.
    """
    scores = summary['scores']
    if scores is None:
        return Grid(Note([summary['scores_problem']], 'No scores'), _segmentation(summary))
    figures = Table(('figure', '%'), [row(name, score_cell(scores, key))
                                      for key, name in FIGURES.items()])
    classes = Table(('emotion', 'precision', 'recall', 'F1', 'examples'), [
        row(Chip(name), *(percent(scores[key][name]) for key in ('precision', 'recall', 'f1')),
            str(scores['support'][name])) for name in EMOTIONS])
    modalities = Table(('modalities', 'utterances', 'accuracy, %'), [
        row(name, str(each['count']), percent(each['accuracy']))
        for name, each in summary['by_modalities'].items()])
    return Grid(
        confidence_card(pairs),
        Card('Confusion', Confusion(np.array(scores['confusion'])), 'Rows: truth; columns: '
             'answer. Percent of the row, and the number of utterances.'),
        Card('Scores', figures, f'{counted(scores["count"], "utterance")} with a label; 95 % '
             f'bootstrap intervals. Negative log-likelihood {scores["nll"]:.2f} nats, Brier score '
             f'{scores["brier"]:.2f}.'),
        Card('Classes', classes), _segmentation(summary), Card('By modalities', modalities))


def confidence_card(pairs: Sequence[Row], title: str = 'Confidence against correctness') -> Card:
    """Return how sure right and wrong answers were; at least one pair has a known emotion."""
    known = [pair for pair in pairs if pair['correct'] is not None]
    found = reliability(np.array([EMOTIONS.index(pair['label']['emotion']) for pair in known]),
                        np.array([list(pair['probabilities'].values()) for pair in known]), BINS)
    return Card(title, reliability_plot(found, title), 'Bars at the bottom: how many answers; '
                'line: the share that is right, where there are five or more; dashed: perfectly '
                'calibrated; shaded: the gap between the two.', LEGEND)


def _segmentation(summary: Row) -> Card:
    found = summary['segmentation']
    counts = {'matched': summary['matched'], **{name: found[name] for name in (
        'missed', 'split', 'merged', 'spurious')}, 'outside': summary['labels_outside']}
    rows = [row(name, *(millis((found[key] or {}).get(figure))
                        for figure in ('mean', 'p50_abs', 'p95_abs')))
            for key, name in (('start_error_s', 'start'), ('end_error_s', 'end'))]
    late = summary['latency_s'] or {}
    rows.append(row('end to answer', *(millis(late.get(key)) for key in ('mean', 'p50', 'p95'))))
    iou = '' if found['mean_iou'] is None else (
        f' Intersection over union {found["mean_iou"]:.2f} on average.')
    return Card('Segmentation', Table(
        ('estimate less label', 'mean', 'median, size', '95 % within'), rows,
        caption=', '.join(f'{count} {name}' for name, count in counts.items())),
        'The start includes the pre-roll, the end the tail. End to answer: from the end of the '
        f'labelled speech to the first final estimate.{iou}')


def _is_live(result: ReplayResult) -> bool:
    return bool(result.run.get('live'))


def _latency(result: ReplayResult, latencies: Sequence[float]) -> Grid:
    found = spread(latencies) or {}
    whole = latency_card(
        latencies, 'Latency of the first answer', 'From the last evidence to the message that '
        f'completed it, {COMPUTING[_is_live(result)]}: median {millis(found["p50"])}, 95 % within '
        f'{millis(found["p95"])}.')
    stages = stage_plot(result.run, latencies)
    if 'finals' not in result.run or stages is None:
        return Grid(whole)
    return Grid(whole, Card(
        'Stages', stages, 'For each final estimate, what was left to do when its last message '
        'came; on the right median / 95 %, as the bins have it. Faces are detected while the '
        'utterance goes on.'))


def latency_card(latencies: Sequence[float], title: str, caption: str = '') -> Card:
    """Return how late answers came; at least one."""
    return Card(title, latency_plot(latencies), caption,
                (('stroke', 'median'), ('stroke late', '95 %')))


def _health(timeline: Timeline) -> Table:
    kinds: dict[str, list[Row]] = {}
    for event in timeline.events:
        kinds.setdefault(event['kind'], []).append(event)
    return Table(
        ('event', 'text of the first one', 'count', 'first', 'last'), [
            row(kind, events[0]['text'], str(len(events)),
                *(f'{event["stamp"] - timeline.start:.2f} s' for event in (events[0], events[-1])))
            for kind, events in kinds.items()], words=2)
