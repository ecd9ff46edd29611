"""The estimates, on the topic that the parameters name."""

from __future__ import annotations

from typing import Any

from mmer_msgs.msg import EmotionEstimate
from mmer_ros.nodes.conversions import to_message
from mmer_ros.nodes.outputs.sending import send
from mmer_ros.types import Estimate
from rclpy.lifecycle import LifecycleNode


class Estimates:
    """
    Publish each estimate.

    :param topic: where.
    :param managed: only while the node is active; a topic that comes up later cannot be.
    """

    def __init__(self, node: LifecycleNode, topic: str, *, managed: bool = True) -> None:
        """Create the publisher."""
        self._node = node
        self._managed = managed
        create = node.create_lifecycle_publisher if managed else node.create_publisher
        self._publisher: Any = create(EmotionEstimate, topic, 10)

    def take(self, estimate: Estimate, *, latency: float, frame_id: str) -> None:
        """
        Publish an estimate.

        :param latency: from the capture of the last evidence to now, seconds.
        :param frame_id: of the camera, else the microphone.
        """
        publish_transcript = self._node.get_parameter('publish_transcript').value
        send(self._node, self._publisher, to_message(
            estimate, latency=latency, frame_id=frame_id, publish_transcript=publish_transcript))

    def close(self) -> None:
        """Remove the topic."""
        if self._managed:
            self._node.destroy_lifecycle_publisher(self._publisher)
        else:
            self._node.destroy_publisher(self._publisher)
