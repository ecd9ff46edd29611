# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Audio encoder on the first layers of a Whisper, a speech recogniser (Radford et al. 2023).

The middle layers of its encoder still know how something is said; the last ones only what. Mean
and deviation of their states over the utterance, mapped linearly, are what a classifier sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
import math

from mmer_ros.networks.batching import as_float, pad_features
from mmer_ros.networks.configs import MEL_HOP, STATE_HOP, WhisperEncoderConfig
from mmer_ros.networks.encoder import DialogueContext, Encoded, Encoder
from mmer_ros.networks.wavernn import mel_filters
from mmer_ros.types import SAMPLE_RATE
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

__all__ = ['STATE_HOP', 'WhisperEncoder', 'WhisperEncoderConfig', 'WhisperState']

N_FFT = 400  # samples of a frame of Whisper's spectrogram
RANGE_DB = 8.0  # tens of decibels below the loudest that the spectrogram keeps
FLOOR = 1e-10  # power; keeps the logarithm finite
TINY = 1e-5  # added to a variance


@dataclass
class WhisperState:
    """
    Where the encoder stands within an utterance.

    :param samples: (n,) not encoded yet.
    :param windows: states of each complete window, (T, len(states) * d_model).
    :param received: samples so far.
    """

    samples: Tensor
    windows: list[Tensor] = field(default_factory=list)
    received: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is no sample yet."""
        return not self.received


class WhisperEncoder(Encoder):
    """
    Whisper's first layers and a linear map of the mean and deviation of their states.

    The mean of the features over time is that map exactly, so that what the classifier sees
    depends on both although it only gets a mean.
    """

    positions: Tensor
    classifier: nn.Linear

    def __init__(self, config: WhisperEncoderConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.spectrogram = LogMel(config.n_mels)
        self.conv1 = nn.Conv1d(config.n_mels, config.d_model, 3, padding=1)
        self.conv2 = nn.Conv1d(config.d_model, config.d_model, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(config.d_model, config.n_head, config.n_inner, dropout=0.0,
                                       activation='gelu', batch_first=True, norm_first=True)
            for _ in range(config.n_layer))
        # Half of a window more may be left at the end of an utterance.
        count = config.window // STATE_HOP * 3 // 2 + 1
        self.register_buffer('positions', sinusoids(count, config.d_model), persistent=False)
        self.project = nn.Linear(2 * len(config.states) * config.d_model, config.width)
        self.classifier = nn.Linear(config.width, n_classes)

    def start(self) -> WhisperState:
        """Return the state before the first sample."""
        return WhisperState(torch.zeros(0, device=self.device))

    def stream(self, states: Sequence[WhisperState], evidence: Sequence[NDArray[np.generic]]
               ) -> None:
        """Take samples, (n,) each, and encode the windows that are complete."""
        window = self.config.window
        for state, samples in zip(states, evidence):
            audio = torch.from_numpy(as_float(samples)).to(self.device)
            state.received += len(audio)
            state.samples = torch.cat([state.samples, audio])
            # The last window takes up to half of one more, rather than leaving a scrap.
            while len(state.samples) > window * 3 // 2:
                state.windows.append(self.states(state.samples[:window]))
                state.samples = state.samples[window:]

    def finish(self, states: Sequence[WhisperState], contexts: Sequence[DialogueContext] = ()
               ) -> Encoded | None:
        """Return the features of all samples so far, (B, T, width), one for each 20 ms."""
        return pad_features([None if s.empty else self.features(self._all_states(s))
                             for s in states])

    def whole(self, samples: NDArray[np.generic]) -> Tensor:
        """Return the states of a whole utterance, (T, n), cut into windows as its parts are."""
        state = self.start()
        self.stream([state], [samples])
        return self._all_states(state)

    def _all_states(self, state: WhisperState) -> Tensor:
        return torch.cat([*state.windows, self.states(state.samples)])

    def states(self, samples: Tensor) -> Tensor:
        """
        Return the chosen layers' outputs side by side, (T, len(states) * d_model), of a window.

        :param samples: (n,) float in [-1, 1], 16 kHz; filled up to a multiple of STATE_HOP.
        """
        x = self.spectrogram(nn.functional.pad(samples, (0, -len(samples) % STATE_HOP)))
        x = nn.functional.gelu(self.conv1(x[None]))                       # (1, d, 2 T)
        x = nn.functional.gelu(self.conv2(x)).transpose(1, 2)             # (1, T, d)
        x = x + self.positions[:x.shape[1]]
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        return torch.cat([outputs[i][0] for i in self.config.states], dim=1)

    def features(self, states: Tensor) -> Tensor:
        """Return the features of an utterance's states: (T, n) -> (T, width)."""
        centred = states - states.mean(dim=0)                             # (T, n)
        deviation = (centred.square().mean(dim=0) + TINY).sqrt()          # (n,)
        features: Tensor = self.project(
            torch.cat([states, centred.square() / deviation], dim=1))     # (T, width)
        return features

    def moments(self, states: Tensor) -> Tensor:
        """Return what `project` sees on average, (2 n,): mean and deviation, nearly."""
        centred = states - states.mean(dim=0)
        power = centred.square().mean(dim=0)
        return torch.cat([states.mean(dim=0), power / (power + TINY).sqrt()])

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.project.weight.device


class LogMel(nn.Module):
    """Whisper's spectrogram: (n,) samples, n a multiple of MEL_HOP -> (n_mels, n / MEL_HOP)."""

    window: Tensor
    filters: Tensor

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.register_buffer('window', torch.hann_window(N_FFT), persistent=False)
        self.register_buffer('filters', mel_filters(
            N_FFT // 2 + 1, 0.0, SAMPLE_RATE / 2, n_mels, SAMPLE_RATE), persistent=False)

    def forward(self, samples: Tensor) -> Tensor:
        """Return the spectrogram, about -1 to 1."""
        spectrum = torch.stft(samples, N_FFT, MEL_HOP, window=self.window, pad_mode='reflect',
                              return_complex=True)[:, :-1].abs().square()  # (bins, frames)
        level = (self.filters.T @ spectrum).clamp(min=FLOOR).log10()
        scaled: Tensor = (torch.maximum(level, level.max() - RANGE_DB) + 4) / 4
        return scaled


def sinusoids(count: int, width: int) -> Tensor:
    """Return Whisper's encodings of positions, (count, width)."""
    step = math.log(10_000) / (width // 2 - 1 or 1)
    rates = torch.exp(-step * torch.arange(width // 2))
    angles = torch.arange(count)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
