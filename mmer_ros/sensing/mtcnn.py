# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The MTCNN cascade: proposals on an image pyramid, refined by two more networks.

The steps, thresholds and roundings are those of facenet-pytorch, whose networks it runs; they
are functions of arrays here, in either engine. Source: Zhang et al., Joint Face Detection and
Alignment using Multi-task Cascaded Convolutional Networks, 2016.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
from mmer_ros.types import Float32, UInt8
import numpy as np
from numpy.typing import NDArray

Network = Callable[[Float32], Sequence[Float32]]  # images (B, 3, height, width) in
Index = NDArray[np.int64]

THRESHOLDS = (0.6, 0.7, 0.7)  # least scores of the three stages
FACTOR = 0.709  # from one scale of the pyramid to the next
CELL, STRIDE = 12, 2  # pixels that the first network sees, and between two of its places
SIZES = (24, 48)  # pixels that the second and the third network see
BATCH = 512  # boxes that go through a network at once


class Networks(NamedTuple):
    """
    The three networks; the last output of each is (B, 2, ...), the scores of no face and face.

    propose: boxes' corrections (B, 4, h, w), scores. refine: corrections (B, 4), scores.
    output: corrections (B, 4), landmarks (B, 10), scores.
    """

    propose: Network
    refine: Network
    output: Network


class Faces(NamedTuple):
    """
    Faces in pixels; boxes are (N, 4) left, top, right, bottom.

    scores: (N,). landmarks: (N, 5, 2). squares: (N, 4), what the last network saw of each.
    """

    boxes: Float32
    scores: Float32
    landmarks: Float32
    squares: Float32


def find_faces(image: UInt8, networks: Networks, min_face_size: int) -> Faces:
    """
    Find faces.

    :param image: (height, width, 3) uint8 RGB.
    :param min_face_size: of the faces, pixels.
    :return: largest first.
    """
    areas = Areas(image)
    boxes = _proposals(areas, networks.propose, min_face_size)
    if len(boxes):
        corrections, scores = _look(areas, boxes, SIZES[0], networks.refine)
        boxes, corrections = _above(boxes, scores, THRESHOLDS[1], corrections)
        keep = suppress(boxes, 0.7)
        boxes = _squared(_corrected(boxes[keep], corrections[keep]))
    if not len(boxes):
        none = np.zeros((0, 4), np.float32)
        return Faces(none, none[:, 0], np.zeros((0, 5, 2), np.float32), none)
    faces = _output(areas, boxes, networks.output)
    good = np.flatnonzero(faces.scores > THRESHOLDS[2])
    keep = good[suppress_contained(_scored(faces)[good], 0.7)]
    boxes = faces.boxes[keep]
    order = np.argsort((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]))[::-1]
    return Faces(*(values[keep[order]] for values in faces))


def verify_faces(image: UInt8, networks: Networks, squares: Float32) -> tuple[Faces, Index]:
    """
    Look again where faces are expected, with the last network alone.

    The image may be larger than the one that was searched: the network sees areas of it.

    :param image: (height, width, 3) uint8 RGB.
    :param squares: (N, 4) as Faces.squares, moved to where the faces should be now.
    :return: what is in each square, whatever its score; and the indices of those that remain
        when faces are dropped that overlap a better one.
    """
    edges = np.array([0, 0, image.shape[1], image.shape[0]])
    left, top = np.clip(squares[:, :2].min(axis=0).astype(int) - 2, 0, edges[2:] - 1)
    right, bottom = np.clip(squares[:, 2:].max(axis=0).astype(int) + 2, (left + 1, top + 1),
                            edges[2:])
    corner = np.array([left, top] * 2, np.float32)
    faces = _output(Areas(image[top:bottom, left:right]), squares - corner, networks.output)
    faces = faces._replace(boxes=faces.boxes + corner, squares=squares,
                           landmarks=faces.landmarks + corner[:2])
    return faces, suppress_contained(_scored(faces), 0.7)


