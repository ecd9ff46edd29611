# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Audio messages of several packages, distinguished by their fields, become AudioBlock; needs no ROS.

Two packages are named audio_common_msgs, so the name of a type does not determine its content.
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
MAX_STEP_S = 0.05  # a larger step between stamps means that a message was lost
MIN_BYTES = 512  # fewer do not show what kind of samples they hold
PLAUSIBLE = 0.95  # share of samples in the range of a voice by which floats are known
MIN_STEP = 2000  # mean step between the halves of floats, read as samples of 16 bits
IMPLAUSIBLE = 0.2  # share of huge samples by which floats are known not to be any
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
    Format of raw audio whose message does not contain it.

    :param sample_rate: Hz.
    :param channels: interleaved channels.
    :param sample_format: one of SAMPLE_FORMATS.
    :param coding: 'wave' for PCM, else e.g. 'mp3'.
    """

    sample_rate: int = 16_000
    channels: int = 1
    sample_format: str = 'S16LE'
    coding: str = ''

    @property
    def dtype(self) -> np.dtype[Any]:
        """
        Type of a sample.

        :raises InvalidInput: if the name of the format is not known.
        """
        if self.sample_format not in SAMPLE_FORMATS:
            raise InvalidInput(f'audio: sample format {self.sample_format!r}; expected one of '
                               f'{", ".join(SAMPLE_FORMATS)}; set it in the capture node')
        return np.dtype(SAMPLE_FORMATS[self.sample_format])

    @property
    def frame_size(self) -> int:
        """Bytes of a sample of all channels."""
        return self.dtype.itemsize * max(self.channels, 1)

    @classmethod
    def of(cls, info: Any) -> AudioFormat:
        """Return the format in a ros-drivers AudioInfo."""
        return cls(info.sample_rate, info.channels, info.sample_format,
                   getattr(info, 'coding_format', '').lower())


def is_audio(fields: Mapping[str, str]) -> bool:
    """
    Return whether `to_block` takes messages with these fields.

    :param fields: name -> type, as rosidl's get_fields_and_field_types returns them.
    """
    names, data = fields.keys() - {'header'}, fields.get('data')
    return bool(
        (fields.get('samples') == 'sequence<int16>' and {'sample_rate', 'channels'} <= names)
        or names == {'audio_data', 'info'}
        or (names <= {'audio', 'info'}
            and fields.get('audio', '').endswith(('/Audio', '/AudioData')))
        or (data == 'sequence<uint8>' and names == {'data'})  # many others have it beside more
        or (data == 'sequence<int16>' and names == {'data', 'layout'}))


def is_audio_info(fields: Mapping[str, str]) -> bool:
    """Return whether these are the fields of a ros-drivers AudioInfo."""
    return {'sample_rate', 'channels', 'sample_format'} <= fields.keys()


class AudioReader:
    """
    Turns the messages of one topic into blocks.

    Messages of raw bytes may end in the middle of a sample, as those of a network do: what is
    left over is put before the next message.

    :param given: format of raw audio whose messages do not name it; may be set at any time.

    >>> reader = AudioReader(AudioFormat(16_000, 1, 'S16LE'))
    >>> [len(reader.read(message, stamp).samples) for message, stamp in odd_messages]
    [511, 512]
    """

    def __init__(self, given: AudioFormat) -> None:
        self.given = given
        self._rest = b''
        self._format = given
        self._until = 0.0  # stamp that the next message should have

    def read(self, message: Any, stamp: float) -> AudioBlock:
        """
        Return the audio of a message with its channels apart, as `to_block`.

        :param stamp: capture time of the first sample, seconds; 0 if it is not known.
        """
        content = getattr(message, 'audio', message)
        if hasattr(message, 'samples') or hasattr(content, 'audio_data') or (
                hasattr(content, 'layout')):
            return to_block(message, stamp, self.given)
        form = AudioFormat.of(message.info) if hasattr(message, 'info') else self.given
        jumped = stamp > 0 and self._until > 0 and abs(stamp - self._until) > MAX_STEP_S
        before = b'' if jumped or form != self._format else self._rest
        self._format, self._rest = form, b''
        data = bytes(content.data)
        _check_coding(data, form)
        per_second = max(form.sample_rate, 1) * form.frame_size  # _raw refuses a rate of 0
        whole = before + data
        self._rest = whole[len(whole) - len(whole) % form.frame_size:]
        self._until = stamp + len(data) / per_second if stamp > 0 else 0.0
        return _raw(whole[:len(whole) - len(self._rest)],
                    max(stamp - len(before) / per_second, 0.0), form)


def to_block(message: Any, stamp: float, given: AudioFormat) -> AudioBlock:
    """
    Return the audio of a message with its channels apart.

    :param message: a mmer_msgs/AudioChunk; an audio_common_msgs/AudioData, AudioDataStamped
        (ros-drivers), Audio or AudioStamped (mgonzs13); or a std_msgs/Int16MultiArray.
    :param stamp: capture time of the first sample, seconds.
    :param given: format of messages that do not contain it.
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
    data = bytes(content.data)
    _check_coding(data, given)
    return _raw(data, stamp, given)


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
    try:
        samples = np.asarray(getattr(audio.audio_data, name), dtype)
    except (OverflowError, ValueError) as error:
        raise InvalidInput(f'audio: {name} holds numbers that are none of {np.dtype(dtype).name}; '
                           'correct the publisher') from error
    others = [other for other, _ in TYPED_FIELDS.values() if len(getattr(audio.audio_data, other))]
    if not samples.size and others:
        raise InvalidInput(f'audio: format {info.format} promises {name}, but the samples are in '
                           f'{", ".join(others)}; correct the publisher')
    return AudioBlock(stamp, info.rate, interleaved(samples, info.channels))


