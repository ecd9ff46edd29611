# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
An ensemble of WaveRNNs as one network.

Networks that differ only in the seed make different errors, so the mean of their logits is
better than each. One network of N times the width holds all N: its matrices are block-diagonal.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmer_ros.networks.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.types import EMOTIONS
import torch
from torch import nn, Tensor

GATES = 3  # of a GRU
QUARTERS = 4  # of what the residual network gives out; each goes into another layer
WIDTHS = ('n_rnn', 'n_hidden', 'n_output', 'classifier_hidden')


@torch.no_grad()
def side_by_side(members: Sequence[AudioEncoder]) -> AudioEncoder:
    """
    Return one network whose features are the concatenated features of all members.

    Its classifier returns the mean of their logits. The filters that smooth the spectrogram in
    time are shared: they are moving averages, which training changes by a few per cent; those
    changes are dropped, except for the scale.

    :param members: networks of one recipe.
    """
    config = members[0].config
    wide = config.model_copy(update={name: len(members) * getattr(config, name)
                                     for name in WIDTHS})
    whole = AudioEncoder(wide, len(EMOTIONS)).eval()
    smoothing = set(whole.wavernn.upsample.upsample_layers.parameters())  # moving averages
    for parameter in set(whole.parameters()) - smoothing:
        parameter.zero_()
    for index, member in enumerate(members):
        _Block(config, index, len(members)).copy(member, whole)
    return whole


class _Block:
    """The block of a member in the matrices of the whole."""

    def __init__(self, config: AudioEncoderConfig, index: int, count: int) -> None:
        self.config, self.index, self.count = config, index, count

    def rows(self, width: int, parts: int = 1) -> Tensor:
        """Return the indices of the member's values; each part holds all members in turn."""
        places = torch.arange(parts * width).view(parts, width)
        return (places + (places // width * (self.count - 1) + self.index) * width).flatten()

    def copy(self, member: AudioEncoder, whole: AudioEncoder) -> None:
        """Copy the weights of the member into the whole."""
        config, source, target = self.config, member.wavernn, whole.wavernn
        rnn, auxiliary = self.rows(config.n_rnn), self.rows(config.n_output // QUARTERS)
        self._residual(source.upsample.resnet.melresnet_model,
                       target.upsample.resnet.melresnet_model)
        seen = config.samples_per_step + config.n_freq  # inputs that all members share
        _copy(source.fc, target.fc, rnn, torch.cat([torch.arange(seen), seen + auxiliary]))
        smoothed = torch.arange(config.samples_per_step, seen)
        target.fc.get_parameter('weight')[rnn[:, None], smoothed] *= _scale(source.upsample)
        self._recurrent(source.rnn1, target.rnn1, rnn)
        self._recurrent(source.rnn2, target.rnn2,
                        torch.cat([rnn, self.count * config.n_rnn + auxiliary]))
        self._classifier(member.classifier, whole.classifier, rnn)

    def _residual(self, source: nn.Sequential, target: nn.Sequential) -> None:
        config = self.config
        hidden = self.rows(config.n_hidden)
        pairs = list(zip(_flat(source), _flat(target), strict=True))
        for mine, ours in pairs:
            if isinstance(mine, nn.BatchNorm1d):
                for name, value in mine.state_dict().items():
                    own = ours.state_dict()[name]
                    own[hidden if own.dim() else ...] = value
        first, *middle, last = [p for p in pairs if isinstance(p[0], nn.Conv1d)]
        _copy(*first, hidden, torch.arange(config.n_freq))
        for mine, ours in middle:
            _copy(mine, ours, hidden, hidden)
        _copy(*last, self.rows(config.n_output // QUARTERS, QUARTERS), hidden)

    def _recurrent(self, source: nn.GRU, target: nn.GRU, columns: Tensor) -> None:
        rows = self.rows(self.config.n_rnn, GATES)
        for name, before in (('ih', columns), ('hh', self.rows(self.config.n_rnn))):
            weight, bias = f'weight_{name}_l0', f'bias_{name}_l0'
            target.get_parameter(weight)[rows[:, None], before] = source.get_parameter(weight)
            target.get_parameter(bias)[rows] = source.get_parameter(bias)

    def _classifier(self, source: nn.Sequential, target: nn.Sequential, rnn: Tensor) -> None:
        hidden = self.rows(self.config.classifier_hidden)
        _copy(source[0], target[0], hidden, rnn)
        mine, ours = source[-1], target[-1]
        ours.get_parameter('weight')[:, hidden] = mine.get_parameter('weight') / self.count
        ours.get_parameter('bias').add_(mine.get_parameter('bias') / self.count)


def _copy(source: nn.Module, target: nn.Module, rows: Tensor, columns: Tensor) -> None:
    """Copy a linear layer or a convolution to rows and columns of a larger one."""
    target.get_parameter('weight')[rows[:, None], columns] = source.get_parameter('weight')
    if 'bias' in dict(source.named_parameters()):
        target.get_parameter('bias')[rows] = source.get_parameter('bias')


def _scale(network: nn.Module) -> float:
    """Return the gain of the filters that smooth the spectrogram."""
    scale = 1.0
    for layer in network.get_submodule('upsample_layers').children():
        if isinstance(layer, nn.Conv2d):
            scale *= float(layer.weight.sum())
    return scale


def _flat(network: nn.Module) -> Iterable[nn.Module]:
    """Yield the innermost layers of a network."""
    return (layer for layer in network.modules() if not list(layer.children()))
