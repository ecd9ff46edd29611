# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Face detection in threads ahead of the recogniser: the same answers, sooner."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from mmer_ros.profiling import FACE_DETECTION, Stages, UNMEASURED
from mmer_ros.recordings.recording import Recorded
from mmer_ros.replay.arrivals import Arrival, Arrivals
from mmer_ros.sensing.face_detector import Detection, FaceDetector, FaceVerifier, Region
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import UInt8, VideoFrame

AHEAD_IMAGES = 6  # most images that wait for the recogniser
AHEAD_BYTES = 64 << 20  # most bytes of messages that wait


class AheadDetector:
    """
    A face detector that searches in threads ahead the images that are announced to it.

    Each image is searched by itself, so the answer does not depend on when that happens. Images
    in which a FaceStream only verifies known faces are not searched ahead.

    :param detector: does the work; called from several threads.
    :param threads: that work ahead; 0: none.
    :param search_s: as of the FaceStream.
    :param stages: measures each image, from several threads.
    """

    def __init__(self, detector: FaceDetector, threads: int, search_s: float = 0.0,
                 stages: Stages = UNMEASURED) -> None:
        self.config = detector.config
        self._detector = detector
        self._stages = stages
        self._pool = ThreadPoolExecutor(threads, 'faces') if threads else None
        self._searches = FrameSampler(1 / search_s) if (
            search_s > 0 and isinstance(detector, FaceVerifier)) else None
        self._found: dict[int, tuple[UInt8, Future[list[Detection]]]] = {}

    def announce(self, frame: VideoFrame) -> None:
        """Begin to search an image for faces, if it will be searched."""
        due = self._searches is None or self._searches.take(frame.stamp)
        if self._pool is None or not due:
            return
        while len(self._found) > AHEAD_IMAGES:  # those that were not asked for
            self._found.pop(next(iter(self._found)))
        self._found[id(frame.image)] = frame.image, self._pool.submit(self._look, frame.image)

    def detect(self, image: UInt8) -> list[Detection]:
        """Return the faces of the image, waiting for them if they are not found yet."""
        announced = self._found.pop(id(image), None)
        return announced[1].result() if announced is not None else self._look(image)

    def close(self) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _look(self, image: UInt8) -> list[Detection]:
        with self._stages.measuring(FACE_DETECTION):
            return self._detector.detect(image)

    @property
    def depth(self) -> int:
        """Number of images that are announced before the first is asked for."""
        return AHEAD_IMAGES if self._pool is not None else 0


class AheadVerifier(AheadDetector):
    """An AheadDetector around one that can verify faces."""

    def verify(self, image: UInt8, regions: Sequence[Region]) -> list[Detection | None]:
        """Look for faces where they are expected, as FaceVerifier.verify."""
        assert isinstance(self._detector, FaceVerifier)
        with self._stages.measuring(FACE_DETECTION):
            return self._detector.verify(image, regions)


def detect_ahead(detector: FaceDetector, threads: int, search_s: float,
                 stages: Stages = UNMEASURED) -> AheadDetector:
    """Return a detector that works ahead, and can verify faces if the given one can."""
    kind = AheadVerifier if isinstance(detector, FaceVerifier) else AheadDetector
    return kind(detector, threads, search_s, stages)


def read_ahead(messages: Iterable[Recorded], arrivals: Arrivals, detector: AheadDetector
               ) -> Iterator[tuple[Recorded, list[Arrival]]]:
    """Yield messages with their arrivals, some images later than they were announced."""
    waiting: deque[tuple[Recorded, list[Arrival]]] = deque()
    images = size = 0
    for recorded in messages:
        arrived = list(arrivals.convert(recorded))
        for frame in _frames(arrived):
            detector.announce(frame)
            images += 1
        waiting.append((recorded, arrived))
        size += len(recorded.data)
        while waiting and (images > detector.depth or size > AHEAD_BYTES or not detector.depth):
            first = waiting.popleft()
            images -= len(_frames(first[1]))
            size -= len(first[0].data)
            yield first
    yield from waiting


def _frames(arrived: list[Arrival]) -> list[VideoFrame]:
    return [a.content for a in arrived if isinstance(a.content, VideoFrame)]
