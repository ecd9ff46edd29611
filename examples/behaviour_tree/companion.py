# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A behaviour tree that reacts to what people feel: py_trees on top of the emotion node."""

from __future__ import annotations

from collections import deque
from typing import Any

from mmer_msgs.msg import EmotionEstimate
import py_trees
from py_trees.common import Access, Status
import rclpy
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.time import Time
from std_msgs.msg import String

TICK_S = 0.1
RECENT = '/emotion/recent'  # on the blackboard: estimates of who spoke last, the oldest first


class ReadEmotion(py_trees.behaviour.Behaviour):
    """
    Write what the person who spoke last has felt lately to the blackboard; always succeeds.

    Only final, calibrated estimates of trained bundles count, one for each utterance: a revised
    one replaces the one before.

    :param max_age_s: estimates whose evidence is older are forgotten; the node's clock decides, so
        a recording needs use_sim_time here too.
    """

    def __init__(self, name: str = 'read emotion', max_age_s: float = 20.0,
                 topic: str = 'emotion') -> None:
        super().__init__(name)
        self._max_age_s, self._topic = max_age_s, topic
        self._heard: deque[EmotionEstimate] = deque(maxlen=10)
        self._board = self.attach_blackboard_client(name)
        self._board.register_key(RECENT, access=Access.WRITE)

    def setup(self, *, node: Node, **kwargs: Any) -> None:
        self._clock = node.get_clock()
        node.create_subscription(EmotionEstimate, self._topic, self._hear, 10)

    def _hear(self, estimate: EmotionEstimate) -> None:
        if not (estimate.final and estimate.trained and estimate.calibrated):
            return
        if self._heard and self._heard[-1].person_id != estimate.person_id:
            if estimate.revision:
                return  # late words of somebody who spoke before
            self._heard.clear()
        for i, old in enumerate(self._heard):
            if old.utterance_id == estimate.utterance_id:
                self._heard[i] = estimate
                return
        self._heard.append(estimate)

    def _is_fresh(self, estimate: EmotionEstimate) -> bool:
        age = self._clock.now() - Time.from_msg(estimate.header.stamp,
                                                clock_type=self._clock.clock_type)
        return age.nanoseconds <= self._max_age_s * 1e9

    def update(self) -> Status:
        self._board.set(RECENT, [e for e in self._heard if self._is_fresh(e)])
        return Status.SUCCESS


class Feels(py_trees.behaviour.Behaviour):
    """
    Succeed while the person who spoke last feels one of these emotions, with hysteresis.

    :param emotions: indices, as the constants of EmotionEstimate; their probabilities are added.
    :param enter: probability that each of the last `count` estimates must reach to begin with.
    :param leave: it ends when the latest estimate is below this.
    """

    def __init__(self, name: str, emotions: tuple[int, ...], enter: float = 0.6,
                 leave: float = 0.4, count: int = 2) -> None:
        super().__init__(name)
        self._emotions, self._enter, self._leave, self._count = emotions, enter, leave, count
        self._person: str | None = None  # who feels so; None: nobody
        self._board = self.attach_blackboard_client(name)
        self._board.register_key(RECENT, access=Access.READ)

    def update(self) -> Status:
        recent = self._board.get(RECENT)
        levels = [float(sum(e.probabilities[i] for i in self._emotions)) for e in recent]
        person = recent[-1].person_id if recent else None
        began = len(levels) >= self._count and min(levels[-self._count:]) >= self._enter
        lasts = bool(levels) and person == self._person and levels[-1] >= self._leave
        self._person = person if began or lasts else None
        return Status.FAILURE if self._person is None else Status.SUCCESS


class React(py_trees.behaviour.Behaviour):
    """Say on ~/reaction (latched) that a reaction begins, then run until it is interrupted."""

    def setup(self, *, node: Node, **kwargs: Any) -> None:
        latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self._publisher = node.create_publisher(String, '~/reaction', latched)

    def initialise(self) -> None:
        self._publisher.publish(String(data=self.name))  # speech, lights, a pose, ... go here

    def update(self) -> Status:
        return Status.RUNNING


def companion() -> py_trees.behaviour.Behaviour:
    """Return the tree: the first feeling from the top that is there decides."""
    feelings = {'keep_distance': (EmotionEstimate.ANGER, EmotionEstimate.DISGUST),
                'comfort': (EmotionEstimate.SADNESS, EmotionEstimate.FEAR),
                'celebrate': (EmotionEstimate.JOY,)}
    react = py_trees.composites.Selector('react', memory=False)
    for reaction, emotions in feelings.items():
        react.add_child(py_trees.composites.Sequence(f'may {reaction}', memory=False, children=[
            Feels(f'reason to {reaction}', emotions), React(reaction)]))
    react.add_child(React('idle'))
    return py_trees.composites.Sequence(
        'companion', memory=False, children=[ReadEmotion(), react])


def main() -> None:
    """Tick the tree until interrupted."""
    # With its own handlers, rclpy would shut down while the tree still publishes.
    rclpy.init(signal_handler_options=rclpy.SignalHandlerOptions.NO)
    node = rclpy.create_node('companion')
    tree = py_trees.trees.BehaviourTree(companion())
    tree.setup(node=node)
    node.create_timer(TICK_S, tree.tick)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        tree.shutdown()
        node.destroy_node()
        rclpy.try_shutdown()


if __name__ == '__main__':
    main()
