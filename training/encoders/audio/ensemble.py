"""
Several WaveRNNs side by side in one.

Networks that differ in the seed alone err in different places, so the mean of their answers is
better than each. One network of so many times the width holds them all: its matrices have
theirs along the diagonal, and nothing between them.
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
    Return one network whose features are those of all members, one after the other.

    Its classifier gives the mean of their logits. All share the filters that smooth the
    spectrogram in time: moving averages, to which those of the members are rounded. Training moves
    them by a few per cent, apart from their scale, which is kept.

    :param members: of one recipe.
    """
    config = members[0].config
    wide = config.model_copy(update={name: len(members) * getattr(config, name)
                                     for name in WIDTHS})
    whole = AudioEncoder(wide, len(EMOTIONS)).eval()
    smoothing = set(whole.wavernn.upsample.upsample_layers.parameters())  # averages, as built
    for parameter in set(whole.parameters()) - smoothing:
        parameter.zero_()
    for index, member in enumerate(members):
        _Place(config, index, len(members)).put(member, whole)
    return whole


class _Place:
    """Where the values of a member lie in the whole."""

    def __init__(self, config: AudioEncoderConfig, index: int, count: int) -> None:
        self.config, self.index, self.count = config, index, count

    def own(self, width: int, parts: int = 1) -> Tensor:
        """Return where a member's values lie: in each of the parts beside those of the others."""
        places = torch.arange(parts * width).view(parts, width)
        return (places + (places // width * (self.count - 1) + self.index) * width).flatten()

    def put(self, member: AudioEncoder, whole: AudioEncoder) -> None:
        """Copy the weights of a member."""
        config, source, target = self.config, member.wavernn, whole.wavernn
        rnn, auxiliary = self.own(config.n_rnn), self.own(config.n_output // QUARTERS)
        self._residual(source.upsample.resnet.melresnet_model,
                       target.upsample.resnet.melresnet_model)
        seen = config.samples_per_step + config.n_freq  # shared by all
        _copy(source.fc, target.fc, rnn, torch.cat([torch.arange(seen), seen + auxiliary]))
        smoothed = torch.arange(config.samples_per_step, seen)
        target.fc.get_parameter('weight')[rnn[:, None], smoothed] *= _scale(source.upsample)
        self._recurrent(source.rnn1, target.rnn1, rnn)
        self._recurrent(source.rnn2, target.rnn2,
                        torch.cat([rnn, self.count * config.n_rnn + auxiliary]))
        self._classifier(member.classifier, whole.classifier, rnn)

    def _residual(self, source: nn.Sequential, target: nn.Sequential) -> None:
        config = self.config
        hidden = self.own(config.n_hidden)
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
        _copy(*last, self.own(config.n_output // QUARTERS, QUARTERS), hidden)

    def _recurrent(self, source: nn.GRU, target: nn.GRU, columns: Tensor) -> None:
        rows = self.own(self.config.n_rnn, GATES)
        for name, before in (('ih', columns), ('hh', self.own(self.config.n_rnn))):
            weight, bias = f'weight_{name}_l0', f'bias_{name}_l0'
            target.get_parameter(weight)[rows[:, None], before] = source.get_parameter(weight)
            target.get_parameter(bias)[rows] = source.get_parameter(bias)

    def _classifier(self, source: nn.Sequential, target: nn.Sequential, rnn: Tensor) -> None:
        hidden = self.own(self.config.classifier_hidden)
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
    """Return by how much the filters that smooth the spectrogram make it larger."""
    scale = 1.0
    for layer in network.get_submodule('upsample_layers').children():
        if isinstance(layer, nn.Conv2d):
            scale *= float(layer.weight.sum())
    return scale


def _flat(network: nn.Module) -> Iterable[nn.Module]:
    """Yield the layers of a network that have no layers in them."""
    return (layer for layer in network.modules() if not list(layer.children()))
