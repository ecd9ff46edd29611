"""The report's time axis, the utterances on it, and the lanes that it carries."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
import math
from typing import Any

from mmer_ros.timeline import Timeline
from mmer_ros.types import EMOTIONS

SOURCES = ('text', 'audio', 'face')
THUMBNAIL_PX, TICK_PX = 68, 58  # room that one of them needs on the page
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 3600)  # s, between ticks
WIDTHS = tuple(round(400 * 1.25 ** step) for step in range(24))  # px, of the plot, 400..67763
MAX_BINS = 3000  # of the drawn waveform

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Utterance:
    """The estimate that counts for an utterance, those before it, and its row on the page."""

    row: Row
    earlier: tuple[Row, ...] = ()
    number: int = 0
    track: int = 0  # 0 unless it overlaps another one in time

    @property
    def start(self) -> float:
        return float(self.row['start'])

    @property
    def end(self) -> float:
        return max(float(self.row['end']), self.start)

    @property
    def latency(self) -> float | None:
        latency = self.row.get('latency')
        return None if latency is None or not math.isfinite(latency) else float(latency)


@dataclass(frozen=True)
class Axis:
    """Capture time to positions on the page."""

    start: float
    duration: float

    def percent(self, stamp: float) -> float:
        """Return where the stamp lies, 0..100; times outside the axis go to its ends."""
        return min(100.0, max(0.0, 100 * (stamp - self.start) / self.duration))

    def at(self, stamp: float) -> str:
        return f'left:{self.percent(stamp):.4f}%'

    def span(self, start: float, end: float) -> str:
        left, right = self.percent(start), self.percent(end)
        return f'left:{left:.4f}%;width:{right - left:.4f}%'

    def shows(self, start: float, end: float) -> bool:
        return end >= self.start and start <= self.start + self.duration

    def since(self, stamp: float) -> str:
        return f'{stamp - self.start:.2f} s'


def choose_utterances(estimates: Sequence[Row]) -> list[Utterance]:
    """Choose the last final estimate of each utterance, else the last one; sort by time."""
    groups: dict[str, list[Row]] = {}
    for number, row in enumerate(estimates):
        groups.setdefault(str(row.get('utterance_id') or f'\0{number}'), []).append(row)
    chosen = []
    for rows in groups.values():
        best = next((row for row in reversed(rows) if row.get('final', True)), rows[-1])
        partial = tuple(row for row in rows if row is not best and not row.get('final', True))
        chosen.append(Utterance(best, partial))
    chosen.sort(key=lambda u: (u.start, u.end))
    tracks = pack_tracks([(u.start, u.end) for u in chosen])
    return [Utterance(u.row, u.earlier, number, track)
            for number, (u, track) in enumerate(zip(chosen, tracks, strict=True), 1)]


def pack_tracks(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Give each span the first track on which it overlaps none before it; any order."""
    ends: list[float] = []
    tracks = [0] * len(spans)
    for index in sorted(range(len(spans)), key=lambda i: spans[i]):
        start, end = spans[index]
        track = next((i for i, busy in enumerate(ends) if busy <= start + 1e-6), len(ends))
        ends[track:track + 1] = [end]
        tracks[index] = track
    return tracks


def label_of(row: Row) -> str:
    """Return the emotion's name, of an estimate or of a truth that holds a name or an index."""
    emotion = row.get('label', row.get('emotion', ''))
    return EMOTIONS[int(emotion)] if not isinstance(emotion, str) else emotion


def colour_of(label: str) -> str:
    return f'e-{label if label in EMOTIONS else "neutral"}'


def agrees(truth: Row, utterances: Iterable[Utterance]) -> bool | None:
    """Return whether the utterance that overlaps the truth most has its label; None if none."""
    shared = [(min(u.end, truth['end']) - max(u.start, truth['start']), u) for u in utterances]
    overlap, best = max(shared, key=lambda pair: pair[0], default=(0.0, None))
    return label_of(best.row) == label_of(truth) if best is not None and overlap > 0 else None


def odds_of(row: Row) -> dict[str, float]:
    return {name: float(row['probabilities'].get(name, 0.0)) for name in EMOTIONS}


