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
import math

from mmer_ros.networks.audio_streaming import AudioState, HopStreaming
from mmer_ros.networks.batching import pad_features
from mmer_ros.networks.configs import AudioEncoderConfig
from mmer_ros.networks.encoder import Encoded, Encoder, Exported
from mmer_ros.networks.wavernn import MelSpectrogram, WaveRNN
from mmer_ros.types import Float32, SAMPLE_RATE
import torch
from torch import nn, Tensor
from torch.utils.checkpoint import checkpoint

__all__ = ['AudioEncoder', 'AudioEncoderConfig', 'AudioState']

MU = 255  # of the companding: G.711, and torchaudio.functional.mu_law_encoding
MIN_LEVEL_DB = -100.0  # of the spectrogram, as torchaudio's LJSpeech vocoder normalises it


class AudioEncoder(HopStreaming, Encoder):
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

    def zeros(self, *shape: int) -> Tensor:
        """Return zeros where the network runs."""
        return torch.zeros(*shape, device=self.mel.device)

    def cat(self, arrays: Sequence[Tensor], axis: int) -> Tensor:
        """Return tensors one behind the other."""
        return torch.cat(list(arrays), dim=axis)

    def from_numpy(self, samples: Float32) -> Tensor:
        """Return samples where the network runs."""
        return torch.from_numpy(samples).to(self.device)

    def run_hops(self, wave: Tensor, frames: Tensor, hidden: tuple[Tensor, Tensor]
                 ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Return features and states, as HopStreaming.run_hops."""
        samples, hidden = self.sample_features(wave, frames, hidden)
        return self._pool(samples), hidden

    def pad_rows(self, rows: Sequence[Tensor | None]) -> Encoded | None:
        """Return a batch, as batching.pad_features."""
        return pad_features(rows)

    def exported(self) -> Mapping[str, Exported]:
        """Return one frame and one hop, as the graphs `audio_frame` and `audio_hop`."""
        config, batch = self.config, {0: 'batch'}
        hidden = torch.zeros(1, 2, config.n_rnn)
        rows: dict[int, str] = {1: 'batch'}
        return {
            'audio_frame': Exported(
                self.spectrogram, {'samples': torch.zeros(2, config.n_fft)}, ('frame',),
                {'samples': batch, 'frame': batch}),
            'audio_hop': Exported(
                self._export_hop, {
                    'wave': torch.zeros(2, config.hop_length),
                    'frames': torch.zeros(2, config.n_freq, 1 + 2 * config.pad_frames),
                    'first': hidden, 'second': hidden}, ('features', 'first_out', 'second_out'),
                {'wave': batch, 'frames': batch, 'first': rows, 'second': rows,
                 'features': batch, 'first_out': rows, 'second_out': rows})}

    def _export_hop(self, wave: Tensor, frames: Tensor, first: Tensor, second: Tensor
                    ) -> tuple[Tensor, Tensor, Tensor]:
        features, hidden = self.run_hops(wave, frames, (first, second))
        return (features, *hidden)

    def _pool(self, features: Tensor) -> Tensor:
        """Return the mean over each hop: (B, steps, width) -> (B, hops, width)."""
        steps = self.config.hop_length // self.config.samples_per_step
        pooled: Tensor = features.unflatten(1, (-1, steps)).mean(dim=2)
        return pooled
