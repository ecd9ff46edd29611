# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What flows through the system, checked where it enters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from functools import reduce
from operator import or_
from typing import Any

from mmer_ros.text_repair import repair_text, without_sounds
import numpy as np
from numpy.typing import NDArray

EMOTIONS = ('neutral', 'surprise', 'fear', 'sadness', 'joy', 'disgust', 'anger')
SAMPLE_RATE = 16_000  # Hz, of all audio past the front end
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8_000, 192_000  # Hz, of the audio of sensors
MAX_CHANNELS = 32  # of the audio of sensors
FACE_SIZE = 160  # pixels, height and width of a face crop
MAX_TEXT_CHARS = 2_000  # longer transcripts are cut to their last words

UInt8 = NDArray[np.uint8]
Int16 = NDArray[np.int16]
Float32 = NDArray[np.float32]


class InvalidInput(ValueError):
    """Input that cannot be used; the message names it, what was expected and what to do."""


class Modality(IntFlag):
    """
    A source of evidence, or a set of them as a bitmask.

    This is the one table of modalities: types, messages, networks, recordings and pages derive
    their columns, names and subsets from it::

        >>> Modality.of([Modality.FACE, Modality.TEXT]).names
        ('text', 'face')
        >>> Modality.where([True, False, True]).title
        'text+face'
    """

    TEXT = 1
    AUDIO = 2
    FACE = 4

    @classmethod
    def of(cls, members: Iterable[Modality]) -> Modality:
        """Return the set of these modalities; the empty set of none."""
        return reduce(or_, members, cls(0))

    @classmethod
    def where(cls, present: Iterable[bool]) -> Modality:
        """Return the set of the modalities that are present, given in the order of MODALITIES."""
        return cls.of(m for m, here in zip(MODALITIES, present, strict=True) if here)

    @property
    def key(self) -> str:
        """Name of a single modality in files, settings and messages, e.g. 'text'."""
        return str(self.name).lower()

    @property
    def column(self) -> int:
        """Index of a single modality in arrays over MODALITIES."""
        return MODALITIES.index(self)

    @property
    def members(self) -> tuple[Modality, ...]:
        """The modalities of a set, in the order of MODALITIES."""
        return tuple(m for m in MODALITIES if m in self)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the modalities of a set, in the order of MODALITIES."""
        return tuple(m.key for m in self.members)

    @property
    def title(self) -> str:
        """Name of a set, e.g. 'text+audio', always in the order of MODALITIES."""
        return '+'.join(self.names)


MODALITIES = tuple(Modality)
ALL_MODALITIES = Modality.of(MODALITIES)
SUBSETS = tuple(Modality(bits) for bits in range(1, ALL_MODALITIES + 1))  # of an utterance


def subset_name(modalities: Modality) -> str:
    """Return the name of a set of modalities, as Modality.title."""
    return modalities.title


def _check_stamp(name: str, stamp: float) -> None:
    if not np.isfinite(stamp) or stamp < 0:
        raise InvalidInput(
            f'{name}: stamp {stamp!r} is not a capture time; expected finite seconds >= 0')


@dataclass(frozen=True)
class AudioBlock:
    """
    A block of raw audio.

    >>> AudioBlock(stamp=3.2, sample_rate=16_000, samples=np.zeros(512, np.int16)).samples.shape
    (512,)

    :param stamp: capture time of the first sample, seconds.
    :param sample_rate: Hz, 8000..192000.
    :param samples: (frames,) or (frames, channels); int8, uint8 (offset 128), int16 or int32 at
        full scale, or float32/float64 in [-1, 1].
    :raises InvalidInput: if any of these does not hold.
    """

    stamp: float
    sample_rate: int
    samples: NDArray[Any]

    def __post_init__(self) -> None:
        """Check the block."""
        _check_stamp('audio', self.stamp)
        if not MIN_SAMPLE_RATE <= self.sample_rate <= MAX_SAMPLE_RATE:
            raise InvalidInput(
                f'audio: sample rate {self.sample_rate} Hz; expected 8000..192000 Hz. '
                'Set the rate that the microphone driver really uses')
        if self.samples.dtype.name not in ('int8', 'uint8', 'int16', 'int32',
                                           'float32', 'float64'):
            raise InvalidInput(
                f'audio: samples of type {self.samples.dtype}; expected int8, uint8, int16, '
                'int32 or float32 PCM')
        if self.samples.ndim not in (1, 2) or (
                self.samples.ndim == 2 and not 1 <= self.samples.shape[1] <= MAX_CHANNELS):
            raise InvalidInput(
                f'audio: samples of shape {self.samples.shape}; expected (frames,) or '
                '(frames, channels) with 1..32 channels')


@dataclass(frozen=True)
class VideoFrame:
    """
    One image of the camera.

    :param stamp: capture time, seconds.
    :param image: (height, width, 3) uint8, RGB.
    :raises InvalidInput: if any of these does not hold.
    """

    stamp: float
    image: UInt8

    def __post_init__(self) -> None:
        """Check the frame."""
        _check_stamp('image', self.stamp)
        shape, dtype = self.image.shape, self.image.dtype
        if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or 0 in shape:
            raise InvalidInput(
                f'image: array of shape {shape} and type {dtype}; expected (height, width, 3) '
                'uint8 RGB, not empty')


@dataclass(frozen=True)
class Transcript:
    """
    Words of one speaker.

    :param stamp: when they were spoken or, where the source does not know, arrived; seconds.
    :param text: the words, repaired as those of the training and without tags for sounds; more
        than MAX_TEXT_CHARS are cut at the front.
    :param speaker: who said them, empty if not known.
    :param language: e.g. 'en' or 'en_US', empty if not known.
    :param start: when the first word began, where the source knows it; `stamp` is then the end
        of the last one. Seconds.
    :param sounds: number of tags for sounds that were left out, such as '[BLANK_AUDIO]'.
    """

    stamp: float
    text: str
    speaker: str = ''
    language: str = ''
    start: float | None = None
    sounds: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        """Check the stamp and tidy the text."""
        _check_stamp('transcript', self.stamp)
        text, sounds = without_sounds(repair_text(self.text))
        object.__setattr__(self, 'text', text[-MAX_TEXT_CHARS:])
        object.__setattr__(self, 'sounds', sounds)


@dataclass(frozen=True)
class FaceCrop:
    """
    A face cut from a video frame.

    :param stamp: capture time of the frame, seconds.
    :param face_id: id of the tracked face.
    :param image: (FACE_SIZE, FACE_SIZE, 3) uint8, RGB.
    :param box: left, top, right, bottom in the frame, pixels.
    :param score: detection probability, [0, 1].
    :param frame_size: width and height of the frame, in the unit of the box; 0 if not known.
    :param patch: as face_patch.aligned_patch; None where the landmarks are not known.
    :param coded: the image as it crosses a network, of face_coding; empty: it was never coded.
    :param landmarks: (5, 2) of eyes, nose, corners of the mouth in the frame, pixels; None where
        they are not known.
    :param person_id: whose face it is, '' as long as that is not known.
    :raises InvalidInput: if the image is of another shape or type.
    """

    stamp: float
    face_id: str
    image: UInt8
    box: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    score: float = 1.0
    frame_size: tuple[float, float] = (0.0, 0.0)
    patch: UInt8 | None = None
    coded: bytes = b''
    landmarks: NDArray[np.floating] | None = None
    person_id: str = ''

    def __post_init__(self) -> None:
        """Check the crop."""
        _check_stamp('face crop', self.stamp)
        if self.image.shape != (FACE_SIZE, FACE_SIZE, 3) or self.image.dtype != np.uint8:
            raise InvalidInput(
                f'face crop: array of shape {self.image.shape} and type {self.image.dtype}; '
                f'expected ({FACE_SIZE}, {FACE_SIZE}, 3) uint8 RGB')

    @property
    def name(self) -> str:
        """Whose face it is, under the one name that is shown everywhere."""
        return name_of(self.person_id, '', self.face_id)


def name_of(person_id: str, voice_id: str, face_id: str) -> str:
    """Return the id under which somebody is known: person, else voice, else face; '' if none."""
    return person_id or voice_id or face_id


@dataclass(frozen=True)
class UtterancePart:
    """
    What is new in an utterance since the part before it.

    :param utterance_id: the same for all its parts.
    :param index: 0, 1, 2, ... within the utterance.
    :param utterance_start: capture time of the utterance's first sample, seconds.
    :param start: capture time of this part's first sample, seconds.
    :param end: capture time after its last sample, seconds.
    :param audio: (samples,) int16, 16 kHz mono; empty if there is no microphone.
    :param faces: crops captured within the part, by stamp.
    :param text: new words, empty if none.
    :param face_id: of who speaks, '' as long as that is not known. Where it is another than in
        the part before, `faces` brings all crops of that face since the utterance began.
    :param speaker_by: how that face was chosen: 'mouth', 'size' or '', as
        active_speaker.Choice; `speaker_margin` likewise, [0, 1].
    :param last: the utterance ends with this part.
    :param cut: the utterance reached its maximum length while speech went on.
    :param pause: speech has paused, and is over unless it resumes with a later part.
    :param revision: 0; +1 for each part that brings a late transcript after the last one.
    :param dialogue: another number than in the part before: a new dialogue begins, what was
        said before is forgotten.
    """

    utterance_id: str
    index: int
    utterance_start: float
    start: float
    end: float
    audio: Int16 = field(default_factory=lambda: np.zeros(0, np.int16))
    faces: tuple[FaceCrop, ...] = ()
    text: str = ''
    person_id: str = ''
    face_id: str = ''
    voice_id: str = ''
    last: bool = False
    cut: bool = False
    pause: bool = False
    revision: int = 0
    speaker_by: str = ''
    speaker_margin: float = 0.0
    dialogue: int = 0


@dataclass(frozen=True)
class StreamEvent:
    """
    A non-fatal warning about the input.

    :param kind: short name for counters, e.g. 'audio_gap'.
    :param stamp: capture time at which it was noticed, seconds.
    :param text: one sentence: what, where, and what to do.
    :param seconds: of a gap in the audio: how long it is.
    """

    kind: str
    stamp: float
    text: str
    seconds: float = 0.0


@dataclass(frozen=True)
class Turn:
    """One earlier utterance of the dialogue: who said what."""

    speaker: str
    text: str

    def __post_init__(self) -> None:
        """Repair the text, as everywhere."""
        object.__setattr__(self, 'text', repair_text(self.text))


@dataclass(frozen=True)
class Utterance:
    """
    A whole utterance, for recognition in one go; any subset of the three modalities.

    :param text: its words, or None.
    :param audio: (samples,) int16 or float in [-1, 1], 16 kHz mono, or None.
    :param faces: (count, FACE_SIZE, FACE_SIZE, 3) uint8 RGB by time, or None.
    :param speaker: who speaks, as named in the history; empty if not known.
    :param history: earlier turns of the dialogue, oldest first.
    :param reply: the next turn; offline use only, a robot does not have it.
    """

    text: str | None = None
    audio: NDArray[Any] | None = None
    faces: UInt8 | None = None
    speaker: str = ''
    history: Sequence[Turn] = ()
    reply: Turn | None = None

    def __post_init__(self) -> None:
        """Check the arrays and repair the text."""
        if self.text is not None:
            object.__setattr__(self, 'text', without_sounds(repair_text(self.text))[0])
        if self.audio is not None and self.audio.ndim != 1:
            raise InvalidInput(
                f'utterance audio of shape {self.audio.shape}; expected (samples,) at 16 kHz')
        if self.faces is not None and self.faces.shape[1:] != (FACE_SIZE, FACE_SIZE, 3):
            raise InvalidInput(
                f'utterance faces of shape {self.faces.shape}; '
                f'expected (count, {FACE_SIZE}, {FACE_SIZE}, 3) uint8 RGB')


@dataclass(frozen=True)
class Estimate:
    """
    The emotion of one utterance.

    :param stamp: capture time of the last audio or image used, seconds.
    :param probabilities: (7,) calibrated, in the order of EMOTIONS, sum 1.
    :param logits: (7,) of the fusion, before temperature.
    :param modality_weights: weight of each of MODALITIES in the fusion, sum 1.
    :param valence: -1 unpleasant .. 1 pleasant, expected value under the probabilities.
    :param arousal: -1 calm .. 1 excited, likewise.
    :param provisional: speech has paused; unless it resumes, the final estimate follows. Never
        together with `final`.
    :param speaker_by: how the face was chosen, as in UtterancePart; likewise `speaker_margin`.
    """

    probabilities: Float32
    logits: Float32
    modalities: Modality
    modality_weights: tuple[float, ...]
    valence: float
    arousal: float
    calibrated: bool
    trained: bool
    bundle_name: str
    bundle_hash: str
    utterance_id: str = ''
    stamp: float = 0.0
    start: float = 0.0
    end: float = 0.0
    final: bool = True
    provisional: bool = False
    revision: int = 0
    person_id: str = ''
    face_id: str = ''
    voice_id: str = ''
    transcript: str = ''
    speaker_by: str = ''
    speaker_margin: float = 0.0

    @property
    def finite(self) -> bool:
        """Whether all its numbers are numbers; others must not be published."""
        return bool(np.isfinite(self.probabilities).all() and np.isfinite(self.logits).all()
                    and np.isfinite(self.modality_weights).all())

    @property
    def emotion(self) -> int:
        """Index of the most probable emotion."""
        return int(np.argmax(self.probabilities))

    @property
    def label(self) -> str:
        """Name of the most probable emotion."""
        return EMOTIONS[self.emotion]

    @property
    def confidence(self) -> float:
        """Calibrated probability of the label."""
        return float(self.probabilities[self.emotion])

    def to_dict(self) -> dict[str, Any]:
        """Return the estimate as plain values, as written to JSON lines."""
        return {
            'utterance_id': self.utterance_id, 'start': self.start, 'end': self.end,
            'stamp': self.stamp, 'final': self.final, 'provisional': self.provisional,
            'revision': self.revision,
            'emotion': self.emotion, 'label': self.label,
            'confidence': self.confidence, 'calibrated': self.calibrated,
            'trained': self.trained,
            'probabilities': dict(zip(EMOTIONS, map(float, self.probabilities))),
            'valence': self.valence, 'arousal': self.arousal,
            'modalities': list(self.modalities.names),
            'modality_weights': dict(zip(ALL_MODALITIES.names, self.modality_weights)),
            'person_id': self.person_id, 'face_id': self.face_id, 'voice_id': self.voice_id,
            'speaker_by': self.speaker_by, 'speaker_margin': self.speaker_margin,
            'transcript': self.transcript,
            'bundle_name': self.bundle_name, 'bundle_hash': self.bundle_hash,
        }


@dataclass(frozen=True)
class PersonInView:
    """
    A person whom the camera sees, and the expression of the face.

    :param estimate: from the face alone, with `face_id` and `person_id`; of no utterance.
    :param box: left, top, right, bottom of the face, shares of the image, 0..1.
    :param speaking: this face was chosen as the one that speaks.
    """

    estimate: Estimate
    box: tuple[float, float, float, float]
    speaking: bool

    @property
    def face_id(self) -> str:
        """Id of the tracked face."""
        return self.estimate.face_id

    @property
    def person_id(self) -> str:
        """Id of the person, '' if it is not known."""
        return self.estimate.person_id


@dataclass(frozen=True)
class People:
    """
    Everybody in view, whether they speak or not.

    :param stamp: capture time of the image, seconds.
    :param people: the largest face first; empty when the last one has gone.
    """

    stamp: float
    people: tuple[PersonInView, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as written to JSON lines."""
        return {'stamp': self.stamp, 'people': [
            {'face_id': one.face_id, 'person_id': one.person_id, 'speaking': one.speaking,
             'box': list(one.box), 'label': one.estimate.label,
             'confidence': one.estimate.confidence,
             'probabilities': dict(zip(EMOTIONS, map(float, one.estimate.probabilities))),
             'valence': one.estimate.valence, 'arousal': one.estimate.arousal}
            for one in self.people]}
