# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""How long messages were on the way, and which of them are too old."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes.runtime.transit import BACKLOG_S, SENDERS, Transit

NOW = 1.8e9  # seconds since 1970


def message(utterance: str) -> SimpleNamespace:
    return SimpleNamespace(source='hall', session=1, utterance_id=utterance)


def started(since: float) -> Transit:
    transit = Transit(since)
    transit.begin(NOW)
    return transit


@pytest.mark.parametrize('apart', [-50.0, 0.0, 3600.0])
def test_a_delay_is_that_beyond_the_fastest_whatever_the_clocks_say(apart: float) -> None:
    transit = started(math.inf)
    seconds = [transit.measure('hall', NOW + 10 + i + apart, NOW + 10 + i + 0.01 + late)
               for i, late in enumerate((0.5, 0.0, 2.0, 0.0))]
    assert seconds == pytest.approx([0.0, 0.0, 2.0, 0.0], abs=1e-3)


def test_clocks_may_drift_apart() -> None:
    transit = started(math.inf)
    seconds = [transit.measure('hall', NOW + 10 + t, NOW + 10 + t * (1 + 5e-5))
               for t in range(0, 36_000, 60)]
    assert max(seconds) < 0.01


def test_what_was_kept_is_not_measured() -> None:
    assert started(NOW - 10).measure('hall', NOW - 5, NOW + 0.1) is None


def test_utterances_that_began_before_are_old_and_those_since_are_not() -> None:
    transit = started(NOW - 10)
    arrivals = [('a', -12.0), ('a', -9.0), ('b', -8.0), ('b', -1.0), ('c', 0.5)]
    assert [transit.is_old(message(name), NOW + sent, NOW + 0.6) for name, sent in arrivals] == [
        True, True, False, False, False]


def test_after_a_pause_all_that_was_kept_is_old() -> None:
    transit = started(math.inf)
    assert transit.is_old(message('a'), NOW - 0.1, NOW + 0.1)
    assert not transit.is_old(message('b'), NOW + 0.1, NOW + 0.2)


def test_a_clock_that_is_hours_behind_costs_no_more_than_the_backlog() -> None:
    transit = started(NOW - 10)
    late = NOW + BACKLOG_S + 0.1
    assert not transit.is_old(message('a'), late - 7200, late)


def test_senders_are_forgotten() -> None:
    transit = started(math.inf)
    for number in range(3 * SENDERS):
        transit.measure(number, NOW + 10, NOW + 10)
    assert len(transit._fastest) == SENDERS