class Areas:
    """
    Parts of an image at other sizes, each pixel the mean of its area.

    The sums come from one integral image: the same bits as torch's adaptive average pooling, in
    a time that does not depend on the sizes of the parts.
    """

    def __init__(self, image: UInt8) -> None:
        self.height, self.width = image.shape[:2]
        self._sums: NDArray[np.int32] = cv2.integral(  # type: ignore[assignment]
            np.ascontiguousarray(image), sdepth=cv2.CV_32S)

    def resized(self, tops: Index, bottoms: Index, lefts: Index, rights: Index,
                size: tuple[int, int]) -> Float32:
        """
        Return parts of the image, standardised for the networks.

        :param tops: (N,) of the parts, as `bottoms`, `lefts` and `rights`; pixels.
        :param size: height and width of each in the result.
        :return: (N, 3, height, width), about [-1, 1].
        """
        y0, y1, rows = _edges(tops, bottoms, size[0])
        x0, x1, columns = _edges(lefts, rights, size[1])
        total = np.empty((len(tops), *size, 3), np.int32)
        for i, part in enumerate(total):  # rows, then columns: most of the image is skipped early
            left = lefts[i]
            bands = self._sums[y1[i], left:rights[i] + 1] - self._sums[y0[i], left:rights[i] + 1]
            np.subtract(bands[:, x1[i] - left], bands[:, x0[i] - left], out=part)
        means = total.astype(np.float32)
        means /= rows[:, :, None, None]
        means /= columns[:, None, :, None]
        means -= np.float32(127.5)
        means *= np.float32(0.0078125)
        return np.ascontiguousarray(means.transpose(0, 3, 1, 2))


