# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Two machines in a network of namespaces that loses frames: what arrives, and what it costs."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.ros, pytest.mark.slow]
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from tools.bench_wifi import measure
from tools.links import Link, network


def test_on_a_slow_link_that_loses_five_percent_every_estimate_is_right() -> None:
    try:
        with network({'robot': Link(), 'desk': Link()}):
            pass
    except RuntimeError as error:
        pytest.skip(str(error))
    outcome = measure(Link(loss=0.05, rate=1e6), utterances=3)
    for name, answers in outcome.answers.items():
        assert answers.expected == len(answers.late_s) == 3, (name, outcome)
        assert answers.wrong == 0, (name, outcome)
    assert outcome.sent < 1.6 * outcome.payload, outcome  # with discovery, for a short run
