# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The answer of a recording at a glance: who showed which emotion, when, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from mmer_ros.report.formats import clock, counted, duration, percent, shares
from mmer_ros.report.timeline import picture_source, Timeline
from mmer_ros.report.utterances import Utterance

MAX_PEOPLE = 5  # with a row of their own
IN_SENTENCE = 2
MOSTLY = .6  # share of the time of speech from which one emotion says it all
MOMENTS = 3
UNKNOWN = 'unknown speaker'


@dataclass(frozen=True)
class Person:
    """One speaker and the utterances."""

    name: str
    utterances: Sequence[Utterance]

    @cached_property
    def seconds(self) -> float:
        """Time of speech."""
        return sum(u.end - u.start for u in self.utterances)

    @property
    def confidence(self) -> float:
        """Mean confidence, 0..1."""
        return sum(u.confidence for u in self.utterances) / len(self.utterances)

    @cached_property
    def shares(self) -> dict[str, float]:
        """Share of the time of speech by the most probable emotion, 0..1, the largest first."""
        seconds: dict[str, float] = {}
        for u in self.utterances:
            seconds[u.label] = seconds.get(u.label, 0.0) + u.end - u.start
        return shares(seconds)

    def showed(self, of: str = '') -> str:
        """
        Return a part of the sentence: `anna showed mostly joy (80 %)`.

        :param of: what the first share is of: ` of the speech`.
        """
        (first, share), *more = self.shares.items()
        mostly = share >= MOSTLY
        verb = 'was' if first == 'neutral' else 'showed'
        words = f'{self.name} {verb} {"mostly " if mostly else ""}{first} ({_whole(share)}{of})'
        if mostly or not more:
            return words
        second, share = more[0]
        change = 'was ' if second == 'neutral' else 'showed ' if verb == 'was' else ''
        return f'{words} and {change}{second} ({_whole(share)})'


@dataclass(frozen=True)
class Answer:
    """
    The top of a page, as answer.html shows it.

    :param timeline: of one run.
    """

    timeline: Timeline

    @cached_property
    def everybody(self) -> list[Person]:
        """All speakers, who spoke longest first; who is not known comes last."""
        groups: dict[str, list[Utterance]] = {}
        for utterance in self.timeline.utterances:
            groups.setdefault(utterance.who or UNKNOWN, []).append(utterance)
        return sorted((Person(name, found) for name, found in groups.items()),
                      key=lambda person: (person.name == UNKNOWN, -person.seconds))

    @property
    def people(self) -> list[Person]:
        """The speakers who have a row of their own."""
        return self.everybody[:MAX_PEOPLE]

    @property
    def others(self) -> str:
        """The other speakers, in a few words."""
        rest = self.everybody[MAX_PEOPLE:]
        return f'{counted(len(rest), "more speaker")} with ' + counted(
            sum(len(person.utterances) for person in rest), 'utterance') if rest else ''

    @cached_property
    def moments(self) -> list[tuple[Utterance, str, str]]:
        """
        The utterances of the highest confidence, with time and picture.

        Neutral ones count only if there are no others, partial estimates come last.
        """
        ranked = sorted(self.timeline.utterances, key=lambda u: (not u.is_final, -u.confidence))
        found = [u for u in ranked if u.label != 'neutral'] or ranked
        axis = self.timeline.axis
        return [(u, clock(u.start - axis.start, axis.duration), self._picture(u))
                for u in found[:MOMENTS]]

    def _picture(self, utterance: Utterance) -> str:
        """Return the image nearest to the middle of the utterance; '' if it has none."""
        middle = (utterance.start + utterance.end) / 2
        within = [(abs(stamp - middle), jpeg) for stamp, jpeg in self.timeline.thumbnails
                  if utterance.start <= stamp <= utterance.end]
        return picture_source(min(within)[1]) if within else ''

    @property
    def sentence(self) -> str:
        """Who showed what, when and how surely, in one sentence."""
        length = duration(self.timeline.end - self.timeline.start)
        if not self.everybody:
            speech = 'Speech was found' if self.timeline.speech else 'No speech was found'
            return f'{speech} in {length}, and no estimate came.'
        known = [p for p in self.everybody if p.name != UNKNOWN] or self.everybody
        parts = [person.showed('' if place else ' of the speech')
                 for place, person in enumerate(known[:IN_SENTENCE])]
        if len(known) > IN_SENTENCE:
            parts.append(f'{len(known) - IN_SENTENCE} more spoke')
        if len(known) < len(self.everybody):
            unknown = counted(len(self.everybody[-1].utterances), 'utterance')
            parts.append(f'{unknown} came from an unknown speaker')
        people = ', and '.join(filter(None, (', '.join(parts[:-1]), parts[-1])))
        best, when, _ = self.moments[0]
        mean = Person('', self.timeline.utterances).confidence
        return (f'In {length}, {people}; {_whole(mean)} sure on average, most of all at '
                f'{when} ({best.label}, {_whole(best.confidence)}).')

    @property
    def verdict(self) -> list[str]:
        """How many of the given labels agree, and a line for each utterance that differs."""
        judged = [u for u in self.timeline.utterances if u.right is not None]
        if not judged:
            return []
        return [f'{sum(bool(u.right) for u in judged)} of {len(judged)} given labels agree.',
                *(self._difference(u) for u in judged if not u.right)]

    def _difference(self, u: Utterance) -> str:
        """Return what was found instead of the truth, and what it rests on."""
        axis, truth = self.timeline.axis, str(u.row['truth'])
        rank = sorted(u.odds, key=lambda name: -u.odds[name]).index(truth) + 1
        basis = ', '.join(f'{source} {percent(weight, 0)} %'
                          for source, weight in u.weights.items() if weight is not None)
        return (f'{clock(u.start - axis.start, axis.duration)}: {u.label} '
                f'{percent(u.confidence, 0)} % instead of {truth}, which is number {rank} with '
                f'{percent(u.odds[truth], 0)} %; weights: {basis}')


def overall(emotions: Mapping[str, int], where: str) -> str:
    """
    Return the answer of many recordings: `13 utterances in 4 clips: 46 % neutral, 23 % joy, ...`.

    :param emotions: number of utterances of each.
    :param where: `4 clips (50 s)`.
    """
    ranked = shares({name: count for name, count in emotions.items() if count})
    parts = [f'{_whole(share)} {name}' for name, share in ranked.items()]
    return f'{counted(sum(emotions.values()), "utterance")} in {where}' + (
        f': {", ".join(parts)}.' if parts else '.')


def _whole(share: float) -> str:
    return f'{percent(share, 0)} %'
