# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Voice activity: where in the audio somebody speaks (silero-vad with hysteresis)."""

from __future__ import annotations

from enum import Enum
from typing import Any

from mmer_ros.onnx_graphs import AUTO, choose_engine, ONNX, packaged_graph
from mmer_ros.registry import imported_later
from mmer_ros.types import Float32, Int16, SAMPLE_RATE
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

FRAME_SAMPLES = 512  # what silero-vad takes at 16 kHz
FRAME_S = FRAME_SAMPLES / SAMPLE_RATE
CONTEXT_SAMPLES, STATE_SIZE = 64, 128  # of silero-vad: before each frame; of its recurrent layer


class VadConfig(BaseModel):
    """Settings of the voice activity detection; its times are rounded to frames of 32 ms."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    threshold: float = Field(0.5, gt=0, lt=1, description=(
        'Speech starts when its probability reaches this value.'))
    release_threshold: float = Field(0.35, gt=0, lt=1, description=(
        'Speech that has started continues while its probability stays at or above this value.'))
    onset_s: float = Field(0.096, ge=FRAME_S, le=1.0, description=(
        'Speech must last this many seconds to start an utterance.'))
    hangover_s: float = Field(0.224, ge=0.1, le=3.0, description=(
        'An utterance ends after this many seconds of silence. A shorter hangover gives earlier '
        'estimates but splits sentences at their pauses.'))


class SpeechProbability:
    """
    The silero-vad network: the probability of speech in each frame, with carried state.

    :param engine: that runs it, always on the CPU; as of Recognizer.
    :raises InvalidInput: if the engine cannot be used.
    """

    def __init__(self, engine: str = AUTO) -> None:
        """Load the network."""
        self._network: Any = (
            _Silero() if choose_engine(engine) == ONNX else
            imported_later('mmer_ros.sensing.torch_networks', 'Silero')())

    def __call__(self, frame: Int16) -> float:
        """
        Return the probability that the frame holds speech.

        :param frame: (FRAME_SAMPLES,) int16, 16 kHz, following the frame before it.
        """
        return float(self._network(frame.astype(np.float32) / np.float32(32_768)))

    def reset(self) -> None:
        """Forget the stream."""
        self._network.reset()


class _Silero:
    """The silero-vad network in ONNX Runtime."""

    def __init__(self) -> None:
        self._graph = packaged_graph('silero_vad', single=True)
        self._rate = np.array(SAMPLE_RATE, np.int64)
        self._state: Float32 = np.zeros((2, 1, STATE_SIZE), np.float32)
        self._context: Float32 = np.zeros(CONTEXT_SAMPLES, np.float32)

    def __call__(self, samples: Float32) -> float:
        given = np.concatenate([self._context, samples])
        probability, self._state = self._graph(given[None], self._state, self._rate)
        self._context = given[-CONTEXT_SAMPLES:]
        return float(probability[0, 0])

    def reset(self) -> None:
        self._state = np.zeros((2, 1, STATE_SIZE), np.float32)
        self._context = np.zeros(CONTEXT_SAMPLES, np.float32)


class Boundary(Enum):
    """What changed with a frame."""

    START = 'start'
    END = 'end'


class VoiceActivity:
    """
    A state machine over frames: probabilities in, starts and ends of speech out.

    Frames are counted from 0 since the last reset. `onset` is the first and `last_voiced` the
    latest frame of the current (or last) speech.
    """

    def __init__(self, config: VadConfig) -> None:
        """Start in silence."""
        self.config = config
        self._onset_frames = max(1, round(config.onset_s / FRAME_S))
        self._hangover_frames = max(1, round(config.hangover_s / FRAME_S))
        self.reset()

    def reset(self) -> None:
        """Forget everything, count from 0 again."""
        self.frame = 0
        self.active = False
        self.onset = 0
        self.last_voiced = -1
        self._run = 0

    @property
    def silent_frames(self) -> int:
        """Frames since the latest voiced one."""
        return self.frame - 1 - self.last_voiced

    def stop(self) -> None:
        """End the speech now, without waiting for the hangover."""
        self.active, self._run = False, 0

    def push(self, probability: float) -> Boundary | None:
        """
        Take the next frame's probability of speech, [0, 1].

        :return: START once the onset is long enough, END once silence outlasts the hangover.
        """
        frame, self.frame = self.frame, self.frame + 1
        if self.active:
            if probability >= self.config.release_threshold:
                self.last_voiced = frame
            elif frame - self.last_voiced >= self._hangover_frames:
                self.stop()
                return Boundary.END
            return None
        self._run = self._run + 1 if probability >= self.config.threshold else 0
        if self._run < self._onset_frames:
            return None
        self.active = True
        self.onset, self.last_voiced = frame - self._run + 1, frame
        return Boundary.START