def _tip(axis: Axis, utterance: Utterance) -> str:
    """Return the tooltip of an utterance, plain text."""
    row = utterance.row
    lines = [f'#{utterance.number}  {label_of(row)}  {row["confidence"]:.0%}'
             + ('' if row.get('final', True) else '  (partial: no final estimate came)'),
             f'{axis.since(utterance.start)} to {axis.since(utterance.end)}']
    lines += [f'“{row["transcript"]}”'] if row.get('transcript') else []
    ranked = sorted(odds_of(row).items(), key=lambda pair: -pair[1])
    lines.append(', '.join(f'{name} {value:.1%}' for name, value in ranked))
    if utterance.latency is not None:
        lines.append(f'latency {1000 * utterance.latency:.0f} ms')
    return escape('\n'.join(lines))


# -- what is drawn only where it fits -------------------------------------------------------


def fit_rules() -> str:
    """Return the style that shows `.fN` while the plot is WIDTHS[N] px wide or more."""
    rules = []
    for level, width in enumerate(WIDTHS):
        wide = f'(min-width:{width if level else 0}px)'
        if level + 1 < len(WIDTHS):
            wide += f' and (max-width:{WIDTHS[level + 1] - .02:.2f}px)'
        rules.append(f'@container plot {wide}{{.f{level}{{display:block}}}}')
    return ''.join(rules)


def _classes(levels: Iterable[int]) -> str:
    return 'fit ' + ' '.join(f'f{level}' for level in levels)


def _thumbnails(axis: Axis, images: Sequence[tuple[float, bytes]]) -> Iterator[str]:
    """Yield the images; at any width of the page those that fit beside each other show."""
    images = sorted(((stamp, jpeg) for stamp, jpeg in images if axis.shows(stamp, stamp)),
                    key=lambda image: image[0])
    levels: list[list[int]] = [[] for _ in images]
    for level, width in enumerate(WIDTHS):
        room, free = 100 * THUMBNAIL_PX / width, -math.inf
        for index, (stamp, _) in enumerate(images):
            place = min(max(axis.percent(stamp), room / 2), 100 - room / 2)
            if place >= free - 1e-9:
                levels[index].append(level)
                free = place + room
    half = THUMBNAIL_PX / 2
    for (stamp, jpeg), seen in zip(images, levels, strict=True):
        yield f'<i class="seen" style="{axis.at(stamp)}"></i>'
        if seen:
            yield (f'<img class="thumb {_classes(seen)}" alt="camera at {axis.since(stamp)}" '
                   f'title="camera, {axis.since(stamp)}" style="left:clamp({half:g}px,'
                   f'{axis.percent(stamp):.4f}%,100% - {half:g}px)" '
                   f'src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">')


def _ticks(axis: Axis) -> dict[float, list[int]]:
    """Return the seconds that are named on the axis, and the levels of width that name them."""
    ticks: dict[float, list[int]] = {}
    for level, width in enumerate(WIDTHS):
        least = axis.duration * TICK_PX / width
        step = next((step for step in STEPS if step >= least), 3600 * math.ceil(least / 3600))
        for index in range(int(axis.duration / step + 1e-9) + 1):
            ticks.setdefault(round(index * step, 3), []).append(level)
    return ticks


def backdrop(axis: Axis, utterances: Iterable[Utterance]) -> str:
    bands = ''.join(f'<i class="band" style="{axis.span(u.start, u.end)}"></i>'
                    for u in utterances)
    return bands + ''.join(
        f'<i class="rule {_classes(levels)}" style="{axis.at(axis.start + second)}"></i>'
        for second, levels in _ticks(axis).items())


# -- lanes ----------------------------------------------------------------------------------


