# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The time line of one input, and whether it still comes."""

from __future__ import annotations

from mmer_ros.sensing.time_line import Order, Presence, TimeLine
import numpy as np
import pytest

NEXT, LATE, JUMP_BACK = Order.NEXT, Order.LATE, Order.JUMP_BACK


def orders(stamps: list[float]) -> list[Order]:
    line = TimeLine()
    return [line.push(stamp) for stamp in stamps]


def test_stamps_that_rise_or_stay_are_in_order() -> None:
    assert orders([1.0, 1.0, 1.5, 9.0]) == 4 * [NEXT]


@pytest.mark.parametrize('behind', [0.01, 0.9, 1.1, 2.0, 3600.0])
def test_a_single_message_behind_the_others_is_late(behind: float) -> None:
    assert orders([5000.0, 5000.1, 5000.1 - behind, 5000.2]) == [NEXT, NEXT, LATE, NEXT]


def test_messages_behind_the_others_that_do_not_go_on_from_each_other_are_late() -> None:
    assert orders([100.0, 90.0, 80.0, 70.0, 60.0]) == [NEXT, LATE, LATE, LATE, LATE]


def test_an_input_that_goes_on_from_an_earlier_time_has_jumped_back() -> None:
    assert orders([60.0, 60.1, 1.0, 1.1, 1.2, 1.3]) == [NEXT, NEXT, LATE, LATE, JUMP_BACK, NEXT]


def test_one_message_of_the_old_time_puts_the_jump_off() -> None:
    assert orders([60.0, 1.0, 1.1, 60.1, 1.2, 1.3, 1.4]) == [
        NEXT, LATE, LATE, NEXT, LATE, LATE, JUMP_BACK]


def test_an_expected_jump_needs_no_second_message() -> None:
    line = TimeLine()
    line.push(60.0)
    line.expect_jump()
    assert [line.push(stamp) for stamp in (59.9, 60.1)] == [LATE, NEXT]
    line.expect_jump()
    assert [line.push(stamp) for stamp in (1.0, 1.1)] == [JUMP_BACK, NEXT]


def test_asking_changes_nothing() -> None:
    line = TimeLine()
    line.push(60.0)
    assert [line.order(1.0 + 0.1 * i) for i in range(5)] == 5 * [LATE]
    assert line.push(60.1) is NEXT


# ------------------------------------------------------------------------------- presence


def times(start: float, end: float, step: float) -> list[float]:
    return [float(t) for t in np.arange(start, end + 1e-9, step)]


def present(until: float = 10.0) -> Presence:
    """Return a microphone and a camera that both came until then."""
    presence = Presence(1.0, 6.0)
    for moment in times(0.0, until, 0.1):
        presence.other_arrived(moment)
        presence.arrived(moment)
    return presence


def test_what_never_came_is_absent() -> None:
    presence = Presence(1.0, 6.0)
    assert presence.absent
    presence.other_arrived(1.0)
    assert presence.absent
    presence.arrived(1.0)
    assert not presence.absent


def test_what_has_not_come_yet_may_still_begin_for_a_while() -> None:
    presence = Presence(1.0, 6.0)
    presence.other_arrived(10.0)
    assert presence.absent and presence.may_begin
    for moment in times(10.0, 11.2, 0.2):
        presence.idle(moment)
    assert presence.absent and not presence.may_begin
    unknown = Presence(1.0, 6.0)
    unknown.other_arrived(None)
    assert unknown.absent and not unknown.may_begin


def test_it_is_absent_when_the_others_go_on_without_it() -> None:
    presence = present()
    for moment in times(10.0, 11.0, 0.1):
        presence.other_arrived(moment)
        assert not presence.absent
    presence.other_arrived(11.1)
    assert presence.absent
    presence.arrived(20.0)
    assert not presence.absent


def test_alone_it_is_absent_when_time_passes_without_it() -> None:
    presence = Presence(1.0, 6.0)
    presence.arrived(10.0)
    for moment in times(10.0, 11.0, 0.2):
        presence.idle(moment)
        assert not presence.absent
    presence.idle(11.2)
    assert presence.absent


def test_when_all_fall_silent_together_it_is_waited_for_longer() -> None:
    presence = present()
    for moment in times(10.0, 15.8, 0.2):
        presence.idle(moment)
    assert not presence.absent
    for moment in times(16.0, 16.4, 0.2):
        presence.idle(moment)
    assert presence.absent


@pytest.mark.parametrize('pause', [1.5, 5.0, 3600.0])
def test_time_in_which_the_process_stood_still_does_not_count(pause: float) -> None:
    presence = present()
    for moment in times(10.0 + pause, 10.3 + pause, 0.1):
        presence.other_arrived(moment)
        presence.idle(moment)
    assert not presence.absent


def test_after_it_stood_still_what_was_lost_may_take_seconds_to_be_sent_again() -> None:
    presence = present()
    for moment in times(15.0, 20.0, 0.1):  # the other input is there again at once
        presence.other_arrived(moment)
    assert not presence.absent
    for moment in times(20.1, 22.5, 0.1):
        presence.other_arrived(moment)
    assert presence.absent


def test_without_times_of_arrival_only_idle_time_counts() -> None:
    presence = Presence(1.0, 6.0)
    presence.arrived(None)
    for _ in range(1000):
        presence.other_arrived(None)
    assert not presence.absent
    for moment in times(0.0, 1.2, 0.2):
        presence.idle(moment)
    assert presence.absent


def test_a_clock_of_arrivals_that_jumps_back_is_followed() -> None:
    presence = present(100.0)
    for moment in times(5.0, 6.2, 0.1):
        presence.other_arrived(moment)
    assert presence.absent
