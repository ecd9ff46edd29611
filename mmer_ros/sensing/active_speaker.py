# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Who speaks: the face whose mouth moves with the voice, else the one that stands out."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
import math

from mmer_ros.sensing.face_patch import mouth_motion, patch_of_crop
from mmer_ros.types import FaceCrop, UInt8
from pydantic import BaseModel, ConfigDict, Field

MAX_STEP_S = 0.5  # images further apart do not show the motion between them
MEMORY_S = 60.0
# What is known of a mouth before it was watched, worth one image: in silence it moves as little as
# face_patch.mouth_motion gives for still ones, and in speech it does the same as in silence.
PRIOR_MOTION, PRIOR_WEIGHT = -0.4, 1.0
ROUNDING_S = 1e-6  # of stamps
CORNER_WEIGHT = 0.5  # of a face's size in the corner of the image, 1 in its middle


class SpeakerConfig(BaseModel):
    """Settings of the active speaker detection."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    look_s: float = Field(0.8, ge=0, le=3, description=(
        'Among several faces, the speaker is chosen this many seconds into the utterance at the '
        'earliest.'))
    settle_s: float = Field(3.0, ge=0, le=10, description=(
        'The choice of the speaker may change during the first seconds of the utterance, as many '
        'as this; the images of the new speaker are then encoded again.'))
    lookback_s: float = Field(1.5, ge=0, le=10, description=(
        'Mouth motion in silence is compared over this many seconds before the utterance.'))
    mouth_margin: float = Field(0.05, ge=0, le=1, description=(
        'A moving mouth decides who speaks if it leads by this margin; otherwise the size of the '
        'face decides. With 1, only size decides.'))
    switch_margin: float = Field(0.1, ge=0, le=1, description=(
        'Another face replaces the chosen one if its mouth leads by this margin.'))


@dataclass(frozen=True)
class Choice:
    """
    The face that is taken for the speaker's.

    :param face_id: '' if there is none.
    :param by: 'mouth': its mouth moved with the voice; 'size': it is the largest or most central;
        '': no face.
    :param margin: [0, 1]; by mouth: how much more of its motion goes with the voice than the next
        mouth's (or a still one's), difference of logarithms, 1 at most; by size: by how much the
        next is smaller, as a share.
    """

    face_id: str = ''
    by: str = ''
    margin: float = 0.0


@dataclass
class _Mouth:
    stamp: float
    patch: UInt8
    motions: list[tuple[float, float, float]] = field(default_factory=list)  # from, to, motion


class ActiveSpeaker:
    """
    Watch the mouths and listen to the voice; say who speaks.

    Capture times decide alone: what came after the time that is asked for has no influence.
    """

    def __init__(self, config: SpeakerConfig) -> None:
        """Start without faces."""
        self.config = config
        self.reset()

    def reset(self) -> None:
        """Forget everybody, after a jump of time."""
        self._mouths: dict[str, _Mouth] = {}
        self._ends: list[float] = []  # of the frames of the voice
        self._voice: list[float] = []

    def hear(self, end: float, probability: float) -> None:
        """
        Take the probability of speech, [0, 1], in a frame of audio.

        :param end: capture time after its last sample, seconds.
        """
        if self._ends and end <= self._ends[-1]:
            self._ends, self._voice = [], []
        self._ends.append(end)
        self._voice.append(probability)
        if self._ends[-1] - self._ends[0] > 2 * MEMORY_S:
            old = bisect_right(self._ends, end - MEMORY_S)
            del self._ends[:old], self._voice[:old]

    def see(self, crops: Iterable[FaceCrop]) -> None:
        """Take the faces of an image."""
        for crop in crops:
            patch = crop.patch if crop.patch is not None else patch_of_crop(crop.image)
            mouth = self._mouths.setdefault(crop.face_id, _Mouth(crop.stamp, patch))
            if 0 < crop.stamp - mouth.stamp <= MAX_STEP_S:
                motion = mouth_motion(mouth.patch, patch)
                mouth.motions.append((mouth.stamp, crop.stamp, motion))
            mouth.stamp, mouth.patch = crop.stamp, patch
            self._forget(crop.stamp - MEMORY_S)

    def _forget(self, before: float) -> None:
        self._mouths = {name: m for name, m in self._mouths.items() if m.stamp >= before}
        for mouth in self._mouths.values():
            if mouth.motions and mouth.motions[0][0] < before - MEMORY_S:
                mouth.motions = [m for m in mouth.motions if m[0] >= before]

    def evidence(self, face_id: str, begin: float, end: float) -> float:
        """
        Return how much more a mouth moves with a voice than without.

        :param begin: from this capture time on, seconds; `end` likewise, not included.
        :return: difference of two weighted means of mouth_motion; about 0.5 for who speaks, 0
            for a mouth that rests or moves all the time.
        """
        mouth = self._mouths.get(face_id)
        voiced, loud = 0.0, 0.0
        silent, quiet = PRIOR_WEIGHT, PRIOR_WEIGHT * PRIOR_MOTION
        for first, last, motion in mouth.motions if mouth is not None else ():
            if first < begin - ROUNDING_S or last >= end:
                continue
            share = self._voiced(first, last)
            if share is not None:
                voiced, loud = voiced + share, loud + share * motion
                silent, quiet = silent + 1 - share, quiet + (1 - share) * motion
        return (loud - voiced * quiet / silent) / (voiced + PRIOR_WEIGHT)

    def _voiced(self, first: float, last: float) -> float | None:
        """Return how much of the time between two images is speech; None if not known."""
        low = bisect_right(self._ends, first + ROUNDING_S)
        high = bisect_right(self._ends, last + ROUNDING_S)
        return sum(self._voice[low:high]) / (high - low) if high > low else None

    def choose(self, crops: Sequence[FaceCrop], begin: float, end: float, *,
               before: Choice = Choice(), heard: bool = True) -> Choice:
        """
        Say who of those that are seen in an utterance speaks.

        :param crops: the utterance's so far.
        :param begin: of the time that is looked at, capture time, seconds; `end` likewise.
        :param before: the choice so far, which is kept unless a mouth speaks against it.
        :param heard: there is a microphone; else only size decides.
        """
        sizes = prominence(crops)
        if not sizes:
            return before
        sizes.setdefault(before.face_id, 0.0) if before.face_id else None
        by_mouth = self._by_mouth(sizes, begin, end, before) if heard else None
        return by_mouth or _by_size(sizes, before)

    def _by_mouth(self, faces: Iterable[str], begin: float, end: float, before: Choice
                  ) -> Choice | None:
        evidence = {name: self.evidence(name, begin, end) for name in faces}
        best = max(evidence, key=lambda name: evidence[name])
        held = before.face_id
        if held and evidence[best] - evidence[held] <= self.config.switch_margin:
            best = held
        lead = evidence[best] - max([0.0, *(e for name, e in evidence.items() if name != best)])
        if min(lead, 1.0) > self.config.mouth_margin:
            return Choice(best, 'mouth', min(lead, 1.0))
        if before.by == 'mouth':
            lead = evidence[held] - max([0.0, *(e for n, e in evidence.items() if n != held)])
            return Choice(held, 'mouth', min(max(lead, 0.0), 1.0))
        return None


def _by_size(sizes: dict[str, float], before: Choice) -> Choice:
    chosen = before.face_id or max(sizes, key=lambda name: sizes[name])
    next_size = max((size for name, size in sizes.items() if name != chosen), default=0.0)
    lead = 1.0 - next_size / sizes[chosen] if sizes[chosen] > 0 else 0.0
    return Choice(chosen, 'size', max(lead, 0.0))


def prominence(crops: Iterable[FaceCrop]) -> dict[str, float]:
    """
    Return how much each face stands out: its area over all crops, less far from the middle.

    :return: by id, in the order of their first crops.
    """
    sizes: dict[str, float] = {}
    for crop in crops:
        left, top, right, bottom = crop.box
        width, height = crop.frame_size
        weight = 1.0
        if width > 0 and height > 0:
            off = math.hypot((left + right) / width - 1, (top + bottom) / height - 1)
            weight = 1 - (1 - CORNER_WEIGHT) * min(off / math.sqrt(2), 1.0)
        area = (right - left) * (bottom - top) * weight
        sizes[crop.face_id] = sizes.get(crop.face_id, 0.0) + area
    return sizes


def most_prominent(crops: Iterable[FaceCrop]) -> str:
    """Return the id of the face that stands out most; '' without crops."""
    sizes = prominence(crops)
    return max(sizes, key=lambda name: sizes[name], default='')


@dataclass
class SpeakerFaces:
    """
    The faces of one utterance, handed over as those of who speaks.

    :param start: of the utterance, capture time, seconds.
    :param begin: from when on the mouths are watched, seconds.
    """

    start: float
    begin: float
    choice: Choice = Choice()
    _persons: dict[str, str] = field(default_factory=dict)  # by face
    _seen: list[FaceCrop] = field(default_factory=list)
    _handed: int = 0  # crops of the chosen face

    @property
    def person_id(self) -> str:
        """Id of the person whose face was chosen; '' if it is not known."""
        return self._persons.get(self.choice.face_id, '')

    def take(self, crops: Sequence[FaceCrop], end: float, speaker: ActiveSpeaker, *,
             last: bool, heard: bool) -> tuple[FaceCrop, ...]:
        """
        Take the crops captured before `end`, and return those of the speaker that are new.

        When another face turns out to be that of the speaker, all its crops are new.

        :param last: the utterance ends here: there is nothing more to wait for.
        :param heard: there is a microphone.
        """
        config = speaker.config
        self._seen += crops
        self._persons |= {crop.face_id: crop.person_id for crop in crops if crop.person_id}
        elapsed = end - self.start
        if elapsed <= config.settle_s + ROUNDING_S or not self.choice.face_id:
            waits = not last and not self.choice.face_id and elapsed < config.look_s - ROUNDING_S
            if not waits or len({crop.face_id for crop in self._seen}) == 1:
                before = self.choice
                self.choice = speaker.choose(self._seen, self.begin, end, before=before,
                                             heard=heard)
                self._handed = self._handed if self.choice.face_id == before.face_id else 0
        mine = [crop for crop in self._seen if crop.face_id == self.choice.face_id]
        fresh = tuple(mine[self._handed:])
        self._handed = len(mine)
        if elapsed > config.settle_s and self.choice.face_id:
            self._seen, self._handed = [], 0
        return fresh
