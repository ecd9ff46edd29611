# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The SROS2 policy against what the running nodes really publish, subscribe and offer."""

from __future__ import annotations

from collections.abc import Iterator
import gc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes.outputs.expressions import Expressions
from mmer_ros.nodes.tools.monitor import Monitor
from mmer_ros.nodes.tools.playback import own_domain
from mmer_ros.nodes.tools.player import Player
from mmer_ros.nodes.tools.watch import Watcher
from mmer_ros.recognition.multi_robot import SourceEstimate
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, IMAGE, TRANSCRIPT
from mmer_ros.types import EMOTIONS, Estimate, Modality
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Bool

from ..fixtures.message_packages import in_own_process, use
from ..fixtures.model import tiny_bundle
from ..fixtures.ros import eventually, Rig, running
from ..fixtures.split import split
from ..fixtures.sros2_policy import Allowed, matches, read

POLICY = read()
EMOTION = POLICY['/mmer/emotion']
NODES = ('/mmer/emotion', '/mmer/segmenter', '/mmer/estimator')
ACTIONS = ('publish', 'subscribe', 'reply', 'request')


def seen(by: Any, name: str) -> Allowed:
    """Return what a node of the graph does, as another sees it."""
    return Allowed(*({topic for topic, _ in ask(name, '/')} for ask in (
        by.get_publisher_names_and_types_by_node, by.get_subscriber_names_and_types_by_node,
        by.get_service_names_and_types_by_node, by.get_client_names_and_types_by_node)))


def denied(done: Allowed, allowed: Allowed) -> set[tuple[str, str]]:
    """Return what is done without being allowed."""
    return {(action, name) for action in ACTIONS for name in getattr(done, action)
            if not matches(name, getattr(allowed, action))}


def unused(done: list[Allowed], allowed: Allowed) -> set[tuple[str, str]]:
    """Return what is allowed without ever being done."""
    return {(action, rule) for action in ACTIONS for rule in getattr(allowed, action)
            if not any(matches(name, {rule}) for one in done for name in getattr(one, action))}


def alone(by: Any, name: str = 'emotion') -> Allowed:
    """Return what a node does, once there is only one of its name."""
    def names() -> list[str]:
        gc.collect()  # what is left of the one before
        return by.get_node_names()

    assert eventually(lambda: names().count(name) == 1)
    return seen(by, name)


def with_camera(bundle: str, image_type: type) -> Allowed:
    """Return what the node does with camera, microphone and transcripts."""
    from audio_common_msgs.msg import AudioInfo
    with running(image_type, bundle=bundle, use_sim_time=True, debug_image=True) as rig:
        info = rig.talker.node.create_publisher(AudioInfo, 'audio_info', 1)
        assert eventually(lambda: info.get_subscription_count() == 1)
        return alone(rig.talker.node)


def publish_humans(rig: Rig) -> list[Any]:
    """Publish a face and a voice in ROS4HRI's form; return the publishers of what they send."""
    from audio_common_msgs.msg import AudioData
    from hri_msgs.msg import IdsList, LiveSpeech, NormalizedRegionOfInterest2D
    sent = {'faces/f1/cropped': Image, 'faces/f1/roi': NormalizedRegionOfInterest2D,
            'voices/v1/audio': AudioData, 'voices/v1/is_speaking': Bool,
            'voices/v1/speech': LiveSpeech}
    for kind, name in (('faces', 'f1'), ('voices', 'v1')):
        tracked = rig.talker.node.create_publisher(IdsList, f'/humans/{kind}/tracked', 1)
        assert eventually(lambda t=tracked: t.get_subscription_count() == 1)
        tracked.publish(IdsList(ids=[name]))
    return [rig.talker.node.create_publisher(message, f'/humans/{topic}', 1)
            for topic, message in sent.items()]


def shown() -> Estimate:
    """Return an estimate of a face and a person."""
    even = np.full(len(EMOTIONS), 1 / len(EMOTIONS), np.float32)
    return Estimate(even, even, Modality.FACE, (0.0, 0.0, 1.0), 0.0, 0.0, True, True, 'tiny', '',
                    person_id='p', face_id='f')


def with_humans(bundle: str) -> Allowed:
    """Return what the node does with faces and voices of ROS4HRI, when it has an estimate."""
    with running(activate=False, bundle=bundle, ros4hri=True) as rig:
        rig.node.trigger_configure()
        rig.node.trigger_activate()
        publishers = publish_humans(rig)
        assert eventually(lambda: all(p.get_subscription_count() for p in publishers))
        Expressions(rig.node).publish(shown())
        assert eventually(lambda: rig.talker.node.count_publishers('/humans/faces/f/expression'))
        return alone(rig.talker.node)


def in_all_modes(folder: Path) -> list[Allowed]:
    """Return what the node does with raw and with compressed images, and with ROS4HRI."""
    use('ros_drivers')
    use('ros4hri')
    tiny_bundle().save(folder)
    bundle = str(folder)
    return [with_camera(bundle, Image), with_camera(bundle, CompressedImage), with_humans(bundle)]


def test_the_emotion_node_may_do_what_it_does_and_nothing_else(tmp_path: Path) -> None:
    """In a process of its own: nodes of other tests may be there for a while yet."""
    done = in_own_process(in_all_modes, tmp_path / 'tiny', timeout_s=240.0)
    assert set().union(*(denied(one, EMOTION) for one in done)) == set()
    assert unused(done, EMOTION) == set()


