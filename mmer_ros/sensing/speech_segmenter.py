# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Speech segmentation: one continuous audio stream in, pieces of spoken utterances out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from mmer_ros.sensing.audio_front_end import PcmRun
from mmer_ros.sensing.vad import Boundary, FRAME_S, FRAME_SAMPLES, VadConfig, VoiceActivity
from mmer_ros.types import Int16, SAMPLE_RATE
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

NO_AUDIO: Int16 = np.zeros(0, np.int16)


class SpeechConfig(BaseModel):
    """Settings of the speech segmentation."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    vad: VadConfig = VadConfig()
    pre_roll_s: float = Field(0.256, ge=0.2, le=2.0, description=(
        'An utterance begins this many seconds before the onset of speech.'))
    tail_s: float = Field(0.064, ge=0, le=0.5, description=(
        'An utterance ends this many seconds after its last voiced frame.'))
    provisional_s: float = Field(0.064, ge=0, le=2, description=(
        'After this many seconds of silence there is a provisional estimate, as if the utterance '
        'were over; the final one confirms it after segmenter.speech.vad.hangover_s. 0 stands '
        'for no provisional estimates.'))
    min_voiced_s: float = Field(0.25, ge=0, le=5, description=(
        'Utterances with fewer seconds of voiced audio are dropped.'))
    max_utterance_s: float = Field(15.0, ge=2, le=120, description=(
        'Longer speech is cut into utterances of this many seconds; no audio is lost.'))
    part_s: float = Field(0.128, ge=FRAME_S, le=5, description=(
        'While somebody speaks, the encoders receive a part of the utterance every so many '
        'seconds.'))


@dataclass
class SpokenUtterance:
    """
    Speech from its onset to its end.

    :param start: capture time of the first sample, pre-roll included, seconds.
    :param end: capture time of its end so far, seconds.
    :param ongoing: somebody still speaks.
    :param dropped: it was too short to be speech.
    """

    utterance_id: str
    start: float
    end: float
    ongoing: bool = True
    dropped: bool = False


@dataclass(frozen=True)
class SpeechPiece:
    """The next piece of an utterance's audio; `last` and the like as in types.UtterancePart."""

    utterance: SpokenUtterance
    start: float
    end: float
    audio: Int16
    last: bool = False
    cut: bool = False
    pause: bool = False


