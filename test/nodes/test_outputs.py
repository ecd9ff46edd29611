# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the node publishes besides final estimates: partial ones, expressions, the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes.conversions import to_seconds
from mmer_ros.nodes.outputs.expressions import (
    expression_fields,
    expression_topics,
    EXPRESSIONS,
    Expressions,
)
from mmer_ros.nodes.outputs.outputs import RobotOutputs
from mmer_ros.recognition.multi_robot import SourceEstimate, SOURCES
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.settings import NodeSettings
from mmer_ros.types import AudioBlock, EMOTIONS
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
import torch

from ..fixtures.message_packages import in_own_process, use
from ..fixtures.node import estimate, tiny
from ..fixtures.ros import eventually, own_domain, play, recorded, running


def offline(bundle: str, messages: list, rate: float) -> list:
    """Estimate from the same audio without ROS."""
    pipeline = Pipeline(Recognizer.load(bundle), partial_rate=rate)
    estimates = []
    for _, _, message in messages:
        block = AudioBlock(to_seconds(message.header.stamp), message.sample_rate,
                           np.asarray(message.samples, np.int16))
        estimates += pipeline.push_audio(block)
    return estimates


def test_partial_estimates_precede_the_final_one_which_they_do_not_change(tmp_path: Path) -> None:
    bundle = tiny(tmp_path)
    messages = [m for m in recorded(4.5) if m[1] == 'audio']
    with running(bundle=bundle, partial_rate=2.0, **{'segmenter.stall_s': 30.0}) as rig:
        play(rig.talker, messages, rate=2.0)
        assert eventually(lambda: any(e.final for e in rig.talker.estimates))
        live = rig.talker.estimates
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    expected, alone = offline(bundle, messages, 2.0), offline(bundle, messages, 0.0)
    torch.set_num_threads(threads)
    assert [e.final for e in live] == [False] * (len(live) - 1) + [True] and len(live) >= 4
    assert [(e.final, e.utterance_id, list(e.probabilities)) for e in live] == [
        (e.final, e.utterance_id, e.probabilities.tolist()) for e in expected]
    np.testing.assert_array_equal(live[-1].probabilities, alone[0].probabilities)
    ends = [to_seconds(e.end) for e in live]
    assert ends == sorted(ends) and all(to_seconds(e.latency) >= 0 for e in live)


# ---------------------------------------------------------------- ROS4HRI


def test_each_emotion_has_its_expression() -> None:
    assert set(EXPRESSIONS) == set(EMOTIONS)
    assert expression_fields(estimate()) == {
        'expression': 'happy', 'valence': 0.5, 'arousal': 0.25,
        'confidence': pytest.approx(0.7)}


@pytest.mark.parametrize(('face', 'person', 'topics'), [
    ('', '', []),
    ('face1', '', ['/humans/faces/face1/expression']),
    ('bf3d', 'anne', ['/humans/faces/bf3d/expression', '/humans/persons/anne/expression']),
    ('7-up/ä', '', ['/humans/faces/_7_up__/expression']),
])
def test_an_estimate_belongs_to_its_face_and_its_person(
        face: str, person: str, topics: list[str]) -> None:
    assert expression_topics(estimate(face_id=face, person_id=person)) == topics


