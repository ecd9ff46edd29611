# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The faces of a recording as the robot sees them, to be cut and chosen in other ways."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer_ros.interfaces.images import compressed_to_rgb
from mmer_ros.recordings.recording import NANOSECONDS, Recording
from mmer_ros.recordings.sensor_bag import IMAGE_TOPIC
from mmer_ros.sensing.active_speaker import most_prominent
from mmer_ros.sensing.face_detector import FaceDetector
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.types import FaceCrop, UInt8, VideoFrame
import numpy as np


def seen_faces(bag: Path, detector: FaceDetector) -> list[FaceCrop]:
    """Return the faces of all images that are looked at, by time, one tracker for all."""
    stream, crops = FaceStream(detector), []
    sampler = stream.sampler()
    with Recording(bag) as recording:
        for recorded in recording.messages({IMAGE_TOPIC}):
            message = recording.decode(recorded)
            stamp = message.header.stamp.sec + message.header.stamp.nanosec / NANOSECONDS
            if sampler.take(stamp):
                crops += stream.push(VideoFrame(stamp, compressed_to_rgb(message)))
    return crops


def largest_between(crops: Sequence[FaceCrop], start: float, end: float) -> UInt8 | None:
    """
    Return the crops of the face that is largest in [start, end) seconds, as training takes them.

    :return: (n, 160, 160, 3) uint8 RGB by time; None if there is no face.
    """
    inside = [crop for crop in crops if start <= crop.stamp < end]
    chosen = [crop.image for crop in inside if crop.face_id == most_prominent(inside)]
    return np.stack(chosen) if chosen else None
