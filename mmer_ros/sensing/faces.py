"""Faces: MTCNN finds them, a tracker gives them stable ids, crops go to the face encoder."""

from __future__ import annotations

from dataclasses import dataclass
import hashlib
from weakref import WeakSet

import cv2
from facenet_pytorch import MTCNN
from facenet_pytorch.models.utils.detect_face import extract_face
from mmer_ros.sensing.face_patch import aligned_patch, look_of
from mmer_ros.sensing.face_tracker import Box, FaceTracker
from mmer_ros.types import FACE_SIZE, FaceCrop, UInt8, VideoFrame
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
import torch


class FaceConfig(BaseModel):
    """
    Settings of face detection and tracking; the same in training and on the robot.

    :param rate_hz: faces are looked for in at most this many frames a second of capture time.
    :param detect_max_side: larger images are scaled down to this for detection, pixels.
    :param min_face_size: smallest face in the scaled image, pixels.
    :param min_score: least detection probability.
    :param margin: pixels of the crop around the box, at FACE_SIZE, as facenet-pytorch has it.
    :param max_occlusion_s: a face that comes back within this keeps its id, seconds.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    rate_hz: float = Field(5.0, gt=0, le=60)
    detect_max_side: int = Field(480, ge=160, le=4096)
    min_face_size: int = Field(36, ge=20, le=400)
    min_score: float = Field(0.9, ge=0, le=1)
    margin: int = Field(24, ge=0, lt=FACE_SIZE)
    max_occlusion_s: float = Field(1.0, ge=0, le=30)

    @property
    def digest(self) -> str:
        """Short hash of the settings, to tell whether two sides have the same."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Detection:
    """
    A face in an image.

    :param box: left, top, right, bottom, pixels of the image.
    :param score: probability that it is a face, [0, 1].
    :param landmarks: (5, 2) x and y of eyes, nose, corners of the mouth; pixels.
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32]


class FaceDetector:
    """MTCNN of facenet-pytorch; its weights ship in that package."""

    def __init__(self, config: FaceConfig, device: torch.device | str = 'cpu') -> None:
        """Load the three networks onto the device."""
        self.config = config
        self._mtcnn = MTCNN(keep_all=True, min_face_size=config.min_face_size,
                            device=torch.device(device)).eval()
        # A fifth faster on a CPU; boxes differ in the fifth place after the point.
        self._mtcnn.to(memory_format=torch.channels_last)

    def detect(self, image: UInt8) -> list[Detection]:
        """
        Find faces.

        :param image: (height, width, 3) uint8 RGB.
        :return: those above min_score, largest first.
        """
        height, width = image.shape[:2]
        scale = min(1.0, self.config.detect_max_side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = image if scale == 1.0 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        if min(size) < self.config.min_face_size:
            return []
        boxes, scores, landmarks = self._mtcnn.detect(np.ascontiguousarray(small), landmarks=True)
        if boxes is None:
            return []
        return [
            Detection(_clip_box(box / scale, width, height), float(score),
                      np.asarray(points, np.float32) / np.float32(scale))
            for box, score, points in zip(boxes.astype(float), scores, landmarks)
            if score is not None and score >= self.config.min_score
        ]


def _clip_box(box: NDArray[np.float64], width: int, height: int) -> Box:
    left, right = np.clip(box[[0, 2]], 0, width)
    top, bottom = np.clip(box[[1, 3]], 0, height)
    return float(left), float(top), float(right), float(bottom)


def crop_face(image: UInt8, box: Box, margin: int) -> UInt8 | None:
    """
    Cut a face out and scale it, as facenet-pytorch does for its networks.

    :return: (FACE_SIZE, FACE_SIZE, 3) uint8 RGB, or None if the box has no area in the image.
    """
    if box[2] - box[0] < 1 or box[3] - box[1] < 1:
        return None
    crop = extract_face(np.ascontiguousarray(image), np.array(box), FACE_SIZE, margin)
    pixels: UInt8 = crop.permute(1, 2, 0).to(torch.uint8).numpy()
    return pixels


class FrameSampler:
    """
    Choose the frames that are looked at: the first in each slot of 1 / rate_hz of capture time.

    The slots lie fixed in time, so that the choice does not depend on when the stream began.
    """

    def __init__(self, rate_hz: float) -> None:
        """Choose the next frame, whichever it is."""
        self.rate_hz = rate_hz
        self._slot = -1

    def take(self, stamp: float) -> bool:
        """Tell whether the frame captured at `stamp` (seconds) is chosen."""
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
        patches = [aligned_patch(frame.image, d.landmarks) for d in found]
        ids = self._tracker.update(frame.stamp, [d.box for d in found],
                                   [None if p is None else look_of(p) for p in patches])
        height, width = frame.image.shape[:2]
        crops = []
        for detection, patch, face_id in zip(found, patches, ids):
            image = crop_face(frame.image, detection.box, self.config.margin)
            if image is not None:
                crops.append(FaceCrop(frame.stamp, face_id, image, detection.box, detection.score,
                                      (width, height), patch))
        return crops

    def reset(self) -> None:
        """Forget the stream, after a jump of time."""
        self._tracker.reset()
