# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Speech in windows, as it comes: what is buffered between a part and the next; without torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmer_ros.networks.audio_samples import as_float
from mmer_ros.networks.backbones import Array, DialogueContext, Encoded, StreamingEncoder
from mmer_ros.networks.configs import STATE_HOP, WhisperEncoderConfig
from mmer_ros.networks.log_mel import log_mel
from mmer_ros.types import Float32
import numpy as np
from numpy.typing import NDArray


@dataclass
class WhisperState:
    """
    Where the encoder stands within an utterance.

    :param samples: (n,) not encoded yet.
    :param windows: states of each complete window, (T, len(states) * d_model).
    :param received: samples so far.
    """

    samples: Float32
    windows: list[Array] = field(default_factory=list)
    received: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is no sample yet."""
        return not self.received


class WindowStreaming(StreamingEncoder):
    """Runs a Whisper over windows of an utterance, each as soon as it is complete."""

    config: WhisperEncoderConfig

    @abstractmethod
    def encode_window(self, mel: Float32) -> Array:
        """
        Run the network.

        :param mel: (n_mels, 2 T), as of `log_mel`.
        :return: the chosen layers' outputs side by side, (T, len(states) * d_model).
        """

    @abstractmethod
    def features(self, states: Array) -> Array:
        """Return the features of an utterance's states: (T, n) -> (T, width)."""

    @abstractmethod
    def cat(self, arrays: Sequence[Array]) -> Array:
        """Return arrays (T_i, n) one behind the other."""

    @abstractmethod
    def pad_rows(self, rows: Sequence[Array | None]) -> Encoded | None:
        """Return features (T_i, width), some of which may be missing, as a batch."""

    def start(self) -> WhisperState:
        """Return the state before the first sample."""
        return WhisperState(np.zeros(0, np.float32))

    def stream(self, states: Sequence[WhisperState], evidence: Sequence[NDArray[np.generic]]
               ) -> None:
        """Take samples, (n,) each, and encode the windows that are complete."""
        window = self.config.window
        for state, samples in zip(states, evidence):
            state.received += len(samples)
            state.samples = np.concatenate([state.samples, as_float(samples)])
            # The last window takes up to half of one more, rather than leaving a scrap.
            while len(state.samples) > window * 3 // 2:
                state.windows.append(self.states(state.samples[:window]))
                state.samples = state.samples[window:]

    def finish(self, states: Sequence[WhisperState], contexts: Sequence[DialogueContext] = ()
               ) -> Encoded | None:
        """Return the features of all samples so far, (B, T, width), one for each 20 ms."""
        return self.pad_rows([None if s.empty else self.features(self._all_states(s))
                              for s in states])

    def whole(self, samples: NDArray[np.generic]) -> Array:
        """Return the states of a whole utterance, (T, n), cut into windows as its parts are."""
        state = self.start()
        self.stream([state], [samples])
        return self._all_states(state)

    def states(self, samples: Float32) -> Array:
        """
        Return the states of a window, as `encode_window`.

        :param samples: (n,) in [-1, 1], 16 kHz; filled up to a multiple of STATE_HOP.
        """
        filled = np.pad(samples, (0, -len(samples) % STATE_HOP))
        return self.encode_window(log_mel(filled, self.config.n_mels))

    def _all_states(self, state: WhisperState) -> Array:
        return self.cat([*state.windows, self.states(state.samples)])
