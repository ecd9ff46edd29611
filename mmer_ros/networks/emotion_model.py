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
from typing import Any

from mmer_ros.networks.audio_encoder import AudioEncoderConfig
from mmer_ros.networks.encoder import Encoder, EncoderConfig, make_encoder, parse_config
from mmer_ros.networks.face_encoder import FaceEncoderConfig
from mmer_ros.networks.fusion import (
    AnyFusionConfig,
    Features,
    FusionConfig,
    FusionOutput,
    make_fusion,
)
import mmer_ros.networks.fusion_families  # noqa: F401 - registers the families
from mmer_ros.networks.text_encoder import TextEncoderConfig
import mmer_ros.networks.whisper_encoder  # noqa: F401 - registers the backbone
from mmer_ros.types import ALL_MODALITIES, MODALITIES, Modality
from pydantic import BaseModel, ConfigDict, field_validator, SerializeAsAny, ValidationInfo
from tokenizers import Tokenizer
import torch
from torch import nn, Tensor


class ModelConfig(BaseModel):
    """
    Settings of all parts; the defaults are the paper's.

    The class of each part's settings follows from its `backbone`, that of the fusion from its
    `family`.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    text: SerializeAsAny[EncoderConfig] = TextEncoderConfig()
    audio: SerializeAsAny[EncoderConfig] = AudioEncoderConfig()
    face: SerializeAsAny[EncoderConfig] = FaceEncoderConfig()
    fusion: AnyFusionConfig = FusionConfig()

    @field_validator(*ALL_MODALITIES.names, mode='before')
    @classmethod
    def _encoder(cls, values: Any, info: ValidationInfo) -> EncoderConfig:
        name = str(info.field_name)
        default: str = cls.model_fields[name].default.backbone
        return parse_config(Modality[name.upper()], values, default)

    def encoder(self, modality: Modality) -> EncoderConfig:
        """Return the settings of a modality's encoder."""
        config: EncoderConfig = getattr(self, modality.key)
        return config


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