class SpeechSegmenter:
    """
    Cut a stream of audio into utterances, on a grid of frames that depends on stamps alone.

    :param probability: the probability of speech in a frame of FRAME_SAMPLES samples; an object
        with a `reset()` method, as vad.SpeechProbability.
    :param on_frame: takes the end of each frame (capture time, seconds) and its probability.
    """

    def __init__(self, config: SpeechConfig, probability: Callable[[Int16], float],
                 on_frame: Callable[[float, float], object] = lambda end, probability: None
                 ) -> None:
        """Start in silence at time 0."""
        self.config = config
        self.utterance: SpokenUtterance | None = None  # the one that is being spoken
        self._probability = probability
        self._on_frame = on_frame
        self._vad = VoiceActivity(config.vad)
        self._step = max(1, round(config.part_s / FRAME_S)) * FRAME_SAMPLES
        self._pause_frames = round(config.provisional_s / FRAME_S)
        self._horizon = FRAME_SAMPLES + round(
            (config.pre_roll_s + config.vad.onset_s) * SAMPLE_RATE)
        self.reset(0.0)

    def reset(self, origin: float) -> None:
        """Begin a new time line whose sample 0 was captured at `origin` seconds."""
        self._vad.reset()
        getattr(self._probability, 'reset', lambda: None)()
        self._origin = origin
        self._pcm = NO_AUDIO  # samples from _pcm_start on
        self._pcm_start = 0
        self._fed = 0         # samples that voice activity has seen
        self._given = 0       # samples that are in pieces already
        self._voiced = 0      # voiced frames of the open utterance
        self._certain = False  # the open utterance is long enough not to be dropped
        self._continues = False  # it was cut off from the one before it
        self.utterance = None

    @property
    def end(self) -> float:
        """Capture time after the last sample received, seconds."""
        return self._time(self._pcm_start + self._pcm.size)

    @property
    def pausing(self) -> bool:
        """Whether the open utterance has paused for `provisional_s`, so that it may be over."""
        return self.utterance is not None and self._certain and (
            0 < self._pause_frames <= self._vad.silent_frames)

    def stop(self) -> list[SpeechPiece]:
        """End the open utterance, as `close`; the stream goes on."""
        pieces = self.close()
        self._vad.stop()
        return pieces

    def push(self, run: PcmRun) -> list[SpeechPiece]:
        """Take audio and return the pieces that are certain to be speech."""
        pieces: list[SpeechPiece] = []
        if run.restart:
            pieces += self.close()
            self.reset(run.stamp)
        self._pcm = np.concatenate([self._pcm, run.samples])
        while self._fed + FRAME_SAMPLES <= self._pcm_start + self._pcm.size:
            pieces += self._push_frame(self._samples(self._fed, self._fed + FRAME_SAMPLES))
        self._drop_before(self._given if self.utterance else self._fed - self._horizon)
        return pieces

    def close(self) -> list[SpeechPiece]:
        """End the open utterance, if any, where its silence began or the audio ends."""
        if self.utterance is None:
            return []
        received = self._pcm_start + self._pcm.size
        spoken = (self._vad.last_voiced + 1) * FRAME_SAMPLES
        return self._close(received if spoken >= self._fed else self._with_tail(spoken))

    def _time(self, sample: int) -> float:
        return self._origin + sample / SAMPLE_RATE

    def _samples(self, start: int, end: int) -> Int16:
        return self._pcm[start - self._pcm_start:end - self._pcm_start]

    def _drop_before(self, sample: int) -> None:
        if sample > self._pcm_start:
            self._pcm = self._pcm[sample - self._pcm_start:].copy()
            self._pcm_start = sample

    def _push_frame(self, frame: Int16) -> list[SpeechPiece]:
        probability = self._probability(frame)
        boundary = self._vad.push(probability)
        self._fed += FRAME_SAMPLES
        self._on_frame(self._time(self._fed), probability)
        if boundary is Boundary.START:
            pre_roll = round(self.config.pre_roll_s * SAMPLE_RATE)
            start = self._vad.onset * FRAME_SAMPLES - pre_roll
            self._open(max(start, self._given, self._pcm_start))
            self._voiced = self._vad.last_voiced - self._vad.onset + 1
        elif self._vad.active and probability >= self.config.vad.threshold:
            self._voiced += 1
        if boundary is Boundary.END:
            return self._close(self._with_tail((self._vad.last_voiced + 1) * FRAME_SAMPLES))
        return self._speak() if self._vad.active else []

    def _with_tail(self, sample: int) -> int:
        return min(sample + round(self.config.tail_s * SAMPLE_RATE), self._fed)

    def _open(self, sample: int, *, continues: bool = False) -> None:
        start = self._time(sample)
        self.utterance = SpokenUtterance(f'u{round(start * 1000)}', start, start)
        self._first = self._given = sample
        self._voiced = 0
        self._certain = False
        self._continues = continues

    def _speak(self) -> list[SpeechPiece]:
        """Give out what is certain to be speech; cut speech that is too long."""
        assert self.utterance is not None
        if self._fed - self._first >= round(self.config.max_utterance_s * SAMPLE_RATE):
            pieces = self._close(self._fed, cut=True)
            self._open(self._fed, continues=True)
            return pieces
        self._certain |= self._voiced * FRAME_S >= self.config.min_voiced_s
        spoken = (self._vad.last_voiced + 1) * FRAME_SAMPLES
        self.utterance.end = self._time(spoken)
        pieces = []
        while self._certain and spoken - self._given >= self._step:
            pieces.append(self._piece(self.utterance, self._given + self._step))
        if self.pausing and self._vad.silent_frames == self._pause_frames:
            piece = self._piece(self.utterance, max(spoken, self._given))
            pieces.append(replace(piece, pause=True))
        return pieces

    def _close(self, end: int, *, cut: bool = False) -> list[SpeechPiece]:
        """End the open utterance at sample `end`; it is dropped if it was hardly voiced."""
        assert self.utterance is not None
        utterance, self.utterance = self.utterance, None
        voiced = self._certain or self._voiced * FRAME_S >= self.config.min_voiced_s
        if self._continues:  # speech before the cut vouches for what follows it
            voiced = self._vad.last_voiced * FRAME_SAMPLES >= self._first
        utterance.ongoing, utterance.end = False, self._time(max(end, self._given))
        utterance.dropped = not voiced
        if utterance.dropped:
            return []
        return [self._piece(utterance, max(end, self._given), last=True, cut=cut)]

    def _piece(self, utterance: SpokenUtterance, end: int, *,
               last: bool = False, cut: bool = False) -> SpeechPiece:
        start, self._given = self._given, end
        return SpeechPiece(utterance, self._time(start), self._time(end),
                           self._samples(start, end).copy(), last, cut)