def lanes(timeline: Timeline, axis: Axis, utterances: Sequence[Utterance],
          truths: Sequence[int]) -> Iterator[str]:
    """Yield the lanes from top to bottom."""
    def lane(kind: str, name: str, items: Iterable[str], hint: str = '', empty: str = '') -> str:
        inside = ''.join(items) or f'<div class="none"><span>{empty}</span></div>'
        small = f'<small>{hint}</small>' if hint else ''
        return (f'<div class="lane {kind}"><h3>{name}{small}</h3>'
                f'<div class="plot">{inside}</div></div>')

    def each(draw: Callable[[Axis, Utterance], str]) -> list[str]:
        return [draw(axis, utterance) for utterance in utterances]

    faces = [f'<i class="face" style="{axis.at(stamp)}" title="face used, {axis.since(stamp)}">'
             '</i>' for stamp in timeline.face_stamps if axis.shows(stamp, stamp)]
    yield lane('axis', 'Time', _scale(axis), 'seconds')
    yield lane('camera', 'Camera', [*_thumbnails(axis, timeline.thumbnails), *faces],
               'dots: face used' if faces else '', 'no camera images')
    yield lane('speech', 'Speech', _speech(timeline, axis), 'waveform', 'no audio')
    yield lane('words', 'Transcript', _words(timeline.transcripts, axis, utterances),
               '', 'no transcript')
    if timeline.labels:
        yield lane('truth', 'Truth', [
            _truth(axis, row, track, agrees(row, utterances))
            for row, track in zip(timeline.labels, truths, strict=True)
            if axis.shows(row['start'], row['end'])], 'given labels', 'no label in this span')
    if not utterances:
        yield lane('emotion', 'Emotion', [], '', 'no estimate arrived')
        return
    yield lane('emotion', 'Emotion', each(_emotion), 'ticks: partial')
    yield lane('odds', 'Probability', each(_stack), 'all seven')
    names = '<ol>' + ''.join(f'<li>{source}</li>' for source in SOURCES) + '</ol>'
    yield lane('source', f'Weight{names}', each(_modalities))
    yield lane('latency', 'Latency', each(_latency), 'after speech')


def _scale(axis: Axis) -> Iterator[str]:
    for second, levels in _ticks(axis).items():
        part = second / axis.duration
        edge = ' first' if not second else ' last' if part > .98 else ''
        name = f'{second:g} s' if axis.duration <= 120 else (
            f'{int(second // 60)}:{second % 60:02.0f}' if second % 1 == 0
            else f'{int(second // 60)}:{second % 60:04.1f}')
        yield (f'<span class="tick{edge} {_classes(levels)}" '
               f'style="{axis.at(axis.start + second)}">{name}</span>')


def _speech(timeline: Timeline, axis: Axis) -> Iterator[str]:
    for start, end in timeline.speech:
        if axis.shows(start, end):
            yield (f'<i class="voiced" style="{axis.span(start, end)}" title="speech, '
                   f'{axis.since(start)} to {axis.since(end)}"></i>')
    group = max(1, math.ceil(len(timeline.envelope) / MAX_BINS))
    levels = [min(1.0, max(.008, *timeline.envelope[i:i + group]))
              for i in range(0, len(timeline.envelope), group)]
    if levels:
        scale = group / len(timeline.envelope)  # the last bin may stand for fewer
        upper = [(min(1.0, (i + .5) * scale), level) for i, level in enumerate(levels)]
        points = [(x, 1 - y) for x, y in upper] + [(x, 1 + y) for x, y in reversed(upper)]
        path = 'L'.join(f'{1000 * x:.2f} {y:.3f}' for x, y in points)
        yield (f'<svg viewBox="0 0 1000 2" preserveAspectRatio="none" aria-hidden="true">'
               f'<path d="M{path}Z"/></svg>')


def _words(transcripts: Sequence[tuple[float, str]], axis: Axis,
           utterances: Sequence[Utterance]) -> Iterator[str]:
    """Yield a pin at each stamp and a bubble between its neighbours' for each utterance."""
    starts = [u.start for u in utterances]

    def home(item: tuple[float, str]) -> tuple[int, float]:
        started = range(bisect_right(starts, item[0]) - 1, -1, -1)
        index = next((i for i in started if utterances[i].end >= item[0]), -1)
        return index, item[0] if index < 0 else 0.0

    said = sorted((item for item in transcripts if axis.shows(item[0], item[0])),
                  key=lambda item: item[0])
    bubbles = [(group[0][0], group[-1][0], ' '.join(text for _, text in group))
               for group in (list(items) for _, items in groupby(said, home))]
    for stamp, text in said:
        yield (f'<i class="pin" style="{axis.at(stamp)}" '
               f'title="{escape(f"{axis.since(stamp)}: {text}")}"></i>')
    for index, (first, last, text) in enumerate((a, b, escape(words)) for a, b, words in bubbles):
        left = (bubbles[index - 1][1] + first) / 2 if index else axis.start
        right = ((last + bubbles[index + 1][0]) / 2 if index + 1 < len(bubbles)
                 else axis.start + axis.duration)
        lean = 100 * (first - left) / ((right - left) or 1.0)
        yield (f'<div class="said" style="{axis.span(left, right)}"><p style="left:{lean:.2f}%;'
               f'transform:translateX(-{lean:.2f}%)" title="{text}"><span>{text}</span></p></div>')