def _arranged(message: Any, channels: int) -> NDArray[Any]:
    """Return (frames, channels) of an Int16MultiArray by its layout, if there is one."""
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


def _check_coding(content: bytes, given: AudioFormat) -> None:
    coding = given.coding if given.coding not in UNCODED else coding_of(content)
    if coding:
        raise CodedAudio(coding)


def _raw(content: bytes, stamp: float, given: AudioFormat) -> AudioBlock:
    dtype = given.dtype
    if len(content) % dtype.itemsize:
        raise InvalidInput(
            f'audio: {len(content)} bytes of {given.sample_format}; expected a multiple of '
            f'{dtype.itemsize}; set audio_format to what the capture node publishes')
    if found := _format_that_fits_better(content, given):
        raise InvalidInput(f'audio: the samples are read as {given.sample_format}, but look like '
                           f'{found}; set audio_format to {found}, or correct the AudioInfo')
    samples = np.frombuffer(content, dtype).astype(dtype.newbyteorder('='))
    return AudioBlock(stamp, given.sample_rate, interleaved(samples, given.channels))


def _format_that_fits_better(content: bytes, given: AudioFormat) -> str:
    """
    Return the name of the other width that bytes clearly have; '' if `given` may be right.

    Pairs of 16-bit samples, read as floats, are mostly tiny, huge or no numbers at all.
    """
    order = given.sample_format[-2:]
    if len(content) < MIN_BYTES or order not in ('LE', 'BE'):
        return ''
    floats = np.frombuffer(content[:len(content) // 4 * 4], '<f4' if order == 'LE' else '>f4')
    sounding = floats[floats != 0]
    if sounding.size < MIN_BYTES // 8:  # silence fits every format
        return ''
    with np.errstate(invalid='ignore'):
        sizes = np.abs(sounding)
        plausible, huge = (sizes > 1e-9) & (sizes <= 4), ~(sizes <= 16)
    if given.sample_format[:3] == 'S16' and plausible.mean() > PLAUSIBLE:
        steps = np.diff(np.frombuffer(content[:len(content) // 2 * 2], given.dtype).astype(int))
        return f'F32{order}' if np.abs(steps).mean() > MIN_STEP else ''
    if given.sample_format[:3] == 'F32' and huge.mean() > IMPLAUSIBLE:
        return f'S16{order}'
    return ''
