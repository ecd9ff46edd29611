# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The player publishes a recording as it was recorded, with its time on /clock."""

from __future__ import annotations

from pathlib import Path

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import AudioChunk
from mmer_ros.nodes.conversions import to_seconds
from mmer_ros.nodes.tools.playback import play, spinning, watching
from mmer_ros.recordings.recording import Recording
from rosgraph_msgs.msg import Clock

from ..fixtures.domains import use_own_domain
from ..fixtures.replay import rewrite, SOUND
from ..fixtures.ros import eventually


def test_messages_come_in_order_and_the_clock_goes_on_to_the_end(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_domain(monkeypatch)
    context = rclpy.Context()
    context.init()
    listener = rclpy.create_node('listener', context=context)
    stamps: list[float] = []
    times: list[float] = []
    listener.create_subscription(
        AudioChunk, SOUND, lambda m: stamps.append(to_seconds(m.header.stamp)), 100)
    listener.create_subscription(Clock, '/clock', lambda m: times.append(to_seconds(m.clock)), 100)
    with spinning(context, listener), watching('emotion', lambda row: None) as watcher, Recording(
            rewrite(tmp_path / 'talk')) as recording:
        assert play(watcher, recording, [SOUND], rate=20.0, tail_s=1.0)
        expected = [to_seconds(recording.decode(m).header.stamp)
                    for m in recording.messages({SOUND})]
        assert eventually(lambda: len(stamps) == len(expected))
        assert eventually(lambda: times[-1] >= recording.end + 1.0 - 1e-3)
    assert stamps == expected
    assert times == sorted(times) and times[0] >= recording.start
