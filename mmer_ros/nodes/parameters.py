"""The parameters of all nodes: description, range and default, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import annotated_types
from mmer_ros.nodes.health.limits import Limits
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recognition.prior_correction import ROBOT
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

SEGMENTER, HEALTH = 'segmenter', 'health'
GROUPS: dict[str, type[BaseModel]] = {SEGMENTER: SegmenterConfig, HEALTH: Limits}

# name: (default, description)
PARAMETERS: dict[str, tuple[Any, str]] = {
    'autostart': (True, 'configure and activate without being asked'),
    'bundle': (DEFAULT_BUNDLE, 'name or folder of the model bundle'),
    'bundle_hash': ('', 'if not empty, a bundle with another content hash is refused'),
    'prior': (ROBOT, "how common the emotions are where the robot is: 'meld' (talk, mostly "
              "neutral), 'flat', or seven numbers in label order; empty: as the bundle was "
              'calibrated'),
    'device': ('cpu', "where the networks run: 'cpu', 'cuda', 'cuda:1', ..."),
    'threads': (1, 'CPU threads of the networks; 0: as many as torch chooses'),
    'image_topic': ('image', 'sensor_msgs/Image or CompressedImage; empty: no camera'),
    'image_transport': ('', "'raw' for sensor_msgs/Image, 'compressed' for CompressedImage on "
                        'image_topic/compressed; empty: whichever is published, raw before '
                        'compressed'),
    'image_reliability': ('best_effort', "'best_effort' takes every publisher; 'reliable' loses "
                          'nothing, but takes reliable publishers only'),
    'image_depth': (5, 'messages that the middleware keeps until they are taken'),
    'audio_topic': ('audio', 'audio of any type of docs/messages.md; empty: no microphone'),
    'audio_type': ('', "its type, e.g. 'mmer_msgs/msg/AudioChunk'; empty: found as soon as "
                   'somebody publishes'),
    'audio_reliability': ('best_effort', 'likewise'),
    'audio_depth': (100, 'likewise'),
    'audio_rate': (16_000, 'Hz, where neither the messages nor an AudioInfo tell'),
    'audio_channels': (1, 'interleaved channels, likewise'),
    'audio_format': ('S16LE', 'format of raw samples by the name that GStreamer has for it, '
                     'likewise'),
    'audio_info_topic': ('audio_info', 'audio_common_msgs/AudioInfo, which goes with AudioData; '
                         'empty: none'),
    'transcript_topic': ('transcript', 'words, of any type of docs/messages.md; empty: no '
                         'transcripts'),
    'transcript_type': ('', 'as audio_type'),
    'transcript_reliability': ('reliable', 'as image_reliability'),
    'transcript_depth': (10, 'as image_depth'),
    'ros4hri': (False, 'take the faces that are found already from /humans/faces instead of '
                'image_topic'),
    'ros4hri_voices': (True, 'if ros4hri, also take audio, voice activity and words from '
                       '/humans/voices instead of audio_topic and transcript_topic'),
    'emotion_topic': ('emotion', 'mmer_msgs/EmotionEstimate is published here'),
    'publish_transcript': (False, 'put the words into the published estimates'),
    'partial_rate': (1.0, 'estimates so far while somebody speaks, Hz of capture time; 0: none'),
    'publish_expressions': (True, 'if hri_msgs is installed, publish hri_msgs/Expression below '
                            '/humans for each face and person'),
    'debug_image': (False, "allow ~/debug_image: the camera's image with what was found in it, "
                    'as long as somebody subscribes'),
    'image_queue': (3, 'images to be looked at that wait at most; the oldest give way'),
    'audio_queue': (100, 'audio chunks that wait at most; the oldest give way'),
    'source': ('', 'name of the robot, a namespace below which its estimates are published; '
               'empty: the namespace of the node'),
    'parts_topic': ('/utterance_parts', 'mmer_msgs/UtterancePart goes from segmenters to the '
                    'estimator here'),
    'parts_depth': (100, 'parts that the middleware keeps until they are received'),
    'parts_queue': (1000, 'parts that wait at most; the oldest give way'),
    'parts_wait_s': (5.0, 'an utterance of which no part came for so long is over, seconds'),
    'batch': (0, 'utterances that are worked on together at most; 0: 1 on the CPU, which gives '
              'the same as a single process to the bit, 16 elsewhere'),
}
# Which of them each node has.
_COMMON = ('autostart', 'bundle', 'device', 'threads')
_SENSORS = ('image_topic', 'image_transport', 'image_reliability', 'image_depth', 'audio_topic',
            'audio_type', 'audio_reliability', 'audio_depth', 'audio_rate', 'audio_channels',
            'audio_format', 'audio_info_topic', 'transcript_topic', 'transcript_type',
            'transcript_reliability', 'transcript_depth', 'ros4hri', 'ros4hri_voices',
            'debug_image', 'image_queue', 'audio_queue')
_ESTIMATES = ('bundle_hash', 'prior', 'emotion_topic', 'publish_transcript', 'partial_rate',
              'publish_expressions')
_PARTS = ('parts_topic', 'parts_depth')
EMOTION = _COMMON + _SENSORS + _ESTIMATES
SEGMENTING = _COMMON + _SENSORS + _PARTS + ('source',)
ESTIMATING = _COMMON + _ESTIMATES + _PARTS + ('parts_queue', 'parts_wait_s', 'batch')
INTEGER_RANGES = {'threads': (0, 256), 'image_queue': (1, 1000), 'audio_queue': (1, 10_000),
                  'image_depth': (1, 10_000), 'audio_depth': (1, 10_000),
                  'transcript_depth': (1, 10_000), 'audio_rate': (8_000, 192_000),
                  'audio_channels': (1, 32), 'parts_depth': (1, 10_000),
                  'parts_queue': (1, 100_000), 'batch': (0, 256)}
FLOAT_RANGES = {'partial_rate': (0.0, 10.0), 'parts_wait_s': (0.5, 60.0)}
READ_ONLY = frozenset({'autostart'})  # looked at once, when the process starts
LIVE = frozenset({'publish_transcript', 'partial_rate'})  # may change while configured


def declare(node: Node, names: Sequence[str], groups: Sequence[str]) -> None:
    """Declare these parameters and groups of them on the node."""
    for name in names:
        default, description = PARAMETERS[name]
        descriptor = ParameterDescriptor(description=description, read_only=name in READ_ONLY)
        if name in INTEGER_RANGES:
            least, most = INTEGER_RANGES[name]
            descriptor.integer_range = [IntegerRange(from_value=least, to_value=most, step=1)]
        elif name in FLOAT_RANGES:
            descriptor.floating_point_range = [_range(*FLOAT_RANGES[name])]
        node.declare_parameter(name, default, descriptor)
    for group in groups:
        for name, info in _fields(GROUPS[group], group):
            description = info.description or (
                f'{name.rsplit(".", 1)[-1]}; see docs/parameters.md')
            node.declare_parameter(name, float(info.default), ParameterDescriptor(
                description=description, floating_point_range=[_range(*_bounds(info))]))


def is_known(name: str) -> bool:
    """Tell whether a parameter is one of ours."""
    return name in PARAMETERS or name.split('.', 1)[0] in GROUPS


def is_live(name: str) -> bool:
    """Tell whether a parameter takes effect when it is changed while the node is configured."""
    return name in LIVE or name.startswith(f'{HEALTH}.')


def segmenter_config(node: Node) -> SegmenterConfig:
    """Return the segmentation settings from the parameters."""
    return SegmenterConfig.model_validate(_values(node, SEGMENTER))


def limits(node: Node) -> Limits:
    """Return the limits of the diagnostics from the parameters."""
    return Limits.model_validate(_values(node, HEALTH))


def _values(node: Node, group: str) -> dict[str, Any]:
    """Return the parameters of a group, nested as in its model."""
    values: dict[str, Any] = {}
    for name, _ in _fields(GROUPS[group], group):
        *path, last = name.split('.')[1:]
        inner = values
        for key in path:
            inner = inner.setdefault(key, {})
        inner[last] = node.get_parameter(name).value
    return values


def _range(low: float, high: float) -> FloatingPointRange:
    return FloatingPointRange(from_value=low, to_value=high)


def _fields(model: type[BaseModel], prefix: str) -> list[tuple[str, FieldInfo]]:
    """Return the numeric settings of a model and of those inside it, with dotted names."""
    found = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            found += _fields(info.annotation, f'{prefix}.{name}')
        else:
            found.append((f'{prefix}.{name}', info))
    return found


def _bounds(info: FieldInfo) -> tuple[float, float]:
    low, high = 0.0, 1e9
    for constraint in info.metadata:
        if isinstance(constraint, annotated_types.Ge):
            low = float(constraint.ge)  # type: ignore[arg-type]
        elif isinstance(constraint, annotated_types.Gt):
            low = float(constraint.gt) + 1e-6  # type: ignore[arg-type]
        elif isinstance(constraint, annotated_types.Le):
            high = float(constraint.le)  # type: ignore[arg-type]
        elif isinstance(constraint, annotated_types.Lt):
            high = float(constraint.lt) - 1e-6  # type: ignore[arg-type]
    return low, high
