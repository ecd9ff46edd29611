# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The debug image: the camera image with faces, speaker and estimate drawn on it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.outputs.publishing import publish_message
from mmer_ros.report.overlay import draw, Scene
from mmer_ros.types import Estimate, FaceCrop, People, VideoFrame
import numpy as np
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image

TOPIC = '~/debug_image'


class DebugImage:
    """
    Publish each image in which faces were detected, while somebody subscribes.

    :param frame_id: returns the frame of the camera.
    """

    def __init__(self, node: LifecycleNode, frame_id: Callable[[], str]) -> None:
        self._node = node
        self._frame_id = frame_id
        self._latest: Estimate | None = None
        self._expressions: dict[str, Estimate] = {}
        self._publisher = node.create_publisher(Image, TOPIC, 1)

    def update_estimate(self, estimate: Estimate) -> None:
        """Draw this estimate on the following images."""
        self._latest = estimate

    def update_people(self, people: People) -> None:
        """Draw these expressions on the following images."""
        self._expressions = {one.face_id: one.estimate for one in people.people}

    @property
    def is_subscribed(self) -> bool:
        """Whether the topic has a subscriber."""
        return bool(self._publisher.get_subscription_count())

    def publish(self, frame: VideoFrame, crops: Sequence[FaceCrop], *, speaking: bool,
                speaker: str) -> None:
        """
        Publish an image.

        :param speaker: id of the speaker's face, '' if unknown.
        """
        if not self.is_subscribed:
            return
        drawn = draw(frame.image, Scene(
            crops, speaker, speaking, self._latest, self._expressions))
        height, width = drawn.shape[:2]
        message = Image(height=height, width=width, encoding='rgb8', step=3 * width)
        message.header.stamp = to_time(frame.stamp)
        message.header.frame_id = self._frame_id()
        message.data = np.ascontiguousarray(drawn).tobytes()
        publish_message(self._node, self._publisher, message)

    def close(self) -> None:
        """Remove the topic."""
        self._node.destroy_publisher(self._publisher)
