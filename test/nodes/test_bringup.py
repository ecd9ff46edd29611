# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The launch file for a whole robot: which drivers start, and the topics that connect them."""

from __future__ import annotations

from collections.abc import Iterator
import logging
from pathlib import Path
from typing import Any

import pytest

FULL_ROS = 'needs launch, launch_ros and launch_pytest, which only a full ROS installation has'
for package in ('rclpy', 'launch_ros', 'launch_pytest'):
    pytest.importorskip(package, reason=FULL_ROS)

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.logging import get_logger
import launch_pytest
from launch_ros.actions import Node
from mmer_ros.nodes.tools.domains import own_domain
import yaml

from ..fixtures.ros import eventually

pytestmark = pytest.mark.ros
LAUNCH_FILE = str(
    Path(get_package_share_directory('mmer_ros')) / 'launch' / 'bringup.launch.py')
# As far as our launch file depends on them: names, topics and arguments of the real ones.
REALSENSE = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node


def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('camera_namespace', default_value='camera'),
        DeclareLaunchArgument('camera_name', default_value='camera'),
        DeclareLaunchArgument('config_file', default_value=''),
        Node(package='realsense2_camera', executable='realsense2_camera_node',
             namespace=LaunchConfiguration('camera_namespace'),
             name=LaunchConfiguration('camera_name'))])
"""
WHISPER = """
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PythonExpression
from launch_ros.actions import Node


def generate_launch_description():
    return LaunchDescription([
        DeclareLaunchArgument('stream', default_value='False'),
        Node(package='whisper_ros', executable='whisper_node', namespace='whisper',
             condition=IfCondition(PythonExpression([LaunchConfiguration('stream')]))),
        Node(package='whisper_ros', executable='silero_vad_node', namespace='whisper',
             parameters=[LaunchConfiguration('silero_vad_params_file')],
             remappings=[('audio', '/audio/in')]),
        Node(package='audio_common', executable='audio_capturer_node', namespace='audio',
             condition=IfCondition(PythonExpression(
                 [LaunchConfiguration('launch_audio_capturer', default=True)])))])
"""
SILERO = '/whisper/silero_vad_node: {ros__parameters: {enabled: false, model_repo: a/b}}'
STAND_INS = {
    'usb_cam': ('usb_cam_node_exe',), 'v4l2_camera': ('v4l2_camera_node',),
    'audio_common': ('audio_capturer_node',), 'audio_capture': ('audio_capture_node',),
    'realsense2_camera': ('realsense2_camera_node',), 'foxglove_bridge': ('foxglove_bridge',),
    'whisper_ros': ('whisper_node', 'silero_vad_node'), 'whisper_bringup': ()}
TOPICS = ('image_topic', 'audio_topic', 'audio_info_topic', 'transcript_topic')


@pytest.fixture
def drivers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a prefix with stand-ins for every driver, each of which ends at once."""
    _make_stand_ins(tmp_path, monkeypatch)
    return tmp_path


def _make_stand_ins(prefix: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = prefix / 'share' / 'ament_index' / 'resource_index' / 'packages'
    index.mkdir(parents=True)
    for package, executables in STAND_INS.items():
        (index / package).touch()
        share, lib = prefix / 'share' / package, prefix / 'lib' / package
        (share / 'launch').mkdir(parents=True)
        (share / 'config').mkdir()
        lib.mkdir(parents=True)
        for executable in executables:
            (lib / executable).write_text('#!/bin/sh\nexit 3\n')
            (lib / executable).chmod(0o755)
    share = prefix / 'share'
    (share / 'realsense2_camera' / 'launch' / 'rs_launch.py').write_text(REALSENSE)
    (share / 'whisper_bringup' / 'launch' / 'whisper.launch.py').write_text(WHISPER)
    (share / 'whisper_bringup' / 'config' / 'silero_vad.yaml').write_text(SILERO)
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(prefix), prepend=':')


