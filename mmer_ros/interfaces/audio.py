"""
Audio messages of several packages, told apart by their fields, become AudioBlock; needs no ROS.

Two packages are named audio_common_msgs, so a type's name alone does not tell what is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmer_ros.interfaces.audio_coding import coding_of
from mmer_ros.interfaces.images import chunk_to_block, interleaved
from mmer_ros.types import AudioBlock, InvalidInput
import numpy as np
from numpy.typing import NDArray

# GStreamer's names of raw formats, as ros-drivers' AudioInfo has them.
SAMPLE_FORMATS = {
    'S8': 'i1', 'U8': 'u1', 'S16LE': '<i2', 'S16BE': '>i2', 'S32LE': '<i4', 'S32BE': '>i4',
    'F32LE': '<f4', 'F32BE': '>f4', 'F64LE': '<f8', 'F64BE': '>f8'}
UNCODED = ('', 'wave', 'wav', 'raw', 'pcm')
# PortAudio's numbers of sample formats, as mgonzs13's AudioInfo has them.
TYPED_FIELDS = {1: ('float32_data', 'f4'), 2: ('int32_data', 'i4'), 8: ('int16_data', 'i2'),
                16: ('int8_data', 'i1'), 32: ('uint8_data', 'u1')}


class CodedAudio(InvalidInput):
    """Audio that is compressed."""

    def __init__(self, coding: str) -> None:
        """Say how to switch to uncompressed audio."""
        super().__init__(
            f'audio: it is coded as {coding}; expected uncompressed PCM. Start the capture node '
            'with the parameter format set to wave: ros2 run audio_capture audio_capture_node '
            '--ros-args -p format:=wave')


@dataclass(frozen=True)
class AudioFormat:
    """
    What raw bytes of audio mean, where the message does not tell.

    :param sample_rate: Hz.
    :param channels: interleaved channels.
    :param sample_format: one of SAMPLE_FORMATS.
    :param coding: 'wave' for PCM, else e.g. 'mp3'.
    """

    sample_rate: int = 16_000
    channels: int = 1
    sample_format: str = 'S16LE'
    coding: str = ''

    @classmethod
    def of(cls, info: Any) -> AudioFormat:
        """Return what a ros-drivers AudioInfo tells."""
        return cls(info.sample_rate, info.channels, info.sample_format,
                   getattr(info, 'coding_format', '').lower())


def is_audio(fields: Mapping[str, str]) -> bool:
    """
    Tell whether `to_block` takes messages with these fields.

    :param fields: name -> type, as rosidl's get_fields_and_field_types returns them.
    """
    data = fields.get('data')
    return bool(
        (fields.get('samples') == 'sequence<int16>' and 'sample_rate' in fields)
        or {'audio_data', 'info'} <= fields.keys()
        or fields.get('audio', '').endswith(('/Audio', '/AudioData'))
        or (data == 'sequence<uint8>' and not {'encoding', 'format'} & fields.keys())
        or (data == 'sequence<int16>' and 'layout' in fields))


def is_audio_info(fields: Mapping[str, str]) -> bool:
    """Tell whether these are the fields of a ros-drivers AudioInfo."""
    return {'sample_rate', 'channels', 'sample_format'} <= fields.keys()


def to_block(message: Any, stamp: float, given: AudioFormat) -> AudioBlock:
    """
    Return the audio of a message with its channels apart.

    :param message: a mmer_msgs/AudioChunk; an audio_common_msgs/AudioData, AudioDataStamped
        (ros-drivers), Audio or AudioStamped (mgonzs13); or a std_msgs/Int16MultiArray.
    :param stamp: capture time of the first sample, seconds.
    :param given: holds where the message does not tell.
    :raises CodedAudio: if it is mp3 or the like.
    :raises InvalidInput: if it cannot be used otherwise.
    """
    if hasattr(message, 'samples'):
        return chunk_to_block(message, stamp)
    content = getattr(message, 'audio', message)
    if hasattr(content, 'audio_data'):
        return _typed(content, stamp)
    if hasattr(content, 'layout'):
        return AudioBlock(stamp, given.sample_rate, _arranged(content, given.channels))
    if hasattr(message, 'info'):
        given = AudioFormat.of(message.info)
    return _raw(content.data, stamp, given)


def duration(block: AudioBlock) -> float:
    """Return how long the audio lasts, seconds."""
    return block.samples.shape[0] / block.sample_rate


def _typed(audio: Any, stamp: float) -> AudioBlock:
    """Return the audio of that field which the message's PortAudio format names."""
    info = audio.info
    if info.format not in TYPED_FIELDS:
        raise InvalidInput(
            f'audio: PortAudio format {info.format}; expected one of '
            f'{", ".join(map(str, TYPED_FIELDS))} (8 is int16); set the format of the capture '
            'node')
    name, dtype = TYPED_FIELDS[info.format]
    samples = np.asarray(getattr(audio.audio_data, name), dtype)
    others = [other for other, _ in TYPED_FIELDS.values() if len(getattr(audio.audio_data, other))]
    if not samples.size and others:
        raise InvalidInput(f'audio: format {info.format} promises {name}, but the samples are in '
                           f'{", ".join(others)}; correct the publisher')
    return AudioBlock(stamp, info.rate, interleaved(samples, info.channels))


def _arranged(message: Any, channels: int) -> NDArray[Any]:
    """Return (frames, channels) of an Int16MultiArray as its layout, if there is one, tells."""
    samples = np.asarray(message.data, np.int16)[message.layout.data_offset:]
    sizes = [dimension.size for dimension in message.layout.dim]
    if len(sizes) < 2:
        return interleaved(samples, channels)
    if len(sizes) > 2 or sizes[0] * sizes[1] != samples.size:
        raise InvalidInput(f'audio: a layout of {sizes} for {samples.size} samples; expected '
                           '[frames, channels] or [channels, frames]; correct the publisher')
    planar = 'channel' in message.layout.dim[0].label.lower()
    arranged = samples.reshape(sizes)
    return arranged.T if planar else arranged


def _raw(data: Any, stamp: float, given: AudioFormat) -> AudioBlock:
    content = bytes(data)
    coding = given.coding if given.coding not in UNCODED else coding_of(content)
    if coding:
        raise CodedAudio(coding)
    if given.sample_format not in SAMPLE_FORMATS:
        raise InvalidInput(f'audio: sample format {given.sample_format!r}; expected one of '
                           f'{", ".join(SAMPLE_FORMATS)}; set it in the capture node')
    dtype = np.dtype(SAMPLE_FORMATS[given.sample_format])
    if len(content) % dtype.itemsize:
        raise InvalidInput(
            f'audio: {len(content)} bytes of {given.sample_format}; expected a multiple of '
            f'{dtype.itemsize}; set audio_format to what the capture node publishes')
    samples = np.frombuffer(content, dtype).astype(dtype.newbyteorder('='))
    return AudioBlock(stamp, given.sample_rate, interleaved(samples, given.channels))
