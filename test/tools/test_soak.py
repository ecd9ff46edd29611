# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A long time, faster than it passes: the memory of the node stays what it was."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from tools.soak import ALLOWED, growth, LEAD_S, Minute, Pace, SAMPLE, soak, Stream

from ..fixtures.node import tiny

MINUTES = 8  # `make soak` takes half an hour


def minutes(*memory_mb: float) -> list[Minute]:
    return [Minute(i, i, mb, i) for i, mb in enumerate(memory_mb)]


def test_growth_is_told_from_warming_up() -> None:
    assert growth(minutes(500, 900, 950, 950, *[1000] * 6)) == pytest.approx(0.0526, abs=1e-3)
    assert growth(minutes(500, 700, *[1000] * 8)) == pytest.approx(0)
    assert growth(minutes(*range(1000, 1200, 20))) > 0.1


def test_the_stream_goes_on_in_real_time_while_nothing_is_estimated() -> None:
    pace = Pace(100.0, patience_s=0.5)
    assert pace.wait(100.0 + LEAD_S)
    assert pace.wait(100.2 + LEAD_S)  # 0.2 s later
    pace.estimated(150.0)
    assert pace.wait(150.0 + LEAD_S)
    assert not pace.wait(160.0 + LEAD_S)


def test_times_of_estimates_are_compared_with_the_utterances_of_the_stream() -> None:
    stream = Stream(SAMPLE, 0.25)
    start, end = stream.start + 1.06, stream.start + 3.5  # of the first utterance
    for turn in (0, 1, 40):
        shift = turn * stream.length
        assert stream.has_utterance(start + shift, end + shift)
        assert not stream.has_utterance(start + shift + 2.0, end + shift + 2.0)
        assert not stream.has_utterance(start + shift, end + shift + 5.0)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_stream_needs_no_more_memory_than_its_beginning(tmp_path: Path) -> None:
    measured = soak(MINUTES, tmp_path, bundle=tiny(tmp_path), image_rate=0.25)
    assert [m.minute for m in measured] == list(range(1, MINUTES + 1))
    assert growth(measured) < ALLOWED
    assert measured[-1].misdated == 0
    finals = [m.finals for m in measured]
    assert finals == sorted(finals)
    assert 12 * MINUTES < finals[-1] < 20 * MINUTES  # 10 utterances in 41 s, again and again
    assert 'internal error' not in (tmp_path / 'node.log').read_text()