def apart(bundle: str, image_type: type, *, humans: bool = False) -> tuple[Allowed, Allowed]:
    """Return what segmenter and estimator do."""
    from audio_common_msgs.msg import AudioInfo
    with split(image_type, bundle=bundle, activate=False, use_sim_time=True,
               segmenter={'debug_image': True, 'ros4hri': humans}) as rig:
        for node in rig.nodes:
            node.trigger_configure()
            node.trigger_activate()
        talker = rig.talkers['']
        heard = publish_humans(SimpleNamespace(talker=talker)) if humans else [
            *talker.publishers.values(), talker.node.create_publisher(AudioInfo, 'audio_info', 1)]
        assert eventually(lambda: all(p.get_subscription_count() for p in heard))
        rig.estimator._outputs.publish_estimate(SourceEstimate('', shown()), 0.0, '')
        assert eventually(lambda: talker.node.count_publishers('/humans/faces/f/expression'))
        return alone(talker.node, 'segmenter'), alone(talker.node, 'estimator')


def in_two_processes(folder: Path) -> list[tuple[Allowed, Allowed]]:
    """Return what they do with raw and with compressed images, and with ROS4HRI."""
    use('ros_drivers')
    use('ros4hri')
    tiny_bundle().save(folder)
    bundle = str(folder)
    return [apart(bundle, Image), apart(bundle, CompressedImage),
            apart(bundle, Image, humans=True)]


def test_segmenter_and_estimator_may_do_what_they_do_and_nothing_else(tmp_path: Path) -> None:
    done = in_own_process(in_two_processes, tmp_path / 'tiny', timeout_s=240.0)
    for name, found in zip(('segmenter', 'estimator'), zip(*done)):
        allowed = POLICY[f'/mmer/{name}']
        assert set().union(*(denied(one, allowed) for one in found)) == set(), name
        assert unused(list(found), allowed) == set(), name


@pytest.fixture
def context() -> Iterator[rclpy.Context]:
    own_domain()
    context = rclpy.Context()
    context.init()
    yield context
    context.try_shutdown()


def test_the_player_may_publish_what_the_node_hears_and_nothing_else(
        context: rclpy.Context) -> None:
    node = rclpy.create_node('player', context=context)
    Player(node, SimpleNamespace(topics={
        '/image': IMAGE, '/image/compressed': COMPRESSED_IMAGE, '/audio': AUDIO,
        '/transcript': TRANSCRIPT}))
    assert eventually(lambda: len(seen(node, 'player').publish) == 7)
    done = seen(node, 'player')
    node.destroy_node()
    assert denied(done, POLICY['/mmer/player']) == set()
    assert unused([done], POLICY['/mmer/player']) == set()


def test_monitor_and_watch_may_do_what_they_do_and_nothing_else(context: rclpy.Context) -> None:
    monitor = Monitor(context=context)
    watcher = Watcher('emotion', lambda row: None, context=context)
    other = Monitor(emotion_node='estimator', context=context)
    ready = eventually(lambda: {'/emotion/get_state', '/estimator/get_state'} <= seen(
        watcher, monitor.get_name()).request and len(seen(watcher, 'watch').reply) == 7)
    done = [seen(watcher, monitor.get_name()), seen(watcher, 'watch')]
    for node in (monitor, other, watcher):
        node.destroy_node()
    assert ready
    assert set().union(*(denied(one, POLICY['/mmer/viewer']) for one in done)) == set()
    assert unused(done, POLICY['/mmer/viewer']) == set()


def test_the_example_of_a_behaviour_tree_may_do_what_it_does_and_nothing_else(
        context: rclpy.Context) -> None:
    py_trees = pytest.importorskip('py_trees', reason='pip install py_trees')
    from examples.behaviour_tree.companion import companion
    node = rclpy.create_node('companion', context=context)
    py_trees.trees.BehaviourTree(companion()).setup(node=node)
    assert eventually(lambda: '/companion/reaction' in seen(node, 'companion').publish)
    done = seen(node, 'companion')
    node.destroy_node()
    assert denied(done, POLICY['/mmer/companion']) == set()
    assert unused([done], POLICY['/mmer/companion']) == set()


def test_the_operator_may_ask_whatever_the_nodes_answer_and_hear_whatever_they_say() -> None:
    operator = POLICY['/mmer/operator']
    assert operator.request == set().union(*(POLICY[name].reply for name in NODES))
    said = set().union(*(POLICY[name].publish for name in NODES)) - {'/utterance_parts'}
    assert operator.subscribe == {n for n in said if not n.startswith('/humans/')}
    assert operator.reply == {'/_ros2cli_*/get_type_description'}  # of the ros2 command


def test_only_the_operator_can_change_anything_and_few_hear_people() -> None:
    changing = {name for node in NODES for name in POLICY[node].reply if name.endswith((
        'change_state', 'enable', 'load_bundle', 'reset_history', 'set_parameters',
        'set_parameters_atomically'))}
    assert len(changing) == 17  # load_bundle is not offered by the segmenter
    assert [path for path, allowed in POLICY.items() if allowed.request & changing] == [
        '/mmer/operator']
    sensors = {'/image', '/image/compressed', '/audio'}
    assert [path for path, allowed in POLICY.items() if allowed.subscribe & sensors] == [
        '/mmer/emotion', '/mmer/segmenter']
    assert [path for path, allowed in POLICY.items()
            if '/utterance_parts' in allowed.subscribe] == ['/mmer/estimator']