class Launched:
    """What the launch file starts, without starting it."""

    def __init__(self, *argv: str, **arguments: str) -> None:
        self.context = LaunchContext(argv=argv)
        self.context.launch_configurations.update(arguments)
        source = PythonLaunchDescriptionSource(LAUNCH_FILE)
        self.nodes: dict[str, Node] = {}
        self.full_names: dict[str, str] = {}
        self._visit(source.get_launch_description(self.context).entities)
        self.topics = {name: self.context.launch_configurations.get(name, '') for name in TOPICS}

    def _visit(self, entities: Any) -> None:
        for entity in entities or ():
            if isinstance(entity, Node) and entity.condition is not None and (
                    not entity.condition.evaluate(self.context)):
                continue
            if isinstance(entity, Node):
                entity._perform_substitutions(self.context)  # names it without starting it
                self.nodes[entity.node_executable] = entity
                self.full_names[entity.node_executable] = str(entity.node_name)
            else:
                self._visit(entity.visit(self.context))

    def parameters(self, executable: str) -> dict[str, Any]:
        """Return the parameters that a node is given in files."""
        found: dict[str, Any] = {}
        for file, is_file in self.nodes[executable]._Node__expanded_parameter_arguments or ():
            assert is_file
            for block in yaml.safe_load(Path(file).read_text()).values():
                found |= block['ros__parameters']
        return found

    def remappings(self, executable: str) -> dict[str, str]:
        """Return the remappings of a node."""
        return dict(self.nodes[executable].expanded_remapping_rules or ())


def test_nothing_is_started_beside_the_emotion_node_by_default(drivers: Path) -> None:
    launched = Launched()
    assert set(launched.nodes) == {'emotion'}
    assert not any(launched.topics.values())


@pytest.mark.parametrize(('arguments', 'executable', 'topics'), [
    ({'camera': 'usb_cam'}, 'usb_cam_node_exe', {'image_topic': 'image_raw'}),
    ({'camera': 'v4l2_camera'}, 'v4l2_camera_node', {'image_topic': 'image_raw'}),
    ({'camera': 'realsense'}, 'realsense2_camera_node',
     {'image_topic': 'camera/camera/color/image_raw'}),
    ({'camera': 'realsense', 'camera_name': 'front'}, 'realsense2_camera_node',
     {'image_topic': 'camera/front/color/image_raw'}),
    ({'microphone': 'audio_common'}, 'audio_capturer_node', {'audio_topic': 'audio'}),
    ({'microphone': 'audio_capture'}, 'audio_capture_node',
     {'audio_topic': 'audio_stamped', 'audio_info_topic': 'audio_info'})])
def test_a_driver_is_started_and_its_topics_are_the_node_s(
        drivers: Path, arguments: dict[str, str], executable: str, topics: dict[str, str]) -> None:
    launched = Launched(**arguments)
    assert set(launched.nodes) == {executable, 'emotion'}
    assert {name: topic for name, topic in launched.topics.items() if topic} == topics
    given = launched.parameters('emotion')
    assert {name: given.get(name) for name in topics} == topics


def test_drivers_share_the_namespace_of_the_node(drivers: Path) -> None:
    launched = Launched(camera='realsense', microphone='audio_capture', namespace='robot')
    assert launched.full_names['realsense2_camera_node'] == '/robot/camera/camera'
    assert launched.full_names['audio_capture_node'] == '/robot/audio_capture'
    assert launched.full_names['emotion'] == '/robot/emotion'


def test_a_topic_that_is_given_is_kept(drivers: Path) -> None:
    assert Launched(camera='usb_cam', image_topic='/eye').topics['image_topic'] == '/eye'


def test_audio_capture_sends_wave_and_the_parameters_of_a_file(
        drivers: Path, tmp_path: Path) -> None:
    file = tmp_path / 'microphone.yaml'
    file.write_text('/**: {ros__parameters: {device: "hw:1"}}')
    launched = Launched(microphone='audio_capture', microphone_params_file=str(file))
    assert launched.parameters('audio_capture_node') == {'format': 'wave', 'device': 'hw:1'}


