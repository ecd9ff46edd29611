# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The lanes of a recording over one time axis: the inputs, the truth, and the estimates."""

from __future__ import annotations

import base64
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
import math
from typing import Any, NamedTuple

from mmer_ros.report.axis import Axis, fits, pack_tracks, WIDTHS
from mmer_ros.report.utterances import agrees, choose_utterances, label_of, Run, Utterance
from mmer_ros.types import InvalidInput

LONG_S = 120  # recordings from here on get a strip of the whole to find one's way
THUMBNAIL_PX = 84  # room that one needs on the page
MAX_BINS, BINS_PER_S = 3000, 4  # of the drawn waveform: as many, or so many a second if more
MAX_FACE_ROWS = 5
MAX_MARKS = 400  # of events

Span = tuple[float, float]
Row = Mapping[str, Any]


class Truth(NamedTuple):
    """A label, and whether the estimate agrees with it; None if there is none, or several."""

    row: Row
    label: str
    track: int
    right: bool | None


class Seen(NamedTuple):
    """A person in view, else a face of no known person, and the utterances in which it spoke."""

    name: str
    is_known: bool
    track: int
    seen: Sequence[Span]
    spoke: Sequence[Span]


class Picture(NamedTuple):
    """A small camera image; it shows at the widths at which it fits beside its neighbours."""

    stamp: float
    source: str
    kind: str
    utterance: str


