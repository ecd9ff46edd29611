# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Expressions in the form of ROS4HRI (REP-155), one topic per face and person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import re
from threading import Lock
import time
from typing import Any

from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.inputs.message_types import load_type, MissingType
from mmer_ros.nodes.outputs.publishing import publish_message
from mmer_ros.types import Estimate
from rclpy.lifecycle import LifecycleNode

TYPE = 'hri_msgs/msg/Expression'
FORGET_S = 30.0  # without an estimate for this long, the topic of an id is removed
EXPRESSIONS = {'neutral': 'neutral', 'surprise': 'surprised', 'fear': 'scared', 'sadness': 'sad',
               'joy': 'happy', 'disgust': 'disgusted', 'anger': 'angry'}


@dataclass
class _Topic:
    publisher: Any
    used: float  # seconds, by the clock


class Expressions:
    """
    Publish the expression of each face and person; the topic of an id is created on first use.

    :param clock: monotonic time, seconds.
    :param source: namespace of the robot, below which the topics are.
    :raises MissingType: if hri_msgs is not installed.
    """

    def __init__(self, node: LifecycleNode, forget_s: float = FORGET_S,
                 clock: Callable[[], float] = time.monotonic, *, source: str = '') -> None:
        self._prefix = f'/{source}' if source else ''
        self._type = load_type(TYPE)
        self._node = node
        self._forget_s = forget_s
        self._clock = clock
        self._topics: dict[str, _Topic] = {}
        self._lock = Lock()

    def publish(self, estimate: Estimate) -> None:
        """Publish an estimate for its face and its person."""
        for topic in (self._prefix + topic for topic in expression_topics(estimate)):
            with self._lock:
                found = self._topics.setdefault(topic, _Topic(None, 0.0))
                found.used = self._clock()
                if found.publisher is None:
                    found.publisher = self._node.create_publisher(self._type, topic, 1)
                publish_message(self._node, found.publisher, self._to_message(estimate))

    def tick(self) -> None:
        """Remove the topics of ids without recent estimates; call it about once per second."""
        with self._lock:
            now = self._clock()
            unused = [name for name, topic in self._topics.items()
                      if now - topic.used > self._forget_s]
            for name in unused:
                self._node.destroy_publisher(self._topics.pop(name).publisher)

    def close(self) -> None:
        """Remove all topics."""
        with self._lock:
            for topic in self._topics.values():
                self._node.destroy_publisher(topic.publisher)
            self._topics = {}

    def _to_message(self, estimate: Estimate) -> Any:
        message = self._type()
        message.header.stamp = to_time(estimate.stamp)
        for name, value in expression_fields(estimate).items():
            setattr(message, name, value)
        return message


def create_expressions(node: LifecycleNode, source: str = '') -> Expressions | None:
    """Return a publisher of expressions; None, with a note in the log, without hri_msgs."""
    try:
        return Expressions(node, source=source)
    except MissingType:
        node.get_logger().info('hri_msgs is not installed: no expressions are published in the '
                               'form of ROS4HRI', once=True)
        return None


def expression_fields(estimate: Estimate) -> dict[str, Any]:
    """Return the fields of a hri_msgs/Expression, except its header."""
    return {'expression': EXPRESSIONS[estimate.label], 'valence': estimate.valence,
            'arousal': estimate.arousal, 'confidence': estimate.confidence}


def expression_topics(estimate: Estimate) -> list[str]:
    """Return the topics of an estimate's face and person, as far as they are known."""
    ids = (('faces', estimate.face_id), ('persons', estimate.person_id))
    return [f'/humans/{kind}/{_to_token(name)}/expression' for kind, name in ids if name]


def _to_token(name: str) -> str:
    """Return an id in the characters that a topic name may have."""
    token = re.sub(r'\W', '_', name, flags=re.ASCII)
    return f'_{token}' if token[0].isdigit() else token
