"""The report's lanes of what was recorded: pictures, faces, sound, words, events."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
import math
from typing import Any

from mmer_ros.report.axis import Axis, classes, pack_tracks, scale, WIDTHS
from mmer_ros.report.timeline import Timeline

THUMBNAIL_PX = 84  # room that one needs on the page
MAX_BINS, BINS_PER_S = 3000, 4  # of the drawn waveform: as many, or so many a second if more
MAX_FACE_ROWS = 5
MAX_MARKS = 400  # of events

Row = Mapping[str, Any]
Span = tuple[float, float]


def lane(kind: str, name: str, items: Iterable[str], hint: str = '', empty: str = '',
         style: str = '') -> str:
    inside = ''.join(items) or f'<div class="none"><span>{empty}</span></div>'
    small = f'<small>{hint}</small>' if hint else ''
    return (f'<div class="lane {kind}"{style}><h3>{name}{small}</h3>'
            f'<div class="plot">{inside}</div></div>')


def recorded_lanes(timeline: Timeline, axis: Axis, spoken: Sequence[Span],
                   speakers: Mapping[Span, str]) -> Iterator[str]:
    """
    Yield the lanes of what was recorded.

    :param spoken: start and end of each utterance, by time.
    :param speakers: id of the face that spoke in it, '' if not known.
    """
    used = [f'<i class="face" style="{axis.at(stamp)}" title="face used, {axis.since(stamp)}">'
            '</i>' for stamp in timeline.face_stamps if axis.shows(stamp, stamp)]
    yield lane('axis', 'Time', scale(axis), 'seconds' if axis.duration <= 120 else 'min:s')
    yield lane('camera', 'Camera', [*thumbnails(axis, timeline.thumbnails, spoken), *used],
               'dots: face used' if used else '', 'no camera images')
    if timeline.faces:
        yield _faces(axis, timeline.faces, speakers)
    yield lane('speech', 'Speech', speech(timeline, axis), 'waveform', 'no audio')
    yield lane('words', 'Transcript', words(timeline.transcripts, axis, spoken), '',
               'no transcript')
    if timeline.inputs:
        yield _inputs(axis, timeline.inputs)


def _faces(axis: Axis, faces: Mapping[str, Sequence[Span]], speakers: Mapping[Span, str]) -> str:
    """Draw each face from when it was first to when it was last seen; brighter where it speaks."""
    names = sorted((name for name in faces if faces[name]), key=lambda name: faces[name][0][0])
    rows = pack_tracks([(faces[name][0][0], faces[name][-1][1]) for name in names])
    items, left_out = [], 0
    for name, row in zip(names, rows, strict=True):
        if row >= MAX_FACE_ROWS:
            left_out += 1
            continue
        place, tip = f'--r:{row}', escape(f'face {name}', quote=True)
        items += [f'<i class="track" style="{axis.span(start, end)};{place}" title="{tip}, '
                  f'{axis.since(start)} to {axis.since(end)}"></i>'
                  for start, end in faces[name] if axis.shows(start, end)]
        items += [f'<i class="track speaks" style="{axis.span(*span)};{place}" title="{tip} '
                  f'speaks, {axis.since(span[0])} to {axis.since(span[1])}"></i>'
                  for span, speaker in speakers.items() if speaker == name and axis.shows(*span)]
    hint = 'dark: speaks' + (f'<br>{left_out} more, not drawn' if left_out else '')
    count = 1 + max((row for row in rows if row < MAX_FACE_ROWS), default=0)
    return lane('faces', f'Faces ({len(names)})', items, hint, 'no face was found',
                f' style="--rows:{count}"')


def _inputs(axis: Axis, inputs: Mapping[str, Sequence[Span]]) -> str:
    """Draw when each input came."""
    items = [f'<i class="track" style="{axis.span(start, end)};--r:{row}" title="{name}, '
             f'{axis.since(start)} to {axis.since(end)}"></i>'
             for row, (name, spans) in enumerate(inputs.items())
             for start, end in spans if axis.shows(start, end)]
    names = '<ol>' + ''.join(f'<li>{escape(name)}</li>' for name in inputs) + '</ol>'
    return lane('inputs', f'Input{names}', items, '', 'nothing came',
                f' style="--rows:{len(inputs)}"')


def events(axis: Axis, rows: Sequence[Row]) -> str:
    """Draw a mark for each event; many at one place are one."""
    bins: dict[int, list[Row]] = {}
    for row in rows:
        bins.setdefault(int(MAX_MARKS * axis.percent(row['stamp']) / 100), []).append(row)
    items = []
    for marks in bins.values():
        tip = '\n'.join(f'{axis.since(m["stamp"])}: {m["text"]}' for m in marks[:4])
        tip += f'\n{len(marks) - 4} more' if len(marks) > 4 else ''
        items.append(f'<i class="event" style="{axis.at(marks[0]["stamp"])}" tabindex="0" '
                     f'title="{escape(tip)}"></i>')
    return lane('events', 'Health', items, f'{len(rows)} event{"" if len(rows) == 1 else "s"}')


def thumbnails(axis: Axis, images: Sequence[tuple[float, bytes]],
               spoken: Sequence[Span]) -> Iterator[str]:
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
            of = next((f' data-of="u{number}"' for number, (start, end) in enumerate(spoken, 1)
                       if start <= stamp <= end), '')
            yield (f'<img{of} class="thumb {classes(seen)}" alt="camera at {axis.since(stamp)}" '
                   f'title="camera, {axis.since(stamp)}" style="left:clamp({half:g}px,'
                   f'{axis.percent(stamp):.4f}%,100% - {half:g}px)" '
                   f'src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">')


def speech(timeline: Timeline, axis: Axis) -> Iterator[str]:
    for start, end in timeline.speech:
        if axis.shows(start, end):
            yield (f'<i class="voiced" style="{axis.span(start, end)}" title="speech, '
                   f'{axis.since(start)} to {axis.since(end)}"></i>')
    most = max(MAX_BINS, math.ceil(BINS_PER_S * axis.duration))
    group = max(1, math.ceil(len(timeline.envelope) / most))
    levels = [min(1.0, max(.008, *timeline.envelope[i:i + group]))
              for i in range(0, len(timeline.envelope), group)]
    if levels:
        scale = group / len(timeline.envelope)  # the last bin may stand for fewer
        upper = [(min(1.0, (i + .5) * scale), level) for i, level in enumerate(levels)]
        points = [(x, 1 - y) for x, y in upper] + [(x, 1 + y) for x, y in reversed(upper)]
        path = 'L'.join(f'{1000 * x:.2f} {y:.3f}' for x, y in points)
        yield (f'<svg viewBox="0 0 1000 2" preserveAspectRatio="none" aria-hidden="true">'
               f'<path d="M{path}Z"/></svg>')


def words(transcripts: Sequence[tuple[float, str]], axis: Axis,
          spoken: Sequence[Span]) -> Iterator[str]:
    """Yield a pin at each stamp and a bubble between its neighbours' for each utterance."""
    starts = [start for start, _ in spoken]

    def home(item: tuple[float, str]) -> tuple[int, float]:
        started = range(bisect_right(starts, item[0]) - 1, -1, -1)
        index = next((i for i in started if spoken[i][1] >= item[0]), -1)
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
