# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""ROS4HRI (REP-155): faces and voices that other nodes have found already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
from mmer_ros.nodes.inputs.senses import Hearing, Put, Words
from mmer_ros.nodes.inputs.stamps import Stamps
from mmer_ros.nodes.inputs.topic_input import TopicInput
from mmer_ros.runtime.inbox import Item
from mmer_ros.sensing.face_coding import code_face, decode_face
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.given_activity import GivenActivity
from mmer_ros.types import FACE_SIZE, FaceCrop, UInt8
import numpy as np

Box = tuple[float, float, float, float]
Open = Callable[[str], list[TopicInput]]  # id -> its topics


def is_ids_list(fields: Mapping[str, str]) -> bool:
    """Return whether these are the fields of a hri_msgs/IdsList."""
    return fields.get('ids') == 'sequence<string>'


def is_region(fields: Mapping[str, str]) -> bool:
    """Return whether these are the fields of a hri_msgs/NormalizedRegionOfInterest2D."""
    return {'xmin', 'ymin', 'xmax', 'ymax'} <= fields.keys()


def is_text(fields: Mapping[str, str]) -> bool:
    """Return whether these are the fields of a std_msgs/String."""
    return fields.get('data') == 'string'


def is_ids_match(fields: Mapping[str, str]) -> bool:
    """Return whether these are the fields of a hri_msgs/IdsMatch."""
    return {'id1', 'id1_type', 'id2', 'id2_type', 'confidence'} <= fields.keys()


def is_bool(fields: Mapping[str, str]) -> bool:
    """Return whether these are the fields of a std_msgs/Bool."""
    return fields.get('data') == 'boolean'


class Tracked:
    """
    Follow a list of ids: open the topics of each that is new, close those of each that is gone.

    :param open_id: returns the topics of an id.
    :param gone: takes the id of whoever is not tracked any more.
    """

    def __init__(self, open_id: Open, gone: Callable[[str], None]) -> None:
        """Start without people."""
        self.inputs: dict[str, list[TopicInput]] = {}
        self._open = open_id
        self._gone = gone

    def take(self, message: Any) -> None:
        """Take a hri_msgs/IdsList."""
        for gone in self.inputs.keys() - set(message.ids):
            for topic in self.inputs.pop(gone):
                topic.close()
            self._gone(gone)
        for found in message.ids:
            if found not in self.inputs:
                self.inputs[found] = self._open(found)
        self.poll_publishers()

    def poll_publishers(self) -> None:
        """Let each topic look for its publisher."""
        for topic in (t for topics in self.inputs.values() for t in topics):
            topic.poll_publishers()

    def close(self) -> None:
        """Unsubscribe from all of them."""
        for topic in (t for topics in self.inputs.values() for t in topics):
            topic.close()
        self.inputs = {}


@dataclass(frozen=True)
class FaceMessage:
    """
    A cropped face that waits to be decoded.

    :param box: left, top, right, bottom, of an image that is 1 high and 1 wide.
    """

    stamp: float
    face_id: str
    message: Any
    box: Box
    score: float
    person_id: str = ''

    def crop(self, decode: Callable[[Any], UInt8]) -> FaceCrop:
        """
        Return the face as the encoder takes it.

        :param decode: as conversions.decode_image.
        :raises InvalidInput: if the image cannot be decoded.
        """
        image = cv2.resize(decode(self.message), (FACE_SIZE, FACE_SIZE),
                           interpolation=cv2.INTER_AREA)
        coded = code_face(np.asarray(image, np.uint8))
        return FaceCrop(self.stamp, self.face_id, decode_face(coded), self.box, self.score,
                        (1.0, 1.0), coded=coded, person_id=self.person_id)


class Persons:
    """
    Find the person of a face: by the persons' own topics, else by the likeliest candidate match.

    >>> persons = Persons()
    >>> persons.person_of('a3eb4')
    ''
    """

    PERSON, FACE = 1, 2  # as the constants of hri_msgs/IdsMatch
    LIKELY = 0.5  # confidence from which a match counts
    MOST_FACES = 256  # whose matches are kept

    def __init__(self) -> None:
        """Start without persons."""
        self._face_of: dict[str, str] = {}  # by person
        self._alias: dict[str, str] = {}  # by person: who it was merged with
        self._matches: dict[str, dict[str, float]] = {}  # by face: persons and confidences

    def take_face_id(self, person_id: str, message: Any) -> None:
        """Take a std_msgs/String: the face of a person, empty if it is out of sight."""
        self._face_of[person_id] = message.data

    def take_alias(self, person_id: str, message: Any) -> None:
        """Take a std_msgs/String: whom the person turned out to be, empty if nobody else."""
        if message.data:
            self._alias[person_id] = message.data
        else:
            self._alias.pop(person_id, None)

    def take_match(self, message: Any) -> None:
        """Take a hri_msgs/IdsMatch; those of other kinds do not count."""
        ids = {message.id1_type: message.id1, message.id2_type: message.id2}
        face_id, person_id = ids.get(self.FACE), ids.get(self.PERSON)
        if face_id and person_id:
            matches = self._matches.setdefault(face_id, {})
            if message.confidence < self.LIKELY:
                matches.pop(person_id, None)
            else:
                matches[person_id] = message.confidence
            if len(self._matches) > self.MOST_FACES:  # also of faces that are not tracked here
                del self._matches[next(iter(self._matches))]

    def person_of(self, face_id: str) -> str:
        """Return the id of the person of a face; '' if it is not known."""
        matches = self._matches.get(face_id, {})
        named = next((person for person, face in self._face_of.items() if face == face_id),
                     max(matches, key=lambda person: matches[person], default=''))
        passed: set[str] = set()
        while named in self._alias and named not in passed:  # merged, perhaps more than once
            passed.add(named)
            named = self._alias[named]
        return named

    def forget(self, person_id: str) -> None:
        """Forget a person who is gone."""
        self._face_of.pop(person_id, None)
        self._alias.pop(person_id, None)
        for matches in self._matches.values():
            matches.pop(person_id, None)

    def forget_face(self, face_id: str) -> None:
        """Forget the matches of a face that is gone."""
        self._matches.pop(face_id, None)


