# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Sensor messages, live or from a recording, become the core's types; needs no ROS.

Images of all encodings that have colours or grey values are converted by OpenCV: 8 and 16 bit,
raw Bayer patterns, packed and planar YUV. What is left over, such as depth in metres, is refused
with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
import warnings

import cv2
from mmer_ros.types import AudioBlock, InvalidInput, UInt8
import numpy as np
from numpy.typing import NDArray
from PIL import Image

MEGA = 1_000_000
MAX_PIXELS = 64 * MEGA  # of an image, as decoded, if no limit is set; 8K video has 33 million
MESSAGE = 'image'  # name of an image that came in a message, in errors


@dataclass(frozen=True)
class Packed:
    """
    An encoding whose pixels lie one after the other.

    :param channels: values a pixel.
    :param conversion: OpenCV's, to RGB; None: it is RGB already.
    :param depth: bytes a value; 2 are scaled down to 1 first.
    """

    channels: int
    conversion: int | None
    depth: int = 1

    @property
    def size(self) -> int:
        """Bytes a pixel."""
        return self.channels * self.depth


@dataclass(frozen=True)
class Planar:
    """
    An encoding of a full plane of brightness, and colours of fewer pixels after it.

    :param rows: of the colours to one row of the brightness, each `step` bytes long.
    :param conversion: OpenCV's, of the 4:2:0 layout that it is brought to.
    """

    rows: float
    conversion: int


