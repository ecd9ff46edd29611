# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A small picture of each utterance, chosen while the recording is read."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
import re
import shutil
from typing import Any

from mmer_ros.replay.folder import free_place, holds_only, is_result_folder
from mmer_ros.replay.pictures import blurred, Box, shrink, to_jpeg
from mmer_ros.types import FaceCrop, UInt8, VideoFrame

FOLDER = 'thumbnails'
PICTURE = re.compile(r'\d{5}\.jpg')  # names of the pictures
KEEP = 200  # images kept until their utterance ends; 40 s at 5 a second
AROUND_S = 1.0  # a face found within this of a picture may be in it undetected
SHOW, BLUR, NONE = 'show', 'blur', 'none'
FACES = (SHOW, BLUR, NONE)

Seen = tuple[float, UInt8, dict[str, Box]]  # stamp, small picture, faces by id


class Snapshots:
    """
    Keep the last images, small, and choose one for each utterance.

    :param faces: show, blur, or none for no pictures at all.
    :param keep: number of images that are kept.
    """

    def __init__(self, faces: str = SHOW, keep: int = KEEP) -> None:
        self._blur = faces == BLUR
        self._seen: deque[Seen] = deque(maxlen=keep if faces != NONE else 0)

    def add_frame(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        """Add an image and its faces."""
        if self._seen.maxlen == 0:
            return
        height, width = frame.image.shape[:2]
        boxes = {crop.face_id: (crop.box[0] / width, crop.box[1] / height,
                                crop.box[2] / width, crop.box[3] / height) for crop in crops}
        self._seen.append((frame.stamp, shrink(frame.image), boxes))

    def choose(self, row: Mapping[str, Any]) -> tuple[float, bytes] | None:
        """
        Return stamp and JPEG file of an utterance's image, None if it has none.

        It is near the middle, with the face of the speaker in view.

        :param row: Estimate.to_dict().
        """
        within = [seen for seen in self._seen if row['start'] <= seen[0] <= row['end']]
        if not within:
            return None
        middle = (row['start'] + row['end']) / 2
        stamp, image, _ = min(within, key=lambda seen: (
            row['face_id'] not in seen[2], abs(seen[0] - middle)))
        if self._blur:
            image = blurred(image, [box for seen in self._seen for box in seen[2].values()
                                    if abs(seen[0] - stamp) <= AROUND_S])
        return stamp, to_jpeg(image)


class Thumbnails:
    """
    Write a picture for each utterance into a folder.

    :param folder: of the results; None: nothing is kept or written.
    :param faces: as of Snapshots.
    """

    def __init__(self, folder: Path | None, faces: str = SHOW) -> None:
        self._folder = folder / FOLDER if folder is not None else None
        self._may_replace = folder is not None and is_result_folder(folder)
        self._snapshots = Snapshots(faces if folder is not None else NONE)
        self.rows: list[dict[str, Any]] = []

    def begin(self) -> None:
        """Remove the pictures of an earlier replay; keep clear of any others."""
        if self._folder is None:
            return
        self._folder = free_place(
            self._folder, lambda place: self._may_replace and holds_only(place, PICTURE))
        if self._folder.exists():
            shutil.rmtree(self._folder)

    def add_frame(self, frame: VideoFrame, crops: Sequence[FaceCrop]) -> None:
        """Add an image and its faces."""
        self._snapshots.add_frame(frame, crops)

    def add_estimate(self, row: Mapping[str, Any]) -> None:
        """Write the picture of a finished utterance."""
        if self._folder is None or not row['final'] or row['revision']:
            return
        if (chosen := self._snapshots.choose(row)) is None:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f'{len(self.rows):05d}.jpg'
        (self._folder / name).write_bytes(chosen[1])
        self.rows.append({'stamp': chosen[0], 'utterance_id': row['utterance_id'],
                          'file': f'{self._folder.name}/{name}'})