class Faces:
    """
    Take the cropped faces of all that are tracked, each at the rate of its sampler.

    The faces of one image come one by one, perhaps after the first of the next image. So each
    face is an input of its own: how late it is depends on its own stamps alone.

    :param sampler: makes one.
    :param person_of: returns the person of a face, '' if not known.
    """

    def __init__(self, stamps: Stamps, put: Put, sampler: Callable[[], FrameSampler],
                 person_of: Callable[[str], str] = lambda face_id: '') -> None:
        """Start with no faces."""
        self._stamps = stamps
        self._put = put
        self._new_sampler = sampler
        self._person_of = person_of
        self._samplers: dict[str, FrameSampler] = {}
        self._regions: dict[str, tuple[Box, float]] = {}

    def take_region(self, face_id: str, message: Any) -> None:
        """Take a hri_msgs/NormalizedRegionOfInterest2D."""
        box = (message.xmin, message.ymin, message.xmax, message.ymax)
        self._regions[face_id] = box, message.c

    def take(self, face_id: str, message: Any) -> None:
        """Take a cropped face."""
        if self._stamps.captured('image', message) is None:
            self._hand_on(face_id, message, self._stamps.now())
        else:
            self._stamps.place('image', message, partial(self._hand_on, face_id, message))

    def _hand_on(self, face_id: str, message: Any, stamp: float) -> None:
        sampler = self._samplers.setdefault(face_id, self._new_sampler())
        if not sampler.take(stamp):
            self._put(Item('image_time', stamp, stamp, None, face_id))
            return
        box, score = self._regions.get(face_id, ((0.0, 0.0, 1.0, 1.0), 1.0))
        found = FaceMessage(stamp, face_id, message, box, score, self._person_of(face_id))
        self._put(Item('face', stamp, stamp, found, face_id))

    def forget(self, face_id: str) -> None:
        """Forget a face that is gone."""
        self._samplers.pop(face_id, None)
        self._regions.pop(face_id, None)


class Voices:
    """
    Take the audio of the voice that speaks, its activity, and everybody's words.

    One voice is active at a time: the one that spoke first among those that speak.

    :param hearing: makes what takes the audio of one voice.
    """

    def __init__(self, stamps: Stamps, put: Put, activity: GivenActivity,
                 hearing: Callable[[], Hearing]) -> None:
        """Start with no voices."""
        self.current = ''
        self._stamps = stamps
        self._put = put
        self._activity = activity
        self._new_hearing = hearing
        self._hearings: dict[str, Hearing] = {}
        self._words: dict[str, Words] = {}
        self._speaking: dict[str, None] = {}  # who speaks, in the order in which they began
        activity.set_speaking(False)

    def take_activity(self, voice_id: str, message: Any) -> None:
        """Take a std_msgs/Bool: whether this voice speaks."""
        self._speaking.pop(voice_id, None) if not message.data else (
            self._speaking.setdefault(voice_id))
        self._choose()

    def take_audio(self, voice_id: str, message: Any) -> None:
        """Take audio, unless another voice is active."""
        self.current = self.current or voice_id
        if voice_id == self.current:
            self._hearings.setdefault(voice_id, self._new_hearing()).take(message)

    def take_words(self, voice_id: str, message: Any) -> None:
        """Take a hri_msgs/LiveSpeech."""
        self._words.setdefault(voice_id, Words(self._stamps, self._put, voice_id)).take(message)

    def forget(self, voice_id: str) -> None:
        """Forget a voice that is gone."""
        self._hearings.pop(voice_id, None)
        self._words.pop(voice_id, None)
        self._speaking.pop(voice_id, None)
        self.current = '' if self.current == voice_id else self.current
        self._choose()

    def _choose(self) -> None:
        if self.current not in self._speaking:
            self.current = next(iter(self._speaking), self.current)
        now = self._stamps.now()
        change = partial(self._activity.set_speaking, bool(self._speaking))
        self._put(Item('activity', now, now, change))
