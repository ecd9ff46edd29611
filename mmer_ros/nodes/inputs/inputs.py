# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""All inputs of a node with sensors, as its settings ask for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
import threading
from typing import Any

from mmer_ros.interfaces.audio import is_audio, is_audio_info
from mmer_ros.interfaces.images import is_image
from mmer_ros.interfaces.transcripts import is_transcript
from mmer_ros.nodes.inputs.humans import (
    Faces,
    is_bool,
    is_ids_list,
    is_ids_match,
    is_region,
    is_text,
    Persons,
    Tracked,
    Voices,
)
from mmer_ros.nodes.inputs.senses import Hearing, OwnSpeaking, Sight, Words
from mmer_ros.nodes.inputs.stamps import Stamps
from mmer_ros.nodes.inputs.topic_input import OnFault, OnLost, TopicInput, TopicSpec
from mmer_ros.runtime.inbox import Enqueue
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.given_activity import GivenActivity
from mmer_ros.settings import NodeSettings
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

POLL_PERIOD_S = 0.5  # between two looks for publishers
IMAGE = 'sensor_msgs/msg/Image or CompressedImage'
AUDIO = ('mmer_msgs/msg/AudioChunk, audio_common_msgs/msg/AudioStamped, AudioDataStamped or '
         'AudioData, or std_msgs/msg/Int16MultiArray')
TRANSCRIPT = ('std_msgs/msg/String, hri_msgs/msg/LiveSpeech, or a message with a string in text, '
              'transcript or data')
HUMANS = '/humans'


