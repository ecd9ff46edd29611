# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The present in terms of the stamps, when these come from another clock."""

from __future__ import annotations

from mmer_ros.sensing.stream_clock import AUDIO, StreamClock, when_spoken
import pytest

NOW = 1_700_000_000.0  # by the clock of arrivals
THEN = 1_600_000_000.0  # when the recording that is played was made


def playing(until: float = 5.0) -> StreamClock:
    """Return the clock after so many seconds of a recording."""
    clock = StreamClock()
    for tenth in range(round(10 * until) + 1):
        clock.saw('image', THEN + tenth / 10, NOW + tenth / 10)
        clock.saw(AUDIO, THEN + tenth / 10, NOW + tenth / 10)
    return clock


def test_it_is_the_clock_of_arrivals_if_the_stamps_are_near() -> None:
    clock = StreamClock()
    assert clock.now(NOW) == NOW
    clock.saw(AUDIO, NOW - 3.0, NOW)
    assert clock.now(NOW) == NOW and clock.apart == 0.0


def test_it_goes_on_from_the_stamps_if_they_are_far() -> None:
    clock = playing()
    assert clock.now(NOW + 5.5) == pytest.approx(THEN + 5.5)
    assert clock.apart == pytest.approx(NOW - THEN)


@pytest.mark.parametrize('behind', [0.5, 2.0, 10.5, 60.0, 1e6])
@pytest.mark.parametrize('name', ['image', AUDIO])
def test_a_message_that_is_late_does_not_pull_it_back(name: str, behind: float) -> None:
    clock = playing()
    clock.saw(name, THEN + 5.0 - behind, NOW + 5.1)
    assert clock.now(NOW + 5.2) == pytest.approx(THEN + 5.2)


def test_a_camera_with_another_clock_does_not_move_it() -> None:
    clock = playing()
    for tenth in range(100):
        clock.saw(AUDIO, THEN + 5 + tenth / 10, NOW + 5 + tenth / 10)
        clock.saw('image', tenth / 10, NOW + 5 + tenth / 10)
        assert clock.now(NOW + 5 + tenth / 10) == pytest.approx(THEN + 5 + tenth / 10)


def test_it_jumps_back_with_the_audio_when_a_recording_begins_again() -> None:
    clock = playing(30.0)
    for tenth in range(5):
        clock.saw(AUDIO, THEN + tenth / 10, NOW + 30.1 + tenth / 10)
    assert clock.now(NOW + 30.6) == pytest.approx(THEN + 0.5)


def test_words_are_of_their_own_time_if_it_may_be_right() -> None:
    assert when_spoken(NOW - 2.0, NOW) == NOW - 2.0
    assert when_spoken(NOW + 2.0, NOW) == NOW  # they cannot come before they are spoken
    assert when_spoken(12.0, NOW) == NOW
