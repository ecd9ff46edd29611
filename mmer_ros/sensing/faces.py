# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Video frames to face crops with stable ids: detection, tracking, cropping."""

from __future__ import annotations

from weakref import WeakSet

import cv2
from mmer_ros.sensing.face_coding import code_face, decode_face
from mmer_ros.sensing.face_detector import FaceDetector
from mmer_ros.sensing.face_patch import aligned_patch, look_of
from mmer_ros.sensing.face_tracker import Box, FaceTracker
from mmer_ros.sensing.time_line import Order, TimeLine
from mmer_ros.types import FACE_SIZE, FaceCrop, UInt8, VideoFrame
import numpy as np


def crop_face(image: UInt8, box: Box, margin: int) -> UInt8 | None:
    """
    Cut a face out and scale it, as facenet-pytorch does for its networks.

    :return: (FACE_SIZE, FACE_SIZE, 3) uint8 RGB, or None if the box has no area in the image.
    """
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        return None
    height, width = image.shape[:2]
    # facenet-pytorch adds the margin before it scales: it is a share of the box.
    around = [margin * (end - begin) / (FACE_SIZE - margin) / 2
              for begin, end in ((box[0], box[2]), (box[1], box[3]))]
    left, top = int(max(box[0] - around[0], 0)), int(max(box[1] - around[1], 0))
    right, bottom = int(min(box[2] + around[0], width)), int(min(box[3] + around[1], height))
    crop = cv2.resize(np.ascontiguousarray(image[top:bottom, left:right]), (FACE_SIZE, FACE_SIZE),
                      interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8)


class FrameSampler:
    """
    Choose the frames that are looked at: the first in each slot of 1 / rate_hz of capture time.

    The slots lie fixed in time, so that the choice does not depend on when the stream began.
    A frame behind an earlier one is not chosen, unless the camera has jumped back.
    """

    def __init__(self, rate_hz: float) -> None:
        """Choose the next frame, whichever it is."""
        self.rate_hz = rate_hz
        self._line = TimeLine()
        self._slot = -1

    def take(self, stamp: float) -> bool:
        """Return whether the frame captured at `stamp` (seconds) is chosen."""
        if self._line.push(stamp) is Order.LATE:
            return False
        slot = int(stamp * self.rate_hz)
        chosen, self._slot = slot != self._slot, slot
        return chosen


class FaceStream:
    """Video frames in, crops with ids out; a FrameSampler chooses the frames."""

    def __init__(self, detector: FaceDetector) -> None:
        """Start with no faces."""
        self.config = detector.config
        self._detector = detector
        self._tracker = FaceTracker(self.config.max_occlusion_s)
        self._samplers: WeakSet[FrameSampler] = WeakSet()

    def sampler(self) -> FrameSampler:
        """Return what chooses the frames to push."""
        sampler = FrameSampler(self.config.rate_hz)
        self._samplers.add(sampler)
        return sampler

    def change_detector(self, detector: FaceDetector) -> None:
        """Go on with another detector and its settings; the faces keep their ids."""
        self.config = detector.config
        self._detector = detector
        self._tracker.max_occlusion_s = self.config.max_occlusion_s
        for sampler in self._samplers:
            sampler.rate_hz = self.config.rate_hz

    def push(self, frame: VideoFrame) -> list[FaceCrop]:
        """Return the faces of the frame."""
        found = self._detector.detect(frame.image)
        patches = [None if d.landmarks is None else aligned_patch(frame.image, d.landmarks)
                   for d in found]
        ids = self._tracker.update(frame.stamp, [d.box for d in found],
                                   [None if p is None else look_of(p) for p in patches])
        height, width = frame.image.shape[:2]
        crops = []
        for detection, patch, face_id in zip(found, patches, ids):
            image = crop_face(frame.image, detection.box, self.config.margin)
            if image is not None:
                coded = code_face(image)
                crops.append(FaceCrop(
                    frame.stamp, face_id, decode_face(coded), detection.box, detection.score,
                    (width, height), patch, coded))
        return crops

    def reset(self) -> None:
        """Forget the stream, after a jump of time."""
        self._tracker.reset()
