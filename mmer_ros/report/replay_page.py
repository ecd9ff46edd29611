"""The page of a replay: the recording, what was estimated in it, and how good that is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from html import escape
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.utterances import spread, utterances
from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.replay.outputs import EVENTS, replace_text
from mmer_ros.replay.pictures import Levels
from mmer_ros.replay.result import ReplayResult
from mmer_ros.replay.thumbnails import BLUR, NONE, SHOW
from mmer_ros.report.figures import confidence_plot, confusion, latency_plot, stage_plot
from mmer_ros.report.markup import card, grid, millis, percent, table, tiles, told
from mmer_ros.report.timeline import Timeline
from mmer_ros.report.timeline_page import length, render_timeline, Section
from mmer_ros.types import EMOTIONS

PAGE = 'report.html'
MAX_PICTURES = 1500  # on a page; of more, some are left out evenly
MAX_EVENTS = 2000  # that are read
ASK = 'Treat it like the recording, and ask those who are in it before you pass it on.'
PRIVATE = {
    SHOW: f'This page shows faces, words and emotions: personal data. {ASK}',
    BLUR: 'The faces that were found are blurred, and pictures in which none was found as a '
          f'whole; a face that was overlooked beside another is not. Words are shown. {ASK}',
    NONE: f'This page shows what was said and felt: personal data. {ASK}'}
FIGURES = (('accuracy', 'Accuracy'), ('balanced_accuracy', 'Balanced accuracy'),
           ('weighted_precision', 'Weighted precision'), ('weighted_recall', 'Weighted recall'),
           ('weighted_f1', 'Weighted F1'),
           ('harmonic_f1', 'Harmonic mean of weighted precision and recall (the paper’s F1)'),
           ('ece', 'Expected calibration error'))

Row = Mapping[str, Any]


def write_page(result: ReplayResult) -> None:
    """Write report.html into the folder of the result."""
    assert result.folder is not None
    replace_text(result.folder / PAGE, render_page(result))


def render_page(result: ReplayResult) -> str:
    """Return the page of a replay, self-contained HTML."""
    timeline = timeline_of_result(result)
    return render_timeline(
        timeline, tiles=_tiles(result) + _warnings(result),
        sections=list(_sections(result, timeline)), after=list(_health(timeline)))


# -- the timeline ---------------------------------------------------------------------------


def timeline_of_result(result: ReplayResult) -> Timeline:
    """Return what the timeline shows of a replay; pictures and events are read from its folder."""
    summary, tracks = result.summary, result.tracks
    start, end = _axis(result)
    rows = judged_rows(result)
    pictures = _pictures(result)
    _, answers = utterances(result.estimates)
    bundle = summary['bundle']
    levels = Levels.of(tracks['levels']['start'], tracks['levels']['peaks'])
    return Timeline(
        title=Path(summary['bag']).name, start=start, end=end, estimates=rows,
        envelope=levels.over(start, end) if levels.peaks else (),
        speech=[(row['start'], row['end']) for row in answers], thumbnails=pictures,
        transcripts=[(row['stamp'], row['text']) for row in tracks['transcripts']],
        faces={name: _spans(spans) for name, spans in tracks['faces'].items()},
        inputs={name: _spans(tracks['inputs'].get(kind, ())) for kind, name in (
            ('image', 'image'), ('audio', 'audio'), ('face', 'face'))},
        events=_events(result), labels=_labels(result),
        notes=[*summary['notices'], PRIVATE[tracks['pictures'] if pictures else NONE]],
        warning='' if bundle['trained'] else UNTRAINED.format(name=bundle['name']),
        facts=_facts(result))


def judged_rows(result: ReplayResult) -> list[dict[str, Any]]:
    """Return the estimates, each with the truth where it is known; ids that come again differ."""
    truth = {}
    if result.evaluation is not None:
        truth = {id(result.evaluation.answers[pair.estimate]): result.evaluation.labels[pair.label]
                 for pair in result.evaluation.matching.pairs}
    rows, again = [], Counter[str]()
    for row in result.estimates:
        name = row['utterance_id']
        label = truth.get(id(row))
        number = again[name] - (row['revision'] > 0)
        more: dict[str, Any] = {'utterance_id': f'{name}/{number}'}
        if label is not None and label.emotion is not None:
            more |= {'truth': EMOTIONS[label.emotion], 'agrees': row['emotion'] == label.emotion}
        rows.append({**row, **more})
        again[name] += row['final'] and row['revision'] == 0
    return rows


def _axis(result: ReplayResult) -> tuple[float, float]:
    """Return the capture time that the page spans: all that was there, unless stamps are off."""
    summary, tracks = result.summary, result.tracks
    over = summary['availability_over_time']
    start, end = over['start'], over['start'] + summary['duration_s']
    spans = [span for each in (*tracks['inputs'].values(), *tracks['faces'].values())
             for span in each] + [(row['start'], row['end']) for row in result.estimates]
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
    for row in rows[::every] if result.folder is not None else []:
        file = result.folder / row['file']
        if file.is_file():  # whoever wants no pictures may have removed them
            found.append((row['stamp'], file.read_bytes()))
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
    agrees = {pair.label: result.evaluation.answers[pair.estimate]['emotion']
              for pair in result.evaluation.matching.pairs}
    return [{**label.to_dict(), 'agrees': None if label.emotion is None or i not in agrees
             else agrees[i] == label.emotion}
            for i, label in enumerate(result.evaluation.labels)]


# -- the head -------------------------------------------------------------------------------


def _facts(result: ReplayResult) -> dict[str, str]:
    summary, run = result.summary, result.run
    bundle = summary['bundle']
    there = summary['availability']
    threads = run.get('threads', 0)
    facts = {
        'Bundle': f'{bundle["name"]} {bundle["hash"][:8]}',
        'Prior': bundle['prior'] or 'as calibrated',
        'Device': f'{run.get("device", "")}, {threads} thread{"" if threads == 1 else "s"}'}
    facts |= {{'image': 'Camera', 'audio': 'Audio', 'transcript': 'Words'}[kind]: (
        topic + (f', {percent(there[kind])} % of the time' if kind in there else ''))
        for kind, topic in summary['topics'].items()}
    if 'image' in summary['topics']:
        facts['A face'] = f'{percent(there["face"])} % of the time'
    return facts


def _tiles(result: ReplayResult) -> str:
    summary, evaluation = result.summary, result.summary['evaluation']
    scores = (evaluation or {}).get('scores') or {}
    latency, speed = summary['latency_s'] or {}, result.run.get('times_real_time')
    items = [('Recording', length(summary['duration_s']), '',
              f'{speed:.1f} × real time' if speed else ''),
             ('Utterances', str(summary['utterances']), '',
              f'{summary["revised"]} revised by late words')]
    if evaluation:
        items.append(('Labels matched', f'{evaluation["matched"]}/{evaluation["labels"]}', '',
                      f'{evaluation["segmentation"]["missed"]} missed'))
    for key, name in (('weighted_f1', 'Weighted F1'), ('accuracy', 'Accuracy'),
                      ('balanced_accuracy', 'Balanced accuracy')) if scores else ():
        items.append((name, percent(scores[key]), '%', interval(scores, key)))
    if latency:
        items.append(('Latency, median', f'{1000 * latency["p50"]:.0f}', 'ms',
                      f'95 % within {1000 * latency["p95"]:.0f} ms; no computing'))
    return tiles(items)


def interval(scores: Row, key: str) -> str:
    """Return the bootstrap interval of a score, or nothing."""
    found = scores.get('intervals', {}).get(key)
    return f'[{percent(found[0])}, {percent(found[1])}]' if found else ''


def _warnings(result: ReplayResult) -> str:
    return told('Left out', result.summary['faults'])


# -- sections -------------------------------------------------------------------------------


def _sections(result: ReplayResult, timeline: Timeline) -> Iterator[Section]:
    if result.summary['evaluation'] is not None and result.evaluation is not None:
        yield Section('evaluation', 'Evaluation', evaluation_cards(
            result.summary['evaluation'], result.evaluation.pairs))
    firsts, _ = utterances(result.estimates)
    latencies = [row['latency'] for row in firsts]
    if latencies:
        yield Section('latency', 'Latency', _latency(result, latencies))


def evaluation_cards(summary: Row, pairs: Sequence[Row]) -> str:
    """
    Return the markup of an evaluation, over one recording or several.

    :param summary: of evaluation.summarize.
    :param pairs: of its evaluations.
    """
    scores = summary['scores']
    known = [pair for pair in pairs if pair['correct'] is not None]
    if scores is None:
        return told('No scores', [summary['scores_problem']]) + grid(_segmentation(summary))
    figures = table(['figure', '%', '95 % interval'], [
        (escape(name), percent(scores[key]), interval(scores, key)) for key, name in FIGURES])
    classes = table(['emotion', 'precision', 'recall', 'F1', 'examples'], [
        (f'<span class="chip"><i class="swatch e-{name}"></i>{name}</span>',
         *(percent(scores[key][name]) for key in ('precision', 'recall', 'f1')),
         str(scores['support'][name])) for name in EMOTIONS])
    legend = ('<div class="legend"><span><i class="mark"></i>right</span>'
              '<span><i class="mark wrong"></i>wrong</span></div>')
    rest = table(['modalities', 'utterances', 'accuracy, %'], [
        (escape(name), str(row['count']), percent(row['accuracy']))
        for name, row in summary['by_modalities'].items()])
    return grid(
        card('Confidence against correctness', f'{legend}{confidence_plot(known)}',
             'Bars: how many answers; line: the share that is right, where there are five or '
             'more; dashed: perfectly calibrated.'),
        card('Confusion', confusion(known), 'Rows: truth; columns: answer. Percent of the row, '
             'and the number of utterances.'),
        card('Scores', figures, f'{scores["count"]} utterances with a label. Negative '
             f'log-likelihood {scores["nll"]:.2f} nats, Brier score {scores["brier"]:.2f}.'),
        card('Classes', classes), _segmentation(summary), card('By modalities', rest))


def _segmentation(summary: Row) -> str:
    found = summary['segmentation']
    counts = {'matched': summary['matched'], 'missed': found['missed'], 'split': found['split'],
              'merged': found['merged'], 'spurious': found['spurious'],
              'outside': summary['labels_outside']}
    shown = ''.join(f'<div><dt>{name}</dt><dd>{count}</dd></div>'
                    for name, count in counts.items())
    rows = []
    for key, name in (('start_error_s', 'start'), ('end_error_s', 'end')):
        error = found[key] or {}
        rows.append((name, millis(error.get('mean')), millis(error.get('p50_abs')),
                     millis(error.get('p95_abs'))))
    late = summary['latency_s'] or {}
    rows.append(('end to answer', millis(late.get('mean')), millis(late.get('p50')),
                 millis(late.get('p95'))))
    iou = '' if found['mean_iou'] is None else (
        f' Intersection over union {found["mean_iou"]:.2f} on average.')
    return card('Segmentation', f'<dl class="counts">{shown}</dl>' + table(
        ['estimate less label', 'mean', 'median, size', '95 % within'], rows),
        'The start includes the pre-roll, the end the tail. End to answer: from the end of the '
        f'labelled speech to the first final estimate.{iou}')


def _latency(result: ReplayResult, latencies: Sequence[float]) -> str:
    legend = ('<div class="legend"><span><i class="stroke"></i>median</span>'
              '<span><i class="stroke late"></i>95 %</span></div>')
    found = spread(latencies) or {}
    whole = card('Latency of the first answer', f'{legend}{latency_plot(latencies)}',
                 f'From the last evidence to the message that completed it, computing not '
                 f'counted: median {millis(found["p50"])}, 95 % within {millis(found["p95"])}.')
    stages = stage_plot(result.run, latencies)
    if 'finals' not in result.run or stages is None:
        return grid(whole)
    return grid(whole, card(
        'Stages', str(stages), 'For each final estimate, what was left to do when its last '
        'message came; on the right median / 95 %, as the bins have it. Faces are looked for '
        'while the utterance goes on.'))


def _health(timeline: Timeline) -> Iterator[Section]:
    if not timeline.events:
        return
    kinds: dict[str, list[Row]] = {}
    for event in timeline.events:
        kinds.setdefault(event['kind'], []).append(event)
    rows = [(f'<b>{escape(kind)}</b>', escape(events[0]['text']), str(len(events)),
             f'{events[0]["stamp"] - timeline.start:.2f} s',
             f'{events[-1]["stamp"] - timeline.start:.2f} s') for kind, events in kinds.items()]
    head = ['event', 'what the first one told', 'count', 'first', 'last']
    yield Section('health', 'Health', f'<div class="card">{table(head, rows, 2)}</div>')
