# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The outputs of a node: of the emotion node for one robot, of the estimator for several."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
import time

from mmer_ros.nodes.outputs.debug_image import DebugImage
from mmer_ros.nodes.outputs.expressions import create_expressions, Expressions
from mmer_ros.nodes.outputs.people import create_people
from mmer_ros.nodes.outputs.publishing import EstimatePublisher
from mmer_ros.recognition.multi_robot import SourceEstimate, SOURCES
from mmer_ros.settings import NodeSettings
from mmer_ros.types import Estimate, FaceCrop, People, VideoFrame
from rclpy.lifecycle import LifecycleNode

FORGET_S = 600.0  # without an estimate for this long, the topics of a robot are removed


class Outputs:
    """
    All outputs of the emotion node; created when it is configured.

    :param frame_id: returns the frame of the camera, else of the microphone.
    """

    def __init__(self, node: LifecycleNode, settings: NodeSettings,
                 frame_id: Callable[[], str]) -> None:
        self._frame_id = frame_id
        self._estimates = EstimatePublisher(node, settings.emotion_topic)
        self._expressions = create_expressions(node) if settings.publish_expressions else None
        self._debug = DebugImage(node, frame_id) if settings.debug_image else None
        self._people = create_people(node)

    def publish_estimate(self, estimate: Estimate, latency: float) -> None:
        """Publish an estimate, `latency` seconds after the capture of its evidence."""
        self._estimates.publish(estimate, latency=latency, frame_id=self._frame_id())
        if self._expressions is not None:
            self._expressions.publish(estimate)
        if self._debug is not None:
            self._debug.update_estimate(estimate)

    @property
    def people_wanted(self) -> bool:
        """Whether anything takes estimates of everybody in view."""
        return self._expressions is not None or any(
            output is not None and output.is_subscribed for output in (self._people, self._debug))

    def publish_people(self, people: People) -> None:
        """Publish everybody in view; the expressions of those who do not speak as well."""
        if self._people is not None:
            self._people.publish(people, self._frame_id())
        if self._debug is not None:
            self._debug.update_people(people)
        if self._expressions is not None:
            for one in people.people:
                if not one.speaking:  # an utterance has more evidence of who speaks
                    self._expressions.publish(one.estimate)

    def publish_faces(self, frame: VideoFrame, crops: Sequence[FaceCrop], *, speaking: bool,
                      speaker: str) -> None:
        """Publish the debug image, if it is enabled and has a subscriber."""
        if self._debug is not None:
            self._debug.publish(frame, crops, speaking=speaking, speaker=speaker)

    def tick(self) -> None:
        """Remove unused topics; call it about once per second."""
        if self._expressions is not None:
            self._expressions.tick()

    def close(self) -> None:
        """Remove the topics."""
        for output in (self._estimates, self._expressions, self._debug, self._people):
            if output is not None:
                output.close()


@dataclass
class _Robot:
    estimates: EstimatePublisher
    expressions: Expressions | None
    used: float = 0.0  # seconds, by the clock

    def close(self) -> None:
        self.estimates.close()
        if self.expressions is not None:
            self.expressions.close()


class RobotOutputs:
    """
    The outputs of the estimator, below the namespace of each robot.

    The topics of a robot are created with its first estimate. If `emotion_topic` is absolute,
    the estimates of all robots are published there. The topics of a robot without estimates
    for FORGET_S are removed, and of more than SOURCES robots those of the one silent longest.

    :param clock: monotonic time, seconds.
    """

    def __init__(self, node: LifecycleNode, settings: NodeSettings,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self._node = node
        self._settings = settings
        self._clock = clock
        self._robots: OrderedDict[str, _Robot] = OrderedDict()  # latest used last
        self._lock = Lock()

    def publish_estimate(self, found: SourceEstimate, latency: float, frame_id: str) -> None:
        """Publish an estimate, `latency` seconds after the capture of its evidence."""
        with self._lock:
            robot = self._robots.get(found.source)
            if robot is None:
                while len(self._robots) >= SOURCES:
                    self._robots.popitem(last=False)[1].close()
                robot = self._robots[found.source] = self._create(found.source)
            robot.used = self._clock()
            self._robots.move_to_end(found.source)
            robot.estimates.publish(found.estimate, latency=latency, frame_id=frame_id)
            if robot.expressions is not None:
                robot.expressions.publish(found.estimate)

    def tick(self) -> None:
        """Remove unused topics; call it about once per second."""
        with self._lock:
            now = self._clock()
            for name in [n for n, r in self._robots.items() if now - r.used > FORGET_S]:
                self._robots.pop(name).close()
            for robot in self._robots.values():
                if robot.expressions is not None:
                    robot.expressions.tick()

    def close(self) -> None:
        """Remove the topics."""
        with self._lock:
            for robot in self._robots.values():
                robot.close()
            self._robots.clear()

    def _create(self, source: str) -> _Robot:
        topic = emotion_topic_of(source, self._settings.emotion_topic)
        expressions = (create_expressions(self._node, source)
                       if self._settings.publish_expressions else None)
        return _Robot(EstimatePublisher(self._node, topic, managed=False), expressions)


def emotion_topic_of(source: str, emotion_topic: str) -> str:
    """
    Return the topic of the estimates of a robot.

    >>> emotion_topic_of('kitchen', 'emotion')
    '/kitchen/emotion'
    """
    if emotion_topic.startswith('/'):
        return emotion_topic
    return f'/{source}/{emotion_topic}' if source else f'/{emotion_topic}'
