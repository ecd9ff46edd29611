# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Several WaveRNNs side by side: one network that gives what they all give."""

from __future__ import annotations

from mmer_ros.networks.audio_encoder import AudioEncoder
from mmer_ros.types import EMOTIONS
import pytest
import torch
from torch import nn
from training.encoders.audio.ensemble import side_by_side

from ...fixtures.model import TINY_AUDIO

CONFIGS = {'steps of many samples': TINY_AUDIO, 'a sample a step': TINY_AUDIO.model_copy(update={
    'samples_per_step': 1, 'upsample_scales': (5, 5, 8), 'hop_length': 200})}


def member(name: str, seed: int) -> AudioEncoder:
    """Return a network whose every weight and statistic is of its own."""
    torch.manual_seed(seed)
    encoder = AudioEncoder(CONFIGS[name], len(EMOTIONS)).eval()
    with torch.no_grad():
        for kernel in encoder.wavernn.upsample.upsample_layers.parameters():
            kernel.mul_(0.3 + 0.2 * seed)
        for layer in encoder.modules():
            if isinstance(layer, nn.BatchNorm1d):
                layer.running_mean.normal_()
                layer.running_var.uniform_(0.5, 2)
                layer.weight.normal_(1, 0.2)
                layer.bias.normal_()
    return encoder


@pytest.mark.parametrize('name', CONFIGS)
@torch.inference_mode()
def test_the_whole_gives_what_its_members_give(name: str) -> None:
    """Features are those of all members, one after the other; logits are their mean."""
    members = [member(name, seed) for seed in range(3)]
    whole = side_by_side(members)
    audio, lengths = torch.randn(2, 2_000) / 4, torch.tensor([2_000, 1_300])
    features, mask = whole(audio, lengths)
    each = [m(audio, lengths) for m in members]
    expected = torch.cat([f for f, _ in each], dim=2)
    torch.testing.assert_close(features, expected, atol=1e-5, rtol=1e-4)
    assert expected.std() > 0.01 and torch.equal(mask, each[0][1])
    pooled = [m.classifier(f.mean(dim=1)) for m, (f, _) in zip(members, each)]
    torch.testing.assert_close(whole.classifier(features.mean(dim=1)),
                               torch.stack(pooled).mean(dim=0), atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_the_order_is_that_of_the_members() -> None:
    """The same members in another order give the same features in that order."""
    one, two = (member('steps of many samples', seed) for seed in range(2))
    audio, lengths = torch.randn(1, 900) / 4, torch.tensor([900])
    forth, back = (side_by_side(pair)(audio, lengths)[0] for pair in ([one, two], [two, one]))
    torch.testing.assert_close(forth, back.roll(one.width, dims=2), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(forth, back, atol=1e-3)


@torch.inference_mode()
def test_filters_that_are_nearly_averages_are_rounded_to_them() -> None:
    """What training does to them changes the features by less than it changes the filters."""
    members = [member('steps of many samples', seed) for seed in range(2)]
    for each in members:
        for kernel in each.wavernn.upsample.upsample_layers.parameters():
            kernel.mul_(1 + 0.05 * torch.randn_like(kernel))
    audio, lengths = torch.randn(1, 2_000) / 4, torch.tensor([2_000])
    expected = torch.cat([m(audio, lengths)[0] for m in members], dim=2)
    error = side_by_side(members)(audio, lengths)[0] - expected
    assert 0 < error.std() < 0.05 * expected.std()
