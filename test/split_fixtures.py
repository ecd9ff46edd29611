"""Segmenters of some robots, one estimator, and somebody who talks to each robot, over DDS."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes.estimator_node import EstimatorNode
from mmer_ros.nodes.managed_node import ManagedNode
from mmer_ros.nodes.segmenter_node import SegmenterNode
from mmer_ros.nodes.tools.playback import own_domain, spinning
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage

from .ros_fixtures import eventually, Talker


class SplitRig:
    """Segmenters and talkers by the namespace of their robot, and the estimator of all."""

    def __init__(self, context: Any, robots: Sequence[str], image_type: type,
                 common: dict[str, Any], segmenter: dict[str, Any],
                 estimator: dict[str, Any]) -> None:
        self.segmenters = {robot: SegmenterNode(
            context=context, namespace=robot, parameter_overrides=_overrides(common | segmenter))
            for robot in robots}
        self.estimator = EstimatorNode(
            context=context, parameter_overrides=_overrides(common | estimator))
        self.talkers = {robot: Talker(context, image_type, robot) for robot in robots}

    @property
    def nodes(self) -> list[ManagedNode]:
        """All nodes under test."""
        return [*self.segmenters.values(), self.estimator]

    def connected(self) -> bool:
        """Tell whether everybody hears everybody."""
        topic = self.estimator.get_parameter('parts_topic').value
        return (self.estimator.count_publishers(topic) == len(self.segmenters)
                and all(s.count_subscribers(topic) == 1 for s in self.segmenters.values())
                and all(t.matched() for t in self.talkers.values()))

    def activate(self) -> None:
        """Bring all up, the estimator first, and wait until they are connected."""
        for node in (self.estimator, *self.segmenters.values()):
            node.trigger_configure()
            node.trigger_activate()
        assert eventually(self.connected, 30.0), 'the nodes do not find one another'


def _overrides(values: dict[str, Any]) -> list[Parameter]:
    return [Parameter(name, value=value) for name, value in values.items()]


@contextmanager
def split(image_type: type = CompressedImage, robots: Sequence[str] = ('',), *,
          activate: bool = True, segmenter: dict[str, Any] | None = None,
          estimator: dict[str, Any] | None = None, **common: Any) -> Iterator[SplitRig]:
    """Run the nodes in this process, in a context of their own."""
    own_domain()
    context = rclpy.Context()
    context.init()
    rig = SplitRig(context, robots, image_type, {'bundle': 'compact'} | common, segmenter or {},
                   {'partial_rate': 0.0} | (estimator or {}))
    with spinning(context, *rig.nodes, *(talker.node for talker in rig.talkers.values())):
        if activate:
            rig.activate()
        yield rig
