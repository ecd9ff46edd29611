# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A Whisper over windows of speech, as it comes; without torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

from mmer_ros.networks.audio_windows import WindowState, WindowStreaming
from mmer_ros.networks.backbones import Array, DialogueContext, Encoded
from mmer_ros.networks.configs import STATE_HOP, WhisperEncoderConfig
from mmer_ros.networks.log_mel import log_mel
from mmer_ros.types import Float32
import numpy as np
from numpy.typing import NDArray


class WhisperStreaming(WindowStreaming):
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

    @property
    def window(self) -> int:
        """Samples of a window."""
        return self.config.window

    def finish(self, states: Sequence[WindowState], contexts: Sequence[DialogueContext] = ()
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

    def _all_states(self, state: WindowState) -> Array:
        return self.cat(self.windows_of(state))
