"""Launch the emotion node: ros2 launch mmer_ros emotion.launch.py --show-args."""

from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

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
    'autostart': 'true or false: configure and activate without being asked',
    'use_sim_time': 'true or false: take the time from /clock, as when a recording is played',
}
BOOLEANS = ('autostart', 'debug_image', 'ros4hri', 'use_sim_time')


def generate_launch_description():
    """Return the node with its arguments."""
    parameter_file = Path(get_package_share_directory('mmer_ros')) / 'config' / 'emotion.yaml'
    arguments = [
        DeclareLaunchArgument('params_file', default_value=str(parameter_file),
                              description='parameters of the node (YAML)'),
        DeclareLaunchArgument('namespace', default_value='', description='of the node'),
        DeclareLaunchArgument('log_level', default_value='info',
                              description='debug, info, warn, error or fatal'),
        DeclareLaunchArgument('respawn', default_value='true',
                              description='true or false: start the node again if it ends'),
        DeclareLaunchArgument('respawn_delay', default_value='2.0',
                              description='until it is started again, seconds'),
        *(DeclareLaunchArgument(name, default_value='', description=(
            f'{description}; empty: as in params_file')) for name, description in
          OVERRIDES.items()),
    ]
    return LaunchDescription([*arguments, OpaqueFunction(function=_node)])


def _node(context):
    """Return the node with only those parameters overridden that were given."""
    overrides = {}
    for name in OVERRIDES:
        value = LaunchConfiguration(name).perform(context)
        if value and name in BOOLEANS:
            overrides[name] = _to_bool(name, value)
        elif value:
            overrides[name] = value
    return [Node(
        package='mmer_ros', executable='emotion', name='emotion', output='screen',
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), overrides],
        arguments=['--ros-args', '--log-level', LaunchConfiguration('log_level')],
        respawn=_to_bool('respawn', LaunchConfiguration('respawn').perform(context)),
        respawn_delay=float(LaunchConfiguration('respawn_delay').perform(context)))]


def _to_bool(name, value):
    if value.lower() not in ('true', 'false'):
        raise ValueError(f'argument {name}: {value!r}; expected true or false')
    return value.lower() == 'true'
