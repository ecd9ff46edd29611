# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The settings of a bundle, as its config.json holds them, and the names of its files."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from mmer_ros.networks.configs import ModelConfig
from mmer_ros.sensing.face_detector import FaceConfig
from mmer_ros.text_repair import one_line
from mmer_ros.types import EMOTIONS, InvalidInput, MODALITIES, SAMPLE_RATE
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, field_validator

FORMAT_VERSION = 1
CONFIG, WEIGHTS, TOKENIZER, CARD = (
    'config.json', 'model.safetensors', 'tokenizer.json', 'MODEL_CARD.md')
GRAPH = '.onnx'  # ending of the files that hold graphs
NO_GRAPHS = 'it has no graphs; write them with `mmer export`, or use engine torch'
DEFAULT_BUNDLE = 'plus'
ENGLISH = ('en',)
SEARCH_PATH_VARIABLE = 'MMER_BUNDLE_PATH'

# Valence and arousal of each emotion in Russell's circumplex (1980), in label order.
CIRCUMPLEX = ((0.0, 0.0), (0.4, 0.8), (-0.6, 0.7), (-0.8, -0.4), (0.9, 0.5), (-0.7, 0.3),
              (-0.7, 0.8))


# Beyond these, float32 would overflow or a modality would not count at all.
Factor = Annotated[float, Field(ge=1e-6, le=1e6)]
Coordinate = Annotated[float, Field(ge=-1, le=1)]
MAX_NAME, MAX_NOTICE, MAX_LANGUAGES = 100, 2000, 200  # characters; codes
FILE_NAME = re.compile(r'[\w-][\w.-]{0,99}')
OWN_KEYS = {'name', 'model', 'files'}  # by which a bundle's settings are known
# Files that are larger are refused unread.
MAX_BYTES = {CONFIG: 4_000_000, TOKENIZER: 100_000_000, CARD: 4_000_000}
MAX_GRAPH_BYTES = 64_000_000


class BundleError(InvalidInput):
    """A bundle that cannot be used; the message says which, why and what to do."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))  # it may quote what is in the files


class BundleConfig(BaseModel):
    """
    What config.json holds.

    :param labels: must be types.EMOTIONS, in that order.
    :param temperatures: divisors of the logits by available modalities, e.g. 'text+audio'.
    :param priors: by subset, the class shares under which it is calibrated, (7,).
    :param thresholds: by subset, for each label the least confidence at which four of five such
        answers were right on people who were not learnt from; None where none is high enough.
    :param modality_weights: relative weights of MODALITIES in EmbraceNet; `trust` in files of
        format 1.
    :param circumplex: (valence, arousal) of each label, each in [-1, 1].
    :param notice: restrictions by its licences; logged once at load.
    :param languages: codes of the languages whose words it reads, e.g. 'en'; empty: any.
    :param voice_adaptation: live, what is normal for a person's voice is subtracted from its
        logits (voice_baseline.py); the classifier of the audio encoder has to be linear.
    :param weights: how matrices are stored; in memory they are float32.
    :param training: data, licence and metrics of the training, as in the model card.
    :param files: sha256 of every other file of the bundle.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', populate_by_name=True,
                              allow_inf_nan=False)

    format_version: int = FORMAT_VERSION
    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    labels: tuple[str, ...] = EMOTIONS
    sample_rate: int = SAMPLE_RATE
    trained: bool = False
    calibrated: bool = False
    model: ModelConfig = ModelConfig()
    faces: FaceConfig = FaceConfig()
    temperatures: dict[str, Factor] = Field(default_factory=dict)
    priors: dict[str, Annotated[
        tuple[Factor, ...], Field(min_length=len(EMOTIONS), max_length=len(EMOTIONS))]
    ] = Field(default_factory=dict)
    thresholds: dict[str, Annotated[
        tuple[Annotated[float, Field(ge=0, le=1)] | None, ...],
        Field(min_length=len(EMOTIONS), max_length=len(EMOTIONS))]] = Field(default_factory=dict)
    modality_weights: tuple[Factor, ...] = Field(
        (1.0,) * len(MODALITIES), min_length=len(MODALITIES), max_length=len(MODALITIES),
        validation_alias=AliasChoices('modality_weights', 'trust'))
    circumplex: tuple[tuple[Coordinate, Coordinate], ...] = Field(
        CIRCUMPLEX, min_length=len(EMOTIONS), max_length=len(EMOTIONS))
    notice: str = Field('', max_length=MAX_NOTICE)
    languages: Annotated[tuple[Annotated[str, Field(max_length=20)], ...],
                         Field(max_length=MAX_LANGUAGES)] = ENGLISH
    voice_adaptation: bool = False
    weights: Literal['float32', 'float16'] = 'float32'
    training: dict[str, Any] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)

    @field_validator('name', 'notice', 'languages')
    @classmethod
    def _check_printable(cls, value: Any) -> Any:
        for text in [value] if isinstance(value, str) else value:
            if not text.isprintable():
                raise ValueError('control characters are not allowed')
        return value

    def to_json(self) -> bytes:
        """Return the file's content."""
        # Defaults are not written: bundles from before these settings keep their hash.
        unsaid = {name for name in ('languages', 'voice_adaptation', 'thresholds')
                  if getattr(self, name) == type(self).model_fields[name].get_default(
                      call_default_factory=True)}
        return self.model_dump_json(indent=2, exclude=unsaid).encode() + b'\n'
