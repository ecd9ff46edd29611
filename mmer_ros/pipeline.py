"""The live system without ROS: raw sensor data in by capture time, estimates out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mmer_ros.faces import FaceDetector, FaceStream, FrameSampler
from mmer_ros.recognizer import Recognizer
from mmer_ros.segmenter import SegmenterConfig, UtteranceSegmenter
from mmer_ros.stages import FACE_DETECTION, Stages, UNMEASURED, VOICE_ACTIVITY
from mmer_ros.types import (
    AudioBlock,
    Estimate,
    FaceCrop,
    Int16,
    StreamEvent,
    Transcript,
    UtterancePart,
    VideoFrame,
)
from mmer_ros.vad import SpeechProbability

OnFaces = Callable[[VideoFrame, Sequence[FaceCrop]], object]


class Pipeline:
    """
    Segment utterances, recognise them part by part, give the final estimates.

    Not thread-safe: one worker feeds it. It reads no clock; the same stamped input gives the
    same estimates at any speed.
    """

    def __init__(self, recognizer: Recognizer, config: SegmenterConfig | None = None, *,
                 faces: FaceStream | None = None,
                 probability: Callable[[Int16], float] | None = None,
                 partial_rate: float = 0.0, stages: Stages = UNMEASURED,
                 on_faces: OnFaces = lambda frame, crops: None) -> None:
        """
        Load voice activity and face detection beside the recogniser.

        :param faces: another way to find faces; None: in the same thread, image by image.
        :param probability: another voice activity detection, as vad.SpeechProbability.
        :param partial_rate: as in recognizer.RecognitionStream.
        :param stages: is told how long the stages take.
        :param on_faces: is told each image that was looked at, and its faces.
        """
        self.recognizer = recognizer
        self._faces = faces or FaceStream(
            FaceDetector(recognizer.config.faces, recognizer.device))
        self._segmenter = UtteranceSegmenter(
            config or SegmenterConfig(), _timed(probability or SpeechProbability(), stages))
        self._stream = recognizer.stream(partial_rate=partial_rate, stages=stages)
        self._stages = stages
        self._on_faces = on_faces
        self._jumps = 0

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks, as far as the audio received tells."""
        return self._segmenter.speaking

    @property
    def speaker(self) -> str:
        """Id of the face that speaks; '' if nobody does or it is not known."""
        return self._segmenter.speaker

    def push_audio(self, block: AudioBlock) -> list[Estimate]:
        """
        Take a block of audio.

        :raises InvalidInput: if its samples cannot be used; nothing received before is lost.
        """
        return self._recognize(self._segmenter.push_audio(block))

    def sampler(self) -> FrameSampler:
        """
        Return what chooses the images to push; the others are skipped undecoded.

        It is a separate object, so that whoever receives the images can ask it in another
        thread.
        """
        return self._faces.sampler()

    def push_frame(self, frame: VideoFrame) -> list[Estimate]:
        """Take an image of the camera that the sampler chose."""
        with self._stages.measuring(FACE_DETECTION):
            crops = self._faces.push(frame)
        self._on_faces(frame, crops)
        return self._recognize(self._segmenter.push_faces(frame.stamp, crops))

    def push_faces(self, stamp: float, crops: Sequence[FaceCrop]) -> list[Estimate]:
        """Take faces that somebody else found in the image captured at `stamp` (seconds)."""
        return self._recognize(self._segmenter.push_faces(stamp, list(crops)))

    def skip_frame(self, stamp: float) -> list[Estimate]:
        """Tell that an image was captured at `stamp` that the sampler did not choose."""
        return self._recognize(self._segmenter.push_faces(stamp, []))

    def push_transcript(self, transcript: Transcript) -> list[Estimate]:
        """Take words."""
        return self._recognize(self._segmenter.push_transcript(transcript))

    def advance(self, now: float) -> list[Estimate]:
        """Tell that capture time `now` (seconds) is reached, for when no input comes any more."""
        return self._recognize(self._segmenter.advance(now))

    def flush(self) -> list[Estimate]:
        """End the streams and return the estimates that are left."""
        estimates = self._recognize(self._segmenter.flush())
        self._faces.reset()
        return estimates

    def reset_history(self) -> None:
        """Forget the dialogue so far."""
        self._stream.reset_history()

    def rewind(self, now: float) -> list[Estimate]:
        """
        Tell that time jumped back to `now` (capture time, seconds), as when a recording is looped.

        Needed only where no stamps tell it. What was open is closed; the dialogue and who was
        seen are forgotten.
        """
        estimates = self._recognize(self._segmenter.rewind(now))
        self._stream.reset_history()
        self._faces.reset()
        return estimates

    def change_recognizer(self, recognizer: Recognizer, detector: FaceDetector | None = None
                          ) -> None:
        """
        Go on with another recogniser; an open utterance is finished by the one that began it.

        :param detector: with the settings of its bundle; None: it is made here.
        """
        self.recognizer = self._stream.recognizer = recognizer
        self._faces.change_detector(
            detector or FaceDetector(recognizer.config.faces, recognizer.device))

    @property
    def partial_rate(self) -> float:
        """Estimates so far while an utterance goes on, Hz of capture time; 0: none."""
        return self._stream.partial_rate

    @partial_rate.setter
    def partial_rate(self, rate: float) -> None:
        self._stream.partial_rate = rate

    def drain_events(self) -> list[StreamEvent]:
        """Return what a person should know about the input since the last call."""
        events = self._segmenter.events + self._stream.events
        self._segmenter.events, self._stream.events = [], []
        return events

    def _recognize(self, parts: Sequence[UtterancePart]) -> list[Estimate]:
        estimates = [self._stream.push(part) for part in parts]
        if self._segmenter.jumps != self._jumps:
            self._jumps = self._segmenter.jumps
            self._stream.reset_history()
        return [estimate for estimate in estimates if estimate is not None]


def _timed(probability: Callable[[Int16], float], stages: Stages) -> Callable[[Int16], float]:
    timed = stages.timed(VOICE_ACTIVITY, probability)
    if timed is not probability and hasattr(probability, 'reset'):
        timed.reset = probability.reset  # type: ignore[attr-defined]
    return timed
