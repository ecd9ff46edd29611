"""Expressions in ROS4HRI's form (REP-155), one topic for each face and person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
import re
from threading import Lock
import time
from typing import Any

from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.inputs.message_types import load_type, MissingType
from mmer_ros.nodes.outputs.sending import send
from mmer_ros.types import Estimate
from rclpy.lifecycle import LifecycleNode

TYPE = 'hri_msgs/msg/Expression'
FORGET_S = 30.0  # without an estimate, until the topic of an id is removed
EXPRESSIONS = {'neutral': 'neutral', 'surprise': 'surprised', 'fear': 'scared', 'sadness': 'sad',
               'joy': 'happy', 'disgust': 'disgusted', 'anger': 'angry'}


@dataclass
class _Topic:
    publisher: Any
    used: float  # when, seconds


class Expressions:
    """
    Publish who shows what; each id gets its topic when it first appears.

    :param clock: seconds that pass.
    :param source: name of the robot, below which the topics are.
    :raises MissingType: if hri_msgs is not installed.
    """

    def __init__(self, node: LifecycleNode, forget_s: float = FORGET_S,
                 clock: Callable[[], float] = time.monotonic, *, source: str = '') -> None:
        """Start with nobody."""
        self._prefix = f'/{source}' if source else ''
        self._type = load_type(TYPE)
        self._node = node
        self._forget_s = forget_s
        self._clock = clock
        self._topics: dict[str, _Topic] = {}
        self._lock = Lock()

    def take(self, estimate: Estimate) -> None:
        """Publish an estimate for the face and the person that it is of."""
        for topic in (self._prefix + topic for topic in topics_of(estimate)):
            with self._lock:
                found = self._topics.setdefault(topic, _Topic(None, 0.0))
                found.used = self._clock()
                if found.publisher is None:
                    found.publisher = self._node.create_publisher(self._type, topic, 1)
                send(self._node, found.publisher, self._to_message(estimate))

    def tick(self) -> None:
        """Remove the topics of those who are gone; call it now and then."""
        with self._lock:
            now = self._clock()
            gone = [name for name, topic in self._topics.items()
                    if now - topic.used > self._forget_s]
            for name in gone:
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
        for name, value in expression_of(estimate).items():
            setattr(message, name, value)
        return message


def expressions(node: LifecycleNode, source: str = '') -> Expressions | None:
    """Return what publishes expressions, if hri_msgs is installed."""
    try:
        return Expressions(node, source=source)
    except MissingType:
        node.get_logger().info('hri_msgs is not installed: no expressions are published in the '
                               'form of ROS4HRI', once=True)
        return None


def expression_of(estimate: Estimate) -> dict[str, Any]:
    """Return the fields of a hri_msgs/Expression, less its header."""
    return {'expression': EXPRESSIONS[estimate.label], 'valence': estimate.valence,
            'arousal': estimate.arousal, 'confidence': estimate.confidence}


def topics_of(estimate: Estimate) -> list[str]:
    """Return the topics on which an estimate belongs."""
    ids = (('faces', estimate.face_id), ('persons', estimate.person_id))
    return [f'/humans/{kind}/{_to_token(name)}/expression' for kind, name in ids if name]


def _to_token(name: str) -> str:
    """Return an id as a part of a topic's name may be written."""
    token = re.sub(r'\W', '_', name, flags=re.ASCII)
    return f'_{token}' if token[0].isdigit() else token
