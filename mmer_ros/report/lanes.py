"""The utterances of a report, and the lanes of its time axis that they fill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
import math
from typing import Any

from mmer_ros.report.axis import Axis, classes, pack_tracks, ticks_of
from mmer_ros.report.timeline import Timeline
from mmer_ros.report.tracks import events, lane, recorded_lanes
from mmer_ros.types import EMOTIONS

SOURCES = ('text', 'audio', 'face')

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Utterance:
    """The estimate that counts for an utterance, those before it, and its row on the page."""

    row: Row
    earlier: tuple[Row, ...] = ()
    number: int = 0
    track: int = 0  # 0 unless it overlaps another one in time
    anchor: str = ''  # of its row in the page's table

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
    return [Utterance(u.row, u.earlier, number, track, f'u{number}')
            for number, (u, track) in enumerate(zip(chosen, tracks, strict=True), 1)]


def label_of(row: Row) -> str:
    """Return the emotion's name, of an estimate or of a truth that holds a name or an index."""
    emotion = row.get('label', row.get('emotion', ''))
    return EMOTIONS[int(emotion)] if not isinstance(emotion, str) else emotion


def colour_of(label: str) -> str:
    return f'e-{label if label in EMOTIONS else "neutral"}'


def agrees(truth: Row, utterances: Iterable[Utterance]) -> bool | None:
    """
    Return whether the utterance that overlaps the truth most has its label; None if none.

    A truth that was matched with care says so itself, as `agrees`.
    """
    if 'agrees' in truth:
        return None if truth['agrees'] is None else bool(truth['agrees'])
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


# -- lanes ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Run:
    """Utterances that were estimated in one go, by name if there are several to tell apart."""

    name: str
    utterances: Sequence[Utterance]


def backdrop(axis: Axis, utterances: Iterable[Utterance]) -> str:
    bands = ''.join(f'<i class="band" style="{axis.span(u.start, u.end)}"></i>'
                    for u in utterances)
    return bands + ''.join(
        f'<i class="rule {classes(levels)}" style="{axis.at(axis.start + second)}"></i>'
        for second, levels in ticks_of(axis).items())


def overview(axis: Axis, run: Run) -> str:
    """Return the whole recording in one narrow strip, to find one's way in a long one."""
    return ''.join(f'<i class="{colour_of(label_of(u.row))}" style="{axis.span(u.start, u.end)}">'
                   '</i>' for u in run.utterances)


def lanes(timeline: Timeline, axis: Axis, runs: Sequence[Run],
          truths: Sequence[int]) -> Iterator[str]:
    """Yield the lanes from top to bottom: what was recorded, the truth, each run."""
    spoken = runs[0].utterances
    yield from recorded_lanes(timeline, axis, [(u.start, u.end) for u in spoken], {
        (u.start, u.end): str(u.row.get('face_id') or '') for u in spoken})
    if timeline.labels:
        yield lane('truth', 'Truth', [
            _truth(axis, row, track, agrees(row, spoken), compared=len(runs) > 1)
            for row, track in zip(timeline.labels, truths, strict=True)
            if axis.shows(row['start'], row['end'])], 'given labels', 'no label in this span')
    for run in runs:
        yield from _run_lanes(axis, run)
    if timeline.events:
        yield events(axis, timeline.events)


def _run_lanes(axis: Axis, run: Run) -> Iterator[str]:
    def each(draw: Callable[[Axis, Utterance], str]) -> list[str]:
        return [draw(axis, utterance) for utterance in run.utterances]

    name = f'{escape(run.name)}<br>' if run.name else ''
    if not run.utterances:
        yield lane('emotion', 'Emotion', [], name, 'no estimate arrived')
        return
    yield lane('emotion', 'Emotion', each(_emotion), name or 'ticks: partial')
    yield lane('odds', 'Probability', each(_stack), f'{name}all seven')
    if not name:
        names = '<ol>' + ''.join(f'<li>{source}</li>' for source in SOURCES) + '</ol>'
        yield lane('source', f'Weight{names}', each(_modalities))
        yield lane('latency', 'Latency', each(_latency), 'after speech')


def _truth(axis: Axis, row: Row, track: int, match: bool | None, *, compared: bool) -> str:
    label = label_of(row) or 'not known'
    match = None if compared else match
    mark = {True: '<b class="yes">✓</b>', False: '<b class="no">✗</b>', None: ''}[match]
    verdict = {True: 'the estimate agrees', False: 'the estimate differs', None: 'no estimate'}
    verdict[None] = 'each run says its own' if compared else verdict[None]
    who = f'{row["speaker"]}: ' if row.get('speaker') else ''
    tip = f'truth: {label}, {verdict[match]}\n{who}{row.get("text", "")}'.strip()
    return (f'<div class="block {colour_of(label)}" style="{axis.span(row["start"], row["end"])};'
            f'--r:{track}" title="{escape(tip)}"><span>{mark}<i>{escape(label)}</i></span></div>')


def _emotion(axis: Axis, utterance: Utterance) -> str:
    row, label = utterance.row, label_of(utterance.row)
    partial = '' if row.get('final', True) else ' partial'
    block = (f'<a class="block {colour_of(label)}{partial}" href="#{utterance.anchor}" '
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
