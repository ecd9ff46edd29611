# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The launch file, launched: the node is active, has what was given and ends cleanly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
import os
from pathlib import Path
import signal
import time
from typing import Any

import pytest

FULL_ROS = 'needs launch, launch_ros and launch_pytest, which only a full ROS installation has'
for package in ('rclpy', 'launch_ros', 'launch_pytest'):
    pytest.importorskip(package, reason=FULL_ROS)

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchService
from launch.actions import IncludeLaunchDescription, RegisterEventHandler
from launch.event_handlers import OnProcessExit, OnProcessIO, OnProcessStart
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import TextSubstitution
from launch.utilities import perform_substitutions
import launch_pytest
from lifecycle_msgs.srv import GetState
from mmer_msgs.msg import AudioChunk
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.settings import parameters
from rcl_interfaces.srv import GetParameters
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import parameter_value_to_python
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from ..fixtures.model import tiny_bundle
from ..fixtures.ros import eventually

pytestmark = pytest.mark.ros
LAUNCH_FILE = str(
    Path(get_package_share_directory('mmer_ros')) / 'launch' / 'emotion.launch.py')
START_S = 120.0  # to import torch and load a bundle on a busy computer
PARAMETER_FILE = """
/**:
  ros__parameters:
    threads: 2
    publish_transcript: true
    audio_topic: /file/audio
    image_topic: /file/image
    transcript_topic: ''
    segmenter: {face_only_s: 2.5}
"""


@dataclass
class Run:
    """What became of the processes of one launch, in the order of their starts and ends."""

    pids: list[int] = field(default_factory=list)
    exit_codes: list[int] = field(default_factory=list)
    text: str = ''

    def hear(self, event: Any) -> None:
        """Keep what a process printed."""
        self.text += event.text.decode(errors='replace')


def describe(**arguments: str) -> tuple[LaunchDescription, Run]:
    """Return the installed launch file with its arguments, observed."""
    own_domain()
    run = Run()
    return LaunchDescription([
        RegisterEventHandler(OnProcessStart(
            on_start=lambda event, context: run.pids.append(event.pid))),
        RegisterEventHandler(OnProcessExit(
            on_exit=lambda event, context: run.exit_codes.append(event.returncode))),
        RegisterEventHandler(OnProcessIO(on_stdout=run.hear, on_stderr=run.hear)),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(LAUNCH_FILE),
                                 launch_arguments=arguments.items()),
    ]), run


