"""Sensor messages, live or from a recording, become the core's types; needs no ROS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
from mmer_ros.types import AudioBlock, InvalidInput, UInt8
import numpy as np
from numpy.typing import NDArray

# Encoding -> bytes a pixel, and the conversion to RGB (None: it is RGB already).
ENCODINGS: dict[str, tuple[int, int | None]] = {
    'rgb8': (3, None),
    'bgr8': (3, cv2.COLOR_BGR2RGB),
    'mono8': (1, cv2.COLOR_GRAY2RGB),
    'rgba8': (4, cv2.COLOR_RGBA2RGB),
    'bgra8': (4, cv2.COLOR_BGRA2RGB),
    '8UC1': (1, cv2.COLOR_GRAY2RGB),
    '8UC3': (3, cv2.COLOR_BGR2RGB),
    'yuv422': (2, cv2.COLOR_YUV2RGB_UYVY),
    'uyvy': (2, cv2.COLOR_YUV2RGB_UYVY),
    'yuv422_yuy2': (2, cv2.COLOR_YUV2RGB_YUY2),
    'yuyv': (2, cv2.COLOR_YUV2RGB_YUY2),
}


class UnknownEncoding(InvalidInput):
    """An image encoding that is not converted here."""


def is_image(fields: Mapping[str, str]) -> bool:
    """
    Tell whether these are the fields of a sensor_msgs/Image or CompressedImage.

    :param fields: name -> type, as rosidl's get_fields_and_field_types returns them.
    """
    return fields.get('data') == 'sequence<uint8>' and (
        {'encoding', 'width', 'height', 'step'} <= fields.keys() or 'format' in fields)


def image_to_rgb(message: Any) -> UInt8:
    """
    Return the image as (height, width, 3) uint8 RGB.

    :param message: a sensor_msgs/Image; rows may be padded.
    :raises UnknownEncoding: if its encoding is not among ENCODINGS.
    :raises InvalidInput: if it is empty or truncated.
    """
    if message.width == 0 or message.height == 0:
        raise InvalidInput(f'image: size {message.width}x{message.height}; expected at least 1x1; '
                           'check the camera driver')
    if message.encoding not in ENCODINGS:
        raise UnknownEncoding(
            f'image: encoding {message.encoding!r}; expected one of {", ".join(ENCODINGS)}; set '
            'it in the camera driver, or install cv_bridge')
    size, conversion = ENCODINGS[message.encoding]
    if size == 2 and message.width % 2:
        raise InvalidInput(f'image: width {message.width} with {message.encoding}; expected an '
                           'even width, as two pixels share their colour; check the camera driver')
    row = message.width * size
    step = message.step or row
    data = np.frombuffer(message.data, np.uint8)
    if step < row or data.size < step * (message.height - 1) + row:
        raise InvalidInput(
            f'image: {data.size} bytes with step {message.step} for {message.width}x'
            f'{message.height} {message.encoding}; expected step >= {row} and '
            f'{row * message.height} bytes or more; it is truncated or its header is wrong')
    pixels = np.lib.stride_tricks.as_strided(
        data, (message.height, message.width, size), (step, size, 1))
    if conversion is None:
        return np.array(pixels)
    return cv2.cvtColor(np.ascontiguousarray(pixels), conversion)  # type: ignore[return-value]


def compressed_to_rgb(message: Any) -> UInt8:
    """
    Return the decoded image as (height, width, 3) uint8 RGB.

    :param message: a sensor_msgs/CompressedImage.
    :raises InvalidInput: if it cannot be decoded.
    """
    data = np.frombuffer(message.data, np.uint8)
    try:
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    except cv2.error:  # e.g. a size that is beyond OpenCV's limits
        decoded = None
    if decoded is None:
        raise InvalidInput(f'image: {data.size} bytes of format {message.format!r} cannot be '
                           'decoded; expected a whole JPEG or PNG')
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
