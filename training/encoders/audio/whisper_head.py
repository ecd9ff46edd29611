# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A Whisper encoder with a linear head, from published weights and the vectors of corpora."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.networks.pretrained import load_whisper
from mmer_ros.networks.whisper_encoder import WhisperEncoder, WhisperEncoderConfig
from mmer_ros.types import EMOTIONS
import torch
from torch import nn, Tensor
from training.encoders.audio.linear_voice import LinearVoice, VoiceVectors

CLASSES = len(EMOTIONS)
NEGLIGIBLE = 1e-3  # deviation of a component, relative to the first


@torch.no_grad()
def whisper_with_head(source: str, config: WhisperEncoderConfig, head: LinearVoice,
                      corpora: Sequence[VoiceVectors], temperature: float) -> WhisperEncoder:
    """
    Return an encoder whose classifier gives the logits of the head.

    The first seven features are the head's logits, less the bias; the others are the principal
    components of the corpora's standardised vectors, of unit variance. Only fusions and gates
    read them.

    :param source: of the Whisper, as of `load_whisper`.
    :param corpora: vectors of `make_moments` with the same config.
    :param temperature: divides the logits.
    """
    encoder = WhisperEncoder(config, CLASSES).eval()
    load_whisper(encoder, source)
    components = principal_components(head, corpora, config.width - CLASSES)  # (D, width - 7)
    maps = torch.cat([head.weight, components], dim=1) / head.scale[:, None]  # (D, width)
    maps = maps.half().float()  # as bundles store them; some means are large beside the deviation
    encoder.project.weight.copy_(maps.T)
    encoder.project.bias.copy_(-(head.mean @ maps))
    encoder.classifier.weight.zero_()
    encoder.classifier.weight[:, :CLASSES] = torch.eye(CLASSES) / temperature
    encoder.classifier.bias.copy_(head.bias / temperature)
    return encoder


def principal_components(head: LinearVoice, corpora: Sequence[VoiceVectors], count: int
                         ) -> Tensor:
    """
    Return the first components of the standardised vectors, (D, count), of unit variance.

    Where there are fewer, or some are negligible, the rest is zero.
    """
    vectors = torch.cat([(c.vectors - head.mean) / head.scale for c in corpora])
    torch.manual_seed(0)
    rank = min(count + 8, *vectors.shape)
    _, deviations, directions = torch.svd_lowrank(vectors, q=rank, niter=4)
    kept = deviations[:count] > NEGLIGIBLE * deviations[0]
    found = directions[:, :count][:, kept] * len(vectors) ** 0.5 / deviations[:count][kept]
    return nn.functional.pad(found, (0, count - found.shape[1]))
