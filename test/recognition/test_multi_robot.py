# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Several robots' parts: the same answers as a single process, whatever the network does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.recognition.multi_robot import Estimator, SentPart, SourceEstimate
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig, UtteranceSegmenter
from mmer_ros.types import Estimate, Transcript, UtterancePart
import numpy as np
import pytest

from ..fixtures.model import tiny_bundle, tiny_recognizer, TOLERANCE
from ..fixtures.stream import (
    arriving,
    BASE,
    blocks,
    camera,
    Event,
    feed,
    in_order,
    Loudness,
    track,
)

TURNS = {'kitchen': [(1.0, 2.7), (4.0, 5.0)], 'hall': [(0.6, 3.1), (4.4, 5.5)],
         'lab/left': [(1.3, 1.9), (3.2, 4.9)]}
WORDS = ('how are you', 'and yet it moves')


@cache
def parts_of(robot: str) -> tuple[UtterancePart, ...]:
    """Return what a segmenter makes of two utterances that a robot hears, sees and reads."""
    seed = list(TURNS).index(robot)
    sound = arriving(blocks(track(7.0, TURNS[robot], seed=seed), BASE))
    said = [Event(BASE + end, Transcript(BASE + end, f'{text} {robot}'))
            for (_, end), text in zip(TURNS[robot], WORDS)]
    images = camera(BASE, BASE + 7.0, rate=5.0, faces=((f'face of {robot}', 100.0),))
    segmenter = UtteranceSegmenter(SegmenterConfig(), Loudness())
    return tuple(feed(segmenter, in_order(sound, images, said)))


def sent(robot: str, session: int = 1) -> list[SentPart]:
    return [SentPart(robot, session, i, part) for i, part in enumerate(parts_of(robot))]


def by_turns() -> list[SentPart]:
    """Return the parts of all robots as they would come in, by capture time."""
    return sorted((s for robot in TURNS for s in sent(robot)), key=lambda s: s.part.end)


def alone(robot: str, recognizer: Recognizer | None = None, **options: Any) -> list[Estimate]:
    """Return what a single process estimates for a robot."""
    stream = DialogueStream(recognizer or tiny_recognizer(), **options)
    return [e for part in parts_of(robot) if (e := stream.push(part)) is not None]


def of(robot: str, found: Sequence[SourceEstimate]) -> list[Estimate]:
    return [one.estimate for one in found if one.source == robot]


def exact(estimates: Sequence[Estimate]) -> list[dict[str, Any]]:
    return [e.to_dict() | {'logits': e.logits.tolist()} for e in estimates]


@pytest.fixture
def estimator() -> Estimator:
    return Estimator(tiny_recognizer())


def kinds(estimator: Estimator) -> list[str]:
    return [event.kind for event in estimator.drain_events()]


@pytest.mark.slow
def test_one_after_another_each_robot_gets_what_it_would_alone_to_the_bit() -> None:
    estimator = Estimator(tiny_recognizer(), partial_rate=3.0)
    found = [e for one in by_turns() for e in estimator.push([one], 0.0)]
    for robot in TURNS:
        expected = alone(robot, partial_rate=3.0)
        assert exact(of(robot, found)) == exact(expected)
        assert sum(e.final for e in expected) == 2 and len(expected) > 4
    assert estimator.drain_events() == []


@pytest.mark.parametrize('together', [
    3, *(pytest.param(n, marks=pytest.mark.slow) for n in (8, 100))])
def test_together_they_give_the_same_but_for_rounding(together: int) -> None:
    estimator = Estimator(tiny_recognizer(), partial_rate=3.0, batch=16)
    parts, found = by_turns(), []
    for first in range(0, len(parts), together):
        found += estimator.push(parts[first:first + together], 0.0)
    for robot in TURNS:
        expected = alone(robot, partial_rate=3.0)
        mine = of(robot, found)
        assert [e.utterance_id for e in mine] == [e.utterance_id for e in expected]
        for one, other in zip(mine, expected):
            np.testing.assert_allclose(one.logits, other.logits, atol=TOLERANCE)
            assert one.modalities == other.modalities and one.transcript == other.transcript
            assert (one.stamp, one.start, one.end, one.final, one.face_id) == (
                other.stamp, other.start, other.end, other.final, other.face_id)


