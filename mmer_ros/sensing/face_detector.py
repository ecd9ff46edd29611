# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Face detection, and the registry that the setting `detector` is looked up in.

A detector is added by registering what makes it; nothing else has to know of it::

    DETECTORS.add('yunet', YuNetDetector)  # called as YuNetDetector(config, device)

docs/extending.md shows a complete example.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
import hashlib
from typing import Protocol

import cv2
from mmer_ros.onnx_graphs import AUTO, choose_engine, ONNX, packaged_graph
from mmer_ros.registry import imported_later, Registry
from mmer_ros.sensing.face_tracker import Box
from mmer_ros.sensing.mtcnn import find_faces, Network, Networks
from mmer_ros.types import FACE_SIZE, InvalidInput, UInt8
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

MTCNN_NAME = 'mtcnn'


class FaceConfig(BaseModel):
    """
    Settings of face detection and tracking; the same in training and on the robot.

    :param detector: name under which the detector is registered.
    :param rate_hz: faces are looked for in at most this many frames a second of capture time.
    :param detect_max_side: larger images are scaled down to this for detection, pixels.
    :param min_face_size: smallest face in the scaled image, pixels.
    :param min_score: least detection probability.
    :param margin: pixels of the crop around the box, at FACE_SIZE, as facenet-pytorch has it.
    :param max_occlusion_s: a face that comes back within this keeps its id, seconds.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    detector: str = MTCNN_NAME
    rate_hz: float = Field(5.0, gt=0, le=60)
    detect_max_side: int = Field(480, ge=160, le=4096)
    min_face_size: int = Field(36, ge=20, le=400)
    min_score: float = Field(0.9, ge=0, le=1)
    margin: int = Field(24, ge=0, lt=FACE_SIZE)
    max_occlusion_s: float = Field(1.0, ge=0, le=30)

    @property
    def digest(self) -> str:
        """Short hash of the settings, to tell whether two sides have the same."""
        # Caches that were made before there was a choice of detectors stay valid.
        left_out = {'detector'} if self.detector == MTCNN_NAME else None
        return hashlib.sha256(self.model_dump_json(exclude=left_out).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Detection:
    """
    A face in an image.

    :param box: left, top, right, bottom, pixels of the image.
    :param score: probability that it is a face, [0, 1].
    :param landmarks: (5, 2) x and y of eyes, nose, corners of the mouth; pixels. None from a
        detector without landmarks: then only the sizes of faces decide who speaks.
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32] | None = None


class FaceDetector(Protocol):
    """Finds faces in single images; the answer depends on the image and the settings alone."""

    config: FaceConfig

    def detect(self, image: UInt8) -> list[Detection]:
        """
        Find faces.

        :param image: (height, width, 3) uint8 RGB.
        :return: those with a score of at least config.min_score, largest first.
        """


MakeDetector = Callable[[FaceConfig, str], FaceDetector]
DETECTORS = Registry[MakeDetector]('face detector')


def make_detector(config: FaceConfig, device: str = 'cpu', engine: str = AUTO) -> FaceDetector:
    """
    Return the detector that the settings name.

    :param engine: that runs MTCNN, as of Recognizer.
    :raises InvalidInput: if no detector of that name is registered, or the engine cannot be used.
    """
    try:
        make = DETECTORS.find(config.detector)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    if make is MtcnnDetector:
        make = partial(MtcnnDetector, engine=engine)
    return make(config, device)


class MtcnnDetector:
    """MTCNN with the weights of facenet-pytorch; see mtcnn.py."""

    def __init__(self, config: FaceConfig, device: str = 'cpu', *, engine: str = AUTO) -> None:
        self.config = config
        if choose_engine(engine, device) == ONNX:
            self._networks = Networks(*(packaged_graph(f'mtcnn_{name}')
                                        for name in Networks._fields))
        else:
            make: Callable[[str], list[Network]] = imported_later(
                'mmer_ros.sensing.torch_networks', 'mtcnn_networks')
            self._networks = Networks(*make(device))

    def detect(self, image: UInt8) -> list[Detection]:
        """Find faces with five landmarks each, as FaceDetector.detect."""
        height, width = image.shape[:2]
        scale = min(1.0, self.config.detect_max_side / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = image if scale == 1.0 else np.asarray(
            cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        if min(size) < self.config.min_face_size:
            return []
        faces = find_faces(small, self._networks, self.config.min_face_size)
        return [
            Detection(_clip_box(box / scale, width, height), float(score),
                      points / np.float32(scale))
            for box, score, points in zip(faces.boxes.astype(float), faces.scores,
                                          faces.landmarks)
            if score >= self.config.min_score
        ]


DETECTORS.add(MTCNN_NAME, MtcnnDetector)


def _clip_box(box: NDArray[np.float64], width: int, height: int) -> Box:
    left, right = np.clip(box[[0, 2]], 0, width)
    top, bottom = np.clip(box[[1, 3]], 0, height)
    return float(left), float(top), float(right), float(bottom)
