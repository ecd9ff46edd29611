# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Launch camera, microphone, speech recogniser and emotion node, with their topics connected.

    ros2 launch mmer_ros bringup.launch.py camera:=usb_cam microphone:=audio_common

It has all arguments of emotion.launch.py and of the launch files that it includes.
"""

from dataclasses import dataclass, field
import os
from pathlib import Path
import tempfile

from ament_index_python.packages import get_package_share_directory, PackageNotFoundError
from launch import LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    GroupAction,
    IncludeLaunchDescription,
    LogInfo,
    OpaqueFunction,
    SetLaunchConfiguration,
)
from launch.launch_description_sources import (
    load_python_launch_file_as_module,
    PythonLaunchDescriptionSource,
)
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node, PushROSNamespace
import yaml


@dataclass(frozen=True)
class Driver:
    """
    A package that can be started: by one executable, or by its launch file.

    :param package: its name.
    :param install: how to install it.
    :param topics: argument of emotion.launch.py -> its value when this driver runs.
    :param executable: name of the node's executable.
    :param parameters: of the node.
    :param hint: what to check when the node ends by itself.
    :param launch_file: below the package's launch folder, instead of an executable.
    :param arguments: of the launch file.
    :param undeclared: further arguments that it reads.
    :param namespaced: it works in the namespace of the emotion node.
    """

    package: str
    install: str
    topics: dict
    executable: str = ''
    parameters: dict = field(default_factory=dict)
    hint: str = ''
    launch_file: str = ''
    arguments: dict = field(default_factory=dict)
    undeclared: tuple = ()
    namespaced: bool = True


def _debian(package):
    """Return the command that installs a released package."""
    distribution = os.environ.get('ROS_DISTRO') or 'jazzy'
    return f'sudo apt install ros-{distribution}-{package.replace("_", "-")}'


V4L2 = 'Is the camera plugged in, and may you read /dev/video0 (group video)?'
SOUND = 'Is a microphone plugged in, and may you record from it (group audio)?'
WHISPER_AUDIO = '/audio/in'  # from here whisper_ros takes audio
REALSENSE_DEFAULTS = {'camera_namespace': 'camera', 'camera_name': 'camera'}
DRIVERS = {
    'camera': {
        'usb_cam': Driver(
            'usb_cam', _debian('usb_cam'), {'image_topic': 'image_raw'},
            executable='usb_cam_node_exe', hint=V4L2),
        'v4l2_camera': Driver(
            'v4l2_camera', _debian('v4l2_camera'), {'image_topic': 'image_raw'},
            executable='v4l2_camera_node', hint=V4L2),
        'realsense': Driver(
            'realsense2_camera', _debian('realsense2_camera'),
            {'image_topic': '{camera_namespace}/{camera_name}/color/image_raw'},
            launch_file='rs_launch.py'),
    },
    'microphone': {
        'audio_common': Driver(
            'audio_common',
            'build https://github.com/mgonzs13/audio_common in this workspace (the audio_common '
            'of apt is another package; its microphone is microphone:=audio_capture)',
            {'audio_topic': 'audio'}, executable='audio_capturer_node', hint=SOUND),
        'audio_capture': Driver(
            'audio_capture', _debian('audio_capture'),
            {'audio_topic': 'audio_stamped', 'audio_info_topic': 'audio_info'},
            executable='audio_capture_node', hint=SOUND,
            parameters={'format': 'wave'}),  # its default is mp3
    },
    'asr': {
        'whisper_ros': Driver(
            'whisper_bringup', 'build https://github.com/mgonzs13/whisper_ros in this workspace',
            {'transcript_topic': '/whisper/transcription', 'audio_topic': WHISPER_AUDIO},
            launch_file='whisper.launch.py',
            arguments={'stream': 'True', 'launch_audio_capturer': 'False'},
            undeclared=('whisper_params_file', 'silero_vad_params_file'),
            namespaced=False),  # its parameter files name the nodes absolutely
    },
    'foxglove': {
        'true': Driver(
            'foxglove_bridge', _debian('foxglove_bridge'), {'debug_image': 'true'},
            executable='foxglove_bridge', parameters={'address': '127.0.0.1'}),
    },
}
ARGUMENTS = {  # name: (default, description)
    'camera': ('none', (
        'The camera driver that is started: usb_cam, v4l2_camera, realsense or none.')),
    'microphone': ('none', (
        'The microphone driver that is started: audio_common (by mgonzs13), audio_capture (by '
        'ros-drivers) or none.')),
    'asr': ('none', 'The speech recogniser that is started: whisper_ros or none.'),
    'foxglove': ('false', (
        'true starts foxglove_bridge, for Foxglove on this computer, and the debug image.')),
    'camera_params_file': ('', (
        'The parameters of usb_cam or v4l2_camera, such as video_device, are in this YAML file. '
        'If empty, those of the driver count.')),
    'microphone_params_file': ('', (
        'The parameters of the microphone driver, such as device, are in this YAML file. If '
        'empty, those of the driver count.')),
}
EMOTION = Path(get_package_share_directory('mmer_ros')) / 'launch' / 'emotion.launch.py'


def generate_launch_description():
    """Return the drivers, then the emotion node."""
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in ARGUMENTS.items()),
        OpaqueFunction(function=_drivers),
        IncludeLaunchDescription(PythonLaunchDescriptionSource(str(EMOTION)))])


def _drivers(context):
    """Return the chosen drivers and the topics that connect the emotion node with them."""
    given = context.launch_configurations
    drivers = {kind: _chosen(kind, given[kind]) for kind in DRIVERS}
    drivers = {kind: driver for kind, driver in drivers.items() if driver}
    _check_types(drivers)
    for kind, driver in drivers.items():
        _check_installed(f'{kind}:={given[kind]}', driver)
        _check_file(kind, driver, given)
    _refuse_unknown_arguments(context, drivers.values())

    names = {**REALSENSE_DEFAULTS, **given}
    topics = {name: topic.format_map(names)
              for driver in drivers.values() for name, topic in driver.topics.items()}
    remapped = {'microphone': [('audio', WHISPER_AUDIO)]} if 'asr' in drivers else {}
    return [
        *(SetLaunchConfiguration(name, topic) for name, topic in topics.items()
          if not given.get(name)),
        *(GroupAction([
            PushROSNamespace(given.get('namespace', '') if driver.namespaced else ''),
            _node(driver, given.get(f'{kind}_params_file'), remapped.get(kind))
            if driver.executable else _included(driver, given)])
          for kind, driver in drivers.items())]


def _chosen(kind, name):
    """Return the driver of that name, or None."""
    if kind == 'foxglove':
        name = name.lower()
    nothing = ARGUMENTS[kind][0]
    if name != nothing and name not in DRIVERS[kind]:
        raise ValueError(f'argument {kind} is {name!r}; expected one of '
                         f'{", ".join([*DRIVERS[kind], nothing])}')
    return DRIVERS[kind].get(name)


def _check_types(drivers):
    """Refuse a microphone that the recogniser does not understand."""
    microphone = drivers.get('microphone')
    if 'asr' in drivers and microphone and microphone.package != 'audio_common':
        raise ValueError(
            f'whisper_ros cannot read the audio of {microphone.package}: use '
            f'microphone:=audio_common, or none if another node publishes on {WHISPER_AUDIO}')


def _check_installed(argument, driver):
    """Refuse a driver whose package is not installed."""
    try:
        get_package_share_directory(driver.package)
    except PackageNotFoundError as error:
        raise ValueError(f'{argument} needs the package {driver.package}, which is not installed '
                         f'or not sourced here: {driver.install}') from error


def _check_file(kind, driver, given):
    """Refuse a parameter file that is not there, or that the driver would not read."""
    name = f'{kind}_params_file'
    path = given.get(name)
    if path and driver.launch_file:
        raise ValueError(f'argument {name} is not for {driver.package}, whose own arguments can '
                         f'be given here, such as config_file')
    if path and not Path(path).is_file():
        raise ValueError(f'argument {name}: {path} does not exist')


def _refuse_unknown_arguments(context, drivers):
    """Refuse arguments that neither this file nor one that it includes has."""
    emotion = load_python_launch_file_as_module(str(EMOTION))
    known = [*ARGUMENTS, *emotion.ARGUMENTS, *emotion.OVERRIDES, *emotion.OTHERS]
    for driver in drivers:
        known += driver.undeclared
        if driver.launch_file:
            description = _source(driver).get_launch_description(context)
            known += [argument.name for argument in description.get_launch_arguments()]
    emotion.refuse_unknown_arguments(context.argv, __file__, known)


def _source(driver):
    """Return the launch file of a driver."""
    folder = Path(get_package_share_directory(driver.package)) / 'launch'
    return PythonLaunchDescriptionSource(str(folder / driver.launch_file))


def _included(driver, given):
    """Return the launch file of a driver with its arguments."""
    arguments = dict(driver.arguments)
    vad = Path(get_package_share_directory(driver.package)) / 'config' / 'silero_vad.yaml'
    if vad.is_file() and 'silero_vad_params_file' not in given:
        arguments['silero_vad_params_file'] = _switched_on(vad)
    return IncludeLaunchDescription(_source(driver), launch_arguments=arguments.items())


def _switched_on(path):
    """Return a copy of whisper_ros's parameters in which it listens; since 4.0.1 it does not."""
    content = yaml.safe_load(path.read_text(encoding='utf-8'))
    for block in content.values():
        block['ros__parameters']['enabled'] = True
    with tempfile.NamedTemporaryFile(
            'w', prefix='mmer_ros_', suffix='.yaml', delete=False) as file:
        yaml.safe_dump(content, file)
    return file.name


def _node(driver, file, remapped):
    """Return the node of a driver; when it ends, it is started again and all others go on."""
    def explain(event, context):
        if event.returncode == 0 or context.is_shutdown:
            return None
        return LogInfo(msg=f'{driver.package} ended with {event.returncode}; all else goes on '
                           f'without it. {driver.hint}')

    return Node(
        package=driver.package, executable=driver.executable, name=driver.package,
        output='screen', parameters=[driver.parameters, *([file] if file else [])],
        remappings=remapped or [], on_exit=explain,
        respawn=LaunchConfiguration('respawn', default='true'), respawn_delay=5.0)
