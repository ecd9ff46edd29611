# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Sensors whose clocks differ: a constant offset between stamps and arrivals is compensated."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mmer_ros.sensing.stream_clock import AUDIO

AUTO, HEADER, ARRIVAL = STAMPS = ('auto', 'header', 'arrival')  # how stamps are used
LIMIT_S = 0.5  # images that are late by more are of no use as they are: nothing waits for them
LAG_S = 0.2  # that images may have on top of what is waited for
FAR_S = 60.0  # further away than this are the stamps of a recording that is played
AUDIO_LATE_S = 1.0  # audio is waited for, so that it may be later and still be right
# Offsets are rounded, so that the jitter of arrivals cannot reach the results: a live node and the
# replay of what it received round to the same.
DIGITS = 1  # of seconds, after the point
MESSAGES = 5  # that have to agree,
SPAN_S = 0.4  # over at least so much of the stream; at its start they are held back until then,
HELD_S = 1.0  # but no longer than this.
CHANGE_S = 5.0  # later on, over so much: networks have bad moments
SPREAD_S, SPREAD = 0.1, 0.2  # how constant it has to be, seconds and share of the span
NANOSECONDS = 1_000_000_000

HandOn = Callable[[float], object]  # takes what is to be added to the stamp, seconds


def seconds(stamp: Any, shift: float = 0.0) -> float:
    """
    Return a builtin_interfaces/Time as seconds.

    :param shift: added before it is rounded, so that a compensated stamp is the right one exactly.
    """
    return seconds_of(stamp.sec * NANOSECONDS + stamp.nanosec + round(shift * NANOSECONDS))


def seconds_of(nanoseconds: int) -> float:
    """Return nanoseconds as seconds, rounded as those of every stamp."""
    whole, rest = divmod(nanoseconds, NANOSECONDS)
    return float(whole + rest / NANOSECONDS)


@dataclass
class _Input:
    """
    What is known of the clock of an input.

    :param shift: added to its stamps, seconds.
    :param offset: arrival less stamp of the latest message, seconds.
    :param is_settled: messages are not held back any more.
    :param odd: (stamp, arrival) of the latest messages in a row that do not fit.
    :param held: messages that are held back, each with its offset; the first arrived at `since`.
    """

    shift: float = 0.0
    offset: float | None = None
    is_settled: bool = False
    odd: deque[tuple[float, float]] = field(default_factory=deque)
    held: list[tuple[HandOn, float]] = field(default_factory=list)
    since: float = 0.0


