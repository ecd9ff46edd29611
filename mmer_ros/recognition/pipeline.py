# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The live system without ROS: raw sensor data in by capture time, estimates out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmer_ros.profiling import PEOPLE, Stages, UNMEASURED
from mmer_ros.recognition.dialogue_stream import DialogueStream
from mmer_ros.recognition.people_stream import PeopleStream
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.sensing.face_detector import FaceDetector, make_detector
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.sensing.sensor_pipeline import OnFaces, SensorPipeline
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.sensing.vad import SpeechProbability
from mmer_ros.types import (
    Estimate,
    FaceCrop,
    Int16,
    People,
    StreamEvent,
    Transcript,
    UtterancePart,
)


class Pipeline(SensorPipeline[Estimate]):
    """
    Segments utterances and recognises them while they are spoken.

    Like every SensorPipeline it is not thread-safe, reads no clock, and gives the same results
    at any speed.

    :param config: of the segmentation.
    :param faces: face detection and tracking; None: the bundle's detector, in the same thread.
    :param probability: voice activity detection, as vad.SpeechProbability.
    :param partial_rate: as of dialogue_stream.DialogueStream.
    :param stages: measures how long each stage takes.
    :param on_faces: called with each processed image and its faces.
    :param people_rate: estimates of everybody in view, Hz of capture time; 0: none.
    :param on_people: called with them.
    :param people_wanted: returns whether anything takes them; if not, they are not computed.
    :param on_part: called with each part of an utterance before it is recognised.
    """

    def __init__(self, recognizer: Recognizer, config: SegmenterConfig | None = None, *,
                 faces: FaceStream | None = None,
                 probability: Callable[[Int16], float] | None = None,
                 partial_rate: float = 0.0, stages: Stages = UNMEASURED,
                 on_faces: OnFaces = lambda frame, crops: None, people_rate: float = 0.0,
                 on_people: Callable[[People], object] = lambda people: None,
                 people_wanted: Callable[[], bool] = lambda: True,
                 on_part: Callable[[UtterancePart], object] = lambda part: None) -> None:
        super().__init__(
            faces or FaceStream(make_detector(
                recognizer.config.faces, recognizer.device, recognizer.sensing_engine)),
            config, probability=probability or SpeechProbability(recognizer.sensing_engine),
            stages=stages, on_faces=on_faces, languages=recognizer.config.languages)
        self.recognizer = recognizer
        self._on_part = on_part
        self._stream = DialogueStream(recognizer, partial_rate=partial_rate, stages=stages)
        self._people = PeopleStream(recognizer, people_rate, people_wanted)
        self._on_people = on_people

    def change_recognizer(self, recognizer: Recognizer, detector: FaceDetector | None = None
                          ) -> None:
        """
        Switch to another recogniser; an open utterance is finished by the one that began it.

        :param detector: with the settings of its bundle; None: it is made here.
        """
        self.recognizer = self._stream.recognizer = self._people.recognizer = recognizer
        self.languages = recognizer.config.languages
        self._change_detector(detector or make_detector(
            recognizer.config.faces, recognizer.device, recognizer.sensing_engine))

    @property
    def partial_rate(self) -> float:
        """Estimates while an utterance goes on, Hz of capture time; 0: none."""
        return self._stream.partial_rate

    @partial_rate.setter
    def partial_rate(self, rate: float) -> None:
        self._stream.partial_rate = rate

    @property
    def people_rate(self) -> float:
        """Estimates of everybody in view, Hz of capture time; 0: none."""
        return self._people.rate

    @people_rate.setter
    def people_rate(self, rate: float) -> None:
        self._people.rate = rate

    def _see(self, stamp: float, crops: Sequence[FaceCrop]) -> None:
        with self._stages.measuring(PEOPLE):
            people = self._people.push(stamp, crops, self.speaker)
        if people is not None:
            self._on_people(people)

    def drain_events(self) -> list[StreamEvent]:
        """Return the warnings about the input since the last call."""
        events = super().drain_events() + self._stream.events
        self._stream.events = []
        return events

    def push_own_speech(self, words: Transcript) -> None:
        """Take words that the robot says itself: a turn of the dialogue, and never an estimate."""
        self._stream.add_own_turn(words.stamp, words.text)

    def _hand_on(self, parts: Sequence[UtterancePart]) -> list[Estimate]:
        for part in parts:
            self._on_part(part)
        estimates = [self._stream.push(part) for part in parts]
        return [estimate for estimate in estimates if estimate is not None]
