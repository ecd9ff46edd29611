"""The live system without ROS: raw sensor data in by capture time, estimates out."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.faces import FaceDetector, FaceStream, FrameSampler
from mmer_ros.recognizer import Recognizer
from mmer_ros.segmenter import SegmenterConfig, UtteranceSegmenter
from mmer_ros.types import AudioBlock, Estimate, StreamEvent, Transcript, UtterancePart, VideoFrame
from mmer_ros.vad import SpeechProbability


class Pipeline:
    """
    Segment utterances, recognise them part by part, give the final estimates.

    Not thread-safe: one worker feeds it. It reads no clock; the same stamped input gives the
    same estimates at any speed.
    """

    def __init__(self, recognizer: Recognizer, config: SegmenterConfig | None = None, *,
                 faces: FaceStream | None = None) -> None:
        """
        Load voice activity and face detection beside the recogniser.

        :param faces: another way to find faces; None: in the same thread, image by image.
        """
        self.recognizer = recognizer
        self._faces = faces or FaceStream(
            FaceDetector(recognizer.config.faces, recognizer.device))
        self._segmenter = UtteranceSegmenter(config or SegmenterConfig(), SpeechProbability())
        self._stream = recognizer.stream()

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks, as far as the audio received tells."""
        return self._segmenter.speaking

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
        crops = self._faces.push(frame)
        return self._recognize(self._segmenter.push_faces(frame.stamp, crops))

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

    def drain_events(self) -> list[StreamEvent]:
        """Return what a person should know about the input since the last call."""
        events = self._segmenter.events + self._stream.events
        self._segmenter.events, self._stream.events = [], []
        return events

    def _recognize(self, parts: Sequence[UtterancePart]) -> list[Estimate]:
        estimates = [self._stream.push(part) for part in parts]
        return [estimate for estimate in estimates if estimate is not None]
