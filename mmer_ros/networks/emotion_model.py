# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The whole model: an encoder for each modality and their fusion (section 4 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping

from mmer_ros.networks.configs import ModelConfig
from mmer_ros.networks.encoder import Encoder, make_encoder
from mmer_ros.networks.fusion import Features, FusionOutput, make_fusion
from mmer_ros.types import MODALITIES, Modality
from tokenizers import Tokenizer
import torch
from torch import nn, Tensor

__all__ = ['EmotionModel', 'ModelConfig']


class EmotionModel(nn.Module):
    """Encoders side by side, as submodules named for their modality, and their fusion."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        for modality in MODALITIES:
            self.add_module(modality.key, make_encoder(modality, config.encoder(modality)))
        self.fusion = make_fusion(
            {m: e.width for m, e in self.encoders.items()}, config.fusion,
            {m: e.classifier for m, e in self.encoders.items()})

    @property
    def encoders(self) -> Mapping[Modality, Encoder]:
        """The encoder of each modality."""
        return {m: getattr(self, m.key) for m in MODALITIES}

    def use_tokenizer(self, tokenizer: Tokenizer) -> None:
        """
        Give the encoders the bundle's tokenizer.

        :raises ValueError: if it does not fit the network.
        """
        for encoder in self.encoders.values():
            encoder.use_tokenizer(tokenizer)

    def fuse(self, features: Features, weights: Tensor, *, sample: bool | None = None,
             generator: torch.Generator | None = None) -> FusionOutput:
        """
        Fuse the features of a batch.

        :param features: for each modality at hand (B, T, width) and mask (B, T); a row without a
            valid step lacks that modality.
        :param weights: (M,) relative weights > 0 of MODALITIES where they are available.
        :param sample: as in EmbraceNet.forward.
        :raises ValueError: if a row has no modality at all.
        """
        output: FusionOutput = self.fusion(features, weights, sample=sample, generator=generator)
        return output


def audio_gate(model: EmotionModel) -> nn.Module | None:
    """Return the reliability gate of the voice, (B, width) -> (B, 1); None if there is none."""
    late_fusion = getattr(model.fusion, 'late_fusion', None)
    gate: nn.Module | None = None if late_fusion is None else late_fusion.gates[
        Modality.AUDIO.key]
    return gate
