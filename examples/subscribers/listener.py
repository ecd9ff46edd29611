# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Print the final estimates of which the model is sure: python3 listener.py [--ros-args ...].

Needs only rclpy and mmer_msgs, not mmer_ros.
"""

from mmer_msgs.msg import EmotionEstimate
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node

MODALITIES = ((EmotionEstimate.MODALITY_TEXT, 'words'),
              (EmotionEstimate.MODALITY_AUDIO, 'voice'),
              (EmotionEstimate.MODALITY_FACE, 'face'))


class Listener(Node):
    """Subscribes to `emotion`, relative to its namespace."""

    def __init__(self) -> None:
        """Declare the parameter and subscribe."""
        super().__init__('listener')
        self._limit = self.declare_parameter('min_confidence', 0.6).value
        # The publisher is reliable with a depth of 10; so is this.
        self.create_subscription(EmotionEstimate, 'emotion', self._take, 10)

    def _take(self, estimate: EmotionEstimate) -> None:
        """Print an estimate that is worth acting on."""
        if not (estimate.final and estimate.trained and estimate.confidence >= self._limit):
            return
        who = estimate.person_id or estimate.voice_id or estimate.face_id or 'somebody'
        evidence = ', '.join(name for bit, name in MODALITIES if estimate.modalities & bit)
        self.get_logger().info(
            f'{who}: {estimate.label} {estimate.confidence:.0%}, from {evidence}')


def main() -> None:
    """Listen until Ctrl-C."""
    rclpy.init()
    try:
        rclpy.spin(Listener())
    except (KeyboardInterrupt, ExternalShutdownException):
        pass


if __name__ == '__main__':
    main()
