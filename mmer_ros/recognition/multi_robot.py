"""Estimates for several robots from the parts that they send over a network."""

from __future__ import annotations

from collections import Counter, deque, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mmer_ros.profiling import Stages, UNMEASURED
from mmer_ros.recognition.dialogue_stream import DialogueStream, push_together, REVISABLE
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import Estimate, StreamEvent, UtterancePart
import numpy as np

SOURCES = 64  # that are remembered; of more, those that were silent longest are forgotten
QUIET_S = 5.0


@dataclass(frozen=True)
class SentPart:
    """
    A part as it came over the network.

    :param source: name of the robot that sent it.
    :param session: number of the sender's life; another one after it began anew.
    :param sequence: 0, 1, 2, ... over all parts of this session.
    """

    source: str
    session: int
    sequence: int
    part: UtterancePart


@dataclass(frozen=True)
class SourceEstimate:
    """An estimate, and the robot that it is for."""

    source: str
    estimate: Estimate


@dataclass
class Source:
    """
    What is known of a robot.

    :param received: parts, and `lost` and `repeated` ones likewise.
    :param latest: when the latest part came, seconds.
    :param unfinished: latest part of the utterance that is not over.
    :param ended: how often an utterance was ended without its last part.
    """

    stream: DialogueStream
    received: int = 0
    lost: int = 0
    repeated: int = 0
    latest: float = 0.0
    sequence: int = -1
    unfinished: UtterancePart | None = None
    ended: Counter[str] = field(default_factory=Counter)


