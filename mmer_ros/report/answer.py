"""The answer of a recording at a glance: who showed which emotion, when, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from mmer_ros.report.formats import clock, counted, duration, percent
from mmer_ros.report.page import Block, Strip
from mmer_ros.report.timeline import picture_source, Timeline
from mmer_ros.report.utterances import Utterance
from mmer_ros.types import EMOTIONS

MAX_PEOPLE = 5  # with a row of their own
IN_SENTENCE = 2
MOMENTS = 3
UNKNOWN = 'unknown speaker'
CARE = ('These are guesses of a model about how people sound, look and word things, not '
        'measurements of what they feel. They are often wrong, and more so for people, languages '
        'and rooms unlike its training data. Never decide about a person by them.')


@dataclass(frozen=True)
class Person:
    """What one speaker showed, in time of speech."""

    name: str
    utterances: Sequence[Utterance]

    @property
    def count(self) -> int:
        """Number of utterances."""
        return len(self.utterances)

    @cached_property
    def seconds(self) -> float:
        """How long the person spoke."""
        return sum(u.end - u.start for u in self.utterances)

    @property
    def confidence(self) -> float:
        """Mean confidence of the answers, 0..1."""
        return sum(u.confidence for u in self.utterances) / self.count

    @cached_property
    def main(self) -> tuple[str, int]:
        """The emotion of most of the time, and the number of its utterances."""
        label = max(self.shares, key=lambda name: self.shares[name])
        return label, sum(u.label == label for u in self.utterances)

    @cached_property
    def shares(self) -> dict[str, float]:
        """Share of the speaking time by the most probable emotion, 0..1."""
        seconds = {name: sum(u.end - u.start for u in self.utterances if u.label == name)
                   for name in dict.fromkeys((*EMOTIONS, *(u.label for u in self.utterances)))}
        return {name: value / (self.seconds or 1.0) for name, value in seconds.items()}

    @property
    def strip(self) -> Strip:
        """The shares, drawn."""
        counts = {name: sum(u.label == name for u in self.utterances) for name in self.shares}
        ordered = sorted(self.shares.items(), key=lambda item: -item[1])
        return Strip(dict(ordered), {name: f'{name}: {counted(counts[name], "utterance")}, '
                                     f'{percent(share, 0)} % of the time of speech'
                                     for name, share in ordered})


@dataclass(frozen=True)
class Moment:
    """An utterance that stands out."""

    utterance: Utterance
    when: str
    picture: str


@dataclass(frozen=True)
class Answer(Block):
    """
    The top of a page.

    :param timeline: of one run.
    """

    template: ClassVar[str] = 'answer'

    timeline: Timeline
    care: str = CARE

    @cached_property
    def everybody(self) -> list[Person]:
        """All speakers, who spoke longest first."""
        groups: dict[str, list[Utterance]] = {}
        for utterance in self.timeline.utterances:
            groups.setdefault(utterance.who or UNKNOWN, []).append(utterance)
        return sorted((Person(name, found) for name, found in groups.items()),
                      key=lambda person: -person.seconds)

    @property
    def people(self) -> list[Person]:
        """The speakers who have a row of their own."""
        return self.everybody[:MAX_PEOPLE]

    @property
    def others(self) -> str:
        """The other speakers, in a few words."""
        rest = self.everybody[MAX_PEOPLE:]
        return f'{counted(len(rest), "more speaker")} with ' + counted(
            sum(person.count for person in rest), 'utterance') if rest else ''

    @cached_property
    def moments(self) -> list[Moment]:
        """The utterances of the highest confidence; neutral ones if there are no others."""
        ranked = sorted(self.timeline.utterances, key=lambda u: (
            u.label == 'neutral', not u.is_final, -u.confidence))
        found = [u for u in ranked if u.label != 'neutral'] or ranked
        return [Moment(u, self._when(u), self._picture(u)) for u in found[:MOMENTS]]

    def _when(self, utterance: Utterance) -> str:
        axis = self.timeline.axis
        return clock(utterance.start - axis.start, axis.duration)

    def _picture(self, utterance: Utterance) -> str:
        """Return the image nearest to the middle of the utterance; '' if it has none."""
        middle = (utterance.start + utterance.end) / 2
        within = [(abs(stamp - middle), jpeg) for stamp, jpeg in self.timeline.thumbnails
                  if utterance.start <= stamp <= utterance.end]
        return picture_source(min(within, key=lambda item: item[0])[1]) if within else ''

    @property
    def sentence(self) -> str:
        """Who showed what, when and how surely, in one sentence."""
        length = duration(self.timeline.end - self.timeline.start)
        if not self.everybody:
            speech = 'Speech was found' if self.timeline.speech else 'No speech was found'
            return f'{speech} in {length}, and no estimate came.'
        parts = [self._showed(person, is_first=not i)
                 for i, person in enumerate(self.everybody[:IN_SENTENCE])]
        rest = len(self.everybody) - IN_SENTENCE
        parts += [counted(rest, 'other')] if rest > 0 else []
        utterances, best = self.timeline.utterances, self.moments[0]
        mean = sum(u.confidence for u in utterances) / len(utterances)
        return (f'In {length}, {join(parts)}; {percent(mean, 0)} % sure on average, most of all '
                f'at {best.when} ({best.utterance.label}, {percent(best.utterance.confidence, 0)} '
                '%).')

    @staticmethod
    def _showed(person: Person, *, is_first: bool) -> str:
        label, count = person.main
        verb, of = ('showed mostly', counted(person.count, 'utterance')) if is_first else (
            'mostly', str(person.count))
        return f'{person.name} {verb} {label} ({count} of {of})'


def join(parts: Sequence[str]) -> str:
    """Return parts of a sentence as one: `a, b and c`."""
    return ' and '.join(filter(None, (', '.join(parts[:-1]), parts[-1])))


def shares_of(emotions: Mapping[str, int]) -> Strip:
    """Return how many utterances had each emotion, drawn."""
    total = sum(emotions.values()) or 1
    return Strip({name: emotions[name] / total for name in EMOTIONS if emotions.get(name)},
                 {name: f'{name}: {count} of {total}' for name, count in emotions.items()})
