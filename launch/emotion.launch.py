"""
Launch the emotion node, or segmenter and estimator: ros2 launch mmer_ros emotion.launch.py.

`--show-args` lists the arguments.
"""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

NODES = ('emotion', 'segmenter', 'estimator')
# Each overrides the parameter of its name; left empty, the parameter file decides.
OVERRIDES = {
    'bundle': 'name or folder of the model bundle',
    'prior': 'how common the emotions are: meld, flat, or seven numbers',
    'device': 'cpu, cuda, cuda:1, ...',
    'image_topic': 'camera: sensor_msgs/Image or CompressedImage',
    'image_transport': 'raw or compressed; by default whichever is published',
    'audio_topic': 'microphone: AudioChunk, or any type of docs/messages.md',
    'transcript_topic': 'words: std_msgs/String, hri_msgs/LiveSpeech, ...',
    'ros4hri': 'true or false: take faces and voices from /humans instead',
    'emotion_topic': 'mmer_msgs/EmotionEstimate',
    'debug_image': 'true or false: allow ~/debug_image, the image with what was found in it',
    'source': 'split: name of the robot, below which its estimates are published',
    'parts_topic': 'split: mmer_msgs/UtterancePart from segmenters to the estimator',
    'autostart': 'true or false: configure and activate without being asked',
    'use_sim_time': 'true or false: take the time from /clock, as when a recording is played',
}
BOOLEANS = ('autostart', 'debug_image', 'ros4hri', 'use_sim_time')


def generate_launch_description():
    """Return the nodes with their arguments."""
    parameter_file = Path(get_package_share_directory('mmer_ros')) / 'config' / 'emotion.yaml'
    arguments = {
        'split': ('false', 'true or false: two nodes, segmenter and estimator, instead of one'),
        'run': ('both', 'with split: both, segmenter (on the robot) or estimator (elsewhere)'),
        'params_file': (str(parameter_file), 'parameters of the nodes (YAML)'),
        'namespace': ('', 'of the nodes'),
        'log_level': ('info', 'debug, info, warn, error or fatal'),
        'respawn': ('true', 'true or false: start a node again if it ends'),
        'respawn_delay': ('2.0', 'until it is started again, seconds'),
        **{name: ('', f'{description}; empty: as in params_file')
           for name, description in OVERRIDES.items()},
    }
    return LaunchDescription([
        *(DeclareLaunchArgument(name, default_value=default, description=description)
          for name, (default, description) in arguments.items()),
        OpaqueFunction(function=_nodes)])


def _nodes(context):
    """Return the nodes with only those parameters overridden that were given."""
    overrides = {}
    for name in OVERRIDES:
        value = LaunchConfiguration(name).perform(context)
        if value and name in BOOLEANS:
            overrides[name] = _to_bool(name, value)
        elif value:
            overrides[name] = value
    respawn = _to_bool('respawn', LaunchConfiguration('respawn').perform(context))
    return [Node(
        package='mmer_ros', executable=name, name=name, output='screen',
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), overrides],
        arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')],
        respawn=respawn, respawn_delay=float(
            LaunchConfiguration('respawn_delay').perform(context))) for name in _names(context)]


def _names(context):
    """Return the names of the nodes to be started, which are those of their executables."""
    run = LaunchConfiguration('run').perform(context)
    if run not in ('both', *NODES[1:]):
        raise ValueError(f'argument run: {run!r}; expected both, segmenter or estimator')
    if not _to_bool('split', LaunchConfiguration('split').perform(context)):
        if run != 'both':
            raise ValueError(f'argument run: {run!r} is for split:=true; give both')
        return NODES[:1]
    return NODES[1:] if run == 'both' else (run,)


def _to_bool(name, value):
    if value.lower() not in ('true', 'false'):
        raise ValueError(f'argument {name}: {value!r}; expected true or false')
    return value.lower() == 'true'
