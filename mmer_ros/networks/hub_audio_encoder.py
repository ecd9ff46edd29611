# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Audio encoder: any speech model of the Hugging Face hub that takes the waveform, or Whisper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.networks.audio_windows import cut_windows, WindowState, WindowStreaming
from mmer_ros.networks.batching import pad, pad_features
from mmer_ros.networks.encoder import DialogueContext, Encoded, Encoder, Exported
from mmer_ros.networks.hub_configs import HubAudioConfig, SHORTEST, WHISPER_STATE
from mmer_ros.networks.hub_network import make_network, make_settings
from mmer_ros.networks.log_mel import log_mel
from mmer_ros.types import Float32, Modality
import torch
from torch import nn, Tensor

__all__ = ['HubAudioConfig', 'HubAudioEncoder']

TINY = 1e-7  # added to a variance, as the published feature extractors do


class HubAudioEncoder(WindowStreaming, Encoder):
    """
    A speech model, a weighted mean of its layers, and a linear map of that to the features.

    The network looks ahead, so sound is encoded in windows; `forward` cuts whole utterances as
    `stream` does.
    """

    def __init__(self, config: HubAudioConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        settings = make_settings(
            config.architecture, whisper_states=self._most_samples // WHISPER_STATE)
        self.network = make_network(settings, Modality.AUDIO)
        self.mels = int(settings.num_mel_bins) if config.is_whisper else 0
        self.masks = getattr(settings, 'feat_extract_norm', '') == 'layer'
        self.strides = list(zip(getattr(settings, 'conv_kernel', ()),
                                getattr(settings, 'conv_stride', ())))
        if config.layers == 'weighted':
            self.layer_weights = nn.Parameter(torch.zeros(settings.num_hidden_layers + 1))
        self.project = nn.Linear(settings.hidden_size, config.width)
        self.classifier = nn.Sequential(
            nn.ReLU(), nn.Dropout(config.dropout), nn.Linear(config.width, n_classes))

    @property
    def window(self) -> int:
        """Samples of a window."""
        return self.config.window

    @property
    def _most_samples(self) -> int:
        """Samples of the longest window, the last one of an utterance."""
        return self.window * 3 // 2

    def states(self, samples: Float32) -> Tensor:
        """Return the features of a window, as WindowStreaming.states."""
        wave = torch.from_numpy(samples).to(self.device)[None]
        features: Tensor = self.window_features(wave)[0]
        return features[:self._count(len(samples))]

    def finish(self, states: Sequence[WindowState], contexts: Sequence[DialogueContext] = ()
               ) -> Encoded | None:
        """Return the features of all samples so far, (B, T, width), one for each 20 ms."""
        return pad_features([None if s.empty else torch.cat(self.windows_of(s)) for s in states])

    def forward(self, audio: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        Encode whole utterances.

        :param audio: (B, N) float in [-1, 1], 16 kHz, zero after each one's length.
        :param lengths: (B,) samples, each 1..N.
        :return: features (B, T, width) and their mask (B, T).
        """
        cuts = [(row, begin, end) for row, length in enumerate(lengths.tolist())
                for begin, end in cut_windows(length, self.window)]
        waves = [audio[row, begin:end] for row, begin, end in cuts]
        if self.training:
            sizes = torch.tensor([len(wave) for wave in waves], device=audio.device)
            features = list(self.window_features(pad(waves, 0), sizes))       # (T, width) each
        else:  # what normalises over time would see the padding
            features = [self.window_features(wave[None])[0] for wave in waves]
        rows: list[list[Tensor]] = [[] for _ in lengths]
        for (row, begin, end), found in zip(cuts, features):
            rows[row].append(found[:self._count(end - begin)])
        encoded = pad_features([torch.cat(found) for found in rows])
        assert encoded is not None
        return encoded

    def window_features(self, wave: Tensor, lengths: Tensor | None = None) -> Tensor:
        """
        Return the features of windows, (W, n) -> (W, T, width).

        :param lengths: (W,) samples of each; None: all of them, of a single window.
        """
        wave = nn.functional.pad(wave, (0, max(0, SHORTEST - wave.shape[1])))
        known = (torch.ones_like(wave, dtype=torch.bool) if lengths is None else
                 torch.arange(wave.shape[1], device=wave.device)
                 < lengths.clamp(min=SHORTEST)[:, None])
        if self.config.normalize:
            wave = _standardised(wave, known)
        if self.mels:
            filled = nn.functional.pad(wave, (0, self._most_samples - wave.shape[1]))
            inputs = torch.stack([torch.from_numpy(log_mel(row, self.mels))
                                  for row in filled.cpu().numpy()])           # (W, mels, frames)
            output = self.network(inputs.to(wave.device), output_hidden_states=True)
        else:
            mask = {'attention_mask': known.long()} if self.masks and lengths is not None else {}
            output = self.network(wave, output_hidden_states=True, **mask)
        features: Tensor = self.project(self._mixed(output))
        return features

    def _mixed(self, output: object) -> Tensor:
        """Return the weighted mean of the layers, or the last one, (W, T, d)."""
        last: Tensor = output.last_hidden_state  # type: ignore[attr-defined]
        if self.config.layers == 'last':
            return last
        layers = output.hidden_states[:-1]  # type: ignore[attr-defined]
        shares = self.layer_weights.softmax(dim=0)
        mixed: Tensor = shares[-1] * last
        for share, layer in zip(shares, layers, strict=False):
            mixed = mixed + share * layer
        return mixed

    def _count(self, samples: int) -> int:
        """Return how many states belong to that many samples."""
        if self.config.is_whisper:
            return max(1, -(-samples // WHISPER_STATE))
        count = max(samples, SHORTEST)
        for kernel, stride in self.strides:
            count = (count - kernel) // stride + 1
        return count

    def exported(self) -> Mapping[str, Exported]:
        """Return `window_features` of one window, as the graph `audio_window`."""
        if self.mels:  # its spectrogram is not part of the network
            return {}
        return {'audio_window': Exported(
            lambda wave: self.window_features(wave), {'wave': torch.randn(1, 8_000)},
            ('features',), {'wave': {1: 'samples'}, 'features': {1: 'states'}})}


def _standardised(wave: Tensor, known: Tensor) -> Tensor:
    """Return waves (W, n) with mean 0 and deviation 1 where `known`, and 0 elsewhere."""
    count = known.sum(dim=1, keepdim=True)
    centred = (wave - (wave * known).sum(dim=1, keepdim=True) / count) * known
    power = centred.square().sum(dim=1, keepdim=True) / count
    return centred / (power + TINY).sqrt()
