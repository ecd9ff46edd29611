"""The node's parameters: declared with description, range and default, in one place."""

from __future__ import annotations

from typing import Any

import annotated_types
from mmer_ros.segmenter import SegmenterConfig
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node

SEGMENTER = 'segmenter'

# name: (default, description)
PARAMETERS: dict[str, tuple[Any, str]] = {
    'autostart': (True, 'configure and activate without being asked'),
    'bundle': ('compact', 'name or folder of the model bundle'),
    'bundle_hash': ('', 'if not empty, a bundle with another content hash is refused'),
    'device': ('cpu', "where the networks run: 'cpu', 'cuda', 'cuda:1', ..."),
    'threads': (1, 'CPU threads of the networks; 0: as many as torch chooses'),
    'image_topic': ('image', 'sensor_msgs/Image, or CompressedImage; empty: no camera'),
    'image_transport': ('raw', "'raw' for sensor_msgs/Image, 'compressed' for CompressedImage"),
    'image_reliability': ('best_effort', "'best_effort' takes every publisher; 'reliable' loses "
                          'nothing, but takes reliable publishers only'),
    'audio_topic': ('audio', 'mmer_msgs/AudioChunk; empty: no microphone'),
    'audio_reliability': ('best_effort', 'likewise'),
    'transcript_topic': ('transcript', 'std_msgs/String; empty: no transcripts'),
    'emotion_topic': ('emotion', 'mmer_msgs/EmotionEstimate is published here'),
    'publish_transcript': (False, 'put the words into the published estimates'),
    'image_queue': (3, 'images to be looked at that wait at most; the oldest give way'),
    'audio_queue': (100, 'audio chunks that wait at most; the oldest give way'),
}
INTEGER_RANGES = {'threads': (0, 256), 'image_queue': (1, 1000), 'audio_queue': (1, 10_000)}
LIVE = frozenset({'publish_transcript'})  # may change while configured


def declare(node: Node) -> None:
    """Declare all parameters on the node."""
    for name, (default, description) in PARAMETERS.items():
        descriptor = ParameterDescriptor(description=description)
        if name in INTEGER_RANGES:
            least, most = INTEGER_RANGES[name]
            descriptor.integer_range = [IntegerRange(from_value=least, to_value=most, step=1)]
        node.declare_parameter(name, default, descriptor)
    for name, info in _fields(SegmenterConfig, SEGMENTER):
        low, high = _bounds(info)
        node.declare_parameter(name, float(info.default), ParameterDescriptor(
            description=f'{name.rsplit(".", 1)[-1]}; see docs/parameters.md',
            floating_point_range=[FloatingPointRange(from_value=low, to_value=high)]))


def segmenter_config(node: Node) -> SegmenterConfig:
    """Return the segmentation settings from the parameters."""
    values: dict[str, Any] = {}
    for name, _ in _fields(SegmenterConfig, SEGMENTER):
        *path, last = name.split('.')[1:]
        inner = values
        for key in path:
            inner = inner.setdefault(key, {})
        inner[last] = node.get_parameter(name).value
    return SegmenterConfig.model_validate(values)


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