class Client:
    """Asks the launched node for its state and parameters, as the command line tools do."""

    def __init__(self, context: rclpy.Context, node_name: str) -> None:
        self._node = rclpy.create_node('client', context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._name = node_name

    def _call(self, service_type: type, service: str, request: Any) -> Any:
        """Return the response, or None if nobody answers."""
        client = self._node.create_client(service_type, f'{self._name}/{service}')
        try:
            if not client.wait_for_service(timeout_sec=1.0):
                return None
            future = client.call_async(request)
            rclpy.spin_until_future_complete(self._node, future, self._executor, timeout_sec=5.0)
            return future.result()
        finally:
            self._node.destroy_client(client)

    def reaches(self, state: str) -> bool:
        """Wait for the node to be in a state."""
        def reached() -> bool:
            response = self._call(GetState, 'get_state', GetState.Request())
            return response is not None and response.current_state.label == state
        return eventually(reached, START_S)

    def values(self, *names: str) -> dict[str, Any]:
        """Return parameters of the node."""
        response = self._call(GetParameters, 'get_parameters', GetParameters.Request(names=names))
        return dict(zip(names, map(parameter_value_to_python, response.values)))

    def publish(self, **topics: type) -> None:
        """Be there for the node, which subscribes with the types that it finds."""
        for topic, message_type in topics.items():
            self._node.create_publisher(message_type, f'/{topic.replace("__", "/")}', 1)

    def topics(self) -> set[str]:
        """Return the topics of sensors and estimates that the node subscribes or publishes."""
        namespace, name = self._name.rsplit('/', 1)
        found: dict[str, list[str]] = {}
        if (name, namespace or '/') not in self._node.get_node_names_and_namespaces():
            return set()  # not found yet
        for ask in (self._node.get_subscriber_names_and_types_by_node,
                    self._node.get_publisher_names_and_types_by_node):
            found |= dict(ask(name, namespace or '/'))
        return {topic for topic, types in found.items()
                if types[0].startswith(('mmer_msgs/', 'sensor_msgs/', 'std_msgs/'))}


@pytest.fixture
def context() -> Iterator[rclpy.Context]:
    own_domain()
    context = rclpy.Context()
    context.init()
    yield context
    context.try_shutdown()


@launch_pytest.fixture
def by_default() -> tuple[LaunchDescription, Run]:
    return describe()


@launch_pytest.fixture
def with_arguments(tmp_path: Path) -> tuple[LaunchDescription, Run]:
    tiny_bundle().save(tmp_path / 'tiny')
    (tmp_path / 'file.yaml').write_text(PARAMETER_FILE)
    return describe(
        params_file=str(tmp_path / 'file.yaml'), bundle=str(tmp_path / 'tiny'), namespace='robot',
        image_topic='camera', image_transport='compressed', use_sim_time='true', device='cpu',
        emotion_topic='/feeling', log_level='debug')


@launch_pytest.fixture
def by_hand() -> tuple[LaunchDescription, Run]:
    return describe(autostart='False')


@pytest.mark.slow
@pytest.mark.launch(fixture=by_default)
def test_by_default_it_is_active_with_the_declared_defaults_and_comes_back_when_killed(
        by_default, context):
    run = by_default[1]
    client = Client(context, '/emotion')
    assert client.reaches('active'), run.text
    defaults = {name: p.default for name, p in parameters(node='emotion').items()}
    assert client.values(*defaults) == defaults
    client.publish(image=Image, audio=AudioChunk, transcript=String)
    topics = {'/image', '/audio', '/transcript', '/emotion', '/emotion/people'}
    assert eventually(lambda: client.topics() == topics), client.topics()
    os.kill(run.pids[0], signal.SIGKILL)
    assert eventually(lambda: len(run.pids) == 2, 30)
    assert client.reaches('active'), run.text
    yield
    assert run.exit_codes == [-signal.SIGKILL, 0], run.text
    assert 'Traceback' not in run.text


@pytest.mark.slow
@pytest.mark.launch(fixture=with_arguments)
def test_arguments_override_the_parameter_file_and_nothing_else_does(with_arguments, context):
    run = with_arguments[1]
    client = Client(context, '/robot/emotion')
    assert client.reaches('active'), run.text
    expected = {
        'threads': 2, 'publish_transcript': True, 'audio_topic': '/file/audio',
        'transcript_topic': '', 'segmenter.face_only_s': 2.5,  # of the file
        'image_topic': 'camera', 'image_transport': 'compressed', 'device': 'cpu',
        'emotion_topic': '/feeling', 'use_sim_time': True,  # given
        'audio_queue': parameters()['audio_queue'].default}
    assert client.values(*expected) == expected
    client.publish(robot__camera__compressed=CompressedImage, file__audio=AudioChunk)
    topics = {'/robot/camera/compressed', '/file/audio', '/feeling', '/robot/emotion/people'}
    assert eventually(lambda: client.topics() == topics), client.topics()
    assert 'bundle tiny, hash' in run.text
    assert '[DEBUG]' in run.text
    yield
    assert run.exit_codes == [0], run.text
    assert 'Traceback' not in run.text


@pytest.mark.slow
@pytest.mark.launch(fixture=by_hand)
def test_without_autostart_it_waits_to_be_configured(by_hand, context):
    run = by_hand[1]
    client = Client(context, '/emotion')
    assert client.reaches('unconfigured'), run.text
    assert client.values('autostart') == {'autostart': False}
    assert client.topics() == set()
    yield
    assert run.exit_codes == [0], run.text


@launch_pytest.fixture
def as_two(tmp_path: Path) -> tuple[LaunchDescription, Run]:
    tiny_bundle().save(tmp_path / 'tiny')
    return describe(split='true', bundle=str(tmp_path / 'tiny'), namespace='robot',
                    parts_topic='/here')


@pytest.mark.slow
@pytest.mark.launch(fixture=as_two)
def test_split_starts_a_segmenter_and_an_estimator_that_find_one_another(as_two, context):
    run = as_two[1]
    segmenter, estimator = (Client(context, f'/robot/{n}') for n in ('segmenter', 'estimator'))
    assert segmenter.reaches('active') and estimator.reaches('active'), run.text
    segmenter.publish(robot__image=Image, robot__audio=AudioChunk, robot__transcript=String)
    topics = {'/robot/image', '/robot/audio', '/robot/transcript', '/here'}
    assert eventually(lambda: segmenter.topics() == topics), segmenter.topics()
    assert estimator.topics() == {'/here'}
    assert 'source robot: utterance parts' in run.text
    yield
    assert run.exit_codes == [0, 0], run.text
    assert 'Traceback' not in run.text


@launch_pytest.fixture
def on_the_robot() -> tuple[LaunchDescription, Run]:
    return describe(split='true', run='segmenter', autostart='false')


@pytest.mark.slow
@pytest.mark.launch(fixture=on_the_robot)
def test_each_of_the_two_can_be_started_alone(on_the_robot, context):
    run = on_the_robot[1]
    assert Client(context, '/segmenter').reaches('unconfigured'), run.text
    assert len(run.pids) == 1
    yield
    assert run.exit_codes == [0], run.text


@launch_pytest.fixture
def unusable(tmp_path: Path) -> tuple[LaunchDescription, Run]:
    path = tmp_path / 'file.yaml'
    path.write_text('emotion: {ros__parameters: {partial_rate: 99.0}}')
    return describe(params_file=str(path), respawn_delay='0.5')


@pytest.mark.slow
@pytest.mark.launch(fixture=unusable)
def test_a_node_whose_parameters_cannot_be_used_is_not_started_again(unusable, context):
    run = unusable[1]
    assert eventually(lambda: 'is not started again' in run.text or run.exit_codes, START_S)
    time.sleep(3.0)  # it would be there again by now
    yield
    assert run.exit_codes == [2] and len(run.pids) == 1, run.text
    assert 'partial_rate' in run.text and 'Traceback' not in run.text


def nodes_of(*argv: str, **arguments: str) -> Any:
    """Return what the launch file would start."""
    context = LaunchContext(argv=argv)
    context.launch_configurations.update(arguments)
    description = PythonLaunchDescriptionSource(LAUNCH_FILE).get_launch_description(context)
    return [entity.visit(context) for entity in description.entities][-1]


def given(substitutions: Any) -> bool:
    """Return whether a word of a command is known before the launch."""
    return all(isinstance(part, TextSubstitution) for part in substitutions)


def text(substitutions: Any) -> str:
    return perform_substitutions(LaunchContext(), substitutions)


def test_an_enclave_is_below_the_namespace_of_the_robot_and_that_of_the_estimator_is_not():
    found = {}
    for node in nodes_of(split='true', enclave='/mmer', namespace='/lab/left'):
        words = [text(word) for word in node.process_description.cmd if given(word)]
        found[node.node_executable] = words[words.index('--enclave') + 1]
    assert found == {'segmenter': '/mmer/lab/left/segmenter', 'estimator': '/mmer/estimator'}
    for node in nodes_of():
        assert '--enclave' not in [
            text(word) for word in node.process_description.cmd if given(word)]


def test_nothing_starts_if_an_argument_is_wrong() -> None:
    description, run = describe(autostart='yes')
    service = LaunchService()
    service.include_launch_description(description)
    assert service.run() == 1
    assert run.pids == []


@pytest.mark.parametrize(('arguments', 'words'), [
    ({'autostart': 'yes'}, "argument autostart is 'yes'; expected one of true, false"),
    ({'respawn': 'yes'}, 'argument respawn'), ({'use_sim_time': 'yes'}, 'argument use_sim_time'),
    ({'split': 'yes'}, 'argument split'),
    ({'image_transport': 'pigeon'}, 'expected one of raw, compressed'),
    ({'split': 'true', 'run': 'emotion'}, 'expected both, segmenter or estimator'),
    ({'run': 'segmenter'}, 'needs split:=true'),
    ({'params_file': 'nowhere.yaml'}, 'nowhere.yaml does not exist')])
def test_a_wrong_argument_is_refused_with_what_was_expected(arguments, words):
    with pytest.raises(ValueError, match=words):
        nodes_of(**arguments)


@pytest.mark.parametrize(('text', 'words'), [
    ('emotoin: {ros__parameters: {threads: 2}}', 'has parameters for /emotoin; expected emotion'),
    ('threads: 2', 'has parameters for no node'), ('a: [', 'cannot be read'),
    ('a: ' + '[' * 10_000, 'cannot be read')])
def test_a_parameter_file_for_other_nodes_is_refused(text, words, tmp_path):
    (tmp_path / 'file.yaml').write_text(text)
    with pytest.raises(ValueError, match=words):
        nodes_of(params_file=str(tmp_path / 'file.yaml'))


def test_an_unknown_argument_is_refused_with_the_nearest_name(monkeypatch):
    monkeypatch.setattr('sys.argv', ['ros2', 'launch', 'mmer_ros', 'emotion.launch.py'])
    assert len(nodes_of('image_topic:=/camera', 'launch-prefix:=')) == 1
    with pytest.raises(ValueError, match='imag_topic is unknown; did you mean image_topic?'):
        nodes_of('imag_topic:=/camera')
    monkeypatch.setattr('sys.argv', ['ros2', 'launch', 'robot', 'bringup.launch.py'])
    assert len(nodes_of('robot_name:=anne')) == 1  # an argument of the file that includes this one
