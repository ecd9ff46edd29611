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

from collections.abc import Callable, Sequence
from dataclasses import replace

from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.sensing.faces import FrameSampler
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
    :param wanted: returns whether anything takes the estimates; they are costly.
    """

    def __init__(self, recognizer: Recognizer, rate: float = 0.0,
                 wanted: Callable[[], bool] = lambda: True) -> None:
        self.recognizer = recognizer
        self._wanted = wanted
        self._slots = FrameSampler(rate)
        self.reset()

    @property
    def rate(self) -> float:
        """Estimates, Hz of capture time; 0: none."""
        return self._slots.rate_hz

    @rate.setter
    def rate(self, rate: float) -> None:
        self._slots.rate_hz = rate

    def reset(self) -> None:
        """Forget all faces."""
        self._faces: dict[str, list[FaceCrop]] = {}
        self._slots = FrameSampler(self.rate)
        self._shown = False  # the latest message had people

    def push(self, stamp: float, crops: Sequence[FaceCrop], speaker: str) -> People | None:
        """
        Take the faces of an image.

        :param stamp: capture time, seconds.
        :param speaker: id of the face that speaks; '' if none does or it is not known.
        :return: everybody in view, where that is due and wanted; one without people when the
            last of them is gone; None otherwise.
        """
        if not self.rate:
            return None
        for crop in crops:
            self._faces.setdefault(crop.face_id, []).append(crop)
        kept = {name: [crop for crop in seen if abs(stamp - crop.stamp) <= WINDOW_S]
                for name, seen in self._faces.items()}
        self._faces = {name: seen for name, seen in kept.items() if seen}
        if not self._slots.take(stamp) or not self._wanted():
            return None
        here = [seen for seen in self._faces.values() if abs(stamp - seen[-1].stamp) <= IN_VIEW_S]
        here.sort(key=lambda seen: -_area(seen[-1]))
        people = [one for seen in here if (one := self._person(stamp, seen, speaker)) is not None]
        shown, self._shown = self._shown, bool(people)
        return People(stamp, tuple(people)) if people or shown else None

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
