# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The utterances of a page: the estimate that counts for each, and what a reader sees of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
import math
from typing import Any

from mmer_ros.report.axis import pack_tracks
from mmer_ros.report.formats import millis, percent
from mmer_ros.types import EMOTIONS, MODALITIES, name_of

SOURCES = tuple(str(m.name).lower() for m in MODALITIES)

Estimate = Mapping[str, Any]  # Estimate.to_dict(), perhaps with latency, truth and agrees


@dataclass(frozen=True)
class Utterance:
    """
    An utterance.

    :param row: the estimate that counts for it.
    :param earlier: the partial ones before it.
    :param track: 0 unless it overlaps another one in time.
    """

    row: Estimate
    earlier: tuple[Estimate, ...] = ()
    number: int = 0
    track: int = 0

    @property
    def start(self) -> float:
        """Capture time of its beginning, seconds."""
        return float(self.row['start'])

    @property
    def end(self) -> float:
        """Capture time of its end, seconds."""
        return max(float(self.row['end']), self.start)

    @property
    def label(self) -> str:
        """The most probable emotion."""
        return label_of(self.row)

    @property
    def confidence(self) -> float:
        """How probable that is, 0..1."""
        return float(self.row['confidence'])

    @property
    def is_final(self) -> bool:
        """Whether an estimate came after its end."""
        return bool(self.row.get('final', True))

    @property
    def who(self) -> str:
        """Who spoke; '' if that is not known."""
        return name_of(*(str(self.row.get(kind) or '')
                         for kind in ('person_id', 'voice_id', 'face_id')))

    @property
    def words(self) -> str:
        """Its transcript."""
        return str(self.row.get('transcript') or '')

    @property
    def right(self) -> bool | None:
        """Whether it is as labelled; None if the truth is not known."""
        return bool(self.row['agrees']) if self.row.get('truth') else None

    @property
    def anchor(self) -> str:
        """Id of its row in the table."""
        return f'u{self.number}'

    @property
    def latency(self) -> float | None:
        """Seconds from its end to the estimate; None if that is not known."""
        latency = self.row.get('latency')
        return None if latency is None or not math.isfinite(latency) else float(latency)

    @cached_property
    def odds(self) -> dict[str, float]:
        """The seven probabilities."""
        return {name: float(self.row['probabilities'].get(name, 0.0)) for name in EMOTIONS}

    @cached_property
    def weights(self) -> dict[str, float | None]:
        """The share of each modality in the fusion, None where it was missing."""
        return {source: float(self.row['modality_weights'].get(source, 0.0))
                if source in self.row['modalities'] else None for source in SOURCES}

    @property
    def weights_tip(self) -> str:
        """The same in words."""
        return '\n'.join(f'{source}: ' + ('missing' if weight is None else
                                          f'weight {percent(weight, 0)} %')
                         for source, weight in self.weights.items())

    def tip(self, origin: float) -> str:
        """Return all of it in a few lines."""
        lines = [f'#{self.number}  {self.label}  {percent(self.confidence, 0)} %'
                 + ('' if self.is_final else '  (partial: no final estimate came)'),
                 f'{self.start - origin:.2f} s to {self.end - origin:.2f} s']
        lines += [f'“{self.words}”'] if self.words else []
        ranked = sorted(self.odds.items(), key=lambda pair: -pair[1])
        lines.append(', '.join(f'{name} {percent(value)} %' for name, value in ranked))
        lines += [] if self.latency is None else [f'latency {millis(self.latency)}']
        return '\n'.join(lines)


@dataclass(frozen=True)
class Run:
    """Utterances of one replay, with a name if several are compared."""

    name: str
    utterances: Sequence[Utterance]


def choose_utterances(estimates: Sequence[Estimate]) -> list[Utterance]:
    """Choose the last final estimate of each utterance, else the last one; sort by time."""
    groups: dict[str, list[Estimate]] = {}
    for number, row in enumerate(estimates):
        groups.setdefault(str(row.get('utterance_id') or f'\0{number}'), []).append(row)
    chosen = []
    for rows in groups.values():
        best = next((row for row in reversed(rows) if row.get('final', True)), rows[-1])
        partial = tuple(row for row in rows if row is not best and not row.get('final', True))
        chosen.append(Utterance(best, partial))
    return numbered(sorted(chosen, key=lambda u: (u.start, u.end)))


def numbered(utterances: Sequence[Utterance], numbers: Iterable[int] | None = None
             ) -> list[Utterance]:
    """Return the utterances with numbers, by default 1, 2, ..., and tracks without overlaps."""
    tracks = pack_tracks([(u.start, u.end) for u in utterances])
    places = range(1, len(utterances) + 1) if numbers is None else numbers
    return [Utterance(u.row, u.earlier, number, track)
            for u, number, track in zip(utterances, places, tracks)]


def label_of(row: Estimate) -> str:
    """Return the emotion's name, of an estimate or of a truth that holds a name or an index."""
    emotion = row.get('label', row.get('emotion', ''))
    return EMOTIONS[int(emotion)] if not isinstance(emotion, str) else emotion


def agrees(truth: Estimate, utterances: Iterable[Utterance]) -> bool | None:
    """
    Return whether the utterance that overlaps the truth most has its label; None if none.

    A truth that was matched with care knows it already, as `agrees`.
    """
    if 'agrees' in truth:
        return None if truth['agrees'] is None else bool(truth['agrees'])
    shared = [(min(u.end, truth['end']) - max(u.start, truth['start']), u) for u in utterances]
    overlap, best = max(shared, key=lambda pair: pair[0], default=(0.0, None))
    return best.label == label_of(truth) if best is not None and overlap > 0 else None
