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

from collections.abc import Mapping, Sequence
import math

from mmer_ros.networks.batching import pad_features
from mmer_ros.networks.configs import STATE_HOP, WhisperEncoderConfig
from mmer_ros.networks.encoder import Encoded, Encoder, Exported
from mmer_ros.networks.whisper_streaming import WhisperStreaming
from mmer_ros.types import Float32
import torch
from torch import nn, Tensor

__all__ = ['STATE_HOP', 'WhisperEncoder', 'WhisperEncoderConfig']

TINY = 1e-5  # added to a variance


class WhisperEncoder(WhisperStreaming, Encoder):
    """
    Whisper's first layers and a linear map of the mean and deviation of their states.

    The mean of the features over time is that map exactly, so that what the classifier sees
    depends on both although it only gets a mean.
    """

    classifier: nn.Linear

    def __init__(self, config: WhisperEncoderConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.width = config.width
        self.conv1 = nn.Conv1d(config.n_mels, config.d_model, 3, padding=1)
        self.conv2 = nn.Conv1d(config.d_model, config.d_model, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(Layer(config.d_model, config.n_head, config.n_inner)
                                    for _ in range(config.n_layer))
        self.project = nn.Linear(2 * len(config.states) * config.d_model, config.width)
        self.classifier = nn.Linear(config.width, n_classes)

    def encode_window(self, mel: Float32) -> Tensor:
        """Return the states of a window, as WhisperStreaming.encode_window."""
        return self.window_states(torch.from_numpy(mel).to(self.device))

    def window_states(self, mel: Tensor) -> Tensor:
        """Return the states of a window: (n_mels, 2 T) -> (T, len(states) * d_model)."""
        x = nn.functional.gelu(self.conv1(mel[None]))                     # (1, d, 2 T)
        x = nn.functional.gelu(self.conv2(x))[0].T                        # (T, d)
        x = x + sinusoids(x.shape[0], self.config.d_model, x.device)
        outputs = [x]
        for layer in self.layers:
            outputs.append(layer(outputs[-1]))
        return torch.cat([outputs[i] for i in self.config.states], dim=1)

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

    def cat(self, arrays: Sequence[Tensor]) -> Tensor:
        """Return tensors one behind the other."""
        return torch.cat(list(arrays))

    def pad_rows(self, rows: Sequence[Tensor | None]) -> Encoded | None:
        """Return a batch, as batching.pad_features."""
        return pad_features(rows)

    def exported(self) -> Mapping[str, Exported]:
        """Return a window and an utterance, as the graphs `audio_window`, `audio_features`."""
        config, steps = self.config, 8
        states = torch.zeros(steps, len(config.states) * config.d_model)
        return {
            'audio_window': Exported(
                self.window_states, {'mel': torch.zeros(config.n_mels, 2 * steps)}, ('states',),
                {'mel': {1: 'frames'}, 'states': {0: 'steps'}}),
            'audio_features': Exported(
                self.features, {'states': states}, ('features',),
                {'states': {0: 'steps'}, 'features': {0: 'steps'}})}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.project.weight.device


class Layer(nn.TransformerEncoderLayer):
    """A layer of one window; attention is written out, so that its graph takes any length."""

    def __init__(self, d_model: int, n_head: int, n_inner: int) -> None:
        super().__init__(d_model, n_head, n_inner)
        self.heads, self.scale = n_head, (d_model // n_head) ** -0.5

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Return the output of the layer: (T, d) -> (T, d)."""
        attention = self.self_attn
        mapped = nn.functional.linear(self.norm1(x), attention.in_proj_weight,
                                      attention.in_proj_bias)             # (T, 3 d)
        query, key, value = mapped.unflatten(1, (3, self.heads, -1)).permute(1, 2, 0, 3)
        shares = (self.scale * query @ key.transpose(1, 2)).softmax(dim=-1)  # (heads, T, T)
        heard = (shares @ value).transpose(0, 1).flatten(1)               # (T, d)
        x = x + attention.out_proj(heard)
        inner = nn.functional.gelu(self.linear1(self.norm2(x)))           # (T, n_inner)
        output: Tensor = x + self.linear2(inner)
        return output


def sinusoids(count: int, width: int, device: torch.device) -> Tensor:
    """Return Whisper's encodings of positions, (count, width)."""
    step = math.log(10_000) / (width // 2 - 1 or 1)
    rates = torch.exp(-step * torch.arange(width // 2, device=device))
    angles = torch.arange(count, device=device)[:, None] * rates[None]
    return torch.cat([angles.sin(), angles.cos()], dim=1)
