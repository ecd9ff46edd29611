# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Conversions of images, times and estimates that need ROS itself."""

from __future__ import annotations

import math
from typing import Any

from builtin_interfaces.msg import Duration, Time
from mmer_msgs.msg import EmotionEstimate
from mmer_ros.interfaces.images import (
    compressed_to_rgb,
    image_to_rgb,
    MAX_PIXELS,
    UnknownEncoding,
)
from mmer_ros.types import Estimate, InvalidInput, UInt8
import numpy as np
from sensor_msgs.msg import CompressedImage, Image

NANOSECONDS = 1_000_000_000


def decode_image(message: Image | CompressedImage, max_pixels: int = MAX_PIXELS) -> UInt8:
    """
    Return an image as (height, width, 3) uint8 RGB.

    The core converts the common encodings, so that the result does not depend on what is
    installed. cv_bridge converts all others, if it is installed.

    :param max_pixels: larger images are refused.
    :raises InvalidInput: if the image is empty, truncated or too large, or its encoding is
        unknown.
    """
    if isinstance(message, CompressedImage):
        return compressed_to_rgb(message, max_pixels)
    try:
        return image_to_rgb(message, max_pixels)
    except UnknownEncoding as unknown:
        try:
            from cv_bridge import CvBridge
            converted = CvBridge().imgmsg_to_cv2(message, 'rgb8')
        except Exception as error:  # cv_bridge raises its own, OpenCV's and numpy's errors
            raise unknown from error
        if converted.shape != (message.height, message.width, 3):
            raise InvalidInput(f'image: cv_bridge returned the shape {converted.shape}; expected '
                               f'({message.height}, {message.width}, 3)') from unknown
        return np.ascontiguousarray(converted, np.uint8)


def to_seconds(time: Time) -> float:
    """
    Return a stamp as float seconds.

    >>> to_seconds(Time(sec=3, nanosec=500_000_000))
    3.5
    """
    return time.sec + time.nanosec / NANOSECONDS  # type: ignore[no-any-return]


def to_time(seconds: float) -> Time:
    """Return float seconds as a stamp, rounded to a microsecond, the precision of a float."""
    whole = math.floor(seconds)
    micros = round((seconds - whole) * 1_000_000)
    return Time(sec=whole + micros // 1_000_000, nanosec=micros % 1_000_000 * 1000)


def to_estimate_message(estimate: Estimate, *, latency: float, frame_id: str,
                        publish_transcript: bool) -> EmotionEstimate:
    """
    Return an estimate as a message.

    :param latency: from the capture of the last evidence to publication, seconds.
    :param frame_id: of the camera, else of the microphone.
    :param publish_transcript: False leaves the words out.
    """
    message: Any = EmotionEstimate()
    message.header.stamp = to_time(estimate.stamp)
    message.header.frame_id = frame_id
    for name in ('utterance_id', 'person_id', 'face_id', 'voice_id', 'speaker_by',
                 'speaker_margin', 'final', 'provisional', 'revision', 'emotion', 'label',
                 'confidence', 'calibrated', 'trained', 'valence', 'arousal', 'bundle_name',
                 'bundle_hash'):
        setattr(message, name, getattr(estimate, name))
    message.start, message.end = to_time(estimate.start), to_time(estimate.end)
    message.probabilities = np.asarray(estimate.probabilities, np.float32)
    message.modalities = int(estimate.modalities)
    message.modality_weights = np.array(estimate.modality_weights, np.float32)
    message.transcript = estimate.transcript if publish_transcript else ''
    whole = math.floor(latency)
    message.latency = Duration(sec=whole, nanosec=int((latency - whole) * NANOSECONDS))
    return message