def _truth(axis: Axis, row: Row, track: int, match: bool | None) -> str:
    label = label_of(row)
    mark = {True: '<b class="yes">✓</b>', False: '<b class="no">✗</b>', None: ''}[match]
    verdict = {True: 'the estimate agrees', False: 'the estimate differs', None: 'no estimate'}
    tip = f'truth: {label}, {verdict[match]}\n{row.get("text", "")}'.strip()
    return (f'<div class="block {colour_of(label)}" style="{axis.span(row["start"], row["end"])};'
            f'--r:{track}" title="{escape(tip)}"><span>{mark}<i>{escape(label)}</i></span></div>')


def _emotion(axis: Axis, utterance: Utterance) -> str:
    row, label = utterance.row, label_of(utterance.row)
    partial = '' if row.get('final', True) else ' partial'
    block = (f'<a class="block {colour_of(label)}{partial}" href="#u{utterance.number}" '
             f'style="{axis.span(utterance.start, utterance.end)};--r:{utterance.track}" '
             f'title="{_tip(axis, utterance)}"><span>{escape(label)}'
             f'<b>{row["confidence"]:.0%}</b></span></a>')
    return block + ''.join(
        f'<i class="belief {colour_of(label_of(guess))}" style="{axis.at(guess["stamp"])};'
        f'--r:{utterance.track}" title="partial estimate, {axis.since(guess["stamp"])}: '
        f'{escape(label_of(guess))} {guess["confidence"]:.0%}"></i>'
        for guess in utterance.earlier)


def _stack(axis: Axis, utterance: Utterance) -> str:
    layers = ''.join(f'<i class="e-{name}" style="height:{100 * value:.2f}%"></i>'
                     for name, value in odds_of(utterance.row).items())
    return (f'<div class="stack" style="{axis.span(utterance.start, utterance.end)};'
            f'--r:{utterance.track}" title="{_tip(axis, utterance)}">{layers}</div>')


def weights_of(row: Row) -> Iterator[tuple[str, float | None]]:
    """Yield each modality and its weight in the fusion, None where it was missing."""
    for source in SOURCES:
        there = source in row['modalities']
        yield source, float(row['modality_weights'].get(source, 0.0)) if there else None


def segment(weight: float | None) -> str:
    return ('<i class="off"></i>' if weight is None
            else f'<i style="--w:{100 * weight:.1f}%"></i>')


def _modalities(axis: Axis, utterance: Utterance) -> str:
    weights = list(weights_of(utterance.row))
    tip = '\n'.join(f'{source}: {"missing" if weight is None else f"weight {weight:.0%}"}'
                    for source, weight in weights)
    return (f'<div class="mods" style="{axis.span(utterance.start, utterance.end)};'
            f'--r:{utterance.track}" title="{tip}">'
            + ''.join(segment(weight) for _, weight in weights) + '</div>')


def _latency(axis: Axis, utterance: Utterance) -> str:
    if utterance.latency is None:
        return ''
    milliseconds = f'{1000 * utterance.latency:.0f} ms'
    place = f'--r:{utterance.track}'
    return (f'<div class="ms" style="{axis.span(utterance.start, utterance.end)};{place}" '
            f'title="latency {milliseconds}"><span>{milliseconds}</span></div>'
            f'<i class="lag" style="{axis.span(utterance.end, utterance.end + utterance.latency)};'
            f'{place}" title="latency {milliseconds}"></i>')