def show_expressions() -> dict[str, object]:
    """Return what is published when faces come and go; in a process of its own."""
    use('ros4hri')
    from hri_msgs.msg import Expression
    own_domain()
    context = rclpy.Context()
    context.init()
    node = LifecycleNode('emotion', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    heard: list[Expression] = []
    topic = '/humans/faces/anne/expression'
    node.create_subscription(Expression, topic, heard.append, 10)
    now = [0.0]
    found = Expressions(node, forget_s=30.0, clock=lambda: now[0])
    publishers = []
    for moment in range(4):
        now[0] = 10.0 * moment
        for face in ('anne', 'bert') if moment == 0 else ('anne',):
            found.publish(estimate(face_id=face))
        found.tick()
        publishers.append(id(found._topics[topic].publisher))
        for _ in range(100):
            if len(heard) <= moment:
                executor.spin_once(0.05)
    now[0] = 35.0
    found.tick()
    there = [node.count_publishers(f'/humans/faces/{name}/expression')
             for name in ('anne', 'bert')]
    found.close()
    there.append(node.count_publishers(topic))
    node.destroy_node()
    context.try_shutdown()
    return {'heard': [(m.expression, m.valence, m.arousal, round(m.confidence, 6),
                       to_seconds(m.header.stamp)) for m in heard],
            'publishers': publishers, 'there': there,
            'known': {getattr(Expression, name) for name in (
                'NEUTRAL', 'ANGRY', 'SAD', 'HAPPY', 'SURPRISED', 'DISGUSTED', 'SCARED')}}


@pytest.mark.slow
def test_topics_of_faces_come_once_and_go_with_the_faces() -> None:
    found = in_own_process(show_expressions)
    assert found['heard'] == [('happy', 0.5, 0.25, 0.7, 12.5)] * 4
    assert len(set(found['publishers'])) == 1  # never created again
    assert found['there'] == [1, 0, 0]
    assert set(EXPRESSIONS.values()) == found['known']


def test_without_hri_msgs_the_node_works_and_says_so_once(tmp_path: Path, capfd) -> None:
    try:
        import hri_msgs.msg  # noqa: F401
        pytest.skip('hri_msgs is installed')
    except ImportError:
        pass
    with running(activate=False, bundle=tiny(tmp_path)) as rig:
        assert rig.node.trigger_configure().name == 'SUCCESS'
    assert capfd.readouterr().err.count('hri_msgs is not installed') == 1


# ---------------------------------------------------------------- the picture


def test_no_image_is_published_unless_it_is_allowed(tmp_path: Path) -> None:
    with running(bundle=tiny(tmp_path)) as rig:
        names = {name for name, _ in rig.talker.node.get_topic_names_and_types()}
        assert '/emotion' in names
        assert not [name for name in names if 'debug' in name]
        refused = rig.node.set_parameters([Parameter('debug_image', value=True)])[0]
        assert not refused.successful and 'configure' in refused.reason


def test_the_picture_is_drawn_only_while_somebody_looks(tmp_path: Path) -> None:
    messages = [m for m in recorded(3.0) if m[1] == 'image']
    shown: list[Image] = []
    with running(CompressedImage, bundle=tiny(tmp_path), image_transport='compressed',
                 debug_image=True, image_queue=100) as rig:
        drawn: list[object] = []
        show = rig.node._outputs._debug._publisher.publish
        rig.node._outputs._debug._publisher.publish = lambda m: drawn.append(m) or show(m)
        play(rig.talker, messages[:8], rate=4.0)
        assert eventually(lambda: rig.node._meter.stages['face detection'].total >= 2)
        assert not drawn
        rig.talker.node.create_subscription(Image, 'emotion/debug_image', shown.append, 10)
        assert eventually(lambda: rig.node.count_subscribers('/emotion/debug_image') == 1)
        play(rig.talker, messages[8:], rate=4.0)
        assert eventually(lambda: len(shown) >= 3)
    stamps = {(m[2].header.stamp.sec, m[2].header.stamp.nanosec // 1000) for m in messages}
    for message in shown:
        assert (message.encoding, message.width, message.height) == ('rgb8', 320, 240)
        assert message.header.frame_id == 'camera'
        assert (message.header.stamp.sec, message.header.stamp.nanosec // 1000) in stamps
    colours = np.frombuffer(shown[-1].data, np.uint8).reshape(-1, 3)
    assert (colours == 255).all(axis=1).any()  # the frame of a face


def test_the_topics_of_robots_are_bounded_and_go_after_a_time() -> None:
    own_domain()
    context = rclpy.Context()
    context.init()
    node = LifecycleNode('estimator', context=context)
    node.declare_parameter('publish_transcript', False)
    before, now = len(list(node.publishers)), [100.0]
    settings = NodeSettings(publish_expressions=False)
    outputs = RobotOutputs(node, settings, clock=lambda: now[0])

    def robots() -> int:
        return len(list(node.publishers)) - before

    try:
        for number in range(200):
            outputs.publish_estimate(SourceEstimate(f'r{number}', estimate()), 0.1, '')
            outputs.publish_estimate(SourceEstimate('ours', estimate()), 0.1, '')
        assert robots() == SOURCES
        assert any(p.topic_name == '/ours/emotion' for p in node.publishers)
        now[0] += 300.0
        outputs.publish_estimate(SourceEstimate('ours', estimate()), 0.1, '')
        now[0] += 301.0
        outputs.tick()
        assert robots() == 1
        outputs.publish_estimate(SourceEstimate('r1', estimate()), 0.1, '')
        assert robots() == 2
        outputs.close()
        assert robots() == 0
    finally:
        node.destroy_node()
        context.try_shutdown()
