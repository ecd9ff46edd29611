"""The inputs alone, in a node of their own, and somebody who publishes; over DDS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
import time
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes import parameters
from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.inputs.inputs import Inputs
from mmer_ros.nodes.inputs.stamps import Stamps
from mmer_ros.nodes.runtime.inbox import Item
from mmer_ros.nodes.tools.playback import own_domain, spinning
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.given_activity import GivenActivity
from mmer_ros.sensing.stream_clock import StreamClock
from rclpy.parameter import Parameter

from .ros_fixtures import eventually

LOOK_PERIOD_S = 0.05  # of wall time; the node looks less often


class Listener:
    """The inputs, what they put and told, and a node that publishes to them."""

    def __init__(self, context: rclpy.Context, other: rclpy.Context,
                 values: dict[str, object]) -> None:
        overrides = [Parameter(name, value=value) for name, value in values.items()]
        self.node = rclpy.create_node('listener', context=context, parameter_overrides=overrides)
        self.talker = rclpy.create_node('talker', context=other)
        self.items: list[Item] = []
        self.told: list[tuple[str, str]] = []
        self.activity = GivenActivity()
        self.frames: dict[str, str] = {}
        parameters.declare(self.node, parameters.EMOTION, tuple(parameters.GROUPS))
        stamps = Stamps(time.time, StreamClock(), self.frames, self._tell)
        self.inputs = Inputs(
            self.node, sampler=lambda: FrameSampler(5.0), stamps=stamps, put=self.items.append,
            tell=self._tell, activity=self.activity)
        self.inputs.start(LOOK_PERIOD_S)

    def _tell(self, kind: str, text: str) -> None:
        self.told.append((kind, text))

    def faults(self) -> Counter[str]:
        """Return how often each kind of fault was told."""
        return Counter(kind for kind, _ in self.told)

    def said(self, kind: str) -> str:
        """Return what was told last of a kind of fault."""
        return next((text for name, text in reversed(self.told) if name == kind), '')

    def publisher(self, message_type: type, topic: str, qos: Any = 10) -> Any:
        """Return a publisher to which the inputs are subscribed."""
        publisher = self.talker.create_publisher(message_type, topic, qos)
        assert eventually(lambda: publisher.get_subscription_count() == 1), topic
        return publisher

    def take(self, publisher: Any, message: Any) -> Item:
        """Publish and return what it became."""
        before = len(self.items)
        publisher.publish(message)
        assert eventually(lambda: len(self.items) > before), self.told
        return self.items[-1]

    def eventually(self, condition: Callable[[], bool]) -> bool:
        """Wait for a condition."""
        return eventually(condition, 10.0)


@contextmanager
def listening(**values: object) -> Iterator[Listener]:
    """Run the inputs with these parameters, in a context of their own."""
    own_domain()
    context, other = rclpy.Context(), rclpy.Context()
    context.init()
    other.init()  # as another process
    listener = Listener(context, other, values)
    try:
        with spinning(context, listener.node):
            yield listener
    finally:
        listener.inputs.stop()
        listener.talker.destroy_node()
        other.try_shutdown()


def stamped(message: Any, stamp: float, frame: str = 'sensor') -> Any:
    """Return the message with its header filled."""
    message.header.stamp = to_time(stamp)
    message.header.frame_id = frame
    return message