# Of sensor_msgs/image_encodings.hpp, and names that drivers use for the same; in lower case.
ENCODINGS: dict[str, Packed] = {
    'rgb8': Packed(3, None),
    'bgr8': Packed(3, cv2.COLOR_BGR2RGB),
    'rgba8': Packed(4, cv2.COLOR_RGBA2RGB),
    'bgra8': Packed(4, cv2.COLOR_BGRA2RGB),
    'rgb16': Packed(3, None, 2),
    'bgr16': Packed(3, cv2.COLOR_BGR2RGB, 2),
    'rgba16': Packed(4, cv2.COLOR_RGBA2RGB, 2),
    'bgra16': Packed(4, cv2.COLOR_BGRA2RGB, 2),
    'mono8': Packed(1, cv2.COLOR_GRAY2RGB),
    'mono16': Packed(1, cv2.COLOR_GRAY2RGB, 2),
    '8uc1': Packed(1, cv2.COLOR_GRAY2RGB),
    '8uc3': Packed(3, cv2.COLOR_BGR2RGB),
    '8uc4': Packed(4, cv2.COLOR_BGRA2RGB),
    '16uc1': Packed(1, cv2.COLOR_GRAY2RGB, 2),
    '16uc3': Packed(3, cv2.COLOR_BGR2RGB, 2),
    '16uc4': Packed(4, cv2.COLOR_BGRA2RGB, 2),
    'yuv422': Packed(2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': Packed(2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': Packed(2, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': Packed(2, cv2.COLOR_YUV2RGB_YUY2),
    'yuy2': Packed(2, cv2.COLOR_YUV2RGB_YUY2),
    'yvyu': Packed(2, cv2.COLOR_YUV2RGB_YVYU),
}
# OpenCV names a pattern by its second row: RGGB is its BG.
for _name, _code in (('rggb', cv2.COLOR_BayerBG2RGB), ('bggr', cv2.COLOR_BayerRG2RGB),
                     ('gbrg', cv2.COLOR_BayerGR2RGB), ('grbg', cv2.COLOR_BayerGB2RGB)):
    ENCODINGS[f'bayer_{_name}8'] = Packed(1, _code)
    ENCODINGS[f'bayer_{_name}16'] = Packed(1, _code, 2)

PLANAR: dict[str, Planar] = {
    'nv12': Planar(0.5, cv2.COLOR_YUV2RGB_NV12),
    'nv21': Planar(0.5, cv2.COLOR_YUV2RGB_NV21),
    'nv16': Planar(1, cv2.COLOR_YUV2RGB_NV12),
    'nv61': Planar(1, cv2.COLOR_YUV2RGB_NV21),
    'nv24': Planar(2, cv2.COLOR_YUV2RGB_NV12),
    'nv42': Planar(2, cv2.COLOR_YUV2RGB_NV21),
    'i420': Planar(0.5, cv2.COLOR_YUV2RGB_I420),
    'yuv420': Planar(0.5, cv2.COLOR_YUV2RGB_I420),
    'yuv420p': Planar(0.5, cv2.COLOR_YUV2RGB_I420),
    'yv12': Planar(0.5, cv2.COLOR_YUV2RGB_YV12),
}
IN_PAIRS = frozenset(name for name, encoding in ENCODINGS.items() if encoding.channels == 2)
SEPARATE_PLANES = (cv2.COLOR_YUV2RGB_I420, cv2.COLOR_YUV2RGB_YV12)


class UnknownEncoding(InvalidInput):
    """An image encoding that is not converted here."""


def is_image(fields: Mapping[str, str]) -> bool:
    """
    Return whether these are the fields of a sensor_msgs/Image or CompressedImage.

    :param fields: name -> type, as rosidl's get_fields_and_field_types returns them.
    """
    return fields.get('data') == 'sequence<uint8>' and (
        {'encoding', 'width', 'height', 'step'} <= fields.keys() or 'format' in fields)


def check_size(width: int, height: int, name: str = MESSAGE,
               max_pixels: int = MAX_PIXELS) -> None:
    """
    Check the size of an image before memory is taken for it.

    :raises InvalidInput: if it has no pixels, or more than `max_pixels`.
    """
    if width < 1 or height < 1:
        raise InvalidInput(f'{name}: size {width}x{height}; expected at least 1x1; check the '
                           'camera driver')
    if width * height > max_pixels:
        raise _too_large(f'size {width}x{height}', name, max_pixels)


def _too_large(what: str, name: str, max_pixels: int) -> InvalidInput:
    raised = ', or raise max_image_megapixels' if name == MESSAGE else ''
    return InvalidInput(f'{name}: {what}; expected at most {max_pixels / MEGA:g} million pixels; '
                        f'scale it down{raised}')


def image_to_rgb(message: Any, max_pixels: int = MAX_PIXELS) -> UInt8:
    """
    Return the image as (height, width, 3) uint8 RGB.

    :param message: a sensor_msgs/Image; rows may be padded.
    :param max_pixels: larger images are refused.
    :raises UnknownEncoding: if its encoding is not among ENCODINGS and PLANAR.
    :raises InvalidInput: if it is empty, truncated or too large.
    """
    name = message.encoding.strip().lower()
    check_size(message.width, message.height, max_pixels=max_pixels)
    if name in PLANAR:
        return _planar(message, PLANAR[name])
    if name not in ENCODINGS:
        raise UnknownEncoding(
            f'image: encoding {message.encoding!r}; expected colours or grey values: one of '
            f'{", ".join([*ENCODINGS, *PLANAR])}; choose the topic of the colour image, or '
            'set the encoding in the camera driver')
    encoding = ENCODINGS[name]
    if name in IN_PAIRS and message.width % 2:
        raise InvalidInput(f'image: width {message.width} with {message.encoding}; expected an '
                           'even width, as two pixels share their colour; check the camera driver')
    rows = _rows(message, message.width * encoding.size, message.height)
    pixels: NDArray[Any] = np.ascontiguousarray(rows)
    if encoding.depth == 2:
        pixels = _eight_bit(pixels.view('>u2' if message.is_bigendian else '<u2'))
    pixels = pixels.reshape(message.height, message.width, encoding.channels)
    if encoding.conversion is None:
        return np.array(pixels)
    return cv2.cvtColor(pixels, encoding.conversion)  # type: ignore[return-value]


def _rows(message: Any, row: int, count: int) -> UInt8:
    """
    Return a view of (count, row) bytes of the data, without the padding of the rows.

    :raises InvalidInput: if there are fewer.
    """
    step = message.step or row
    data = np.frombuffer(message.data, np.uint8)
    if step < row or data.size < step * (count - 1) + row:
        raise InvalidInput(
            f'image: {data.size} bytes with step {message.step} for {message.width}x'
            f'{message.height} {message.encoding}; expected step >= {row} and '
            f'{row * count} bytes or more; it is truncated or its header is wrong')
    return np.lib.stride_tricks.as_strided(data, (count, row), (step, 1))


def _eight_bit(values: NDArray[np.uint16]) -> UInt8:
    """
    Scale 16-bit values down to 8 bits.

    Cameras of 10, 12 or 14 bits leave the high bits empty, so the largest value shows how
    many there are.
    """
    largest = int(values.max(initial=0))
    bits = next((bits for bits in (10, 12, 14) if largest < 1 << bits), 16)
    return (values >> (bits - 8)).astype(np.uint8)


def _planar(message: Any, encoding: Planar) -> UInt8:
    width, height = message.width, message.height
    if width % 2 or height % 2:
        raise InvalidInput(f'image: size {width}x{height} with {message.encoding}; expected even '
                           'numbers, as four pixels share their colour; check the camera driver')
    rows = np.ascontiguousarray(_rows(message, width, height + round(height * encoding.rows)))
    if encoding.conversion in SEPARATE_PLANES:
        return cv2.cvtColor(rows, encoding.conversion)  # type: ignore[return-value]
    colours = rows[height:].reshape(round(height * min(encoding.rows, 1)), -1, 2)
    down, across = 1 + (encoding.rows >= 1), 1 + (encoding.rows >= 2)
    return cv2.cvtColorTwoPlane(  # type: ignore[return-value]
        rows[:height], np.ascontiguousarray(colours[::down, ::across]), encoding.conversion)


def compressed_to_rgb(message: Any, max_pixels: int = MAX_PIXELS) -> UInt8:
    """
    Return the decoded image as (height, width, 3) uint8 RGB, upright as EXIF says.

    :param message: a sensor_msgs/CompressedImage.
    :param max_pixels: larger images are refused, and not decoded.
    :raises InvalidInput: if it cannot be decoded, or is too large.
    """
    data = bytes(message.data)
    try:
        return decode_image(data, max_pixels=max_pixels)
    except Undecodable as error:
        video = ('; it is video, which is not a picture by itself: republish it, e.g. with '
                 'ros2 run image_transport republish'
                 if message.format.lower().startswith(('h26', 'hevc', 'av1', 'vp')) else '')
        raise InvalidInput(f'image: {len(data)} bytes of format {message.format!r} cannot be '
                           f'decoded; expected a whole JPEG or PNG{video}') from error


class Undecodable(InvalidInput):
    """Bytes that are no image."""


def decode_image(data: bytes, name: str = MESSAGE, max_pixels: int = MAX_PIXELS) -> UInt8:
    """
    Return the picture in a file, (height, width, 3) uint8 RGB, upright as EXIF says.

    :param name: of the file, for errors.
    :param max_pixels: larger images are refused, and not decoded.
    :raises Undecodable: if it is no whole image of a kind that OpenCV reads.
    :raises InvalidInput: if it is too large.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # of sizes, which are checked here
            with Image.open(BytesIO(data)) as header:
                width, height = header.size
    except Image.DecompressionBombError as error:
        raise _too_large('it has more pixels', name, max_pixels) from error
    except Exception as error:  # a damaged header can fail in any way
        raise Undecodable(f'{name}: it is no image that can be decoded') from error
    check_size(width, height, name, max_pixels)
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        decoded = None
    if decoded is None:
        raise Undecodable(f'{name}: it is no image that can be decoded')
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def chunk_to_block(message: Any, stamp: float) -> AudioBlock:
    """
    Return the chunk with its channels apart.

    :param message: a mmer_msgs/AudioChunk.
    :param stamp: capture time of the first sample, seconds.
    :raises InvalidInput: if the channels do not divide the samples, or the rate is out of range.
    """
    samples = np.frombuffer(message.samples, np.int16)
    return AudioBlock(stamp, message.sample_rate, interleaved(samples, message.channels))


def interleaved(samples: NDArray[Any], channels: int) -> NDArray[Any]:
    """
    Return interleaved samples as (frames, channels).

    :raises InvalidInput: if the channels do not divide the samples.
    """
    if channels < 1 or samples.size % channels:
        raise InvalidInput(f'audio: {samples.size} samples in {channels} channels; expected '
                           'interleaved channels of equal length; correct the publisher')
    return samples.reshape(-1, channels)