def _edges(starts: Index, ends: Index, count: int) -> tuple[Index, Index, Float32]:
    """Return where the areas of each pixel begin and end, (N, count), and their lengths."""
    steps, length = np.arange(count), (ends - starts)[:, None]
    first = steps * length // count
    last = -(-(steps + 1) * length // count)
    return starts[:, None] + first, starts[:, None] + last, (last - first).astype(np.float32)


def _proposals(areas: Areas, network: Network, min_face_size: int) -> Float32:
    """Return square boxes and their scores, (N, 5)."""
    scale = CELL / min_face_size
    least = min(areas.height, areas.width) * scale
    whole = (np.array([0]), np.array([areas.height]), np.array([0]), np.array([areas.width]))
    found = []
    while least >= CELL:
        size = int(areas.height * scale + 1), int(areas.width * scale + 1)
        corrections, scores = network(areas.resized(*whole, size))
        boxes = _places(corrections[0], scores[0, 1], scale)
        found.append(boxes[suppress(boxes, 0.5)])
        scale, least = scale * FACTOR, least * FACTOR
    boxes = np.concatenate(found) if found else np.zeros((0, 9), np.float32)
    boxes = boxes[suppress(boxes, 0.7)]
    sides = boxes[:, 2:4] - boxes[:, :2]
    moved = np.concatenate([boxes[:, :2] + boxes[:, 5:7] * sides,
                            boxes[:, 2:4] + boxes[:, 7:9] * sides, boxes[:, 4:5]], axis=1)
    return _squared(moved)


def _places(corrections: Float32, scores: Float32, scale: float) -> Float32:
    """Return boxes, scores and corrections, (N, 9), where the first network sees a face."""
    rows, columns = np.nonzero(scores >= THRESHOLDS[0])
    corner = np.stack([columns, rows], axis=1).astype(np.float32)
    factor = np.float32(scale)
    begin = np.floor((STRIDE * corner + 1) / factor)
    end = np.floor((STRIDE * corner + CELL) / factor)
    return np.asarray(np.concatenate([begin, end, scores[rows, columns, None],
                                      corrections[:, rows, columns].T], axis=1), np.float32)


def _look(areas: Areas, boxes: Float32, size: int, network: Network) -> list[Float32]:
    """Run a network over the image within the boxes; the part outside the image is left out."""
    edges = np.trunc(boxes[:, :4]).astype(np.int64)
    left, top = np.maximum(edges[:, 0], 1) - 1, np.maximum(edges[:, 1], 1) - 1
    right = np.minimum(edges[:, 2], areas.width)
    bottom = np.minimum(edges[:, 3], areas.height)
    # A box without area in the image has no face; it is looked at where it touches the image.
    left, top = np.minimum(left, areas.width - 1), np.minimum(top, areas.height - 1)
    right, bottom = np.maximum(right, left + 1), np.maximum(bottom, top + 1)
    parts = areas.resized(top, bottom, left, right, (size, size))
    outputs = [network(parts[i:i + BATCH]) for i in range(0, len(parts), BATCH)]
    joined = [np.concatenate(values) for values in zip(*outputs)]
    return [*joined[:-1], joined[-1][:, 1]]


def _output(areas: Areas, squares: Float32, network: Network) -> Faces:
    """Run the last network; return what it finds in each square, (N, 4 or more)."""
    squares = squares[:, :4]
    corrections, points, scores = _look(areas, squares, SIZES[1], network)
    return Faces(_corrected(squares, corrections), scores, _landmarks(squares, points), squares)


def _scored(faces: Faces) -> Float32:
    """Return the boxes with their scores, (N, 5)."""
    return np.concatenate([faces.boxes, faces.scores[:, None]], axis=1)


def _above(boxes: Float32, scores: Float32, threshold: float, *others: Float32
           ) -> list[Float32]:
    """Return the boxes whose new score is above the threshold, and what belongs to them."""
    good = scores > threshold
    return [np.concatenate([boxes[good, :4], scores[good, None]], axis=1),
            *(other[good] for other in others)]


def _corrected(boxes: Float32, corrections: Float32) -> Float32:
    """Move the edges by corrections in units of the box."""
    sides = boxes[:, 2:4] - boxes[:, :2] + 1
    moved = boxes[:, :4] + corrections * np.concatenate([sides, sides], axis=1)
    return np.concatenate([moved, boxes[:, 4:]], axis=1)


def _squared(boxes: Float32) -> Float32:
    """Return squares around the boxes, with their longer side."""
    sides = boxes[:, 2:4] - boxes[:, :2]
    side = sides.max(axis=1, keepdims=True)
    corner = boxes[:, :2] + sides * np.float32(0.5) - side * np.float32(0.5)
    return np.concatenate([corner, corner + side, boxes[:, 4:]], axis=1)


def _landmarks(boxes: Float32, points: Float32) -> Float32:
    """Return landmarks (N, 5, 2) in pixels; points (N, 10), x of all before y, in boxes."""
    sides = boxes[:, 2:4] - boxes[:, :2] + 1
    inside = points.reshape(-1, 2, 5).transpose(0, 2, 1)
    return inside * sides[:, None] + boxes[:, None, :2] - 1


def suppress(boxes: Float32, threshold: float) -> Index:
    """
    Return the boxes that remain, best first, when those are dropped that overlap a better one.

    :param boxes: (N, 5 or more) with the score in column 4.
    :param threshold: of intersection over union.
    """
    left, top, right, bottom = boxes[:, :4].T
    areas = (right - left) * (bottom - top)
    rest = np.argsort(-boxes[:, 4], kind='stable')
    kept = []
    while rest.size:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest])
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest])
        common = np.maximum(width, 0) * np.maximum(height, 0)
        rest = rest[common / (areas[best] + areas[rest] - common) <= threshold]
    return np.array(kept, np.int64)


def suppress_contained(boxes: Float32, threshold: float) -> Index:
    """As `suppress`, but the intersection is compared with the smaller of both boxes."""
    left, top, right, bottom = boxes[:, :4].T
    areas = (right - left + 1) * (bottom - top + 1)
    rest = np.argsort(boxes[:, 4])
    kept = []
    while rest.size:
        best, rest = rest[-1], rest[:-1]
        kept.append(best)
        width = np.minimum(right[best], right[rest]) - np.maximum(left[best], left[rest]) + 1
        height = np.minimum(bottom[best], bottom[rest]) - np.maximum(top[best], top[rest]) + 1
        common = np.maximum(width, 0) * np.maximum(height, 0)
        rest = rest[common / np.minimum(areas[best], areas[rest]) <= threshold]
    return np.array(kept, np.int64)