class ClockOffsets:
    """
    Compensate constant offsets between the stamps of camera and microphone and their arrival.

    The clock of arrivals is right, unless all inputs are away from it by the same and by more
    than FAR_S, as those of a recording that is played. If they are far away by different
    amounts, the audio is right.

    >>> offsets = ClockOffsets()
    >>> for tenth in range(10):  # the camera is 37 s ahead
    ...     offsets.push('audio', tenth / 10, tenth / 10 + 0.02, lambda shift: None)
    ...     offsets.push('image', tenth / 10 + 37, tenth / 10 + 0.03, lambda shift: None)
    >>> offsets.shift('image')
    -37.0

    :param limit_s: smaller offsets are left as they are, seconds.
    :param on_change: takes the input and its shift, seconds, when one begins or changes.
    """

    def __init__(self, limit_s: float = LIMIT_S,
                 on_change: Callable[[str, float], object] = lambda name, shift: None) -> None:
        """Start with no input."""
        self.limit_s = limit_s
        self._on_change = on_change
        self._inputs: dict[str, _Input] = {}
        self.is_releasing = False  # what is handed on has been held back

    def shift(self, name: str) -> float:
        """Return what is added to the stamps of an input, seconds."""
        return self._inputs[name].shift if name in self._inputs else 0.0

    @property
    def shifts(self) -> dict[str, float]:
        """What is added to the stamps of the inputs whose clocks are wrong, seconds."""
        return {name: found.shift for name, found in tuple(self._inputs.items()) if found.shift}

    def push(self, name: str, stamp: float, arrival: float, hand_on: HandOn) -> None:
        """
        Take a message, and hand it on, now or as soon as the clock of its input is known.

        :param stamp: up to which capture time it reaches, seconds.
        :param arrival: when it came, seconds.
        """
        if name == AUDIO and AUDIO not in self._inputs:
            self._audio_begins()
        found = self._inputs.setdefault(name, _Input())
        found.offset = arrival - stamp
        self._place(name, found, stamp, arrival, hand_on)
        self.advance(arrival)

    def _place(self, name: str, found: _Input, stamp: float, arrival: float, hand_on: HandOn
               ) -> None:
        if self._fits(name, found):
            found.odd.clear()
            self._settle(found)
            hand_on(found.shift)
            return
        found.odd.append((stamp, arrival))
        if found.is_settled:
            self._decide(name, found, CHANGE_S)
            hand_on(found.shift)
            return
        found.since = arrival if not found.held else found.since
        found.held.append((hand_on, arrival - stamp))
        if self._decide(name, found, SPAN_S) or arrival - found.since > HELD_S:
            self._settle(found)

    def advance(self, now: float) -> None:
        """Hand on what has been held back for long enough, though nothing arrives any more."""
        for found in self._inputs.values():
            if found.held and now - found.since > HELD_S:
                self._settle(found)

    def flush(self) -> None:
        """Hand on what is held back."""
        for found in self._inputs.values():
            self._settle(found)

    @staticmethod
    def describe(name: str, shift: float) -> str:
        """Return a sentence about a shift, seconds, for people."""
        where = 'behind' if shift > 0 else 'ahead of'
        return (f'{name}: the stamps are {abs(shift):.1f} s {where} the times of arrival, as of '
                f'another clock; {shift:+.1f} s is added to them. Synchronise the clocks, or set '
                'the parameter stamps to header if they are right')

    def _audio_begins(self) -> None:
        """Let the other inputs prove their clocks again, by the audio."""
        for found in self._inputs.values():
            found.is_settled = False
            found.odd.clear()

    def _settle(self, found: _Input) -> None:
        found.is_settled = True
        held, found.held = found.held, []
        self.is_releasing = True
        try:
            for hand_on, _ in held:
                hand_on(found.shift)
        finally:
            self.is_releasing = False

    def forget(self, name: str) -> None:
        """
        Forget an input whose stamps turn out to mean nothing, as those that stand still.

        What is held back of it is placed by its arrival; the other inputs prove their clocks
        again where they have done so by it.
        """
        found = self._inputs.pop(name, None)
        if found is None:
            return
        if name == AUDIO:
            for other in self._inputs.values():
                other.shift, other.is_settled = 0.0, False
                other.odd.clear()
        self.is_releasing = True
        try:
            for hand_on, offset in found.held:
                hand_on(offset)
        finally:
            self.is_releasing = False

    def _fits(self, name: str, found: _Input) -> bool:
        """Return whether the latest message came about when it should, by its shifted stamp."""
        assert found.offset is not None
        if name == AUDIO and abs(found.offset) > FAR_S and self._others_are_at(found.offset):
            return True
        return self._is_near(name, found.offset - found.shift - self._expected(name))

    def _is_near(self, name: str, late: float) -> bool:
        return -self.limit_s <= late <= (AUDIO_LATE_S if name == AUDIO else self.limit_s)

    def _expected(self, name: str) -> float:
        """Return the offset of an input whose clock agrees with the others, seconds."""
        audio = self._inputs.get(AUDIO)
        if name == AUDIO or audio is None or audio.offset is None or not audio.is_settled:
            return 0.0
        rest = audio.offset - audio.shift
        return 0.0 if self._is_near(AUDIO, rest) else rest

    def _decide(self, name: str, found: _Input, span_s: float) -> bool:
        """Change the shift if messages that do not fit agree over a span; return if they do."""
        offset = _constant(found.odd, span_s)
        audio = self._inputs.get(AUDIO)
        waits_for_audio = name != AUDIO and audio is not None and not audio.is_settled
        if offset is None or waits_for_audio:
            return False
        found.odd.clear()
        shift = round(offset - self._expected(name), DIGITS)
        if name == AUDIO and found.is_settled:
            shift = found.shift  # its time line goes on; the others follow
        elif abs(shift) > FAR_S and not (self._others_are_at(0.0) if name == AUDIO else audio):
            shift = 0.0  # all that is known comes from another time
        if shift != found.shift:
            found.shift = shift
            self._on_change(name, shift)
        return True

    def _others_are_at(self, offset: float) -> bool:
        """Return whether an input other than audio has an offset, seconds; 0: it is right."""
        return any(abs(found.offset - offset) <= self.limit_s
                   for name, found in self._inputs.items()
                   if name != AUDIO and found.offset is not None)


def _constant(odd: deque[tuple[float, float]], span_s: float) -> float | None:
    """
    Return the least offset of the latest messages if it is constant over a span, seconds.

    :param odd: (stamp, arrival) of messages; those before the span are dropped.
    """
    def span(first: int) -> float:
        return min(odd[-1][0] - odd[first][0], odd[-1][1] - odd[first][1])

    while len(odd) > MESSAGES and span(1) >= span_s:
        odd.popleft()
    if len(odd) < MESSAGES or span(0) < span_s:
        return None
    offsets = [arrival - stamp for stamp, arrival in odd]
    return min(offsets) if max(offsets) - min(offsets) <= SPREAD_S + SPREAD * span_s else None
