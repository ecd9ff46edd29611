# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Content of the clips of an example: decoded, with all problems reported, never failing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
import math
from pathlib import Path
from typing import TypeVar

import cv2
from mmer_ros.networks.face_encoder import sample_evenly
from mmer_ros.recordings.clips import resampled, utterance_of_clip
from mmer_ros.recordings.media import duration, read_audio, read_media
from mmer_ros.recordings.media_report import MediaReport
from mmer_ros.sensing.face_detector import FaceDetector
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.types import (
    AudioBlock,
    FACE_SIZE,
    Int16,
    InvalidInput,
    UInt8,
    Utterance,
    VideoFrame,
)
import numpy as np
from training.corpora.corpus import Problem, ProblemKind
from training.corpora.examples import Example
from training.corpora.meld import KNOWN_DEFECTS

LONG_RATIO, LONG_EXCESS_S = 3.0, 20.0  # a clip beyond both is cut: the file is wrong
Result = TypeVar('Result')
Media = TypeVar('Media', bound=AudioBlock | VideoFrame)


@dataclass
class ClipContent:
    """
    Audio and faces of an example.

    :param audio: (n,) int16, 16 kHz mono, or None.
    :param faces: crops by time, each (FACE_SIZE, FACE_SIZE, 3) uint8 RGB.
    """

    audio: Int16 | None = None
    faces: list[UInt8] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def until(items: Iterable[Media], end: float) -> Iterator[Media]:
    """Yield the audio and images of a clip that begin before a stamp, seconds; cut the last."""
    for item in items:
        if item.stamp >= end:
            return
        if isinstance(item, AudioBlock) and math.isfinite(end):
            count = max(1, round((end - item.stamp) * item.sample_rate))
            item = replace(item, samples=item.samples[:count])
        yield item


class ClipReader:
    """
    Reads examples with the decoding, resampling and face detection of the robot.

    :param max_images: longer sequences of faces are sampled evenly down to this.
    :param spread: look for that many in each clip, however long it is.
    """

    def __init__(self, detector: FaceDetector, max_images: int, *, spread: bool = False) -> None:
        self._detector, self._spread = detector, spread
        self._max_images = max_images
        self._example = Example('', 'train')
        self._problems: list[Problem] = []

    def read(self, example: Example) -> ClipContent:
        """Return all readable content of an example and the problems of the rest."""
        self._example, self._problems = example, []
        audio, faces = None, None
        if example.video and (example.audio is None or not example.faces):
            audio, faces = self._video(example.video)
        if example.audio:
            audio = self._attempt(example.audio, self._audio)
        crops = sample_evenly([] if faces is None else faces, self._max_images)
        if example.faces:
            chosen = sample_evenly(example.faces, self._max_images)
            images = [self._attempt(path, self._image) for path in chosen]
            crops = [image for image in images if image is not None]
        if all(problem.kind == 'long clip' for problem in self._problems):
            self._report_missing(audio, crops)
        return ClipContent(audio, crops, self._problems)

    def _report_missing(self, audio: Int16 | None, crops: list[UInt8]) -> None:
        example = self._example
        source = example.audio or example.video
        if source and audio is None:
            self._report('no audio', source, 'it has no audio')
        if (example.video or example.faces) and not crops:
            self._report('no face', example.video or example.faces[0], 'no face was found in it')

    def _report(self, kind: ProblemKind, path: Path, text: str) -> None:
        text += ' (a known defect of MELD)' * (self._example.key in KNOWN_DEFECTS)
        self._problems.append(Problem(kind, str(path), text, self._example.key))

    def _attempt(self, path: Path, read: Callable[[Path], Result]) -> Result | None:
        """Read a file; report any failure and return None."""
        if not path.is_file():
            self._report('missing file', path, 'it does not exist')
            return None
        try:
            return read(path)
        except InvalidInput as error:
            self._report('unreadable clip', path, str(error).removeprefix(f'{path}: '))
        except Exception as error:  # decoders fail in many ways; one clip must not end the run
            self._report('unreadable clip', path, f'{type(error).__name__}: {error}')
        return None

    def _video(self, path: Path) -> tuple[Int16 | None, UInt8 | None]:
        utterance = self._attempt(path, self._utterance)
        if utterance is not None:
            return utterance.audio, utterance.faces
        try:  # the images may be damaged and the audio intact
            return self._audio(path), None
        except Exception:  # the problem of the file is reported already
            return None, None

    def _utterance(self, path: Path) -> Utterance:
        faces, media, end = FaceStream(self._detector), MediaReport(), self._end(path)
        sampler = faces.sampler()
        seconds = min(end, duration(path))
        if self._spread and seconds:
            sampler.rate_hz = self._max_images / seconds
        utterance = utterance_of_clip(until(read_media(path, sampler, media), end), faces)
        self._report_losses(path, media)
        return utterance

    def _audio(self, path: Path) -> Int16 | None:
        media, end = MediaReport(), self._end(path)
        samples = resampled(until(read_audio(path, media), end))
        self._report_losses(path, media)
        return samples

    def _end(self, path: Path) -> float:
        """Return where a clip ends, in seconds; it is cut if it is far longer than it should."""
        wanted, found = self._example.seconds, duration(path)
        if wanted is None or found < wanted * LONG_RATIO or found < wanted + LONG_EXCESS_S:
            return math.inf
        text = (f'it lasts {found:.0f} s, but the utterance {wanted:.1f} s by the times of the '
                f'corpus; the first {wanted:.1f} s are used')
        if not any(p.kind == 'long clip' for p in self._problems):
            self._report('long clip', path, text)
        return wanted

    def _report_losses(self, path: Path, media: MediaReport) -> None:
        """Report the missing parts of each stream, unless the clip was cut."""
        if any(problem.kind == 'long clip' for problem in self._problems):
            return
        for problem in media.problems:
            self._report('damaged clip', path, f'{problem}; the rest is used')

    def _image(self, path: Path) -> UInt8:
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            raise InvalidInput(f'{path}: it is not an image')
        crop: UInt8 = cv2.cvtColor(
            cv2.resize(image, (FACE_SIZE, FACE_SIZE), interpolation=cv2.INTER_AREA),
            cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
        return crop
