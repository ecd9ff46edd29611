# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""
Descriptors of identity: a vector for each face, near for the same person.

A descriptor is added by registering what makes it; the setting `persons.descriptor` names it::

    DESCRIPTORS.add('arcface', ArcFaceDescriptor)  # called as ArcFaceDescriptor()

docs/extending.md shows a complete example.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mmer_ros.onnx_graphs import packaged_graph
from mmer_ros.registry import Registry
from mmer_ros.sensing.face_patch import aligned
from mmer_ros.types import Float32, InvalidInput, UInt8
import numpy as np
from numpy.typing import NDArray

DLIB_NAME = 'dlib'
GRAPH = 'face_identity'
SIZE = 128  # numbers that describe a face
CHIP_SIZE = 150  # pixels, height and width of the face that the network sees
# Where eyes, nose and corners of the mouth lie in it, x and y as shares: dlib's mean face with a
# margin of a quarter of its size on each side.
PLACES = np.array([[.317, .311], [.670, .311], [.493, .510], [.336, .687], [.651, .687]])


@dataclass(frozen=True)
class Limits:
    """
    Distances between descriptions of faces.

    :param same: up to this the same person, if clothes and hair do not speak against it.
    :param alike: up to this the same person, whatever they wear.
    """

    same: float
    alike: float


class FaceDescriptor(Protocol):
    """Describes faces; the answer depends on the images alone."""

    limits: Limits

    def describe(self, image: UInt8, landmarks: Sequence[NDArray[np.floating]]) -> Float32:
        """
        Describe the faces of an image.

        :param image: (height, width, 3) uint8 RGB.
        :param landmarks: of N faces (5, 2) each: x and y of eyes, nose, corners of the mouth;
            pixels.
        :return: (N, size); the Euclidean distance of two measures how different the faces are; nan
            where the landmarks make no face.
        """


DESCRIPTORS = Registry[Callable[[], FaceDescriptor]]('face descriptor')


def make_descriptor(name: str) -> FaceDescriptor:
    """
    Return the descriptor of a name.

    :raises InvalidInput: if none is registered.
    """
    try:
        return DESCRIPTORS.find(name)()
    except ValueError as error:
        raise InvalidInput(str(error)) from None


class DlibDescriptor:
    """
    The residual network of dlib's face recognition, 128 numbers; see tools/make_identity_graph.py.

    dlib takes faces within 0.6 for the same person. The limits here are those measured on faces
    in video, docs/persons.md.
    """

    limits = Limits(same=0.5, alike=0.2)

    def __init__(self) -> None:
        self._network = packaged_graph(GRAPH)

    def describe(self, image: UInt8, landmarks: Sequence[NDArray[np.floating]]) -> Float32:
        """Return (N, 128), as FaceDescriptor.describe; one face does not change another's."""
        found = np.full((len(landmarks), SIZE), np.nan, np.float32)
        for row, points in zip(found, landmarks):
            chip = aligned(image, points, PLACES * CHIP_SIZE, CHIP_SIZE)
            if chip is not None:
                row[:] = self._network(chip.transpose(2, 0, 1)[None].astype(np.float32))[0][0]
        return found


DESCRIPTORS.add(DLIB_NAME, DlibDescriptor)
