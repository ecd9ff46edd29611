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

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
import hashlib
from typing import Any, Protocol, runtime_checkable

import cv2
from mmer_ros.onnx_graphs import AUTO, choose_engine, ONNX, packaged_graph
from mmer_ros.registry import imported_later, Registry
from mmer_ros.sensing.face_tracker import Box
from mmer_ros.sensing.mtcnn import Faces, find_faces, Network, Networks, verify_faces
from mmer_ros.types import FACE_SIZE, Float32, InvalidInput, UInt8
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
        """Short hash of the settings, to compare two sides."""
        # Caches that were made before there was a choice of detectors stay valid.
        left_out = {'detector'} if self.detector == MTCNN_NAME else None
        return hashlib.sha256(self.model_dump_json(exclude=left_out).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Region:
    """
    Where a detector can look for a face that it has found before.

    :param box: of the face, also beyond the edges of the image; pixels.
    :param offset: from its edges to those of the square that was looked at, in units of its
        width and height; as the whole search of the image found it.
    """

    box: Box
    offset: Box = (0.0, 0.0, 0.0, 0.0)

    def moved(self, x: float, y: float) -> Region:
        """Return the region after the face has moved by so many pixels."""
        left, top, right, bottom = self.box
        return replace(self, box=(left + x, top + y, right + x, bottom + y))

    @property
    def square(self) -> Box:
        """Where to look, pixels."""
        left, top, right, bottom = self.box
        sides = (right - left, bottom - top) * 2
        moved = [edge + side * offset
                 for edge, side, offset in zip(self.box, sides, self.offset)]
        return moved[0], moved[1], moved[2], moved[3]


@dataclass(frozen=True)
class Detection:
    """
    A face in an image.

    :param box: left, top, right, bottom, pixels of the image.
    :param score: probability that it is a face, [0, 1].
    :param landmarks: (5, 2) x and y of eyes, nose, corners of the mouth; pixels. None from a
        detector without landmarks: then only the sizes of faces decide who speaks.
    :param region: where to verify the face in the next image; None: it has to be searched for.
    """

    box: Box
    score: float
    landmarks: NDArray[np.float32] | None = None
    region: Region | None = None


class FaceDetector(Protocol):
    """Finds faces in single images; the answer depends on the image and the settings alone."""

    config: FaceConfig

    def detect(self, image: UInt8) -> list[Detection]:
        """
        Find faces.

        :param image: (height, width, 3) uint8 RGB.
        :return: those with a score of at least config.min_score, largest first.
        """


@runtime_checkable
class FaceVerifier(Protocol):
    """A detector that can also verify faces found before, which costs less than a search."""

    def verify(self, image: UInt8, regions: Sequence[Region]) -> list[Detection | None]:
        """
        Look for faces where they are expected.

        :param image: (height, width, 3) uint8 RGB.
        :param regions: of earlier detections, moved to where the faces should be now.
        :return: the face of each region; None where it was lost, or two became one.
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
        offsets = (faces.squares - faces.boxes) / _sides(faces.boxes)
        found = self._detections(image, faces, scale, offsets)
        return [d for d in found if d.score >= self.config.min_score]

    def verify(self, image: UInt8, regions: Sequence[Region]) -> list[Detection | None]:
        """Look for faces where they are expected, as FaceVerifier.verify."""
        squares = np.array([region.square for region in regions], np.float32)
        faces, kept = verify_faces(image, self._networks, squares)
        found = self._detections(image, faces, 1.0, np.array([r.offset for r in regions]))
        return [d if i in kept and d.score >= self.config.min_score else None
                for i, d in enumerate(found)]

    def _detections(self, image: UInt8, faces: Faces, scale: float, offsets: NDArray[Any]
                    ) -> list[Detection]:
        height, width = image.shape[:2]
        return [
            Detection(_clip_box(box, width, height), float(score), points / np.float32(scale),
                      Region(_box(box), _box(offset)))
            for box, score, points, offset in zip(
                faces.boxes.astype(float) / scale, faces.scores, faces.landmarks, offsets)]


DETECTORS.add(MTCNN_NAME, MtcnnDetector)


def _sides(boxes: Float32) -> Float32:
    """Return width and height of boxes, twice, (N, 4)."""
    return np.tile(boxes[:, 2:] - boxes[:, :2], 2)


def _clip_box(box: NDArray[np.float64], width: int, height: int) -> Box:
    return _box(np.clip(box, 0, (width, height, width, height)))


def _box(values: NDArray[Any]) -> Box:
    left, top, right, bottom = map(float, values)
    return left, top, right, bottom
