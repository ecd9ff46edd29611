# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
WaveRNN up to its recurrent layers, and the mel spectrogram that conditions it.

Modules, names and numbers are those of `torchaudio.models.WaveRNN` and
`torchaudio.transforms.MelSpectrogram` (BSD 2-Clause), so that their published weights load.
They are written out here since torchaudio has no release for torch 2.12 and later, and fails to
load beside any torch but the one it was built for. A test compares both where torchaudio is.

Source: Kalchbrenner et al., Efficient Neural Audio Synthesis, 2018.
"""

from __future__ import annotations

from collections.abc import Sequence
import math

from mmer_ros.networks.mel_scale import BREAK_HZ, BREAK_MEL, LINEAR_HZ, LOG_STEP, to_mel
import torch
from torch import nn, Tensor


class WaveRNN(nn.Module):
    """
    Conditioning network and two recurrent layers.

    :param upsample_scales: factors whose product is the recurrent steps in a hop.
    :param samples_per_step: waveform samples that enter a recurrent step.
    :param n_output: width of the residual network's output; a quarter goes into each recurrent
        layer, the rest belongs to WaveRNN's fully connected layers, which are left out.
    """

    def __init__(self, *, upsample_scales: Sequence[int], samples_per_step: int, n_res_block: int,
                 n_rnn: int, kernel_size: int, n_freq: int, n_hidden: int, n_output: int) -> None:
        super().__init__()
        self.n_aux = n_output // 4
        self.upsample = UpsampleNetwork(
            upsample_scales, n_res_block, n_freq, n_hidden, n_output, kernel_size)
        self.fc = nn.Linear(n_freq + self.n_aux + samples_per_step, n_rnn)
        self.rnn1 = nn.GRU(n_rnn, n_rnn, batch_first=True)
        self.rnn2 = nn.GRU(n_rnn + self.n_aux, n_rnn, batch_first=True)

    def forward(self, steps: Tensor, frames: Tensor, hidden: tuple[Tensor | None, Tensor | None],
                residual: Tensor | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """
        Run the recurrent layers.

        :param steps: waveform, (B, T, samples_per_step).
        :param frames: spectrogram around it, (B, n_freq, hops + kernel_size - 1).
        :param hidden: of both layers before the first step, (1, B, n_rnn) each; None: zeros.
        :param residual: output of `upsample.resnet` for the frames, (B, n_output, hops), where
            it is known; its batch normalisation then saw more than these frames.
        :return: output of the second layer with its residual, (B, T, n_rnn), and both states.
        """
        first, second = hidden
        conditioning, aux = self.upsample(frames, residual)
        conditioning, aux = conditioning.transpose(1, 2), aux.transpose(1, 2)  # (B, T, ...)
        x = self.fc(torch.cat([steps, conditioning, aux[..., :self.n_aux]], dim=-1))
        y, first = self.rnn1(x, first)                                         # (B, T, n_rnn)
        x = y + x
        y, second = self.rnn2(
            torch.cat([x, aux[..., self.n_aux:2 * self.n_aux]], dim=-1), second)
        assert first is not None and second is not None
        return y + x, (first, second)


class UpsampleNetwork(nn.Module):
    """Bring the spectrogram and a residual network's view of it to the rate of the steps."""

    def __init__(self, scales: Sequence[int], n_res_block: int, n_freq: int, n_hidden: int,
                 n_output: int, kernel_size: int) -> None:
        super().__init__()
        total = math.prod(scales)
        self.indent = (kernel_size - 1) // 2 * total
        self.resnet = MelResNet(n_res_block, n_freq, n_hidden, n_output, kernel_size)
        self.resnet_stretch = Stretch(total)
        layers: list[nn.Module] = []
        for scale in scales:
            smooth = nn.Conv2d(1, 1, (1, 2 * scale + 1), padding=(0, scale), bias=False)
            nn.init.constant_(smooth.weight, 1 / (2 * scale + 1))
            layers += [Stretch(scale), smooth]
        self.upsample_layers = nn.Sequential(*layers)

    def forward(self, frames: Tensor, residual: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """
        Return spectrogram and residual network's output at the rate of the steps.

        :param frames: (B, n_freq, hops + kernel_size - 1).
        :param residual: of the residual network, (B, n_output, hops); None: run it.
        :return: (B, n_freq, hops * total) and (B, n_output, hops * total).
        """
        aux = self.resnet_stretch(self.resnet(frames) if residual is None else residual)
        smooth = self.upsample_layers(frames[:, None])[:, 0]
        return smooth[:, :, self.indent:-self.indent], aux


class MelResNet(nn.Module):
    """Residual network over the spectrogram: (B, n_freq, T) -> (B, n_output, T - kernel + 1)."""

    def __init__(self, n_res_block: int, n_freq: int, n_hidden: int, n_output: int,
                 kernel_size: int) -> None:
        super().__init__()
        self.melresnet_model = nn.Sequential(
            nn.Conv1d(n_freq, n_hidden, kernel_size, bias=False), nn.BatchNorm1d(n_hidden),
            nn.ReLU(inplace=True), *(ResBlock(n_hidden) for _ in range(n_res_block)),
            nn.Conv1d(n_hidden, n_output, kernel_size=1))

    def forward(self, frames: Tensor) -> Tensor:
        """Return the output of the network."""
        output: Tensor = self.melresnet_model(frames)
        return output


class ResBlock(nn.Module):
    """Two pointwise convolutions and a skip connection: (B, channels, T) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.resblock_model = nn.Sequential(
            nn.Conv1d(channels, channels, kernel_size=1, bias=False), nn.BatchNorm1d(channels),
            nn.ReLU(inplace=True),
            nn.Conv1d(channels, channels, kernel_size=1, bias=False), nn.BatchNorm1d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output of the block."""
        output: Tensor = self.resblock_model(x) + x
        return output


class Stretch(nn.Module):
    """Repeat each step in time: (..., T) -> (..., T * scale)."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        """Return the longer sequence."""
        if self.scale == 1:
            return x
        return x[..., None].expand(*[-1] * x.dim(), self.scale).flatten(-2)


class MelSpectrogram(nn.Module):
    """
    Magnitudes in Slaney's mel bands, without padding: (B, n) -> (B, n_mels, frames).

    Frame i covers n_fft samples from i * hop_length on.
    """

    def __init__(self, *, sample_rate: int, n_fft: int, win_length: int, hop_length: int,
                 f_min: float, f_max: float, n_mels: int) -> None:
        super().__init__()
        self.n_fft, self.win_length, self.hop_length = n_fft, win_length, hop_length
        self.spectrogram = _Buffer('window', torch.hann_window(win_length))
        self.mel_scale = _Buffer('fb', mel_filters(n_fft // 2 + 1, f_min, f_max, n_mels,
                                                   sample_rate))

    @property
    def device(self) -> torch.device:
        """Where the filters are."""
        return self.mel_scale.fb.device

    def forward(self, samples: Tensor) -> Tensor:
        """Return the spectrogram."""
        exporting = torch.onnx.is_in_onnx_export()  # graphs have no complex numbers
        spectrum = torch.stft(
            samples, self.n_fft, self.hop_length, self.win_length, self.spectrogram.window,
            center=False, return_complex=not exporting)
        spectrum = spectrum.square().sum(dim=-1).sqrt() if exporting else (
            spectrum.abs())                                            # (B, n_fft / 2 + 1, T)
        return torch.matmul(spectrum.transpose(-1, -2), self.mel_scale.fb).transpose(-1, -2)


def mel_filters(bins: int, f_min: float, f_max: float, n_mels: int, sample_rate: int) -> Tensor:
    """
    Return triangular filters of equal area on Slaney's mel scale, (bins, n_mels).

    The numbers are torchaudio's to the bit, for the weights that are published.
    """
    frequencies = torch.linspace(0, sample_rate // 2, bins, device='cpu')
    corners = _to_hertz(torch.linspace(to_mel(f_min), to_mel(f_max), n_mels + 2,
                                       device='cpu'))
    width = corners[1:] - corners[:-1]                                 # (n_mels + 1,)
    slopes = corners[None] - frequencies[:, None]                      # (bins, n_mels + 2)
    rising, falling = -slopes[:, :-2] / width[:-1], slopes[:, 2:] / width[1:]
    filters = torch.minimum(rising, falling).clamp(min=0)
    return filters * (2 / (corners[2:] - corners[:-2]))[None]


def _to_hertz(mels: Tensor) -> Tensor:
    hertz = LINEAR_HZ * mels
    above = mels >= BREAK_MEL
    hertz[above] = BREAK_HZ * torch.exp(LOG_STEP * (mels[above] - BREAK_MEL))
    return hertz


class _Buffer(nn.Module):
    """Holds one tensor under the name that torchaudio's modules give it."""

    window: Tensor
    fb: Tensor

    def __init__(self, name: str, values: Tensor) -> None:
        super().__init__()
        self.register_buffer(name, values)
