# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Estimates for several robots from the utterance parts that they send over a network."""

from __future__ import annotations

from collections import Counter, deque, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mmer_ros.profiling import Stages, UNMEASURED
from mmer_ros.recognition.dialogue_stream import DialogueStream, push_together, REVISABLE
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import Estimate, StreamEvent, UtterancePart
import numpy as np

SOURCES = 64  # robots remembered at most; those silent longest are forgotten first
QUIET_S = 5.0


@dataclass(frozen=True)
class SentPart:
    """
    A part as received from the network.

    :param source: name of the robot that sent it.
    :param session: number that the sender draws when it starts.
    :param sequence: 0, 1, 2, ... over all parts of this session, to detect loss.
    """

    source: str
    session: int
    sequence: int
    part: UtterancePart


@dataclass(frozen=True)
class SourceEstimate:
    """An estimate and the robot that it belongs to."""

    source: str
    estimate: Estimate


@dataclass
class Source:
    """
    State of one sender.

    :param received: number of parts; `lost` and `repeated` count parts as well, `missed` those
        that were sent before the first one received, or while the estimator was away.
    :param latest: time at which the latest part was received, seconds.
    :param unfinished: latest part of the open utterance.
    :param ended: by utterance, how often it was closed without its last part.
    """

    stream: DialogueStream
    received: int = 0
    lost: int = 0
    repeated: int = 0
    missed: int = 0
    away: bool = False
    latest: float = 0.0
    sequence: int = -1
    unfinished: UtterancePart | None = None
    ended: Counter[str] = field(default_factory=Counter)


class Estimator:
    """
    Recognises the utterances of several robots, each with a dialogue of its own.

    Lost and repeated parts are reported as events. An utterance whose end was lost is estimated
    from what was received. Not thread-safe.

    :param batch: largest number of utterances per batch; 1 gives the results of a single
        process to the bit.
    :param quiet_s: an utterance is closed after this long without a new part, seconds.
    """

    def __init__(self, recognizer: Recognizer, *, partial_rate: float = 0.0, batch: int = 1,
                 quiet_s: float = QUIET_S, stages: Stages = UNMEASURED) -> None:
        self.batch = batch
        self.quiet_s = quiet_s
        self.sources: OrderedDict[tuple[str, int], Source] = OrderedDict()
        self._recognizer = recognizer
        self._partial_rate = partial_rate
        self._stages = stages
        self._events: list[StreamEvent] = []

    @property
    def recognizer(self) -> Recognizer:
        """Recogniser of the utterances that begin from now on."""
        return self._recognizer

    @property
    def partial_rate(self) -> float:
        """Estimates so far while an utterance goes on, Hz of capture time; 0: none."""
        return self._partial_rate

    @partial_rate.setter
    def partial_rate(self, rate: float) -> None:
        self._partial_rate = rate
        for source in list(self.sources.values()):  # another thread may call this
            source.stream.partial_rate = rate

    def change_recognizer(self, recognizer: Recognizer) -> None:
        """Switch to another recogniser; open utterances are finished by the previous one."""
        self._recognizer = recognizer
        for source in self.sources.values():
            source.stream.recognizer = recognizer

    def reset_history(self) -> None:
        """Forget the dialogues so far."""
        for source in self.sources.values():
            source.stream.reset_history()

    def push(self, parts: Sequence[SentPart], now: float) -> list[SourceEstimate]:
        """
        Process parts in the order in which they were received.

        :param now: current time of any monotonic clock, seconds.
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
        """Close the utterances that have received nothing for `quiet_s` until `now`."""
        return [estimate for (name, _), source in self.sources.items()
                if now - source.latest > self.quiet_s for estimate in self._close(name, source)]

    def flush(self) -> list[SourceEstimate]:
        """Close all open utterances."""
        return [estimate for (name, _), source in self.sources.items()
                for estimate in self._close(name, source)]

    def leave(self) -> list[SourceEstimate]:
        """Close all open utterances; what is sent until the next part counts as missed."""
        for source in self.sources.values():
            source.away = True
        return self.flush()

    def drain_events(self) -> list[StreamEvent]:
        """Return the warnings since the last call."""
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
        """Return the state of the sender; drop the oldest if there are too many."""
        name = sent.source, sent.session
        if name not in self.sources:
            others = [other for other in self.sources if other[0] == sent.source]
            for other in others:
                if now - self.sources[other].latest <= self.quiet_s:
                    self._event('source_twice', sent, 'another sender of this name was active '
                                'a moment ago; unless it was restarted, two robots share the '
                                'name: give each a namespace or the parameter `source`')
            while len(self.sources) >= SOURCES:
                self.sources.popitem(last=False)
            self.sources[name] = Source(DialogueStream(
                self._recognizer, partial_rate=self._partial_rate, stages=self._stages))
        self.sources.move_to_end(name)
        return self.sources[name]

    def _is_new(self, sent: SentPart, source: Source) -> bool:
        """Count a part as received, repeated, or following lost ones."""
        if sent.sequence <= source.sequence:
            source.repeated += 1
            self._event('part_repeated', sent, f'part {sent.sequence} came twice, or after '
                        f'part {source.sequence}; it was left out')
            return False
        lost = sent.sequence - source.sequence - 1
        if lost and source.away:  # on purpose
            source.missed += lost
        elif lost and not source.received:
            source.missed = lost
            self._event('parts_missed', sent, f'{lost} of its parts were sent before the first '
                        'one received, while no estimator was there or on a way that lost them; '
                        'their utterances have no estimate or one from the rest')
        elif lost:
            source.lost += lost
            self._event('parts_lost', sent, f'{lost} of its parts were lost on the way; check '
                        'the network')
        source.sequence, source.away = sent.sequence, False
        source.received += 1
        return True

    def _close_before(self, sent: SentPart, source: Source) -> list[SourceEstimate]:
        """Close an utterance whose end was lost, now that another one has begun."""
        part, closed = sent.part, []
        if part.revision:
            return []
        if source.unfinished is not None and part.utterance_id != source.unfinished.utterance_id:
            closed = self._close(sent.source, source)
        source.unfinished = None if part.last else part
        return closed

    def _close(self, name: str, source: Source) -> list[SourceEstimate]:
        """Close the open utterance with what was received of it."""
        part, source.unfinished = source.unfinished, None
        if part is None:
            return []
        self._events.append(StreamEvent(
            'end_lost', part.end, _of(name, f'the end of utterance {part.utterance_id} was '
                                      'lost; it was estimated from what was received')))
        last = self._follow(replace(
            part, index=part.index + 1, start=part.end, text='', faces=(),
            audio=np.zeros(0, np.int16), last=True), source)
        source.ended[part.utterance_id] += 1
        while len(source.ended) > REVISABLE:
            del source.ended[next(iter(source.ended))]
        estimate = source.stream.push(last)
        return [] if estimate is None else [SourceEstimate(name, estimate)]

    def _follow(self, part: UtterancePart, source: Source) -> UtterancePart:
        """Renumber a part of an utterance that was already closed: it revises the estimate."""
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
    return f'{source or "an unnamed robot"}: {text}'
