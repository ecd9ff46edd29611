# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Play a recording at its own rate where `ros2 bag play` is not installed."""

from __future__ import annotations

import argparse
from pathlib import Path
import sys
import time
from typing import Any

from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.inputs.message_types import load_type, MissingType
from mmer_ros.recordings.recording import Recording
from mmer_ros.types import InvalidInput
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.utilities import remove_ros_args
from rosgraph_msgs.msg import Clock

CLOCK_PERIOD_S = 0.01


class Player:
    """
    Publish recorded messages with their pauses, and the time of the recording on /clock.

    :param rate: speed; 1 is real time, 2 is twice as fast.
    """

    def __init__(self, node: Node, recording: Recording, rate: float = 1.0) -> None:
        self._node = node
        self._recording = recording
        self._rate = rate
        self._clock = node.create_publisher(Clock, '/clock', 10)
        self.publishers: dict[str, Any] = {}
        qos = QoSProfile(depth=100, reliability=ReliabilityPolicy.RELIABLE)
        for topic, name in recording.topics.items():
            try:
                self.publishers[topic] = node.create_publisher(load_type(name), topic, qos)
            except MissingType as error:
                node.get_logger().warning(f'{topic} is not played: {error}')

    def wait(self, topics: list[str], timeout_s: float) -> bool:
        """Wait until each of the topics has a subscriber; False after the timeout."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if all(self.publishers[t].get_subscription_count() for t in topics):
                return True
            time.sleep(0.02)
        return False

    def play(self, tail_s: float = 0.0) -> None:
        """
        Play to the end.

        :param tail_s: /clock continues this long after the last message, seconds.
        """
        begin = time.monotonic()
        start = self._recording.start
        for recorded in self._recording.messages():
            self._sleep_until(recorded.time, begin, start)
            publisher = self.publishers.get(recorded.topic)
            if publisher is not None:
                publisher.publish(recorded.data)
        self._sleep_until(self._recording.end + tail_s, begin, start)

    def _sleep_until(self, moment: float, begin: float, start: float) -> None:
        """Wait for a time of the recording, and publish /clock meanwhile."""
        while True:
            now = start + (time.monotonic() - begin) * self._rate
            self._clock.publish(Clock(clock=to_time(min(now, moment))))
            if now >= moment:
                return
            time.sleep(min(CLOCK_PERIOD_S, (moment - now) / self._rate))


def main(arguments: list[str] | None = None) -> int:
    """Play a recording; the exit code is 0 if it reached its end."""
    parser = argparse.ArgumentParser(prog='play', description=__doc__)
    parser.add_argument('recording', type=Path)
    parser.add_argument('--rate', type=float, default=1.0, help='speed; 1 is real time')
    parser.add_argument('--tail', type=float, default=3.0, help=(
        'seconds that /clock continues after the end'))
    parser.add_argument('--wait', type=float, default=0.0, metavar='SECONDS', help=(
        'longest time to wait for a subscriber of each topic'))
    options = parser.parse_args(remove_ros_args(arguments or sys.argv)[1:])
    rclpy.init(args=arguments)
    node = rclpy.create_node('player')
    try:
        with Recording(options.recording) as recording:
            player = Player(node, recording, options.rate)
            if options.wait and not player.wait(list(recording.topics), options.wait):
                node.get_logger().error('a topic of the recording has no subscriber')
                return 1
            player.play(options.tail)
        return 0
    except InvalidInput as error:
        node.get_logger().error(str(error))
        return 2
    except (KeyboardInterrupt, ExternalShutdownException):
        return 130
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    sys.exit(main())
