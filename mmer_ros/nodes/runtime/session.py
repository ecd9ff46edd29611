# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The active state of a node with sensors: subscriptions, queues, worker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Generic

from mmer_ros.nodes.conversions import decode_image, NANOSECONDS
from mmer_ros.nodes.event_log import EventLog
from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.inputs.feeding import feed, QUEUES
from mmer_ros.nodes.inputs.inputs import Inputs
from mmer_ros.nodes.inputs.stamps import Stamps
from mmer_ros.nodes.runtime.drops import report_drops
from mmer_ros.nodes.runtime.passing_time import PassingTime
from mmer_ros.runtime.inbox import Inbox, Item
from mmer_ros.runtime.worker import Worker
from mmer_ros.sensing.clock_offsets import LAG_S, LIMIT_S
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.given_activity import GivenActivity
from mmer_ros.sensing.sensor_pipeline import Result, SensorPipeline
from mmer_ros.sensing.stream_clock import StreamClock
from mmer_ros.settings import NodeSettings
from rclpy.clock import ClockChange, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node

LOST = ('{kind}: the middleware has lost messages before they were received; check the network '
        'and the load of the machine, or set {kind}_reliability to reliable')
JUMP_BACK_S = 1.0  # a larger step of the clock backwards starts a new dialogue


def clock_seconds(node: Node) -> float:
    """Return the time of a node's clock, seconds."""
    return node.get_clock().now().nanoseconds / NANOSECONDS  # type: ignore[no-any-return]


class Session(Generic[Result]):
    """
    Receive sensor messages, process, publish; from activation to deactivation.

    :param publish: takes each result of the pipeline and the present as capture time, seconds.
    """

    def __init__(self, node: Node, settings: NodeSettings, pipeline: SensorPipeline[Result],
                 activity: GivenActivity, *, publish: Callable[[Result, float], object],
                 events: EventLog, meter: Meter) -> None:
        self.inputs: Inputs | None = None
        self.inbox = Inbox({'image': settings.image_queue, 'audio': settings.audio_queue,
                            **QUEUES})
        self._node = node
        self._settings = settings
        self._pipeline: SensorPipeline[Result] | None = pipeline
        self._activity = activity
        self._events = events
        self._meter = meter
        self._clock = StreamClock()
        self._passing = PassingTime(node, self._clock.reset)
        self._frames: dict[str, str] = {}
        self._worker: Worker[Result] | None = Worker(
            pipeline, self.inbox, feed=partial(
                feed, pipeline, judge=meter.record_quality,
                decode=partial(decode_image, max_pixels=settings.max_pixels)),
            now=self.now, publish=lambda result: publish(result, self.now()),
            on_fault=self._on_fault)
        self._jumps: Any = None

    @property
    def frame_id(self) -> str:
        """Frame of the camera, else of the microphone."""
        return self._frames.get('image') or self._frames.get('audio', '')

    def now(self) -> float:
        """Return the present as capture time, seconds."""
        return self._clock.now(clock_seconds(self._node), self._passing())

    def start(self) -> None:
        """Start the worker, without inputs yet."""
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-JUMP_BACK_S),
                                  on_clock_change=True)
        self._jumps = self._node.get_clock().create_jump_callback(
            threshold, post_callback=self._on_jump)
        assert self._worker is not None
        self._worker.start()

    def listen(self) -> None:
        """Subscribe to the inputs."""
        settings = self._settings
        stamps = Stamps(self.now, self._clock, self._frames, self._events.report,
                        clock=partial(clock_seconds, self._node), passing=self._passing,
                        mode=settings.stamps,
                        limit_s=max(LIMIT_S, settings.segmenter.face_wait_s + LAG_S))
        self.inputs = Inputs(self._node, settings, sampler=self._sampler, stamps=stamps,
                             enqueue=self._enqueue, on_fault=self._on_input_fault,
                             activity=self._activity, on_lost=self._on_lost)
        self.inputs.start()

    def pause(self) -> None:
        """Unsubscribe and finish the open utterance."""
        if self.inputs is not None and self._pipeline is not None:
            self.inputs.stop()
            self.inbox.request(self._pipeline.flush)
        self.inputs = None

    def stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        """
        Unsubscribe and stop the worker.

        :param finish: first end the open utterance and publish its result.
        :param timeout_s: longest time to wait for the worker, seconds; None: until it has ended.
        """
        if self._jumps is not None:
            self._jumps.unregister()
        if self.inputs is not None:
            self.inputs.stop()
        self.inputs = None
        if self._worker is not None:
            self._worker.stop(finish=finish, timeout_s=timeout_s)
        # Until the next message, the executor may keep a subscription, which keeps this object.
        self._worker = self._pipeline = None

    def tick(self) -> None:
        """Report dropped messages and clocks that differ; call it about once per second."""
        report_drops(self.inbox, self._meter, self._events)
        if apart := self._clock.apart:
            self._events.hold('clock_apart', (
                f'the stamps differ from the clock of the node by {apart:.0f} s; the stamps are '
                'used. Set use_sim_time if a recording is played'))
        else:
            self._events.clear('clock_apart')

    def _sampler(self) -> FrameSampler:
        assert self._pipeline is not None
        return self._pipeline.sampler()

    def _enqueue(self, item: Item) -> None:
        self._meter.record_item(item.kind, item.order)
        self.inbox.enqueue(replace(item, arrival=self.now()))

    def _on_lost(self, kind: str, count: int) -> None:
        self._meter.record_losses(kind, count)
        self._events.report(f'{kind}_lost', LOST.format(kind=kind), times=count)

    def _on_input_fault(self, kind: str, text: str) -> None:
        self._meter.record_refusal(kind, text)
        self._events.report(kind, text)

    def _on_fault(self, kind: str, text: str, seconds: float = 0.0) -> None:
        self._meter.record_fault(kind, seconds)
        self._events.report(kind, text, seconds=seconds)

    def _on_jump(self, jump: TimeJump) -> None:
        """Start a new dialogue, as when a recording is looped or the clock is exchanged."""
        self._clock.reset()
        back = -jump.delta.nanoseconds / NANOSECONDS
        changed = jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED,
                                        ClockChange.ROS_TIME_DEACTIVATED)
        what = 'is another one now' if changed else f'jumped back by {back:.1f} s'
        self._events.report('time_jump', f'clock: it {what}, as when use_sim_time is set or a '
                            'recording is looped; the dialogue and the known faces are forgotten')
        now = clock_seconds(self._node)
        if self._pipeline is not None:
            self.inbox.request(partial(self._pipeline.rewind, now), new_era=True)
