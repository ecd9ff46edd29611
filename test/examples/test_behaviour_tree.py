# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The example of a behaviour tree, over real DDS."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')
py_trees = pytest.importorskip('py_trees', reason='pip install py_trees')

from examples.behaviour_tree import companion
from mmer_msgs.msg import EmotionEstimate
from mmer_ros.nodes.conversions import to_time
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from ..fixtures.domains import use_own_domain
from ..fixtures.ros import eventually

NEUTRAL, SAD, JOY, ANGER = (EmotionEstimate.NEUTRAL, EmotionEstimate.SADNESS,
                            EmotionEstimate.JOY, EmotionEstimate.ANGER)
MAX_AGE_S = 600.0  # of estimates in these tests: longer than a test takes on any machine


@pytest.fixture(autouse=True)
def domain(monkeypatch: pytest.MonkeyPatch) -> None:
    use_own_domain(monkeypatch)


class Person:
    """Publishes estimates and hears how the robot reacts."""

    def __init__(self, context: rclpy.Context) -> None:
        self.node = rclpy.create_node('person', context=context)
        self.reactions: list[str] = []
        self.publisher = self.node.create_publisher(EmotionEstimate, 'emotion', 10)
        latched = QoSProfile(depth=10, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        self.node.create_subscription(String, '/companion/reaction',
                                      lambda message: self.reactions.append(message.data), latched)
        self._utterances = 0

    def say(self, emotion: int, probability: float = 0.8, *, utterance: str = '',
            age_s: float = 0.0, **fields: object) -> None:
        """Publish an estimate; the other emotions share what is left."""
        self._utterances += 1
        rest = (1 - probability) / 6
        message = EmotionEstimate(**{
            'utterance_id': utterance or f'u{self._utterances}', 'person_id': 'anna',
            'final': True, 'calibrated': True, 'trained': True, 'emotion': emotion, **fields})
        message.probabilities = [probability if i == emotion else rest for i in range(7)]
        message.header.stamp = to_time(time.time() - age_s)
        self.publisher.publish(message)


class Room:
    """A person and the tree, ticked whenever something was heard."""

    def __init__(self, person: Person, executor: SingleThreadedExecutor,
                 tree: py_trees.trees.BehaviourTree, heard: list[EmotionEstimate]) -> None:
        self.person, self._executor, self._tree, self._heard = person, executor, tree, heard

    def after(self, emotion: int, probability: float = 0.8, **fields: object) -> str:
        """Say something, tick once it was heard, and return the reaction."""
        before = len(self._heard)
        self.person.say(emotion, probability, **fields)
        assert self.spin_until(lambda: len(self._heard) > before)
        return self.reaction()

    def forget_after(self, max_age_s: float) -> None:
        """Let older estimates count no more."""
        self._tree.root.children[0]._max_age_s = max_age_s

    def reaction(self) -> str:
        """Tick, and return the reaction that runs, which must have been published."""
        self._tree.tick()
        name = self._tree.tip().name
        assert self.spin_until(lambda: self.person.reactions[-1:] == [name])
        return name

    def spin_until(self, condition: object) -> bool:
        def spun() -> bool:
            self._executor.spin_once(timeout_sec=0.02)
            return condition()
        return eventually(spun)


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[Room]:
    context = rclpy.Context()
    context.init()
    node, person = rclpy.create_node('companion', context=context), Person(context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    executor.add_node(person.node)
    heard: list[EmotionEstimate] = []
    hear = companion.ReadEmotion._hear

    def counted(self: companion.ReadEmotion, estimate: EmotionEstimate) -> None:
        hear(self, estimate)
        heard.append(estimate)

    monkeypatch.setattr(companion.ReadEmotion, '_hear', counted)
    py_trees.blackboard.Blackboard.clear()
    root = companion.companion()
    tree = py_trees.trees.BehaviourTree(root)
    tree.setup(node=node)
    made = Room(person, executor, tree, heard)
    made.forget_after(MAX_AGE_S)
    try:
        assert made.spin_until(lambda: person.publisher.get_subscription_count() == 1)
        yield made
    finally:
        tree.shutdown()
        executor.shutdown()
        node.destroy_node()
        person.node.destroy_node()
        context.try_shutdown()


def test_two_sad_utterances_are_needed_and_each_feeling_has_its_reaction(room: Room) -> None:
    assert room.reaction() == 'idle'
    assert [room.after(SAD), room.after(SAD)] == ['idle', 'comfort']
    assert [room.after(JOY), room.after(JOY)] == ['idle', 'celebrate']
    assert [room.after(ANGER), room.after(ANGER)] == ['idle', 'keep_distance']
    assert room.person.reactions == [
        'idle', 'comfort', 'idle', 'celebrate', 'idle', 'keep_distance']


def test_it_neither_flickers_nor_lasts_for_ever(room: Room) -> None:
    assert room.after(SAD, 0.5) == room.after(SAD, 0.5) == 'idle'
    assert [room.after(SAD, 0.7), room.after(SAD, 0.7)] == ['idle', 'comfort']
    assert [room.after(SAD, 0.45), room.after(SAD, 0.2)] == ['comfort', 'idle']
    assert room.after(SAD, 0.7) == 'idle'


def test_fear_and_sadness_together_are_a_reason_to_comfort(room: Room) -> None:
    assert room.after(SAD, 0.65) == 'idle'
    assert room.after(EmotionEstimate.FEAR, 0.65) == 'comfort'


@pytest.mark.parametrize('fields', [
    {'trained': False}, {'calibrated': False}, {'final': False}, {'age_s': MAX_AGE_S}])
def test_what_cannot_be_trusted_does_not_count(room: Room, fields: dict[str, object]) -> None:
    assert [room.after(SAD), room.after(SAD, **fields)] == ['idle', 'idle']
    assert room.after(SAD) == 'comfort'


def test_a_revised_utterance_counts_once(room: Room) -> None:
    assert room.after(SAD, utterance='a') == 'idle'
    assert room.after(SAD, utterance='a', revision=1) == 'idle'
    assert room.after(SAD, utterance='b') == 'comfort'
    assert room.after(NEUTRAL, utterance='b', revision=1) == 'idle'


def test_feelings_of_different_people_are_not_mixed_up(room: Room) -> None:
    assert [room.after(SAD), room.after(SAD, person_id='ben')] == ['idle', 'idle']
    assert room.after(SAD, person_id='ben') == 'comfort'
    late = room.after(NEUTRAL, person_id='anna', utterance='u1', revision=1)
    assert late == 'comfort'
    assert room.after(SAD) == 'idle'  # anna's, after ben's


def test_old_feelings_are_forgotten(room: Room) -> None:
    assert [room.after(SAD, age_s=300.0), room.after(SAD, age_s=300.0)] == ['idle', 'comfort']
    room.forget_after(299.0)
    assert room.reaction() == 'idle'


def test_the_example_runs_as_it_is_documented() -> None:
    context = rclpy.Context()
    context.init()
    person = Person(context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(person.node)
    # Jobs in the background of a script ignore SIGINT, and so would the processes they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen([sys.executable, Path(companion.__file__)], text=True,
                               stderr=subprocess.PIPE)
    signal.signal(signal.SIGINT, before)

    def reacts(reaction: str) -> bool:
        def heard() -> bool:
            executor.spin_once(timeout_sec=0.05)
            return reaction in person.reactions
        return eventually(heard, 60.0)

    try:
        assert eventually(lambda: person.publisher.get_subscription_count() == 1, 60.0)
        person.say(JOY)
        person.say(JOY)
        assert reacts('celebrate')
    finally:
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=60.0)[1]
        executor.shutdown()
        person.node.destroy_node()
        context.try_shutdown()
    assert process.returncode == 0 and 'Traceback' not in errors, errors