class Inputs:
    """
    Subscribe to the topics of the settings as soon as they have publishers.

    :param sampler: returns a new sampler of images for face detection.
    :param enqueue: takes each item for the worker; see feeding.feed.
    :param on_fault: takes the kind and the text of each fault.
    :param activity: receives the voice activity of ROS4HRI.
    :param on_lost: takes the kind of an input and how many messages the middleware has lost.
    """

    def __init__(self, node: Node, settings: NodeSettings, *,
                 sampler: Callable[[], FrameSampler], stamps: Stamps, enqueue: Enqueue,
                 on_fault: OnFault, activity: GivenActivity,
                 on_lost: OnLost = lambda kind, count: None) -> None:
        self.topics: list[TopicInput] = []
        self.people: list[Tracked] = []  # their topics come and go
        self._node = node
        self._settings = settings
        self._stamps = stamps
        self._enqueue = enqueue
        self._on_fault = on_fault
        self._on_lost = on_lost
        self._lock = threading.Lock()
        self._timer: Any = None
        if settings.ros4hri:
            persons = Persons()
            self._add_faces(Faces(stamps, enqueue, sampler, persons.person_of), persons)
            self._add_persons(persons)
        elif settings.image_topic:
            self._add_image(Sight(stamps, enqueue, sampler()))
        if settings.hears_voices:
            self._add_voices(Voices(stamps, enqueue, activity, self._hearing))
        else:
            self._add_speech()
        self._add_own_speech()

    @property
    def shifts(self) -> dict[str, float]:
        """What is added to the stamps of the inputs whose clocks are wrong, seconds."""
        return self._stamps.shifts

    def start(self, period_s: float = POLL_PERIOD_S) -> None:
        """Look for publishers now and every `period_s` seconds."""
        clock = Clock(clock_type=ClockType.STEADY_TIME)  # sim time may stand still
        self._timer = self._node.create_timer(period_s, self._poll, clock=clock)
        self._poll()

    def stop(self) -> None:
        """Unsubscribe from everything."""
        with self._lock:
            if self._timer is not None:
                self._node.destroy_timer(self._timer)
            self._timer = None
            for watched in self._watched:
                watched.close()

    def _poll(self) -> None:
        with self._lock:
            if self._timer is not None:
                for watched in self._watched:
                    watched.poll_publishers()
                self._stamps.advance()

    @property
    def _watched(self) -> list[TopicInput | Tracked]:
        return [*self.topics, *self.people]

    def _hearing(self) -> Hearing:
        return Hearing(self._stamps, self._enqueue, self._on_fault, self._settings.raw_audio)

    def _spec(self, kind: str, **fields: Any) -> TopicSpec:
        """Return the specification of a topic with the quality of service of its kind."""
        return TopicSpec(kind=kind, reliability=getattr(self._settings, f'{kind}_reliability'),
                         depth=getattr(self._settings, f'{kind}_depth'), **fields)

    def _open(self, spec: TopicSpec, receive: Callable[[Any], None]) -> TopicInput:
        return TopicInput(self._node, spec, receive, self._on_fault, self._on_lost)

    def _add_image(self, sight: Sight) -> None:
        fixed = {'raw': 'sensor_msgs/msg/Image', 'compressed': 'sensor_msgs/msg/CompressedImage'}
        spec = self._spec('image', topics=self._settings.image_topics, expected=IMAGE,
                          accepts=is_image,
                          type_name=fixed.get(self._settings.image_transport, ''))
        self.topics.append(self._open(spec, sight.take))

    def _add_speech(self) -> None:
        """Add the microphone and the transcripts."""
        settings = self._settings
        if topic := settings.audio_topic:
            hearing = self._hearing()
            spec = self._spec('audio', topics=(topic,), expected=AUDIO, accepts=is_audio,
                              type_name=settings.audio_type)
            self.topics.append(self._open(spec, hearing.take))
            if info := settings.audio_info_topic:
                spec = TopicSpec('audio_info', (info,), 'audio_common_msgs/msg/AudioInfo',
                                 is_audio_info, depth=1, latched=True)
                self.topics.append(self._open(spec, hearing.take_info))
        if topic := settings.transcript_topic:
            spec = self._spec('transcript', topics=(topic,), expected=TRANSCRIPT,
                              accepts=is_transcript, type_name=settings.transcript_type)
            self.topics.append(self._open(spec, Words(self._stamps, self._enqueue).take))

    def _add_own_speech(self) -> None:
        """Add what the robot says itself, and whether it speaks."""
        if topic := self._settings.own_speaking_topic:
            spec = TopicSpec('own_speaking', (topic,), 'std_msgs/msg/Bool', is_bool, depth=10,
                             latched=True)
            self.topics.append(self._open(spec, OwnSpeaking(self._stamps, self._enqueue).take))
        if topic := self._settings.own_speech_topic:
            spec = TopicSpec('own_speech', (topic,), TRANSCRIPT, is_transcript, depth=10,
                             latched=True)
            words = Words(self._stamps, self._enqueue, kind='own_speech')
            self.topics.append(self._open(spec, words.take))

    def _add_persons(self, persons: Persons) -> None:
        def open_person(person_id: str) -> list[TopicInput]:
            folder = f'{HUMANS}/persons/{person_id}'
            topics = {'person_face': ('face_id', persons.take_face_id),
                      'person_alias': ('alias', persons.take_alias)}
            return [self._open(TopicSpec(kind, (f'{folder}/{name}',), 'std_msgs/msg/String',
                                         is_text, depth=1, latched=True),
                               partial(take, person_id))
                    for kind, (name, take) in topics.items()]

        self._add_people('persons', Tracked(open_person, persons.forget))
        spec = TopicSpec('person_match', (f'{HUMANS}/candidate_matches',),
                         'hri_msgs/msg/IdsMatch', is_ids_match, depth=100)
        self.topics.append(self._open(spec, persons.take_match))

    def _add_faces(self, faces: Faces, persons: Persons) -> None:
        def gone(face_id: str) -> None:
            faces.forget(face_id)
            persons.forget_face(face_id)

        def open_face(face_id: str) -> list[TopicInput]:
            folder = f'{HUMANS}/faces/{face_id}'
            region = TopicSpec('face_region', (f'{folder}/roi',),
                               'hri_msgs/msg/NormalizedRegionOfInterest2D', is_region)
            crops = self._spec('image', topics=(f'{folder}/cropped',), expected=IMAGE,
                               accepts=is_image)
            return [self._open(region, partial(faces.take_region, face_id)),
                    self._open(crops, partial(faces.take, face_id))]

        self._add_people('faces', Tracked(open_face, gone))

    def _add_voices(self, voices: Voices) -> None:
        def open_voice(voice_id: str) -> list[TopicInput]:
            folder = f'{HUMANS}/voices/{voice_id}'
            audio = self._spec('audio', topics=(f'{folder}/audio',), expected=AUDIO,
                               accepts=is_audio)
            activity = TopicSpec('voice_activity', (f'{folder}/is_speaking',),
                                 'std_msgs/msg/Bool', is_bool, depth=10, latched=True)
            speech = self._spec('transcript', topics=(f'{folder}/speech',), expected=TRANSCRIPT,
                                accepts=is_transcript)
            return [self._open(audio, partial(voices.take_audio, voice_id)),
                    self._open(activity, partial(voices.take_activity, voice_id)),
                    self._open(speech, partial(voices.take_words, voice_id))]

        self._add_people('voices', Tracked(open_voice, voices.forget))

    def _add_people(self, what: str, tracked: Tracked) -> None:
        spec = TopicSpec(f'{what}_tracked', (f'{HUMANS}/{what}/tracked',),
                         'hri_msgs/msg/IdsList', is_ids_list, depth=1, latched=True)
        self.people.append(tracked)
        self.topics.append(self._open(spec, tracked.take))
