"""What exists from activation to deactivation of a node that hears sensors."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import time
from typing import Any, Generic

from mmer_ros.nodes.conversions import NANOSECONDS
from mmer_ros.nodes.health.meter import Meter
from mmer_ros.nodes.inputs.feeding import feed, QUEUES
from mmer_ros.nodes.inputs.inputs import Inputs
from mmer_ros.nodes.inputs.stamps import Stamps
from mmer_ros.nodes.runtime.drops import Drops
from mmer_ros.nodes.runtime.event_log import EventLog
from mmer_ros.nodes.runtime.inbox import Inbox, Item
from mmer_ros.nodes.runtime.worker import Worker
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.given_activity import GivenActivity
from mmer_ros.sensing.sensor_pipeline import Result, SensorPipeline
from mmer_ros.sensing.stream_clock import StreamClock
from mmer_ros.settings import NodeSettings
from rclpy.clock import ClockChange, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.node import Node

JUMP_BACK_S = 1.0  # of the clock, from which on it is taken for a new beginning


def clock_seconds(node: Node) -> float:
    """Return what the clock of a node says, seconds."""
    return node.get_clock().now().nanoseconds / NANOSECONDS  # type: ignore[no-any-return]


class Session(Generic[Result]):
    """
    Receive, work, hand on.

    :param publish: takes each result of the pipeline, and the present as capture time, seconds.
    """

    def __init__(self, node: Node, settings: NodeSettings, pipeline: SensorPipeline[Result],
                 activity: GivenActivity, *, publish: Callable[[Result, float], object],
                 events: EventLog, meter: Meter) -> None:
        """Start nothing yet."""
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
        self._frames: dict[str, str] = {}
        self._drops = Drops(self.inbox, meter, events)
        self._worker: Worker[Result] | None = Worker(
            pipeline, self.inbox, feed=partial(feed, pipeline), now=self.now,
            publish=lambda result: publish(result, self.now()), tell=self._noticed)
        self._jumps: Any = None

    @property
    def frame_id(self) -> str:
        """Of the camera, else of the microphone."""
        return self._frames.get('image') or self._frames.get('audio', '')

    def now(self) -> float:
        """Return the present as capture time, seconds."""
        return self._clock.now(clock_seconds(self._node), time.monotonic())

    def start(self) -> None:
        """Start to work, without inputs yet."""
        threshold = JumpThreshold(min_forward=None, min_backward=Duration(seconds=-JUMP_BACK_S),
                                  on_clock_change=True)
        self._jumps = self._node.get_clock().create_jump_callback(
            threshold, post_callback=self._on_jump)
        assert self._worker is not None
        self._worker.start()

    def listen(self) -> None:
        """Subscribe."""
        stamps = Stamps(self.now, self._clock, self._frames, self._events.add)
        self.inputs = Inputs(self._node, self._settings, sampler=self._sampler, stamps=stamps,
                             put=self._put, tell=self._events.add, activity=self._activity)
        self.inputs.start()

    def pause(self) -> None:
        """Unsubscribe; the open utterance is finished."""
        if self.inputs is not None and self._pipeline is not None:
            self.inputs.stop()
            self.inbox.request(self._pipeline.flush)
        self.inputs = None

    def stop(self, *, finish: bool, timeout_s: float | None = None) -> None:
        """
        Unsubscribe and stop to work.

        :param finish: first end the open utterance, and publish what comes of it.
        :param timeout_s: the worker is waited for at most so long; None: until it has stopped.
        """
        if self._jumps is not None:
            self._jumps.unregister()
        if self.inputs is not None:
            self.inputs.stop()
        self.inputs = None
        if self._worker is not None:
            self._worker.stop(finish=finish, timeout_s=timeout_s)
        # The executor may keep what it waited for, which knows this, until the next message.
        self._worker = self._pipeline = None

    def tick(self) -> None:
        """Tell what was dropped and whether the clocks agree; call it about once a second."""
        self._drops.tick()
        if apart := self._clock.apart:
            self._events.hold('clock_apart', (
                f'stamps are {apart:.0f} s away from the clock of the node; the stamps are used; '
                'set use_sim_time if a recording is played'))
        else:
            self._events.clear('clock_apart')

    def _sampler(self) -> FrameSampler:
        assert self._pipeline is not None
        return self._pipeline.sampler()

    def _put(self, item: Item) -> None:
        self._meter.arrived(item)
        self.inbox.put(item)

    def _noticed(self, kind: str, text: str) -> None:
        self._meter.noticed(kind)
        self._events.add(kind, text)

    def _on_jump(self, jump: TimeJump) -> None:
        """Begin anew, as when a recording is looped or another clock is used."""
        self._clock.reset()
        back = -jump.delta.nanoseconds / NANOSECONDS
        changed = jump.clock_change in (ClockChange.ROS_TIME_ACTIVATED,
                                        ClockChange.ROS_TIME_DEACTIVATED)
        what = 'is another one now' if changed else f'jumped back by {back:.1f} s'
        self._events.add('time_jump', f'clock: it {what}, as when use_sim_time is set or a '
                         'recording is looped; the dialogue and who was seen are forgotten')
        now = clock_seconds(self._node)
        if self._pipeline is not None:
            self.inbox.request(partial(self._pipeline.rewind, now), new_era=True)
