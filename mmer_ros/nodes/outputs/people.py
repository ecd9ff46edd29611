# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""Everybody in view, on ~/people: one message with all faces, apart from the utterances."""

from __future__ import annotations

from typing import Any

from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.inputs.message_types import load_type, MissingType
from mmer_ros.nodes.outputs.publishing import publish_message
from mmer_ros.types import People, PersonInView
import numpy as np
from rclpy.lifecycle import LifecycleNode

TOPIC = '~/people'
COPIED = ('face_id', 'person_id', 'emotion', 'label', 'confidence', 'calibrated', 'trained',
          'valence', 'arousal')  # of the estimate


class PeoplePublisher:
    """
    Publish people; created when the node is configured.

    :raises MissingType: if mmer_msgs was built before it had the message.
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._type = load_type('mmer_msgs/msg/People')
        self._person_type = load_type('mmer_msgs/msg/PersonInView')
        self._publisher: Any = node.create_lifecycle_publisher(self._type, TOPIC, 10)

    @property
    def is_subscribed(self) -> bool:
        """Whether the topic has a subscriber."""
        return bool(self._publisher.get_subscription_count())

    def publish(self, people: People, frame_id: str) -> None:
        """Publish everybody in view; `frame_id` is the camera's."""
        message = self._type(people=[self._to_message(one) for one in people.people])
        message.header.stamp, message.header.frame_id = to_time(people.stamp), frame_id
        if people.people:
            estimate = people.people[0].estimate
            message.bundle_name, message.bundle_hash = estimate.bundle_name, estimate.bundle_hash
        publish_message(self._node, self._publisher, message)

    def close(self) -> None:
        """Remove the topic."""
        self._node.destroy_lifecycle_publisher(self._publisher)

    def _to_message(self, person: PersonInView) -> Any:
        message = self._person_type(speaking=person.speaking,
                                    box=np.asarray(person.box, np.float32))
        for name in COPIED:
            setattr(message, name, getattr(person.estimate, name))
        message.probabilities = np.asarray(person.estimate.probabilities, np.float32)
        return message


def create_people(node: LifecycleNode) -> PeoplePublisher | None:
    """Return a publisher of people; None, with a warning, if mmer_msgs is older."""
    try:
        return PeoplePublisher(node)
    except MissingType as error:
        node.get_logger().warning(f'{TOPIC} is not published: {error}; build mmer_msgs again')
        return None
