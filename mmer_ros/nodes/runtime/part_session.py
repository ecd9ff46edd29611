"""What exists from activation to deactivation of a node that hears segmenters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
import time
from typing import Any

from mmer_msgs.msg import UtterancePart
from mmer_ros.nodes.conversions import to_seconds
from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.part_messages import from_part_message
from mmer_ros.nodes.runtime.drops import Drops
from mmer_ros.nodes.runtime.event_log import EventLog
from mmer_ros.nodes.runtime.inbox import Inbox, Item
from mmer_ros.nodes.runtime.session import clock_seconds
from mmer_ros.nodes.runtime.worker import Worker
from mmer_ros.recognition.multi_robot import Estimator, SourceEstimate
from mmer_ros.sensing.stream_clock import StreamClock
from mmer_ros.settings import NodeSettings
from mmer_ros.types import InvalidInput
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

BATCHES = 4  # that are taken from the inbox at once
OTHER_FACES = ('{source}: faces are cut there by other settings than bundle {bundle} was trained '
               'with; give the segmenter the same `bundle`')


def part_qos(settings: NodeSettings) -> QoSProfile:
    """Return the quality of service of parts: none is to be lost."""
    return QoSProfile(depth=settings.parts_depth, reliability=ReliabilityPolicy.RELIABLE)


class PartSession:
    """
    Receive parts, estimate, hand on.

    :param publish: takes each estimate, its latency in seconds, and its frame.
    """

    def __init__(self, node: Node, settings: NodeSettings, estimator: Estimator, *,
                 publish: Callable[[SourceEstimate, float, str], object], events: EventLog,
                 meter: Meter) -> None:
        """Start nothing yet."""
        self.inputs: PartSession | None = None  # itself, while it listens
        self.inbox = Inbox({'part': settings.parts_queue})
        self._node = node
        self._settings = settings
        self._estimator: Estimator | None = estimator
        self._publish = publish
        self._events = events
        self._meter = meter
        self._clocks: dict[str, StreamClock] = {}
        self._frames: dict[str, str] = {}
        self._drops = Drops(self.inbox, meter, events)
        self._subscription: Any = None
        self._worker: Worker[SourceEstimate] | None = Worker(
            estimator, self.inbox, feed=partial(self._feed, estimator), now=time.monotonic,
            publish=self._estimated, tell=self._noticed, most=BATCHES * estimator.batch)

    @property
    def topic(self) -> str:
        """From which parts come."""
        return self._node.resolve_topic_name(  # type: ignore[no-any-return]
            self._settings.parts_topic)

    @property
    def publishers(self) -> int:
        """How many segmenters there are."""
        return self._node.count_publishers(self.topic)  # type: ignore[no-any-return]

    def start(self) -> None:
        """Start to work, without input yet."""
        assert self._worker is not None
        self._worker.start()

    def listen(self) -> None:
        """Subscribe."""
        self._subscription = self._node.create_subscription(
            UtterancePart, self.topic, self._on_part, part_qos(self._settings))
        self.inputs = self

    def pause(self) -> None:
        """Unsubscribe; open utterances are finished."""
        self._unsubscribe()
        if self._estimator is not None:
            self.inbox.request(self._estimator.flush)

    def stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        """As session.Session.stop."""
        self._unsubscribe()
        if self._worker is not None:
            self._worker.stop(finish=finish, timeout_s=timeout_s)
        self._worker = self._estimator = None

    def tick(self) -> None:
        """Tell what was dropped; call it about once a second."""
        self._drops.tick()

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self.inputs = None

    def _on_part(self, message: UtterancePart) -> None:
        try:
            sent = from_part_message(message)
        except InvalidInput as error:
            self._noticed('part', str(error))
            return
        estimator = self._estimator
        if estimator is None:
            return
        config = estimator.recognizer.config
        if message.faces and message.face_settings != config.faces.digest:
            self._events.add('other_faces', OTHER_FACES.format(
                source=message.source or 'the robot', bundle=config.name))
        stamp = to_seconds(message.header.stamp)
        self._clock(sent.source).saw(stamp, time.monotonic())
        self._frames[sent.source] = message.header.frame_id
        item = Item('part', time.monotonic(), stamp, sent)  # they are taken as they came
        self._meter.heard('part', self._now(sent.source) - stamp)
        self.inbox.put(item)

    def _feed(self, estimator: Estimator, items: Sequence[Item]) -> list[SourceEstimate]:
        return estimator.push([item.message for item in items], time.monotonic())

    def _clock(self, source: str) -> StreamClock:
        return self._clocks.setdefault(source, StreamClock())

    def _now(self, source: str) -> float:
        """Return the present as capture time of a robot, seconds."""
        return self._clock(source).now(clock_seconds(self._node), time.monotonic())

    def _estimated(self, found: SourceEstimate) -> None:
        estimate = found.estimate
        latency = max(self._now(found.source) - estimate.stamp, 0.0)
        self._publish(found, latency, self._frames.get(found.source, ''))
        self._meter.estimated(estimate, latency)

    def _noticed(self, kind: str, text: str) -> None:
        self._meter.noticed(kind)
        self._events.add(kind, text)
