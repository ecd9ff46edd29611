# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""From raw sensor data, in by capture time, to the parts of utterances: what runs on the robot."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from mmer_ros.profiling import FACE_DETECTION, PERSONS, Stages, UNMEASURED, VOICE_ACTIVITY
from mmer_ros.sensing.face_detector import FaceDetector
from mmer_ros.sensing.faces import FaceStream, FrameSampler
from mmer_ros.sensing.persons import Persons
from mmer_ros.sensing.spoken_language import is_read, shown_language
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig, UtteranceSegmenter
from mmer_ros.sensing.vad import SpeechProbability
from mmer_ros.types import (
    AudioBlock,
    FaceCrop,
    Int16,
    StreamEvent,
    Transcript,
    UtterancePart,
    VideoFrame,
)

OnFaces = Callable[[VideoFrame, Sequence[FaceCrop]], object]
Result = TypeVar('Result')


class SensorPipeline(ABC, Generic[Result]):
    """
    Segment utterances, and hand on what is complete.

    Not thread-safe: one worker feeds it. It reads no clock; the same stamped input gives the
    same results at any speed.
    """

    def __init__(self, faces: FaceStream, config: SegmenterConfig | None = None, *,
                 probability: Callable[[Int16], float] | None = None,
                 stages: Stages = UNMEASURED,
                 on_faces: OnFaces = lambda frame, crops: None,
                 languages: Sequence[str] = ()) -> None:
        """
        Load voice activity detection.

        :param probability: another voice activity detection, as vad.SpeechProbability.
        :param stages: takes the durations of the stages.
        :param on_faces: takes each image that was searched, and its faces.
        :param languages: codes of the languages that the bundle reads; empty: any.
        """
        self.languages = tuple(languages)
        config = config or SegmenterConfig()
        self._faces = faces
        faces.set_search(config.face_search_s)
        self._persons = Persons(config.persons, faces.rename)
        self._persons_of = 0  # dialogue
        self._segmenter = UtteranceSegmenter(
            config, _timed(probability or SpeechProbability(), stages))
        self._stages = stages
        self._on_faces = on_faces

    @abstractmethod
    def _hand_on(self, parts: Sequence[UtterancePart]) -> list[Result]:
        """Return what becomes of parts."""

    def _see(self, stamp: float, crops: Sequence[FaceCrop]) -> None:
        """Take note of the faces of an image, whoever speaks."""

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks, by the audio received so far."""
        return self._segmenter.speaking

    @property
    def speaker(self) -> str:
        """Id of the face that speaks; '' if none does or it is not known."""
        return self._segmenter.speaker

    def push_audio(self, block: AudioBlock, arrival: float | None = None) -> list[Result]:
        """
        Take a block of audio.

        :param arrival: when it came, seconds of any clock that goes on. A microphone counts as
            absent when nothing has arrived for a while; None: not known, then only `advance`
            lets time pass.
        :raises InvalidInput: if its samples cannot be used; nothing received before is lost.
        """
        return self._hand_on(self._segmenter.push_audio(block, arrival))

    def sampler(self) -> FrameSampler:
        """
        Return what chooses the images to push; the others are skipped undecoded.

        It is a separate object, so that whoever receives the images can ask it in another
        thread.
        """
        return self._faces.sampler()

    def push_frame(self, frame: VideoFrame, arrival: float | None = None) -> list[Result]:
        """
        Take an image of the camera that the sampler chose.

        :param arrival: as in `push_audio`.
        """
        if self._segmenter.leaves_out(frame.stamp):
            return self.skip_frame(frame.stamp, arrival)
        with self._stages.measuring(FACE_DETECTION):
            crops = self._faces.push(frame)
        self._forget_persons()
        with self._stages.measuring(PERSONS):
            crops = self._persons.push(frame, crops)
        self._on_faces(frame, crops)
        results = self._hand_on(self._segmenter.push_faces(frame.stamp, crops, arrival))
        self._see(frame.stamp, crops)
        return results

    def push_faces(self, stamp: float, crops: Sequence[FaceCrop], arrival: float | None = None,
                   source: str = '') -> list[Result]:
        """
        Take faces that another detector found in the image captured at `stamp` (seconds).

        :param arrival: as in `push_audio`.
        :param source: names the input if there are several, each with a time line of its own.
        """
        results = self._hand_on(self._segmenter.push_faces(stamp, list(crops), arrival, source))
        self._see(stamp, crops)
        return results

    def skip_frame(self, stamp: float, arrival: float | None = None, source: str = ''
                   ) -> list[Result]:
        """
        Take note of an image captured at `stamp` (seconds) that the sampler did not choose.

        :param arrival: as in `push_audio`; `source` as in `push_faces`.
        """
        return self._hand_on(self._segmenter.push_faces(stamp, [], arrival, source))

    def push_transcript(self, transcript: Transcript, arrival: float | None = None
                        ) -> list[Result]:
        """
        Take words; those of a language that the bundle does not read are left out.

        :param arrival: as in `push_audio`.
        """
        if not is_read(transcript.language, self.languages):
            self._segmenter.events.append(StreamEvent(
                'transcript_language', transcript.stamp,
                f'transcript: words in {shown_language(transcript.language)}; the bundle reads '
                f'{", ".join(self.languages)}; they were left out. If that is the language, '
                'correct it in the recogniser'))
            return []
        return self._hand_on(self._segmenter.push_transcript(transcript, arrival))

    def set_own_speaking(self, speaking: bool, stamp: float) -> None:
        """Take whether the robot speaks, from `stamp` (seconds) on; its voice is muted."""
        self._segmenter.set_own_speaking(speaking, stamp)

    def push_own_speech(self, words: Transcript) -> None:
        """Take words that the robot says itself; here they are left out."""

    def advance(self, now: float) -> list[Result]:
        """Let capture time `now` (seconds) be reached, where no input comes any more."""
        return self._hand_on(self._segmenter.advance(now))

    def flush(self) -> list[Result]:
        """End the streams and return what is left."""
        results = self._hand_on(self._segmenter.flush())
        self._faces.reset()
        self._persons.lose_tracks()
        return results

    def reset_history(self) -> None:
        """Forget the dialogue so far, and the persons."""
        self._segmenter.begin_dialogue()
        self._forget_persons()

    def rewind(self, now: float) -> list[Result]:
        """
        Begin again after time jumped back to `now` (seconds), as when a recording is looped.

        Needed only where no stamps show it. What was open is closed; the dialogue and who was
        seen are forgotten.
        """
        results = self._hand_on(self._segmenter.rewind(now))
        self.reset_history()
        self._faces.reset()
        return results

    def drain_events(self) -> list[StreamEvent]:
        """Return what a person should know about the input since the last call."""
        events, self._segmenter.events = self._segmenter.events, []
        return events

    def _forget_persons(self) -> None:
        """Forget the persons of another dialogue, as after a jump of time."""
        if self._persons_of != self._segmenter.dialogue:
            self._persons.reset()
        self._persons_of = self._segmenter.dialogue

    def _change_detector(self, detector: FaceDetector) -> None:
        self._faces.change_detector(detector)


class PartPipeline(SensorPipeline[UtterancePart]):
    """The parts of utterances themselves, to be recognised elsewhere."""

    def _hand_on(self, parts: Sequence[UtterancePart]) -> list[UtterancePart]:
        return list(parts)


def _timed(probability: Callable[[Int16], float], stages: Stages) -> Callable[[Int16], float]:
    timed = stages.timed(VOICE_ACTIVITY, probability)
    if timed is not probability and hasattr(probability, 'reset'):
        timed.reset = probability.reset  # type: ignore[attr-defined]
    return timed
