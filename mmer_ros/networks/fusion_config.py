# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Settings of fusion, and the registry that a bundle's `family` is looked up in; without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from mmer_ros.registry import imported_later, Registry
from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
    SerializeAsAny,
)
from typing_extensions import Self

DEFAULT_FAMILY = 'full'
FusionClass = TypeVar('FusionClass', bound=Callable[..., Any])


class FusionConfig(BaseModel):
    """
    Sizes of fusion and classifier.

    :param family: name under which the fusion is registered; 'full' is the paper's.
    :param width: d_k = d_V of the crossmodal blocks.
    :param heads: of the attention; must divide the width.
    :param embracement_size: c of EmbraceNet, 256 in the paper.
    :param pooling: how a target is reduced over time, where the paper is silent: 'mean' of all
        steps, or 'summary', the vector that the encoder's own classifier reads: the last step of
        text (<cls>) and face, which have seen all before them, and the mean of audio.
    :param without_source: what becomes of a target when no other modality is there, where the
        paper is silent: 'projection', one of its own, which only training with missing
        modalities trains, or 'blocks': its crossmodal blocks without what they would attend to.
    :param late_fusion: add the encoders' own log-probabilities to the logits (late_fusion.py).
    """

    model_config = ConfigDict(frozen=True, extra='forbid', populate_by_name=True)

    family: str = DEFAULT_FAMILY
    width: int = 256
    heads: int = Field(8, ge=1)
    embracement_size: int = 256
    dropout: float = 0.1
    pooling: Literal['mean', 'summary'] = 'mean'
    without_source: Literal['projection', 'blocks'] = 'projection'
    # Bundles of format 1 may call it own_answers.
    late_fusion: bool = Field(False, validation_alias=AliasChoices('late_fusion', 'own_answers'))

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f'heads {self.heads} must divide the width {self.width}')
        return self


@dataclass(frozen=True)
class Family:
    """A fusion class and the class of its settings."""

    config: type[FusionConfig]
    build: Callable[..., Any]


FAMILIES = Registry[Family]('fusion')


def register_fusion(name: str, config: type[FusionConfig] = FusionConfig
                    ) -> Callable[[FusionClass], FusionClass]:
    """
    Register a fusion, called as fusion(sizes, config, classifiers), under a name.

    :raises ValueError: if another fusion has the name.
    """
    def register(build: FusionClass) -> FusionClass:
        FAMILIES.add(name, Family(config, build))
        return build
    return register


def parse_fusion_config(values: FusionConfig | Mapping[str, Any]) -> FusionConfig:
    """
    Return the settings of a fusion, of the class that belongs to their `family`.

    :raises ValueError: if the family is not registered, or does not have these settings.
    """
    if isinstance(values, FusionConfig):
        return values
    if not isinstance(values, Mapping):
        raise ValueError('expected settings by name')
    return FAMILIES.find(str(values.get('family', DEFAULT_FAMILY))).config.model_validate(values)


# A field of this type reads the settings of any registered family, and writes all of them.
AnyFusionConfig = Annotated[SerializeAsAny[FusionConfig], BeforeValidator(parse_fusion_config)]

# The modules are imported when one is made.
for _name in ('full', 'concatenation', 'averaging', 'crossmodal_only', 'embracenet_only',
              'pool'):
    FAMILIES.add(_name, Family(
        FusionConfig, imported_later('mmer_ros.networks.fusion_families', _name)))
