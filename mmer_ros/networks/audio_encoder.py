# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Audio encoder: WaveRNN on the waveform and its spectrogram (section 4.1.2 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import math
from typing import Any, Literal

from mmer_ros.networks.batching import as_float, pad_features
from mmer_ros.networks.encoder import (
    DialogueContext,
    Encoded,
    Encoder,
    EncoderConfig,
    register_backbone,
)
from mmer_ros.networks.wavernn import MelSpectrogram, WaveRNN
from mmer_ros.types import Modality, SAMPLE_RATE
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
import torch
from torch import nn, Tensor
from torch.utils.checkpoint import checkpoint
from typing_extensions import Self

WINDOW_STEPS = 4096  # recurrent steps whose inner values are in memory at the same time
MU = 255  # of the companding: G.711, and torchaudio.functional.mu_law_encoding
MIN_LEVEL_DB = -100.0  # of the spectrogram, as torchaudio's LJSpeech vocoder normalises it


class AudioEncoderConfig(EncoderConfig):
    """
    Sizes of the WaveRNN and of its spectrogram.

    The defaults are the paper's: hop 200, kernel 5, width 512, one recurrent step a sample. With
    `samples_per_step` > 1 a step takes that many samples, which divides the cost.

    :param kernel_size: spectrogram frames that the residual network sees at once; odd, >= 3.
    :param n_output: width of that network's output. Its first quarter goes into the first
        recurrent layer, its second into the second; the rest is WaveRNN's for the layers behind
        the features, which are left out here.
    :param waveform: as it enters the recurrent layers: 'linear', or 'mu_law', companded as in the
        published vocoder (8 bit, here without the rounding), whose weights expect that.
    :param mel_mean: subtracted from the spectrogram, which lies in [0, 1] before.
    :param mel_std: by which it is divided then.
    """

    backbone: Literal['wavernn'] = 'wavernn'
    hop_length: int = 200
    n_fft: int = 1024
    win_length: int = 800
    n_freq: int = 80
    f_min: float = 40.0
    f_max: float = 8000.0
    kernel_size: int = 5
    n_rnn: int = 512
    n_res_block: int = 10
    n_hidden: int = 128
    n_output: int = 128
    samples_per_step: int = 1
    upsample_scales: tuple[int, ...] = (5, 5, 8)
    classifier_hidden: int = 256
    waveform: Literal['linear', 'mu_law'] = 'linear'
    mel_mean: float = 0.0
    mel_std: float = Field(1.0, gt=0)

    @model_validator(mode='before')
    @classmethod
    def _without_old_settings(cls, values: Any) -> Any:
        if isinstance(values, Mapping):  # older bundles name it; it never had an effect
            return {key: value for key, value in values.items() if key != 'n_time'}
        return values

    @model_validator(mode='after')
    def _check(self) -> Self:
        if math.prod(self.upsample_scales) * self.samples_per_step != self.hop_length:
            raise ValueError(
                f'upsample_scales {self.upsample_scales} times samples_per_step '
                f'{self.samples_per_step} must give hop_length {self.hop_length}')
        if self.kernel_size < 3 or self.kernel_size % 2 == 0:
            raise ValueError(f'kernel_size {self.kernel_size} must be odd and at least 3, for a '
                             'hop has as many frames before it as behind')
        return self

    @property
    def pad_frames(self) -> int:
        """Spectrogram frames that the network needs on each side."""
        return (self.kernel_size - 1) // 2

    @property
    def pad_samples(self) -> int:
        """Samples that the network looks behind and ahead."""
        return self.pad_frames * self.hop_length + self.n_fft // 2

    @property
    def window_hops(self) -> int:
        """Hops that run at once; longer speech goes on with the carried state."""
        return max(1, WINDOW_STEPS * self.samples_per_step // self.hop_length)


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

    samples: Tensor
    frames: Tensor
    wave: Tensor
    hidden: tuple[Tensor, Tensor] | None
    features: list[Tensor]
    received: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is no sample yet."""
        return not self.received


@register_backbone(Modality.AUDIO, 'wavernn', config=AudioEncoderConfig)
class AudioEncoder(Encoder):
    """
    WaveRNN as a feature extractor, up to the layers before its fully connected ones.

    `forward` encodes padded batches; `start`, `stream` and `finish` an utterance by increments.
    Both give the same features: the mean over each hop of the recurrent layers' output.
    """

    classifier: nn.Sequential

    def __init__(self, config: AudioEncoderConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.width = config.n_rnn
        self.wavernn = WaveRNN(
            upsample_scales=config.upsample_scales, samples_per_step=config.samples_per_step,
            n_res_block=config.n_res_block, n_rnn=config.n_rnn, kernel_size=config.kernel_size,
            n_freq=config.n_freq, n_hidden=config.n_hidden, n_output=config.n_output)
        self.mel = MelSpectrogram(
            sample_rate=SAMPLE_RATE, n_fft=config.n_fft, win_length=config.win_length,
            hop_length=config.hop_length, f_min=config.f_min, f_max=config.f_max,
            n_mels=config.n_freq)
        self.classifier = nn.Sequential(
            nn.Linear(config.n_rnn, config.classifier_hidden), nn.ReLU(),
            nn.Linear(config.classifier_hidden, n_classes))

    def forward(self, audio: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        Encode whole utterances.

        :param audio: (B, N) float in [-1, 1], 16 kHz, zero after each one's length.
        :param lengths: (B,) samples, each 1..N.
        :return: features (B, T, width) with T = ceil(N / hop), and their mask (B, T), True
            where there is audio.
        """
        return self.features(*self.inputs(audio), lengths)

    def inputs(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """
        Return what the network sees of whole utterances, (B, N) as of `forward`.

        :return: the waveform, (B, hops * hop_length), and the spectrogram around it,
            (B, n_freq, hops + kernel_size - 1).
        """
        hop, pad = self.config.hop_length, self.config.pad_samples
        hops = -(-audio.shape[1] // hop)
        wave = nn.functional.pad(audio, (0, hops * hop - audio.shape[1]))  # (B, hops * hop)
        frames = self.spectrogram(nn.functional.pad(wave, (pad, pad)))  # (B, n_freq, frames)
        return wave, frames[..., :hops + 2 * self.config.pad_frames]

    def features(self, wave: Tensor, frames: Tensor, lengths: Tensor, *,
                 checkpointing: bool = False) -> tuple[Tensor, Tensor]:
        """
        Return features and mask, as of `forward`, of what `inputs` gives.

        Without gradients, the memory does not grow with the length by more than the features.

        :param checkpointing: with gradients as well: the inner values of each window are
            computed again for the backward pass, a third more time for a fraction of the memory.
        """
        residual = self.wavernn.upsample.resnet(frames)  # (B, n_output, hops)
        windows, hidden = [], None
        hops, around = residual.shape[2], 2 * self.config.pad_frames
        whole = torch.is_grad_enabled() and not checkpointing
        count = hops if whole else self.config.window_hops
        for start in range(0, hops, count):
            end = min(start + count, hops)
            samples = slice(start * self.config.hop_length, end * self.config.hop_length)
            inputs = (wave[:, samples], frames[..., start:end + around], hidden,
                      residual[..., start:end])
            pooled, hidden = (
                checkpoint(self._window, *inputs, use_reentrant=False, preserve_rng_state=False)
                if checkpointing and torch.is_grad_enabled() else self._window(*inputs))
            windows.append(pooled)
        pooled = torch.cat(windows, dim=1)                       # (B, hops, width)
        starts = torch.arange(pooled.shape[1], device=wave.device) * self.config.hop_length
        return pooled, starts < lengths[:, None]

    def _window(self, wave: Tensor, frames: Tensor, hidden: tuple[Tensor, Tensor] | None,
                residual: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return pooled features, (B, hops, width), and the state after them."""
        samples, hidden = self.sample_features(wave, frames, hidden, residual)
        return self._pool(samples), hidden

    def spectrogram(self, samples: Tensor) -> Tensor:
        """
        Return mel frames in normalised decibels, as the LJSpeech WaveRNN was trained with.

        :param samples: (B, N) float; frame i covers n_fft samples from i * hop on.
        :return: (B, n_freq, frames), [0, 1] less mel_mean, by mel_std.
        """
        level = 20 * torch.log10(self.mel(samples).clamp(min=1e-5))
        scaled = ((level - MIN_LEVEL_DB) / -MIN_LEVEL_DB).clamp(0, 1)
        return (scaled - self.config.mel_mean) / self.config.mel_std

    def sample_features(
        self, wave: Tensor, frames: Tensor, hidden: tuple[Tensor, Tensor] | None,
        residual: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """
        Run the recurrent layers over the waveform.

        :param wave: (B, hops * hop_length) float.
        :param frames: (B, n_freq, hops + kernel_size - 1), the spectrogram around it.
        :param hidden: state after the samples before, or None at the start.
        :param residual: as of `WaveRNN.forward`.
        :return: (B, hops * hop_length / samples_per_step, width), for the paper (B, 47200, 512),
            and the state after them.
        """
        if self.config.waveform == 'mu_law':
            wave = wave.sign() * (MU * wave.abs()).log1p() / math.log1p(MU)
        steps = wave.unflatten(1, (-1, self.config.samples_per_step))  # (B, steps, samples)
        output: tuple[Tensor, tuple[Tensor, Tensor]] = self.wavernn(
            steps, frames, hidden or (None, None), residual)
        return output

    def start(self) -> AudioState:
        """Return the state before the first sample."""
        device = self.mel.device
        pad = torch.zeros(1, self.config.pad_samples, device=device)
        none = torch.zeros(1, 0, device=device)
        return AudioState(pad, torch.zeros(1, self.config.n_freq, 0, device=device), none, None,
                          [])

    def stream(self, states: Sequence[AudioState], evidence: Sequence[NDArray[np.generic]]
               ) -> None:
        """Advance utterances by samples, (n,) each, as far as the look-ahead allows."""
        device = self.device
        for state, samples in zip(states, evidence):
            audio = torch.from_numpy(as_float(samples)).to(device)
            state.received += audio.shape[0]
            self._append(state, audio[None])
        self._advance(states)

    def finish(self, states: Sequence[AudioState], contexts: Sequence[DialogueContext] = ()
               ) -> Encoded | None:
        """Return the features of all samples so far, the look-ahead filled with silence."""
        hop, pad = self.config.hop_length, self.config.pad_samples
        ends = [AudioState(s.samples, s.frames, s.wave, s.hidden, list(s.features), s.received)
                for s in states]
        heard = [end for end in ends if not end.empty]
        for end in heard:
            self._append(end, end.wave.new_zeros(1, -end.received % hop + pad))
        self._advance(heard)
        return pad_features([None if end.empty else
                             torch.cat(end.features)[:-(-end.received // hop)] for end in ends])

    def _append(self, state: AudioState, audio: Tensor) -> None:
        """Add samples, (1, n), and the spectrogram frames that they complete."""
        hop, n_fft = self.config.hop_length, self.config.n_fft
        state.samples = torch.cat([state.samples, audio], dim=1)
        state.wave = torch.cat([state.wave, audio], dim=1)
        count = (state.samples.shape[1] - n_fft) // hop + 1
        if count > 0:
            new = self.spectrogram(state.samples[:, :(count - 1) * hop + n_fft])
            state.samples = state.samples[:, count * hop:]
            state.frames = torch.cat([state.frames, new], dim=2)

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
            self._run_hops(ready, min(hops, self.config.window_hops))
            ready = [state for state in ready if state.frames.shape[2] > around]

    def _run_hops(self, states: Sequence[AudioState], hops: int) -> None:
        samples, frames = hops * self.config.hop_length, hops + 2 * self.config.pad_frames
        features, (first, second) = self.sample_features(
            torch.cat([state.wave[:, :samples] for state in states]),
            torch.cat([state.frames[:, :, :frames] for state in states]),
            self._hidden(states))
        pooled = self._pool(features)
        for row, state in enumerate(states):
            state.hidden = first[:, row:row + 1].contiguous(), second[:, row:row + 1].contiguous()
            state.features.append(pooled[row])
            state.wave = state.wave[:, samples:]
            state.frames = state.frames[:, :, hops:]

    def _hidden(self, states: Sequence[AudioState]) -> tuple[Tensor, Tensor] | None:
        """Return the states of the recurrent layers, each (1, B, width); None if all begin."""
        known = [state.hidden for state in states if state.hidden is not None]
        if not known:
            return None
        zeros = torch.zeros_like(known[0][0])
        first, second = zip(*(state.hidden or (zeros, zeros) for state in states))
        return torch.cat(first, dim=1), torch.cat(second, dim=1)

    def _pool(self, features: Tensor) -> Tensor:
        """Return the mean over each hop: (B, steps, width) -> (B, hops, width)."""
        steps = self.config.hop_length // self.config.samples_per_step
        pooled: Tensor = features.unflatten(1, (-1, steps)).mean(dim=2)
        return pooled