@pytest.mark.slow
def test_dialogues_are_apart(estimator: Estimator) -> None:
    found = estimator.push(by_turns(), 0.0)
    other = Estimator(tiny_recognizer()).push([
        replace(s, source='kitchen') for s in by_turns()], 0.0)
    assert exact(of('kitchen', found)) != exact(of('kitchen', other))
    estimator.push([replace(s, session=2) for s in sent('kitchen')], 0.0)
    again = estimator.push([replace(s, session=3) for s in sent('kitchen')], 0.0)
    assert exact(of('kitchen', again)) == exact(of('kitchen', found))  # a robot that began anew


def test_what_begins_a_new_dialogue_there_does_so_here() -> None:
    first, second = [list(p) for p in _halves(parts_of('hall'))]
    forgotten = [replace(part, dialogue=7) for part in second]
    stream = DialogueStream(tiny_recognizer())
    known = [stream.push(p) for p in first + second][-1]
    stream = DialogueStream(tiny_recognizer())
    new = [stream.push(p) for p in first + forgotten][-1]
    stream = DialogueStream(tiny_recognizer())
    only = [stream.push(p) for p in second][-1]
    assert known is not None and new is not None and only is not None
    assert exact([new]) == exact([only]) != exact([known])


def _halves(parts: Sequence[UtterancePart]) -> tuple[list[UtterancePart], list[UtterancePart]]:
    first = parts[0].utterance_id
    return ([p for p in parts if p.utterance_id == first],
            [p for p in parts if p.utterance_id != first])


def test_a_part_that_comes_again_or_late_is_left_out_and_told(estimator: Estimator) -> None:
    parts = sent('hall')
    disturbed = parts[:5] + [parts[4], parts[2]] + parts[5:]
    assert exact(of('hall', estimator.push(disturbed, 0.0))) == exact(alone('hall'))
    events = estimator.drain_events()
    assert [e.kind for e in events] == ['part_repeated'] * 2 and 'hall' in events[0].text
    assert estimator.sources['hall', 1].repeated == 2


def test_lost_parts_are_told_and_the_rest_still_counts(estimator: Estimator) -> None:
    parts = sent('hall')
    found = estimator.push(parts[:4] + parts[7:], 0.0)
    assert [e.final for e in of('hall', found)] == [True, True]
    assert exact(of('hall', found))[0] != exact(alone('hall'))[0]
    events = estimator.drain_events()
    assert {e.kind for e in events} == {'parts_lost', 'part_lost'}
    assert '3 of its parts were lost' in events[0].text
    assert estimator.sources['hall', 1].lost == 3


def test_the_first_part_that_is_heard_need_not_be_the_first(estimator: Estimator) -> None:
    first, second = _halves(parts_of('hall'))
    found = estimator.push(sent('hall')[len(first):], 0.0)
    stream = DialogueStream(tiny_recognizer())
    assert exact(of('hall', found)) == exact([e for p in second if (e := stream.push(p))])
    assert kinds(estimator) == ['parts_missed']


def test_parts_before_the_first_one_received_are_counted_and_reported(
        estimator: Estimator) -> None:
    parts = sent('hall')
    estimator.push(parts[4:], 0.0)
    source = estimator.sources['hall', 1]
    assert (source.missed, source.lost, source.received) == (4, 0, len(parts) - 4)
    events = estimator.drain_events()
    assert {e.kind for e in events} == {'parts_missed', 'part_lost'}
    assert '4 of its parts were sent before the first one received' in events[0].text


def test_parts_that_are_sent_while_the_estimator_is_away_are_not_lost(
        estimator: Estimator) -> None:
    parts = sent('hall')
    half = 1 + next(i for i, s in enumerate(parts) if s.part.last)
    estimator.push(parts[:3], 0.0)
    assert len(estimator.leave()) == 1
    estimator.drain_events()
    assert len(estimator.push(parts[half:], 9.0)) == 1
    source = estimator.sources['hall', 1]
    assert (source.missed, source.lost) == (half - 3, 0) and kinds(estimator) == []


