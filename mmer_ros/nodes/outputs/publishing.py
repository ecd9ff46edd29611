# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Publication of messages and estimates."""

from __future__ import annotations

from typing import Any

from mmer_msgs.msg import EmotionEstimate
from mmer_ros.nodes.conversions import to_estimate_message
from mmer_ros.types import Estimate
from rclpy.lifecycle import LifecycleNode
from rclpy.node import Node


def publish_message(node: Node, publisher: Any, message: Any) -> None:
    """
    Publish a message from a thread that may outlive the ROS context by a moment.

    :raises Exception: from rclpy, unless ROS is shutting down.
    """
    try:
        if node.context.ok():
            publisher.publish(message)
    except Exception:  # rclpy has no exception class for an invalid context
        if node.context.ok():
            raise


class EstimatePublisher:
    """
    Publish estimates on a topic.

    :param managed: publish only while the node is active. A topic that is created later than
        the transition to configure cannot be managed.
    """

    def __init__(self, node: LifecycleNode, topic: str, *, managed: bool = True) -> None:
        self._node = node
        self._managed = managed
        create = node.create_lifecycle_publisher if managed else node.create_publisher
        self._publisher: Any = create(EmotionEstimate, topic, 10)

    def publish(self, estimate: Estimate, *, latency: float, frame_id: str) -> None:
        """
        Publish an estimate.

        :param latency: from the capture of the last evidence to now, seconds.
        :param frame_id: of the camera, else of the microphone.
        """
        publish_transcript = self._node.get_parameter('publish_transcript').value
        publish_message(self._node, self._publisher, to_estimate_message(
            estimate, latency=latency, frame_id=frame_id, publish_transcript=publish_transcript))

    def close(self) -> None:
        """Remove the topic."""
        if self._managed:
            self._node.destroy_lifecycle_publisher(self._publisher)
        else:
            self._node.destroy_publisher(self._publisher)
