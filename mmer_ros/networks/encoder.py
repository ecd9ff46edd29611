# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The one interface of all encoders, as torch modules.

An encoder is added by registering a class; nothing else has to know of it::

    @register_backbone(Modality.TEXT, 'bag_of_words', config=BagOfWordsConfig)
    class BagOfWords(Encoder):
        ...

and is then chosen by the bundle's configuration: `"text": {"backbone": "bag_of_words"}`.
docs/extending.md shows complete examples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.networks.backbones import (
    BACKBONES,
    DialogueContext,
    Encoded,
    EncoderConfig,
    EncoderState,
    register_backbone,
    StreamingEncoder,
)
from mmer_ros.types import EMOTIONS, Modality
import torch
from torch import nn, Tensor

__all__ = ['BACKBONES', 'DialogueContext', 'Encoded', 'Encoder', 'EncoderConfig', 'EncoderState',
           'Exported', 'make_encoder', 'register_backbone']


@dataclass(frozen=True)
class Exported:
    """
    A function of a module, to be exported as a graph.

    :param function: of tensors, in the order of `inputs`; a tensor or a tuple of them.
    :param inputs: an example of each input by name. Sizes that may differ are not 1 in it.
    :param outputs: names.
    :param axes: of inputs and outputs: the axes whose size may differ, and a name for each size.
    """

    function: Callable[..., Any]
    inputs: Mapping[str, Tensor]
    outputs: Sequence[str]
    axes: Mapping[str, Mapping[int, str]]


class Encoder(nn.Module, StreamingEncoder):
    """
    A network of one modality, as StreamingEncoder.

    :ivar classifier: maps one vector (B, width) to (B, 7) logits: the mean of the valid steps for
        audio, the last valid step for text and faces. Late fusion uses it.
    """

    classifier: nn.Module

    def exported(self) -> Mapping[str, Exported]:
        """
        Return the functions that the ONNX engine needs, by the name of their graph.

        None by default: then bundles with this encoder run in torch.
        """
        return {}

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next((p.device for p in self.parameters()), torch.device('cpu'))


def make_encoder(modality: Modality, config: EncoderConfig) -> Encoder:
    """Return the encoder of these settings, with random weights."""
    encoder: Encoder = BACKBONES[modality].find(config.backbone).encoder(config, len(EMOTIONS))
    return encoder
