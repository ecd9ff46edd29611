# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The robot's own voice: its audio is muted, and its words are not taken for a person's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
import math

from mmer_ros.sensing.audio_front_end import PcmRun
from mmer_ros.sensing.transcript_alignment import speaking_time
from mmer_ros.types import Int16, SAMPLE_RATE, Transcript
import numpy as np

LONGEST_S = 120.0  # speech whose end is never announced ends by then
KEPT_S = 60.0  # words that come later are not compared with what the robot said
BELIEVED_S = 2.0  # messages from after a jump of time may come this long before the jump is seen
KEPT = 1000  # stretches of speech, at most


class OwnVoice:
    """
    When the robot speaks, and what of the microphone's audio is therefore muted.

    Capture times decide: audio from the time at which the robot begins until `tail_s` after the
    time at which it ends.

    >>> own = OwnVoice(tail_s=0.3)
    >>> own.announce(True, 12.0)
    >>> own.announce(False, 14.0)
    >>> [own.is_muted(stamp) for stamp in (11.9, 12.0, 14.2, 14.3)]
    [False, True, True, False]

    :param tail_s: for what the room still echoes, seconds.
    """

    def __init__(self, tail_s: float) -> None:
        """Start with a robot that is silent."""
        self._tail_s = tail_s
        self._spans: list[tuple[float, float]] = []  # from, to; in order, apart, all over
        self._since: float | None = None  # while it speaks: when that began
        self._said = 0.0  # when it was announced last that it speaks

    def announce(self, speaking: bool, stamp: float) -> None:
        """
        Take whether the robot speaks from the capture time `stamp` on, seconds.

        Without a further message its speech ends after LONGEST_S.
        """
        if self._since is not None:
            since, end = self._since, min(stamp, self._said + LONGEST_S) + self._tail_s
            if not speaking or stamp > self._said + LONGEST_S:
                self._since = None
                self._add(since, end)
        if speaking:
            self._since = stamp if self._since is None else self._since
            self._said = stamp

    def rewind(self, now: float) -> None:
        """Forget what is after `now`, to which time has jumped back; the present goes on."""
        until = now + BELIEVED_S
        self._spans = [(start, end) for start, end in self._spans if end <= until]
        if self._since is not None and self._said > until:
            self._since = self._said = now

    def is_muted(self, stamp: float) -> bool:
        """Return whether audio of this capture time is muted."""
        return any(start <= stamp < end for start, end in self._all)

    def split(self, run: PcmRun) -> Iterator[tuple[PcmRun, bool]]:
        """Yield the run in stretches, each with whether it is muted: then it is silence."""
        size = run.samples.size
        edges = {0, size}
        muted = []
        for start, end in self._all:
            first, last = (_sample(edge, run.stamp, size) for edge in (start, end))
            if first < last:
                muted.append((first, last))
                edges |= {first, last}
        if not muted:
            yield run, False
            return
        ordered = sorted(edges)
        for first, last in zip(ordered, ordered[1:]):
            silent = any(start <= first < end for start, end in muted)
            samples = np.zeros(last - first, np.int16) if silent else run.samples[first:last]
            yield replace(run, stamp=run.stamp + first / SAMPLE_RATE, samples=samples,
                          restart=run.restart and first == 0), silent

    def has_said(self, words: Transcript) -> bool:
        """Return whether words that a recogniser understood fall into the robot's own speech."""
        end = words.stamp
        start = end - speaking_time(words.text) if words.start is None else words.start
        shared = sum(max(0.0, min(end, last) - max(start, first)) for first, last in self._all)
        return shared > 0.5 * (end - start) or (start >= end and self.is_muted(end))

    @property
    def _all(self) -> list[tuple[float, float]]:
        if self._since is None:
            return self._spans
        return [*self._spans, (self._since, self._said + LONGEST_S + self._tail_s)]

    def _add(self, start: float, end: float) -> None:
        if end <= start:
            return
        if self._spans and start <= self._spans[-1][1]:  # it speaks again within the tail
            start, end = self._spans.pop()[0], max(end, start)
        self._spans.append((start, end))
        self._spans = [span for span in self._spans if span[1] >= end - KEPT_S][-KEPT:]


class Mutable:
    """
    Voice activity that finds no speech while it is muted.

    :param probability: as vad.SpeechProbability; it is not asked meanwhile.
    """

    def __init__(self, probability: Callable[[Int16], float]) -> None:
        self.muted = False
        self._probability = probability

    def __call__(self, frame: Int16) -> float:
        """Return the probability of speech in a frame."""
        return 0.0 if self.muted else self._probability(frame)

    def reset(self) -> None:
        """Begin a new stream."""
        getattr(self._probability, 'reset', lambda: None)()


def _sample(moment: float, stamp: float, size: int) -> int:
    """Return the first sample at or after a moment, from 0 to `size`."""
    return math.ceil(min(max((moment - stamp) * SAMPLE_RATE - 0.05, 0), size))
