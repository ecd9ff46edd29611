# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Transcript alignment: words that come late and without times find their utterance."""

from __future__ import annotations

from mmer_ros.sensing.transcript_alignment import align, Span, speaking_time
import pytest

LATE = 3.0
SENTENCE = 'I did not expect them to call back at all!'  # takes 2.8 s to say


def span(name: str, start: float, end: float, *, speaking: bool = False,
         has_text: bool = False) -> Span:
    return Span(name, start, end, speaking, has_text)


def test_it_takes_time_to_speak() -> None:
    assert speaking_time('') == speaking_time('no') == 0.3
    assert speaking_time('x' * 150) == pytest.approx(10.0)


def test_words_belong_to_the_utterance_that_is_spoken() -> None:
    spans = [span('a', 1, 3, has_text=True), span('b', 5, 9, speaking=True)]
    assert align(8.0, SENTENCE, spans, LATE) == 'b'
    assert align(20.0, SENTENCE, spans, LATE) == 'b'  # it is still going on


@pytest.mark.parametrize(('stamp', 'found'), [
    (0.9, None), (1.0, 'a'), (2.0, 'a'), (3.0, 'a'), (6.0, 'a'), (6.01, None)])
def test_words_may_be_late_but_not_too_late(stamp: float, found: str | None) -> None:
    assert align(stamp, SENTENCE, [span('a', 1, 3)], LATE) == found


def test_without_utterances_there_is_no_home() -> None:
    assert align(1.0, SENTENCE, [], LATE) is None


def test_an_utterance_that_has_just_begun_is_not_what_was_transcribed() -> None:
    before, now = span('a', 1, 3), span('b', 4, 4.2, speaking=True)
    assert align(4.2, SENTENCE, [before, now], LATE) == 'a'
    assert align(4.2, 'no', [before, now], LATE) == 'b'  # so much can be said in 0.2 s
    assert align(5.5, SENTENCE, [before, now], LATE) == 'b'  # half of it by now
    assert align(4.2, SENTENCE, [span('a', 1, 3, has_text=True), now], LATE) == 'b'
    assert align(4.2, SENTENCE, [span('a', 0, 1), now], LATE) == 'b'  # too long ago
