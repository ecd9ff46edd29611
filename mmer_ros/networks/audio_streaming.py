# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The waveform as it comes: what is buffered between a part and the next; without torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from mmer_ros.networks.audio_samples import as_float
from mmer_ros.networks.backbones import Array, DialogueContext, Encoded, StreamingEncoder
from mmer_ros.networks.configs import AudioEncoderConfig
from mmer_ros.types import Float32
import numpy as np
from numpy.typing import NDArray

Hidden = tuple[Array, Array]  # of the two recurrent layers, (1, B, width) each


@dataclass
class AudioState:
    """
    Where the encoder stands within an utterance.

    :param samples: (1, n) still needed for later spectrogram frames.
    :param frames: (1, n_freq, n) still needed for later hops.
    :param wave: (1, n) not yet through the recurrent layers.
    :param hidden: of the two recurrent layers, (1, 1, width) each.
    :param features: (hops, width) of each advance.
    :param received: samples so far.
    """

    samples: Array
    frames: Array
    wave: Array
    hidden: Hidden
    features: list[Array]
    received: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is no sample yet."""
        return not self.received


class HopStreaming(StreamingEncoder):
    """
    Runs a recurrent network over the hops of a waveform and the spectrogram around them.

    The buffers are arrays of the engine: `zeros`, `from_numpy` and `cat` make them.
    """

    config: AudioEncoderConfig

    @abstractmethod
    def zeros(self, *shape: int) -> Array:
        """Return zeros."""

    @abstractmethod
    def from_numpy(self, samples: Float32) -> Array:
        """Return samples as an array of the engine."""

    @abstractmethod
    def cat(self, arrays: Sequence[Array], axis: int) -> Array:
        """Return arrays one behind the other."""

    @abstractmethod
    def spectrogram(self, samples: Array) -> Array:
        """
        Return mel frames.

        :param samples: (1, N) float; frame i covers n_fft samples from i * hop on.
        :return: (1, n_freq, frames).
        """

    @abstractmethod
    def run_hops(self, wave: Array, frames: Array, hidden: Hidden) -> tuple[Array, Hidden]:
        """
        Run the network.

        :param wave: (B, hops * hop_length) float.
        :param frames: (B, n_freq, hops + kernel_size - 1), the spectrogram around it.
        :param hidden: state after the samples before.
        :return: features (B, hops, width), and the state after them.
        """

    @abstractmethod
    def pad_rows(self, rows: Sequence[Array | None]) -> Encoded | None:
        """Return features (T_i, width), some of which may be missing, as a batch."""

    def start(self) -> AudioState:
        """Return the state before the first sample."""
        return AudioState(
            self.zeros(1, self.config.pad_samples), self.zeros(1, self.config.n_freq, 0),
            self.zeros(1, 0),
            (self.zeros(1, 1, self.config.n_rnn), self.zeros(1, 1, self.config.n_rnn)), [])

    def stream(self, states: Sequence[AudioState], evidence: Sequence[NDArray[np.generic]]
               ) -> None:
        """Advance utterances by samples, (n,) each, as far as the look-ahead allows."""
        for state, samples in zip(states, evidence):
            state.received += len(samples)
            self._append(state, self.from_numpy(as_float(samples))[None])
        self._advance(states)

    def finish(self, states: Sequence[AudioState], contexts: Sequence[DialogueContext] = ()
               ) -> Encoded | None:
        """Return the features of all samples so far, the look-ahead filled with silence."""
        hop, pad = self.config.hop_length, self.config.pad_samples
        ends = [AudioState(s.samples, s.frames, s.wave, s.hidden, list(s.features), s.received)
                for s in states]
        heard = [end for end in ends if not end.empty]
        for end in heard:
            self._append(end, self.zeros(1, -end.received % hop + pad))
        self._advance(heard)
        return self.pad_rows([None if end.empty else
                              self.cat(end.features, 0)[:-(-end.received // hop)]
                              for end in ends])

    def _append(self, state: AudioState, audio: Array) -> None:
        """Add samples, (1, n), and the spectrogram frames that they complete."""
        hop, n_fft = self.config.hop_length, self.config.n_fft
        state.samples = self.cat([state.samples, audio], 1)
        state.wave = self.cat([state.wave, audio], 1)
        count = (state.samples.shape[1] - n_fft) // hop + 1
        if count > 0:
            new = self.spectrogram(state.samples[:, :(count - 1) * hop + n_fft])
            state.samples = state.samples[:, count * hop:]
            state.frames = self.cat([state.frames, new], 2)

    def _advance(self, states: Sequence[AudioState]) -> None:
        """
        Run the network as far as its look-ahead allows.

        Hops that all utterances have run as one batch, then those of the longer ones, so that
        there are no more steps than the longest utterance has.
        """
        around = 2 * self.config.pad_frames
        ready = [state for state in states if state.frames.shape[2] > around]
        while ready:
            hops = min(state.frames.shape[2] for state in ready) - around
            self._run_together(ready, min(hops, self.config.window_hops))
            ready = [state for state in ready if state.frames.shape[2] > around]

    def _run_together(self, states: Sequence[AudioState], hops: int) -> None:
        samples, frames = hops * self.config.hop_length, hops + 2 * self.config.pad_frames
        first, second = zip(*(state.hidden for state in states))
        features, hidden = self.run_hops(
            self.cat([state.wave[:, :samples] for state in states], 0),
            self.cat([state.frames[:, :, :frames] for state in states], 0),
            (self.cat(first, 1), self.cat(second, 1)))
        for row, state in enumerate(states):
            # Copies: a slice would keep the whole batch.
            first_row, second_row = (self.cat([h[:, row:row + 1]], 1) for h in hidden)
            state.hidden = first_row, second_row
            state.features.append(features[row])
            state.wave = state.wave[:, samples:]
            state.frames = state.frames[:, :, hops:]
