"""The camera's image with what was found in it; only where it is allowed and looked at."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.outputs.sending import send
from mmer_ros.report.overlay import draw, Scene
from mmer_ros.types import Estimate, FaceCrop, VideoFrame
import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

TOPIC = '~/debug_image'


class DebugImage:
    """
    Publish each image that was looked at, as long as somebody subscribes.

    :param frame_id: returns that of the camera.
    """

    def __init__(self, node: LifecycleNode, frame_id: Callable[[], str]) -> None:
        """Start with nothing estimated."""
        self._node = node
        self._frame_id = frame_id
        self._latest: Estimate | None = None
        self._publisher = node.create_publisher(Image, TOPIC, 1)

    def take(self, estimate: Estimate) -> None:
        """Remember an estimate."""
        self._latest = estimate

    def show(self, frame: VideoFrame, crops: Sequence[FaceCrop], *, speaking: bool,
             speaker: str) -> None:
        """
        Publish an image.

        :param speaker: id of the face that speaks, '' if not known.
        """
        if not self._publisher.get_subscription_count():
            return
        drawn = draw(frame.image, Scene(crops, speaker, speaking, self._latest))
        height, width = drawn.shape[:2]
        message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
        message.header.stamp = to_time(frame.stamp)
        message.header.frame_id = self._frame_id()
        message.data = np.ascontiguousarray(drawn).tobytes()
        send(self._node, self._publisher, message)

    def close(self) -> None:
        """Remove the topic."""
        self._node.destroy_publisher(self._publisher)
