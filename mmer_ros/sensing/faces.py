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

import math
from weakref import WeakSet

import cv2
from mmer_ros.sensing.face_coding import code_face, decode_face
from mmer_ros.sensing.face_detector import Detection, FaceDetector, FaceVerifier, Region
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
    """
    Video frames in, crops with ids out; a FrameSampler chooses the frames.

    Between two searches of the whole image, known faces are verified where they should be now.
    When one is not there, or two become one, the image is searched; if it shows fewer faces than
    before, so are the next ones, until the face is back or the tracker forgets it. Capture times
    alone decide.

    :param search_s: seconds from one search of the whole image to the next; 0: every image.
    """

    def __init__(self, detector: FaceDetector, search_s: float = 0.0) -> None:
        """Start with no faces."""
        self.config = detector.config
        self._detector = detector
        self._tracker = FaceTracker(self.config.max_occlusion_s)
        self._samplers: WeakSet[FrameSampler] = WeakSet()
        self.set_search(search_s)

    def set_search(self, search_s: float) -> None:
        """Search the whole image as often as `search_s` says; see FaceStream."""
        self._search_s = search_s
        self._searches = FrameSampler(1 / search_s) if search_s > 0 else None
        self._known: dict[str, Region] = {}  # by id
        self._lost = -math.inf  # when a face was last lost, capture time in seconds
        self._before = 0        # faces that there were then

    def sampler(self) -> FrameSampler:
        """Return what chooses the frames to push."""
        sampler = FrameSampler(self.config.rate_hz)
        self._samplers.add(sampler)
        return sampler

    def change_detector(self, detector: FaceDetector) -> None:
        """Go on with another detector and its settings; the faces keep their ids."""
        self.config = detector.config
        self._detector = detector
        self._known = {}
        self._tracker.max_occlusion_s = self.config.max_occlusion_s
        for sampler in self._samplers:
            sampler.rate_hz = self.config.rate_hz

    def push(self, frame: VideoFrame) -> list[FaceCrop]:
        """Return the faces of the frame."""
        found = self._find(frame)
        patches = [None if d.landmarks is None else aligned_patch(frame.image, d.landmarks)
                   for d in found]
        ids = self._tracker.update(frame.stamp, [d.box for d in found],
                                   [None if p is None else look_of(p) for p in patches])
        self._known = {face_id: d.region for face_id, d in zip(ids, found) if d.region is not None}
        height, width = frame.image.shape[:2]
        crops = []
        for detection, patch, face_id in zip(found, patches, ids):
            image = crop_face(frame.image, detection.box, self.config.margin)
            if image is not None:
                coded = code_face(image)
                crops.append(FaceCrop(
                    frame.stamp, face_id, decode_face(coded), detection.box, detection.score,
                    (width, height), patch, coded, landmarks=detection.landmarks))
        return crops

    def _find(self, frame: VideoFrame) -> list[Detection]:
        """Verify the known faces, or search the whole image where that is due."""
        detector, stamp = self._detector, frame.stamp
        if self._searches is None or not isinstance(detector, FaceVerifier):
            return detector.detect(frame.image)
        due = self._searches.take(stamp)
        if due or 0 <= stamp - self._lost <= self.config.max_occlusion_s:
            return self._search(frame)
        if not self._known:
            return []
        verified = detector.verify(frame.image, self._expected(stamp))
        faces = [face for face in verified if face is not None]
        if len(faces) < len(verified):
            self._lost, self._before = stamp, len(verified)
            return self._search(frame)
        return sorted(faces, key=lambda face: _area(face.box), reverse=True)

    def _search(self, frame: VideoFrame) -> list[Detection]:
        """Search the whole image; a face that was lost may be back."""
        faces = self._detector.detect(frame.image)
        if len(faces) >= self._before:
            self._lost = -math.inf
        return faces

    def _expected(self, stamp: float) -> list[Region]:
        """Return where the known faces should be, from how they have moved."""
        moves = self._tracker.moves(stamp)
        return [region.moved(*moves[face_id]) for face_id, region in self._known.items()]

    def rename(self, face_id: str) -> str:
        """Give a face another id, as FaceTracker.rename."""
        renamed = self._tracker.rename(face_id)
        self._known = {renamed if known == face_id else known: region
                       for known, region in self._known.items()}
        return renamed

    def reset(self) -> None:
        """Forget the stream, after a jump of time."""
        self._tracker.reset()
        self.set_search(self._search_s)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