class Estimator:
    """
    Recognise the parts of several sources, each of which has a dialogue of its own.

    Parts that are lost or come twice are told in `events`. An utterance whose end was lost is
    estimated from what came. Not thread-safe.

    :param batch: parts of different utterances that are worked on together at most; 1: one after
        another, which gives what a single process gives, to the bit.
    :param quiet_s: an utterance of which nothing came for so long is over.
    """

    def __init__(self, recognizer: Recognizer, *, partial_rate: float = 0.0, batch: int = 1,
                 quiet_s: float = QUIET_S, stages: Stages = UNMEASURED) -> None:
        """Start without sources."""
        self.batch = batch
        self.quiet_s = quiet_s
        self.sources: OrderedDict[tuple[str, int], Source] = OrderedDict()
        self._recognizer = recognizer
        self._partial_rate = partial_rate
        self._stages = stages
        self._events: list[StreamEvent] = []

    @property
    def recognizer(self) -> Recognizer:
        """Of the utterances that begin from now on."""
        return self._recognizer

    @property
    def partial_rate(self) -> float:
        """Estimates so far while an utterance goes on, Hz of capture time; 0: none."""
        return self._partial_rate

    @partial_rate.setter
    def partial_rate(self, rate: float) -> None:
        self._partial_rate = rate
        for source in list(self.sources.values()):  # of another thread it may be
            source.stream.partial_rate = rate

    def change_recognizer(self, recognizer: Recognizer) -> None:
        """Go on with another recogniser; open utterances are finished by the one before."""
        self._recognizer = recognizer
        for source in self.sources.values():
            source.stream.recognizer = recognizer

    def reset_history(self) -> None:
        """Forget the dialogues so far."""
        for source in self.sources.values():
            source.stream.reset_history()

    def push(self, parts: Sequence[SentPart], now: float) -> list[SourceEstimate]:
        """
        Take parts in the order in which they came.

        :param now: seconds that pass, by any clock.
        """
        estimates: list[SourceEstimate] = []
        waiting = deque(parts)
        while waiting:
            together: list[tuple[str, DialogueStream, UtterancePart]] = []
            for sent in self._next_batch(waiting):
                source = self._source(sent, now)
                if not self._is_new(sent, source):
                    continue
                source.latest = now
                estimates += self._close_before(sent, source)
                together.append((sent.source, source.stream, self._follow(sent.part, source)))
            found = push_together([(stream, part) for _, stream, part in together])
            estimates += [SourceEstimate(name, estimate) for (name, _, _), estimate
                          in zip(together, found) if estimate is not None]
        return estimates + self.advance(now)

    def advance(self, now: float) -> list[SourceEstimate]:
        """End the utterances of which nothing came for `quiet_s` until `now`, as of `push`."""
        return [estimate for (name, _), source in self.sources.items()
                if now - source.latest > self.quiet_s for estimate in self._close(name, source)]

    def flush(self) -> list[SourceEstimate]:
        """End all utterances."""
        return [estimate for (name, _), source in self.sources.items()
                for estimate in self._close(name, source)]

    def drain_events(self) -> list[StreamEvent]:
        """Return what a person should know since the last call."""
        events, self._events = self._events, []
        for (name, _), source in self.sources.items():
            events += [replace(event, text=_of(name, event.text))
                       for event in source.stream.events]
            source.stream.events = []
        return events

    def _next_batch(self, waiting: deque[SentPart]) -> list[SentPart]:
        """Take the next parts off the queue, no more than one of each source."""
        together: list[SentPart] = []
        passed: list[SentPart] = []
        names: set[tuple[str, int]] = set()
        while waiting and len(together) < self.batch:
            sent = waiting.popleft()
            name = sent.source, sent.session
            (passed if name in names else together).append(sent)
            names.add(name)
        waiting.extendleft(reversed(passed))
        return together

    def _source(self, sent: SentPart, now: float) -> Source:
        """Return what is known of the sender; make room for a new one."""
        name = sent.source, sent.session
        if name not in self.sources:
            others = [other for other in self.sources if other[0] == sent.source]
            for other in others:
                if now - self.sources[other].latest <= self.quiet_s:
                    self._event('source_twice', sent, 'another sender of this name was heard a '
                                'moment ago; if it was not started anew, two robots share the '
                                'name: give each a namespace or the parameter `source`')
            while len(self.sources) >= SOURCES:
                self.sources.popitem(last=False)
            self.sources[name] = Source(DialogueStream(
                self._recognizer, partial_rate=self._partial_rate, stages=self._stages))
        self.sources.move_to_end(name)
        return self.sources[name]

    def _is_new(self, sent: SentPart, source: Source) -> bool:
        """Note that a part came; tell if it did before, or if others did not."""
        if sent.sequence <= source.sequence:
            source.repeated += 1
            self._event('part_repeated', sent, f'part {sent.sequence} came again, or after '
                        f'part {source.sequence}; it was left out')
            return False
        lost = sent.sequence - source.sequence - 1
        if lost and source.received:  # what came before the first is not ours
            source.lost += lost
            self._event('parts_lost', sent, f'{lost} of its parts were lost on their way: check '
                        'the network')
        source.sequence = sent.sequence
        source.received += 1
        return True

    def _close_before(self, sent: SentPart, source: Source) -> list[SourceEstimate]:
        """End the utterance whose end was lost, as this part shows; note which is open now."""
        part, closed = sent.part, []
        if part.revision:
            return []
        if source.unfinished is not None and part.utterance_id != source.unfinished.utterance_id:
            closed = self._close(sent.source, source)
        source.unfinished = None if part.last else part
        return closed

    def _close(self, name: str, source: Source) -> list[SourceEstimate]:
        """End the open utterance with what came of it."""
        part, source.unfinished = source.unfinished, None
        if part is None:
            return []
        self._events.append(StreamEvent(
            'end_lost', part.end, _of(name, f'the end of utterance {part.utterance_id} did not '
                                      'come; it was estimated from what did')))
        last = self._follow(replace(
            part, index=part.index + 1, start=part.end, text='', faces=(),
            audio=np.zeros(0, np.int16), last=True), source)
        source.ended[part.utterance_id] += 1
        while len(source.ended) > REVISABLE:
            del source.ended[next(iter(source.ended))]
        estimate = source.stream.push(last)
        return [] if estimate is None else [SourceEstimate(name, estimate)]

    def _follow(self, part: UtterancePart, source: Source) -> UtterancePart:
        """Return a part as it follows the ends that were made here: it revises the estimate."""
        if part.index == 0:
            source.ended.pop(part.utterance_id, None)
        ends = source.ended[part.utterance_id]
        if not ends:
            del source.ended[part.utterance_id]
            return part
        return replace(part, index=part.index + ends, revision=part.revision + ends)

    def _event(self, kind: str, sent: SentPart, text: str) -> None:
        self._events.append(StreamEvent(kind, sent.part.end, _of(sent.source, text)))


def _of(source: str, text: str) -> str:
    return f'{source or "a robot without a name"}: {text}'
