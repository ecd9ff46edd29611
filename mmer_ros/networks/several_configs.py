# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Settings of several encoders of one modality side by side; without torch."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from mmer_ros.networks.backbones import EncoderConfig, parse_config
from mmer_ros.types import Modality
from pydantic import Field, field_validator, SerializeAsAny

SEVERAL = 'several'  # the backbone's name


class SeveralConfig(EncoderConfig):
    """
    Encoders of one modality whose features stand side by side.

    :param encoders: settings of each, with its `backbone`. The steps are those of the first.
    """

    modality: ClassVar[Modality]

    backbone: Literal['several'] = 'several'
    encoders: tuple[SerializeAsAny[EncoderConfig], ...] = Field(min_length=2, max_length=8)

    @field_validator('encoders', mode='before')
    @classmethod
    def _parse(cls, values: Any) -> Any:
        return tuple(parse_config(cls.modality, each, '') for each in values)

    @property
    def history_turns(self) -> int:
        """Number of earlier turns that any of them sees."""
        return max(getattr(each, 'history_turns', 0) for each in self.encoders)


class SeveralTextConfig(SeveralConfig):
    """SeveralConfig of text; all read the bundle's one tokenizer."""

    modality = Modality.TEXT


class SeveralAudioConfig(SeveralConfig):
    """SeveralConfig of sound."""

    modality = Modality.AUDIO


class SeveralFaceConfig(SeveralConfig):
    """SeveralConfig of faces."""

    modality = Modality.FACE
