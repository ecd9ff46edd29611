# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Launch the emotion node, or segmenter and estimator: ros2 launch mmer_ros emotion.launch.py.

`--show-args` lists the arguments. Like every launch file this one runs in the Python of `ros2`,
so it imports nothing of mmer_ros, whose dependencies may be installed for another.
"""

from difflib import get_close_matches
from pathlib import Path
import sys

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, EmitEvent, LogInfo, OpaqueFunction
from launch.events import matches_action
from launch.events.process import ShutdownProcess
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
import yaml

NODES = ('emotion', 'segmenter', 'estimator')
BOOLEAN = ('', 'true', 'false')
# An argument overrides the parameter of its name; if it is empty, the parameter file decides.
# `python -m tools.settings_docs` writes what stands between the marks.
# parameters: begin
OVERRIDES = {  # name: (values that it may have, description)
    'autostart': (BOOLEAN, (
        'The node configures and activates itself when the process starts.')),
    'bundle': ((), (
        'The model bundle is given by its folder or by its name, which is looked up in the '
        'folders of MMER_BUNDLE_PATH and then in the package.')),
    'device': ((), (
        "The networks run on this device: 'cpu', 'cuda', or 'cuda:1' for the second GPU.")),
    'engine': (('auto', 'onnx', 'torch'), (
        "What runs the networks: 'onnx' (ONNX Runtime, on CPUs), 'torch', or 'auto': onnx "
        'where the device is a CPU and the bundle has graphs, else torch.')),
    'image_topic': ((), (
        'Images (sensor_msgs/Image or CompressedImage) are read from this topic. Leave it '
        'empty if there is no camera.')),
    'image_transport': (('', 'raw', 'compressed'), (
        "With 'raw', the node subscribes to sensor_msgs/Image on image_topic; with "
        "'compressed', to sensor_msgs/CompressedImage on image_topic/compressed. If it is "
        'empty, the node takes what is published, raw before compressed.')),
    'debug_image': (BOOLEAN, (
        'The node offers ~/debug_image, the camera image with the faces, the speaker and the '
        'latest estimate drawn on it. It is published while somebody subscribes.')),
    'audio_topic': ((), (
        'Audio is read from this topic. Leave it empty if there is no microphone.')),
    'transcript_topic': ((), (
        'Words are read from this topic. Leave it empty if there is no speech recogniser.')),
    'ros4hri': (BOOLEAN, (
        'The node takes detected faces from /humans/faces instead of images from image_topic.')),
    'prior': ((), (
        'Probabilities are corrected for how common each emotion is where the robot works: '
        "'talk' (29 % neutral), 'meld' (of a comedy, 47 % neutral), 'flat' (all equally "
        'common), or seven numbers in label order. If it is empty, they hold for the shares on'
        ' which the bundle was calibrated.')),
    'emotion_topic': ((), (
        'Estimates (mmer_msgs/EmotionEstimate) are published on this topic.')),
    'source': ((), (
        'The estimator publishes the estimates of this robot below this namespace. If it is '
        'empty, the namespace of the node is used.')),
    'parts_topic': ((), (
        'Utterance parts (mmer_msgs/UtterancePart) go from the segmenters to the estimator on '
        'this topic.')),
    'sources': ((), (
        'The estimator serves only these robots, given by their source; * stands for any '
        'characters, and a comma lies between two, as in kitchen,floor1/*. Give each of '
        'several estimators its own. If it is empty, all robots are served.')),
}
# parameters: end
OTHERS = {
    'use_sim_time': (BOOLEAN, 'The nodes take the time from /clock, as when a bag is played.'),
}
UNUSABLE = 2  # exit code of a node whose arguments or parameters cannot be used
DEFAULT_FILE = Path(get_package_share_directory('mmer_ros')) / 'config' / 'emotion.yaml'
ARGUMENTS = {  # name: (default, description)
    'split': ('false', 'true starts two nodes, segmenter and estimator, instead of emotion.'),
    'run': ('both', 'With split:=true: both, segmenter (on the robot) or estimator (elsewhere).'),
    'params_file': (str(DEFAULT_FILE), 'The parameters of the nodes are in this YAML file.'),
    'namespace': ('', 'The nodes are in this namespace.'),
    'enclave': ('', (
        'The SROS2 enclaves are below this path, e.g. /mmer: <path>/<namespace>/<node>, and '
        '<path>/estimator. If empty, the nodes have none.')),
    'log_level': ('info', 'Log level: debug, info, warn, error or fatal.'),
    'respawn': ('true', 'true starts a node again when it ends.'),
    'respawn_delay': ('2.0', 'Seconds until a node is started again.'),
}
# What launch itself reads from arguments.
LAUNCH_ARGUMENTS = ('launch-prefix', 'launch-prefix-filter', 'emulate_tty', 'sigterm_timeout',
                    'sigkill_timeout')


def generate_launch_description():
    """Return the nodes with their arguments."""
    overrides = {name: ('', f'{description} If empty, params_file decides.')
                 for name, (_, description) in {**OVERRIDES, **OTHERS}.items()}
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in {**ARGUMENTS, **overrides}.items()),
        OpaqueFunction(function=_nodes)])


def _nodes(context):
    """Return the nodes with only those parameters overridden that were given."""
    refuse_unknown_arguments(context.argv, __file__, [*ARGUMENTS, *OVERRIDES, *OTHERS])

    def argument(name):
        return LaunchConfiguration(name).perform(context)

    overrides = {name: _checked(name, argument(name), values)
                 for name, (values, _) in {**OVERRIDES, **OTHERS}.items() if argument(name)}
    names = _names(argument('run'), split=_checked('split', argument('split'), BOOLEAN))
    _check_parameter_file(Path(argument('params_file')), names)
    return [Node(
        package='mmer_ros', executable=name, name=name, output='screen',
        namespace=argument('namespace'), parameters=[argument('params_file'), overrides],
        arguments=['--ros-args', '--log-level', argument('log_level'),
                   *_enclave(argument('enclave'), argument('namespace'), name)],
        on_exit=_end_respawning, respawn=_checked('respawn', argument('respawn'), BOOLEAN),
        respawn_delay=float(argument('respawn_delay'))) for name in names]


def _end_respawning(event, context):
    """Leave a node ended that no new start can help: its parameters cannot be used."""
    if event.returncode != UNUSABLE:
        return None
    return [
        LogInfo(msg=f'{event.process_name} is not started again: correct its parameters first'),
        EmitEvent(event=ShutdownProcess(process_matcher=matches_action(event.action)))]


def _names(run, *, split):
    """Return the names of the nodes to be started, which are those of their executables."""
    if run not in ('both', *NODES[1:]):
        raise ValueError(f'argument run is {run!r}; expected both, segmenter or estimator')
    if not split:
        if run != 'both':
            raise ValueError(f'argument run is {run!r}, which needs split:=true')
        return NODES[:1]
    return NODES[1:] if run == 'both' else (run,)


def _enclave(path, namespace, name):
    """Return the arguments that name the enclave of a node, as `mmer policy` names them."""
    if not path:
        return []
    robot = '' if name == 'estimator' else namespace.strip('/')
    return ['--enclave', '/'.join(['', *filter(None, (path.strip('/'), robot)), name])]


def _checked(name, value, values):
    """Return the value of an argument, as a bool where it is one."""
    if values == BOOLEAN:
        value = value.lower()
    if values and value not in values:
        expected = ', '.join(filter(None, values))
        raise ValueError(f'argument {name} is {value!r}; expected one of {expected}')
    return value == 'true' if values == BOOLEAN else value


def refuse_unknown_arguments(words, file, known):
    """
    Refuse arguments that a launch file does not have, unless another one includes it.

    :param words: `name:=value`, as the user wrote them.
    :param file: path of the launch file.
    :param known: names of its arguments.
    """
    if Path(file).name not in (Path(word).name for word in sys.argv):
        return
    for word in words:
        name = word.partition(':=')[0]
        if name not in known and name not in LAUNCH_ARGUMENTS:
            near = get_close_matches(name, known, 1)
            hint = f'; did you mean {near[0]}?' if near else ''
            raise ValueError(f'argument {name} is unknown{hint} (--show-args lists them)')


def _check_parameter_file(path, names):
    """Refuse a parameter file that is not there, or that is not for any of the nodes."""
    if not path.is_file():
        raise ValueError(f'argument params_file: {path} does not exist; name a parameter file '
                         f'like {DEFAULT_FILE}')
    try:
        blocks = list(_blocks(yaml.safe_load(path.read_text(encoding='utf-8')), ''))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ValueError(f'argument params_file: {path} cannot be read: {error}') from error
    if not any(block.rpartition('/')[2] in (*names, '*', '**') for block in blocks):
        raise ValueError(
            f'argument params_file: {path} has parameters for {", ".join(blocks) or "no node"}; '
            f'expected {" or ".join(names)}, or /** for every node')


def _blocks(content, name):
    """Return the names of the nodes that a parameter file has parameters for."""
    if isinstance(content, dict):
        for key, value in content.items():
            if key == 'ros__parameters':
                yield name
            else:
                yield from _blocks(value, f'{name}/{str(key).strip("/")}')
