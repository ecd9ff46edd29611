# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The example of a subscriber, as a process of its own, over real DDS."""

from __future__ import annotations

from pathlib import Path
import signal
import subprocess
import sys

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import EmotionEstimate

from ..fixtures.domains import use_own_domain
from ..fixtures.ros import eventually

LISTENER = Path(__file__).parents[2] / 'examples' / 'subscribers' / 'listener.py'


def test_it_prints_the_final_estimates_that_are_sure(
        monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_own_domain(monkeypatch)
    context = rclpy.Context()
    context.init()
    node = rclpy.create_node('sender', context=context)
    publisher = node.create_publisher(EmotionEstimate, '/robot/emotion', 10)
    with (tmp_path / 'log').open('w') as log, subprocess.Popen(
            [sys.executable, LISTENER, '--ros-args', '-r', '__ns:=/robot',
             '-p', 'min_confidence:=0.5'], stdout=log, stderr=subprocess.STDOUT) as process:
        try:
            assert eventually(lambda: publisher.get_subscription_count() == 1, 60.0)
            sure = {'label': 'joy', 'final': True, 'trained': True, 'confidence': 0.84,
                    'modalities': 5}
            for fields in ({**sure, 'final': False}, {**sure, 'confidence': 0.4},
                           {**sure, 'trained': False}, {**sure, 'face_id': 'face1'},
                           {**sure, 'label': 'anger'}):
                publisher.publish(EmotionEstimate(**fields))
            read = (tmp_path / 'log').read_text
            assert eventually(lambda: 'anger' in read(), 60.0), read()
            said = [line.rpartition(']: ')[2] for line in read().splitlines()]
            assert said == ['face1: joy 84%, from words, face',
                            'somebody: anger 84%, from words, face']
        finally:
            process.send_signal(signal.SIGINT)
            context.try_shutdown()
        assert process.wait(30) == 0
