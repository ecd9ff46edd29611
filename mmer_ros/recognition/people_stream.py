# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""Who is in view, and what their faces show: estimates of people who need not speak."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import Estimate, FaceCrop, InvalidInput, People, PersonInView, Utterance
import numpy as np

WINDOW_S = 1.0  # of the images that an estimate is made from
IN_VIEW_S = 0.5  # a face that was not found for this long is not in view any more


class PeopleStream:
    """
    Turn the faces of images into estimates of everybody in view, at a fixed rate.

    They come from the images of the last WINDOW_S alone, so they depend neither on voices nor on
    utterances. Capture times alone decide.

    :param recognizer: makes the estimates; it may be replaced at any time.
    :param rate: Hz of capture time; 0: none.
    """

    def __init__(self, recognizer: Recognizer, rate: float = 0.0) -> None:
        self.recognizer = recognizer
        self.rate = rate
        self.reset()

    def reset(self) -> None:
        """Forget all faces."""
        self._faces: dict[str, list[FaceCrop]] = {}
        self._slot = -1
        self._told = False  # that somebody is in view

    def push(self, stamp: float, crops: Sequence[FaceCrop], speaker: str) -> People | None:
        """
        Take the faces of an image.

        :param stamp: capture time, seconds.
        :param speaker: id of the face that speaks; '' if nobody does or it is not known.
        :return: everybody in view, where that is due; None otherwise, and as long as nobody is.
        """
        if not self.rate:
            return None
        for crop in crops:
            self._faces.setdefault(crop.face_id, []).append(crop)
        kept = {name: [crop for crop in seen if abs(stamp - crop.stamp) <= WINDOW_S]
                for name, seen in self._faces.items()}
        self._faces = {name: seen for name, seen in kept.items() if seen}
        slot = int(stamp * self.rate + 1e-6)
        due, self._slot = slot != self._slot, slot
        if not due:
            return None
        here = [seen for seen in self._faces.values() if abs(stamp - seen[-1].stamp) <= IN_VIEW_S]
        here.sort(key=lambda seen: -_area(seen[-1]))
        people = [one for seen in here if (one := self._person(stamp, seen, speaker)) is not None]
        told, self._told = self._told, bool(people)
        return People(stamp, tuple(people)) if people or told else None

    def _person(self, stamp: float, seen: Sequence[FaceCrop], speaker: str
                ) -> PersonInView | None:
        """Return a person; None if the bundle has no answer for faces."""
        latest = seen[-1]
        faces = np.stack([crop.image for crop in seen])  # (images, 160, 160, 3)
        try:
            estimate = self.recognizer.recognize(Utterance(faces=faces))
        except InvalidInput:
            return None
        return PersonInView(_described(estimate, stamp, seen), _shares(latest),
                            latest.face_id == speaker)


def _described(estimate: Estimate, stamp: float, seen: Sequence[FaceCrop]) -> Estimate:
    return replace(estimate, stamp=stamp, start=seen[0].stamp, end=stamp,
                   face_id=seen[-1].face_id, person_id=seen[-1].person_id)


def _shares(crop: FaceCrop) -> tuple[float, float, float, float]:
    """Return the box as shares of the image."""
    left, top, right, bottom = crop.box
    width, height = (side or 1.0 for side in crop.frame_size)
    return left / width, top / height, right / width, bottom / height


def _area(crop: FaceCrop) -> float:
    left, top, right, bottom = _shares(crop)
    return (right - left) * (bottom - top)
