# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Transcript alignment: which utterance do words belong to that come late and without times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import math

NEAR_S = 0.5  # words with times of their own belong to no utterance that is further away
SPEAKING_RATE = 15.0  # characters a second, typical of English conversation


def speaking_time(text: str) -> float:
    """Return how long it takes to say the text, seconds."""
    return max(0.3, len(text) / SPEAKING_RATE)


@dataclass(frozen=True)
class Span:
    """
    An utterance as alignment sees it.

    :param end: capture time of its end so far, seconds.
    :param ongoing: somebody still speaks.
    :param has_text: words were already assigned to it.
    """

    utterance_id: str
    start: float
    end: float
    ongoing: bool
    has_text: bool


def align(stamp: float, text: str, spans: Sequence[Span], late_s: float,
          start: float | None = None) -> str | None:
    """
    Return the id of the utterance that the words belong to, or None.

    Words whose times are known belong to the utterance that they share most time with, or to
    the nearest within NEAR_S.

    Recognisers send words when they are done, mostly after the speech they come from. So words
    belong to the utterance that was spoken at `stamp` or ended not more than `late_s` before;
    but not to one that has only just begun, when the one before it still lacks words.

    :param stamp: of the transcript, seconds.
    :param spans: the utterances at hand, oldest first.
    :param start: of the first word, where it is known; `stamp` is then the end of the last.
    """
    if start is not None:
        return _most_shared(start, stamp, spans)
    candidates = [s for s in spans if s.start <= stamp and (s.ongoing or stamp - s.end <= late_s)]
    if not candidates:
        return None
    latest = candidates[-1]
    if len(candidates) > 1 and stamp - latest.start < 0.5 * speaking_time(text):
        before = candidates[-2]
        if not before.has_text:
            return before.utterance_id
    return latest.utterance_id


def _most_shared(start: float, end: float, spans: Sequence[Span]) -> str | None:
    """Return the id of the utterance nearest to the time from `start` to `end`, or None."""
    def shared(span: Span) -> float:  # negative: the distance
        return min(end, math.inf if span.ongoing else span.end) - max(start, span.start)

    nearest = max(spans, key=shared, default=None)
    return nearest.utterance_id if nearest and shared(nearest) >= -NEAR_S else None
