# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the log says of faults: once when they begin, once when they are over."""

from __future__ import annotations

from mmer_ros.nodes.event_log import EventLog
import pytest


class Said:
    """A log with a clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.warned: list[str] = []
        self.informed: list[str] = []
        self.log = EventLog(self.warned.append, self.informed.append, 10.0, lambda: self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.log.tick()


@pytest.fixture
def said() -> Said:
    return Said()


def test_a_fault_that_goes_on_is_said_once_and_its_end_once(said: Said) -> None:
    for _ in range(50):
        said.log.report('gap', 'audio: 0.1 s is missing')
        said.wait(1.0)
    assert said.warned == ['audio: 0.1 s is missing'] and said.informed == []
    assert 'gap' in said.log.current
    said.wait(9.0)
    said.wait(1.0)
    assert said.informed == ['cleared after 50 occurrences in 49 s: audio: 0.1 s is missing']
    said.wait(100.0)
    assert len(said.informed) == 1 and said.log.current == {}
    assert said.log.counts == {'gap': 50}


def test_a_fault_that_comes_again_is_said_again(said: Said) -> None:
    for _ in range(2):
        said.log.report('gap', 'a gap', times=3)
        said.wait(11.0)
    assert said.warned == ['a gap'] * 2 and len(said.informed) == 2
    assert said.log.counts == {'gap': 6}


def test_what_happened_once_has_no_end(said: Said) -> None:
    said.log.report('jump', 'a jump')
    said.wait(11.0)
    assert said.warned == ['a jump'] and said.informed == []


def test_what_is_held_lasts_until_it_is_cleared(said: Said) -> None:
    for _ in range(30):
        said.log.hold('silent', f'nothing for {said.now} s')
        said.wait(1.0)
    assert said.warned == ['nothing for 100.0 s'] and said.informed == []
    said.log.clear('silent')
    said.log.clear('silent')
    assert said.informed == ['cleared after 30 s: nothing for 100.0 s']
    assert said.log.counts == {}


def test_faults_of_different_kinds_do_not_hide_each_other(said: Said) -> None:
    said.log.report('one', 'first')
    said.log.report('other', 'second')
    assert said.warned == ['first', 'second']


def test_the_first_fault_of_a_kind_does_not_hide_another_one(said: Said) -> None:
    for size in range(50):
        said.log.report('image', f'image: {size} bytes; expected 100')
        said.log.report('image', 'image: encoding yuv9 is unknown')
    assert said.warned == ['image: 0 bytes; expected 100', 'image: encoding yuv9 is unknown']
    assert said.log.counts == {'image': 100}
    said.wait(11.0)
    assert len(said.informed) == 1  # one end for the kind
    said.log.hold('unusable', 'nothing for 3 s: black')
    said.log.hold('unusable', 'nothing for 4 s: black')
    said.log.hold('unusable', 'nothing for 5.5 s: one colour')
    assert said.warned[2:] == ['nothing for 3 s: black', 'nothing for 5.5 s: one colour']


def test_a_sender_that_invents_faults_does_not_fill_the_log(said: Said) -> None:
    for letter in 'abcdefghijklmnopqrstuvwxyz' * 10:
        said.log.report('image', f'image: encoding {letter} is unknown')
    assert len(said.warned) == 10 and said.log.counts == {'image': 260}


def test_gaps_are_summed(said: Said) -> None:
    for seconds in (0.1, 4.0, 0.25):
        said.log.report('audio_gap', f'audio: {seconds} s is missing', seconds=seconds)
        said.wait(1.0)
    said.wait(11.0)
    assert said.warned == ['audio: 0.1 s is missing']
    assert said.informed == [
        'cleared after 3 occurrences in 2 s, 4.35 s in all: audio: 0.1 s is missing']