def test_an_utterance_whose_end_was_lost_ends_with_the_next(estimator: Estimator) -> None:
    first, _ = _halves(parts_of('hall'))
    parts = sent('hall')
    found = of('hall', estimator.push(parts[:len(first) - 1] + parts[len(first):], 0.0))
    assert [(e.utterance_id, e.final) for e in found] == [
        (p, True) for p in dict.fromkeys(p.utterance_id for p in parts_of('hall'))]
    assert found[0].end == first[-2].end
    assert set(kinds(estimator)) == {'parts_lost', 'end_lost'}


def test_or_when_nothing_comes_for_a_while_and_what_comes_then_revises_it(
        estimator: Estimator) -> None:
    first, _ = _halves(parts_of('hall'))
    parts = sent('hall')
    assert estimator.push(parts[:8], 10.0) == []
    assert estimator.advance(14.0) == []
    (cut,) = of('hall', estimator.advance(16.0))
    assert cut.final and cut.revision == 0 and cut.end == parts[7].part.end
    assert kinds(estimator) == ['end_lost'] and estimator.advance(99.0) == []
    late = of('hall', estimator.push(parts[8:], 30.0))
    assert [(e.utterance_id, e.revision) for e in late] == [
        (cut.utterance_id, 1), (parts[-1].part.utterance_id, 0)]
    np.testing.assert_array_equal(late[0].logits, alone('hall')[0].logits)
    assert kinds(estimator) == []


def test_another_robot_that_talks_on_keeps_no_utterance_open(estimator: Estimator) -> None:
    estimator.push(sent('hall')[:8], 0.0)
    found = estimator.push(sent('kitchen')[:1], 6.0)
    assert [one.source for one in found] == ['hall']


@pytest.mark.slow
def test_two_robots_of_one_name_are_told_but_not_mixed(estimator: Estimator) -> None:
    disguised = [replace(s, source='kitchen', session=9) for s in sent('hall')]
    both = sorted(sent('kitchen') + disguised, key=lambda s: s.part.end)
    found = of('kitchen', estimator.push(both, 0.0))
    for robot in ('kitchen', 'hall'):
        words = f'{WORDS[1]} {robot}'
        assert exact([e for e in found if e.transcript == words]) == exact(
            [e for e in alone(robot) if e.transcript == words])
    events = estimator.drain_events()
    assert [e.kind for e in events] == ['source_twice'] and 'source' in events[0].text


@pytest.mark.slow
def test_a_bundle_is_changed_between_utterances_of_each_robot() -> None:
    old, new = Recognizer(tiny_bundle(1)), Recognizer(tiny_bundle(2))
    for batch in (1, 8):
        estimator = Estimator(old, batch=batch)
        parts = by_turns()
        half = next(i for i, s in enumerate(parts) if s.part.end > BASE + 2.0)
        found = estimator.push(parts[:half], 0.0)
        estimator.change_recognizer(new)
        found += estimator.push(parts[half:], 0.0)
        for robot in TURNS:
            mine = of(robot, found)
            expected = [alone(robot, old)[0], alone(robot, new)[1]]
            for one, other in zip(mine, expected):
                assert one.bundle_hash == other.bundle_hash
                np.testing.assert_allclose(one.logits, other.logits, atol=TOLERANCE)


def test_histories_are_forgotten_when_asked(estimator: Estimator) -> None:
    first, second = _halves(parts_of('hall'))
    parts = sent('hall')
    estimator.push(parts[:len(first)], 0.0)
    estimator.reset_history()
    (estimate,) = of('hall', estimator.push(parts[len(first):], 0.0))
    stream = DialogueStream(tiny_recognizer())
    assert exact([estimate]) == exact([e for p in second if (e := stream.push(p))])


def test_those_silent_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch,
                                            estimator: Estimator) -> None:
    monkeypatch.setattr('mmer_ros.recognition.multi_robot.SOURCES', 2)
    for robot in ('a', 'b', 'c'):
        estimator.push([replace(sent('hall')[0], source=robot)], 0.0)
    assert [name for name, _ in estimator.sources] == ['b', 'c']
