# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The lossy coding of face crops, which makes them small enough for a network.

A crop is coded and decoded where it is cut out, whether it leaves the process or not, and in the
clips of training as well. So two machines estimate from the same pixels as one, to the bit.
"""

from __future__ import annotations

import cv2
from mmer_ros.types import FACE_SIZE, InvalidInput, UInt8
import numpy as np

QUALITY = 85  # of WebP, 1..100
LOSSLESS = 101  # as OpenCV numbers it
HEADER = 30  # bytes that begin a WebP file
LARGEST = 4 * FACE_SIZE ** 2  # bytes; a crop without any loss has fewer


def code_face(image: UInt8, *, lossless: bool = False) -> bytes:
    """
    Return the coding of a crop: 2 to 5 kB, without loss 15 to 60 kB.

    :param image: (FACE_SIZE, FACE_SIZE, 3) uint8 RGB.
    """
    _, coded = cv2.imencode('.webp', np.ascontiguousarray(image[..., ::-1]),
                            [cv2.IMWRITE_WEBP_QUALITY, LOSSLESS if lossless else QUALITY])
    return coded.tobytes()


def decode_face(coded: bytes) -> UInt8:
    """
    Return a coded crop, (FACE_SIZE, FACE_SIZE, 3) uint8 RGB, the same on every computer.

    >>> grey = np.full((FACE_SIZE, FACE_SIZE, 3), 128, np.uint8)
    >>> bool((decode_face(code_face(grey, lossless=True)) == grey).all())
    True

    :raises InvalidInput: if it is not the WebP coding of an image of that size.
    """
    size = _size(coded)
    image = cv2.imdecode(np.frombuffer(coded, np.uint8), cv2.IMREAD_COLOR) if (
        size == (FACE_SIZE, FACE_SIZE) and len(coded) <= LARGEST) else None
    if image is None or image.shape != (FACE_SIZE, FACE_SIZE, 3):
        raise InvalidInput(
            f'face crop: {len(coded)} bytes that are not a WebP image of {FACE_SIZE} x '
            f'{FACE_SIZE} pixels; segmenter and estimator need the same version of mmer_ros')
    return np.ascontiguousarray(image[..., ::-1])


def _size(coded: bytes) -> tuple[int, int]:
    """Return width and height by the header alone, before memory is taken for the pixels."""
    kind = coded[12:16] if coded[:4] == b'RIFF' and coded[8:12] == b'WEBP' else b''
    if len(coded) < HEADER:
        return 0, 0
    if kind == b'VP8 ':
        return (int.from_bytes(coded[26:28], 'little') & 0x3fff,
                int.from_bytes(coded[28:30], 'little') & 0x3fff)
    if kind == b'VP8L':
        bits = int.from_bytes(coded[21:25], 'little')
        return (bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1
    return 0, 0
