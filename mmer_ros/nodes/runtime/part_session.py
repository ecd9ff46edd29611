# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The active state of the estimator: subscription to utterance parts, queue, worker."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
import math
import time
from typing import Any

from mmer_msgs.msg import UtterancePart
from mmer_ros.nodes.conversions import to_seconds
from mmer_ros.nodes.event_log import EventLog
from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.part_messages import from_part_message
from mmer_ros.nodes.part_pieces import Assembly
from mmer_ros.nodes.runtime.drops import report_drops
from mmer_ros.nodes.runtime.passing_time import PassingTime
from mmer_ros.nodes.runtime.session import clock_seconds
from mmer_ros.nodes.runtime.transit import Transit
from mmer_ros.recognition.multi_robot import Estimator, SourceEstimate, SOURCES
from mmer_ros.runtime.inbox import Inbox, Item
from mmer_ros.runtime.worker import Worker
from mmer_ros.sensing.stream_clock import StreamClock
from mmer_ros.settings import NodeSettings
from mmer_ros.types import InvalidInput
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

BATCHES = 4  # taken from the inbox at once
PIECES = 8  # messages of a part with a crop
OTHER_FACES = ('{source}: the segmenter crops faces by other settings than those of bundle '
               '{bundle}; give it the same `bundle`')


def part_qos(settings: NodeSettings) -> QoSProfile:
    """
    Return the quality of service of utterance parts, of which none may be lost.

    A segmenter keeps the latest for an estimator that is started again meanwhile.
    """
    return QoSProfile(depth=PIECES * settings.parts_depth,
                      reliability=ReliabilityPolicy.RELIABLE,
                      durability=DurabilityPolicy.TRANSIENT_LOCAL)


class PartSession:
    """
    Receive utterance parts, estimate, publish; from activation to deactivation.

    :param publish: takes each estimate, its latency in seconds, and its frame_id.
    :param since: utterances that began before are left out, as Transit.
    """

    def __init__(self, node: Node, settings: NodeSettings, estimator: Estimator, *,
                 publish: Callable[[SourceEstimate, float, str], object], events: EventLog,
                 meter: Meter, since: float) -> None:
        self.inputs: PartSession | None = None  # itself, while it listens
        self.inbox = Inbox({'part': settings.parts_queue})
        self._node = node
        self._settings = settings
        self._estimator: Estimator | None = estimator
        self._publish = publish
        self._events = events
        self._meter = meter
        self._served = [name.strip().strip('/')
                        for name in (settings.sources.strip() or '*').split(',')]
        self._clocks: dict[str, StreamClock] = {}
        self._passing = PassingTime(node, self._clocks.clear)
        self._frames: dict[str, str] = {}
        self._kept: dict[str, float] = {}  # by robot, end of the last part from before we listened
        self._assembly = Assembly()
        self._transit = Transit(since)
        self._subscription: Any = None
        self._worker: Worker[SourceEstimate] | None = Worker(
            estimator, self.inbox, feed=partial(self._feed, estimator), now=self._passing,
            publish=self._publish_estimate, on_fault=self._on_fault,
            most=BATCHES * estimator.batch)

    @property
    def topic(self) -> str:
        """The topic of the utterance parts."""
        return self._node.resolve_topic_name(  # type: ignore[no-any-return]
            self._settings.parts_topic)

    @property
    def publishers(self) -> int:
        """Number of visible segmenters."""
        return self._node.count_publishers(self.topic)  # type: ignore[no-any-return]

    def start(self) -> None:
        """Start the worker, without input yet."""
        assert self._worker is not None
        self._worker.start()

    def listen(self) -> None:
        """Subscribe to the parts."""
        self._transit.begin(time.time())
        take: Any = self._on_part  # its second argument is not in the types of rclpy
        self._subscription = self._node.create_subscription(
            UtterancePart, self.topic, take, part_qos(self._settings))
        self.inputs = self

    def pause(self) -> None:
        """Unsubscribe and finish the open utterances."""
        self._unsubscribe()
        self._transit = Transit(math.inf)  # what is said meanwhile is not for us
        if self._estimator is not None:
            self.inbox.request(self._estimator.leave)

    def stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        """
        Unsubscribe and stop the worker.

        :param finish: first end the open utterances and publish their estimates.
        :param timeout_s: longest time to wait for the worker, seconds; None: until it has ended.
        """
        self._unsubscribe()
        if self._worker is not None:
            self._worker.stop(finish=finish, timeout_s=timeout_s)
        self._worker = self._estimator = None

    def tick(self) -> None:
        """Report dropped parts; call it about once per second."""
        report_drops(self.inbox, self._meter, self._events)

    def _unsubscribe(self) -> None:
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
        self._subscription = self.inputs = None

    def _on_part(self, message: UtterancePart, info: Mapping[str, int]) -> None:
        if not any(fnmatchcase(message.source, name) for name in self._served):
            return
        sent_s, received_s = (info[f'{name}_timestamp'] / 1e9 for name in ('source', 'received'))
        if self._transit.is_old(message, sent_s, received_s):
            return
        try:
            part = self._assembly.push(message)
            if part is None:
                return
            sent = from_part_message(part)
        except InvalidInput as error:
            self._on_fault('part', str(error))
            return
        estimator = self._estimator
        if estimator is None:
            return
        config = estimator.recognizer.config
        if part.faces and part.face_settings != config.faces.digest:
            self._events.report('other_faces', OTHER_FACES.format(
                source=part.source or 'the robot', bundle=config.name))
        stamp = to_seconds(part.header.stamp)
        self._clock(sent.source).saw('part', stamp, self._passing())
        self._frames[sent.source] = part.header.frame_id
        item = Item('part', time.monotonic(), stamp, sent)  # in the order of arrival
        self._meter.record_arrival('part', self._now(sent.source) - stamp)
        seconds = self._transit.measure((sent.source, sent.session), sent_s, received_s)
        if seconds is None:
            self._kept[sent.source] = sent.part.end
        else:
            self._meter.record_transit(seconds)
            if sent.part.end < self._kept.get(sent.source, -math.inf):  # time jumped back
                del self._kept[sent.source]
        self.inbox.enqueue(item)

    def _feed(self, estimator: Estimator, items: Sequence[Item]) -> list[SourceEstimate]:
        return estimator.push([item.message for item in items], self._passing())

    def _clock(self, source: str) -> StreamClock:
        if source not in self._clocks:
            self._clocks[source] = StreamClock()
            for forgotten in list(self._clocks)[:-SOURCES]:  # as the estimator has forgotten it
                self._clocks.pop(forgotten, None)
                self._frames.pop(forgotten, None)
                self._kept.pop(forgotten, None)
        return self._clocks[source]

    def _now(self, source: str) -> float:
        """Return the present in the capture time of a robot, seconds."""
        return self._clock(source).now(clock_seconds(self._node), self._passing())

    def _publish_estimate(self, found: SourceEstimate) -> None:
        estimate = found.estimate
        latency = max(self._now(found.source) - estimate.stamp, 0.0)
        self._publish(found, latency, self._frames.get(found.source, ''))
        if estimate.end > self._kept.get(found.source, -math.inf):
            self._meter.record_estimate(estimate, latency)

    def _on_fault(self, kind: str, text: str, seconds: float = 0.0) -> None:
        self._meter.record_fault(kind, seconds)
        self._events.report(kind, text, seconds=seconds)
