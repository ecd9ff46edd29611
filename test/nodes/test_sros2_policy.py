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
from subprocess import run
import sys
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes.outputs.expressions import Expressions
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.monitor import Monitor
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
from ..fixtures.sros2_policy import Allowed, FILE, matches, read

POLICY = read()
EMOTION = POLICY['/mmer/emotion']
ROBOTS = ('kitchen', 'lab/left')
SAMPLE_IMAGES = '/camera/image'
NODES = ('/mmer/emotion', '/mmer/segmenter', '/mmer/estimator')
ACTIONS = ('publish', 'subscribe', 'reply', 'request')


def seen(by: Any, name: str, namespace: str = '/') -> Allowed:
    """Return what a node of the graph does, as another sees it."""
    return Allowed(*({topic for topic, _ in ask(name, namespace)} for ask in (
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


def with_topic_of_the_sample(bundle: str, image_type: type) -> Allowed:
    """Return what the node does with the images of the shipped sample."""
    with running(activate=False, bundle=bundle, image_topic=SAMPLE_IMAGES) as rig:
        rig.node.trigger_configure()
        rig.node.trigger_activate()
        assert subscribed(rig.talker.node, image_type)
        return alone(rig.talker.node)


def subscribed(node: Any, image_type: type) -> bool:
    """Publish images on the topic of the sample, and wait for a subscription."""
    compressed = image_type is CompressedImage
    images = node.create_publisher(
        image_type, f'{SAMPLE_IMAGES}/compressed' if compressed else SAMPLE_IMAGES, 1)
    return eventually(lambda: images.get_subscription_count() == 1)


def publish_humans(rig: Rig) -> list[Any]:
    """Publish a face and a voice in ROS4HRI's form; return the publishers of what they send."""
    from audio_common_msgs.msg import AudioData
    from hri_msgs.msg import IdsList, IdsMatch, LiveSpeech, NormalizedRegionOfInterest2D
    from std_msgs.msg import String
    sent = {'persons/p1/face_id': String, 'persons/p1/alias': String,
            'candidate_matches': IdsMatch,
            'faces/f1/cropped': Image, 'faces/f1/roi': NormalizedRegionOfInterest2D,
            'voices/v1/audio': AudioData, 'voices/v1/is_speaking': Bool,
            'voices/v1/speech': LiveSpeech}
    for kind, name in (('faces', 'f1'), ('persons', 'p1'), ('voices', 'v1')):
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
    return [with_camera(bundle, Image), with_camera(bundle, CompressedImage), with_humans(bundle),
            *(with_topic_of_the_sample(bundle, kind) for kind in (Image, CompressedImage))]


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


def apart_with_topic_of_the_sample(bundle: str, image_type: type) -> tuple[Allowed, Allowed]:
    """Return what segmenter and estimator do with the images of the shipped sample."""
    with split(bundle=bundle, activate=False, segmenter={'image_topic': SAMPLE_IMAGES}) as rig:
        for node in rig.nodes:
            node.trigger_configure()
            node.trigger_activate()
        talker = rig.talkers[''].node
        assert subscribed(talker, image_type)
        return alone(talker, 'segmenter'), alone(talker, 'estimator')


def in_two_processes(folder: Path) -> list[tuple[Allowed, Allowed]]:
    """Return what they do with raw and with compressed images, and with ROS4HRI."""
    use('ros_drivers')
    use('ros4hri')
    tiny_bundle().save(folder)
    bundle = str(folder)
    return [apart(bundle, Image), apart(bundle, CompressedImage),
            apart(bundle, Image, humans=True),
            *(apart_with_topic_of_the_sample(bundle, kind) for kind in (Image, CompressedImage))]


def test_segmenter_and_estimator_may_do_what_they_do_and_nothing_else(tmp_path: Path) -> None:
    done = in_own_process(in_two_processes, tmp_path / 'tiny', timeout_s=240.0)
    for name, found in zip(('segmenter', 'estimator'), zip(*done)):
        allowed = POLICY[f'/mmer/{name}']
        assert set().union(*(denied(one, allowed) for one in found)) == set(), name
        assert unused(list(found), allowed) == set(), name


def of_two_robots(folder: Path) -> dict[str, Allowed]:
    """Return what the nodes of two robots with namespaces do, by their enclaves."""
    use('ros_drivers')
    use('ros4hri')
    tiny_bundle().save(folder)
    with split(Image, ROBOTS, bundle=str(folder), segmenter={'debug_image': True}) as rig:
        talker = rig.talkers[ROBOTS[0]].node
        for robot in ROBOTS:
            rig.estimator._outputs.publish_estimate(SourceEstimate(robot, shown()), 0.0, '')
        assert eventually(lambda: all(
            talker.count_publishers(f'/{robot}/humans/faces/f/expression') for robot in ROBOTS))
        monitors = [Monitor(context=talker.context, namespace=robot) for robot in ROBOTS]
        names = {f'/mmer/{robot}/segmenter': ('segmenter', f'/{robot}') for robot in ROBOTS} | {
            '/mmer/estimator': ('estimator', '/')} | {
            f'/mmer/viewer {robot}': (monitor.get_name(), f'/{robot}')
            for robot, monitor in zip(ROBOTS, monitors)}
        done = {path: seen(talker, *place) for path, place in names.items()}
        for monitor in monitors:
            monitor.destroy_node()
        return done


def rendered(tmp_path: Path, *arguments: str) -> dict[str, Allowed]:
    """Return what `mmer policy` prints, read."""
    process = run([sys.executable, '-m', 'mmer_ros.cli.main', 'policy', str(FILE), *arguments],
                  capture_output=True, text=True, check=True)
    (tmp_path / 'policy.xml').write_text(process.stdout)
    return read(tmp_path / 'policy.xml')


def test_two_robots_may_do_what_they_do_and_not_what_the_other_does(tmp_path: Path) -> None:
    policy = rendered(tmp_path, *(f'--namespace={robot}' for robot in ROBOTS))
    done = in_own_process(of_two_robots, tmp_path / 'tiny', timeout_s=240.0)
    assert len(done) == 5
    for path, one in done.items():
        assert one.publish and one.reply, path
        assert denied(one, policy[path.split()[0]]) == set(), path
    kitchen, hall = (policy[f'/mmer/{robot}/segmenter'] for robot in ROBOTS)
    shared = {'/utterance_parts', '/diagnostics', '/rosout', '/parameter_events'}
    assert kitchen.publish & hall.publish == shared
    assert not kitchen.reply & hall.reply
    estimates = {f'/{robot}/emotion' for robot in ROBOTS}
    assert estimates <= policy['/mmer/estimator'].publish
    assert [path for path, allowed in policy.items() if '/kitchen/emotion' in allowed.publish] == [
        '/mmer/kitchen/emotion', '/mmer/estimator']
    for robot in ROBOTS:
        assert policy[f'/mmer/{robot}/segmenter'].reply <= policy['/mmer/operator'].request


def test_the_estimator_may_have_a_namespace_of_its_own(tmp_path: Path) -> None:
    policy = rendered(tmp_path, '--namespace=kitchen', '--estimator-namespace=/desk')
    assert '/desk/estimator/get_state' in policy['/mmer/estimator'].reply
    assert '/desk/estimator/get_state' in policy['/mmer/viewer'].request
    assert policy['/mmer/estimator'].reply <= policy['/mmer/operator'].request
    assert not any(name.startswith('/estimator/') for allowed in policy.values()
                   for name in allowed.reply | allowed.request)


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
        '/transcript': TRANSCRIPT, SAMPLE_IMAGES: IMAGE,
        f'{SAMPLE_IMAGES}/compressed': COMPRESSED_IMAGE}))
    assert eventually(lambda: len(seen(node, 'player').publish) == 9)
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
    own = {f'/_ros2cli_*/{name.rpartition("/")[2]}' for name in EMOTION.reply
           if name.endswith(('parameters', 'parameter_types', '_atomically', 'type_description'))}
    assert operator.reply == own and len(own) == 7  # of the nodes that the ros2 command makes


def test_only_the_operator_can_change_anything_and_few_hear_people() -> None:
    changing = {name for node in NODES for name in POLICY[node].reply if name.endswith((
        'change_state', 'enable', 'load_bundle', 'reset_history', 'set_parameters',
        'set_parameters_atomically'))}
    assert len(changing) == 17  # load_bundle is not offered by the segmenter
    assert [path for path, allowed in POLICY.items() if allowed.request & changing] == [
        '/mmer/operator']
    sensors = {'/image', '/image/compressed', '/audio', SAMPLE_IMAGES,
               f'{SAMPLE_IMAGES}/compressed'}
    assert [path for path, allowed in POLICY.items() if allowed.subscribe & sensors] == [
        '/mmer/emotion', '/mmer/segmenter']
    assert [path for path, allowed in POLICY.items()
            if '/utterance_parts' in allowed.subscribe] == ['/mmer/estimator']