class Words(NamedTuple):
    """What was recognised of an utterance, with the room that it has; seconds."""

    first: float
    left: float
    right: float
    text: str

    @property
    def lean(self) -> float:
        """Where in its room the first word is, 0..100."""
        return 100 * (self.first - self.left) / ((self.right - self.left) or 1.0)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """
    The lanes, as timeline.html shows them; all times are capture time, seconds.

    :param start: left end of the time axis.
    :param end: right end; the same as start if nothing was recorded.
    :param estimates: Estimate.to_dict() rows as they came, with an optional 'latency', seconds
        from the end of the utterance to the estimate.
    :param runs: instead of them, utterances that were chosen already; of several runs if they are
        set against each other.
    :param envelope: peak audio level in [0, 1] per bin; the bins divide start..end evenly.
    :param speech: (start, end) of each voiced interval.
    :param thumbnails: (stamp, JPEG file) of small camera images.
    :param transcripts: (stamp, text).
    :param faces: id -> (start, end) of when that face was there, by time.
    :param persons: id of the face -> whose it is, where that is known.
    :param inputs: name -> (start, end) of when that input came, by time.
    :param events: messages about the input: kind, stamp and text.
    :param labels: the truth where it is known: start, end, emotion (name or index), text;
        `agrees` if it was matched: whether its estimate does, None without one.
    :raises InvalidInput: if the axis is not finite or ends before it starts.
    """

    start: float
    end: float
    estimates: Sequence[Row] = ()
    runs: Sequence[Run] = ()
    envelope: Sequence[float] = ()
    speech: Sequence[Span] = ()
    thumbnails: Sequence[tuple[float, bytes]] = ()
    transcripts: Sequence[tuple[float, str]] = ()
    faces: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    persons: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    events: Sequence[Row] = ()
    labels: Sequence[Row] = ()

    def __post_init__(self) -> None:
        """Check the axis."""
        if not (math.isfinite(self.start) and math.isfinite(self.end)) or self.end < self.start:
            raise InvalidInput(f'timeline: {self.start!r}..{self.end!r} s is not a time span; '
                               'expected finite seconds with end >= start')

    @cached_property
    def axis(self) -> Axis:
        """The time axis."""
        return Axis(self.start, self.end - self.start or 1.0)

    @property
    def is_long(self) -> bool:
        """Whether a strip of the whole helps."""
        return self.axis.duration >= LONG_S

    @cached_property
    def utterances(self) -> Sequence[Utterance]:
        """All utterances, those of the first run if there are several."""
        return self.runs[0].utterances if self.runs else choose_utterances(self.estimates)

    @cached_property
    def shown(self) -> list[Run]:
        """The runs, without utterances that are not on the axis."""
        return [Run(run.name, [u for u in run.utterances if self.axis.shows(u.start, u.end)])
                for run in self.runs or [Run('', self.utterances)]]

    @property
    def rows(self) -> int:
        """Number of tracks that overlapping utterances need."""
        return 1 + max((u.track for run in self.shown for u in run.utterances), default=0)

    # -- lanes ------------------------------------------------------------------------------

    @cached_property
    def truths(self) -> list[Truth]:
        """The labels."""
        tracks = pack_tracks([(row['start'], row['end']) for row in self.labels])
        first = self.shown[0].utterances
        return [Truth(row, label_of(row) or 'not known', track,
                      None if len(self.runs) > 1 else agrees(row, first))
                for row, track in zip(self.labels, tracks, strict=True)
                if self.axis.shows(row['start'], row['end'])]

    @cached_property
    def in_view(self) -> list[Seen]:
        """
        Everybody in view by when they came: a row for each person, then faces of no known person.

        Rows beyond MAX_FACE_ROWS are not drawn.
        """
        spans: dict[str, list[Span]] = {}
        for face, seen in self.faces.items():
            spans.setdefault(self.persons.get(face, face), []).extend(seen)
        known = set(self.persons.values())
        names = sorted((name for name, seen in spans.items() if seen),
                       key=lambda name: (name not in known, min(spans[name])))
        persons = [name for name in names if name in known]
        others = names[len(persons):]
        tracks = [*range(len(persons)), *(len(persons) + track for track in pack_tracks(
            [(min(spans[n])[0], max(end for _, end in spans[n])) for n in others]))]
        return [Seen(name, name in known, track,
                     sorted(span for span in spans[name] if self.axis.shows(*span)),
                     [(u.start, u.end) for u in self.shown[0].utterances if name in (
                         u.row.get('person_id'), u.row.get('face_id'))])
                for name, track in zip(names, tracks, strict=True)]

    @property
    def drawn(self) -> list[Seen]:
        """Those in view whom there is room for."""
        return [seen for seen in self.in_view if seen.track < MAX_FACE_ROWS]

    def pictures(self) -> Iterator[Picture]:
        """Yield the images; at any width of the page those that fit beside each other show."""
        images = sorted(((stamp, jpeg) for stamp, jpeg in self.thumbnails
                         if self.axis.shows(stamp, stamp)), key=lambda image: image[0])
        levels: list[list[int]] = [[] for _ in images]
        for level, width in enumerate(WIDTHS):
            room, free = 100 * THUMBNAIL_PX / width, -math.inf
            for index, (stamp, _) in enumerate(images):
                place = min(max(self.axis.percent(stamp), room / 2), 100 - room / 2)
                if place >= free - 1e-9:
                    levels[index].append(level)
                    free = place + room
        for (stamp, jpeg), seen in zip(images, levels, strict=True):
            of = next((u.anchor for u in self.utterances if u.start <= stamp <= u.end), '')
            yield Picture(stamp, picture_source(jpeg), fits(seen) if seen else '', of)

    @property
    def waveform(self) -> str:
        """The outline of the loudness as an SVG path, 1000 wide and 2 high; '' without audio."""
        most = max(MAX_BINS, math.ceil(BINS_PER_S * self.axis.duration))
        group = max(1, math.ceil(len(self.envelope) / most))
        levels = [min(1.0, max(.008, *self.envelope[i:i + group]))
                  for i in range(0, len(self.envelope), group)]
        scale = group / max(1, len(self.envelope))  # the last bin may stand for fewer
        upper = [(min(1.0, (i + .5) * scale), level) for i, level in enumerate(levels)]
        points = [(x, 1 - y) for x, y in upper] + [(x, 1 + y) for x, y in reversed(upper)]
        return 'M' + 'L'.join(f'{1000 * x:.2f} {y:.3f}' for x, y in points) + 'Z' if points else ''

    @cached_property
    def placed_words(self) -> list[tuple[float, str]]:
        """The transcripts on the axis, by time."""
        return sorted((item for item in self.transcripts if self.axis.shows(item[0], item[0])),
                      key=lambda item: item[0])

    def bubbles(self) -> list[Words]:
        """Return the words of each utterance, each with the room between its neighbours."""
        spoken = self.shown[0].utterances
        starts = [u.start for u in spoken]

        def home(item: tuple[float, str]) -> tuple[int, float]:
            started = range(bisect_right(starts, item[0]) - 1, -1, -1)
            index = next((i for i in started if spoken[i].end >= item[0]), -1)
            return index, item[0] if index < 0 else 0.0

        groups = [(items[0][0], items[-1][0], ' '.join(text for _, text in items))
                  for items in (list(each) for _, each in groupby(self.placed_words, home))]
        ends = [self.axis.start, *((before[1] + after[0]) / 2 for before, after in zip(
            groups, groups[1:])), self.axis.start + self.axis.duration]
        return [Words(first, left, right, text)
                for (first, _, text), left, right in zip(groups, ends, ends[1:])]

    def marks(self) -> Iterator[tuple[float, str]]:
        """Yield stamp and text of each event; many at one place are one."""
        bins: dict[int, list[Row]] = {}
        for row in self.events:
            place = int(MAX_MARKS * self.axis.percent(row['stamp']) / 100)
            bins.setdefault(place, []).append(row)
        for rows in bins.values():
            lines = [f'{self.axis.since(row["stamp"])}: {row["text"]}' for row in rows[:4]]
            lines += [f'{len(rows) - 4} more'] if len(rows) > 4 else []
            yield rows[0]['stamp'], '\n'.join(lines)


def picture_source(jpeg: bytes) -> str:
    """Return a JPEG file as the source of an image that is within the page."""
    return f'data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'