def test_whisper_listens_to_the_microphone_that_the_node_listens_to(drivers: Path) -> None:
    launched = Launched(microphone='audio_common', asr='whisper_ros', namespace='robot')
    assert set(launched.nodes) == {
        'audio_capturer_node', 'whisper_node', 'silero_vad_node', 'emotion'}
    assert launched.remappings('audio_capturer_node') == {'audio': '/audio/in'}
    assert launched.remappings('silero_vad_node') == {'audio': '/audio/in'}
    assert launched.topics['audio_topic'] == '/audio/in'
    assert launched.topics['transcript_topic'] == '/whisper/transcription'
    assert launched.full_names['audio_capturer_node'] == '/robot/audio_common'
    assert launched.full_names['whisper_node'].startswith('/whisper')
    assert launched.parameters('silero_vad_node') == {'enabled': True, 'model_repo': 'a/b'}


def test_foxglove_reaches_this_computer_only_and_finds_a_debug_image(drivers: Path) -> None:
    launched = Launched(foxglove='True')
    assert launched.parameters('foxglove_bridge') == {'address': '127.0.0.1'}
    assert launched.parameters('emotion')['debug_image'] is True


@pytest.mark.parametrize(('arguments', 'words'), [
    ({'camera': 'usbcam'}, "camera is 'usbcam'; expected one of usb_cam, v4l2_camera, realsense"),
    ({'foxglove': 'yes'}, "foxglove is 'yes'; expected one of true, false"),
    ({'microphone': 'audio_capture', 'asr': 'whisper_ros'}, 'use microphone:=audio_common'),
    ({'camera': 'usb_cam', 'camera_params_file': 'nowhere.yaml'}, 'nowhere.yaml does not exist'),
    ({'camera': 'realsense', 'camera_params_file': 'a.yaml'}, 'not for realsense2_camera')])
def test_a_wrong_argument_is_refused_with_what_was_expected(
        drivers: Path, arguments: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Launched(**arguments)


@pytest.mark.parametrize(('arguments', 'words'), [
    ({'camera': 'usb_cam'}, 'sudo apt install ros-jazzy-usb-cam'),
    ({'camera': 'realsense'}, 'sudo apt install ros-jazzy-realsense2-camera'),
    ({'microphone': 'audio_common'}, 'build https://github.com/mgonzs13/audio_common'),
    ({'asr': 'whisper_ros'}, 'build https://github.com/mgonzs13/whisper_ros')])
def test_a_package_that_is_not_installed_is_named_with_how_to_install_it(
        arguments: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    monkeypatch.setenv('AMENT_PREFIX_PATH', str(Path(LAUNCH_FILE).parents[3]))
    with pytest.raises(ValueError, match=words):
        Launched(**arguments)


def test_arguments_of_included_launch_files_are_known_and_others_are_not(
        drivers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('sys.argv', ['ros2', 'launch', 'mmer_ros', 'bringup.launch.py'])
    Launched('config_file:=a.yaml', 'bundle:=plus', camera='realsense')
    with pytest.raises(ValueError, match='camara is unknown; did you mean camera?'):
        Launched('camara:=realsense')
    with pytest.raises(ValueError, match='config_file is unknown'):
        Launched('config_file:=a.yaml', camera='usb_cam')


class Sentences(logging.Handler):
    """Keeps what the launch system says."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ''

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.text += record.getMessage() + '\n'


@launch_pytest.fixture
def unplugged(tmp_path: Path) -> Iterator[Any]:
    own_domain()
    sentences = Sentences()
    with pytest.MonkeyPatch.context() as monkeypatch:
        _make_stand_ins(tmp_path, monkeypatch)
        get_logger('launch.user').addHandler(sentences)
        get_logger('emotion-2').addHandler(sentences)
        yield LaunchDescription([IncludeLaunchDescription(
            PythonLaunchDescriptionSource(LAUNCH_FILE),
            launch_arguments={'camera': 'usb_cam', 'autostart': 'false'}.items())]), sentences
        get_logger('launch.user').removeHandler(sentences)
        get_logger('emotion-2').removeHandler(sentences)


@pytest.mark.slow
@pytest.mark.launch(fixture=unplugged)
def test_a_driver_that_ends_is_explained_and_does_not_end_the_node(unplugged: Any) -> None:
    sentences = unplugged[1]
    words = 'usb_cam ended with 3; all else goes on without it. Is the camera plugged in'
    assert eventually(lambda: sentences.text.count(words) == 2, 60.0), sentences.text
    assert 'process has' not in sentences.text  # of the emotion node
