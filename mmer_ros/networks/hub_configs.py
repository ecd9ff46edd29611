# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Settings of encoders from the Hugging Face hub; without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from mmer_ros.networks.backbones import EncoderConfig
from mmer_ros.types import SAMPLE_RATE
from pydantic import Field, field_validator

HUB = 'huggingface'  # the backbone's name
WHISPER = 'whisper'  # model_type of the one family that takes spectrograms
WHISPER_STATE = 320  # samples between states of a Whisper
SHORTEST = 1_600  # samples; shorter sound is filled up with zeros, so that it gives a state
# Of published settings: where they come from, what they say of other tasks, and what would load
# code or kernels of others.
_LEFT_OUT = {
    'architectures', 'attn_implementation', 'auto_map', 'begin_suppress_tokens', 'dtype',
    'experts_implementation', 'id2label', 'label2id', 'name_or_path', 'quantization_config',
    'suppress_tokens', 'task_specific_params', 'torch_dtype', 'transformers_version'}


def clean_architecture(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a published network that its shape depends on."""
    return {key: clean_architecture(value) if isinstance(value, Mapping) else value
            for key, value in values.items() if key not in _LEFT_OUT and not key.startswith('_')}


class HubConfig(EncoderConfig):
    """
    What encoders from the Hugging Face hub share.

    :param architecture: `config.json` of the published network, `model_type` included; a recipe
        leaves it out, and training takes it from `init`.
    """

    backbone: Literal['huggingface'] = 'huggingface'
    architecture: dict[str, Any] = Field(default_factory=dict)

    @field_validator('architecture')
    @classmethod
    def _clean(cls, values: dict[str, Any]) -> dict[str, Any]:
        return clean_architecture(values)


class HubTextConfig(HubConfig):
    """
    A text model with a dialogue as its input, laid out as in EmoBERTa (Kim and Vossen 2021).

    :param history_turns: number of earlier turns in the input.
    :param max_tokens: longest input; what is too long is cut from the oldest end.
    :param speakers: what stands before each turn: its speaker's name; a number, 1 for who speaks
        now, so that nothing is learnt about single people; or nothing.
    :param summary: whose state summarises the input: the 'first' token's, as in BERT, the 'last'
        one's, as in GPT, or the 'mean' of all, as in sentence encoders (Reimers and Gurevych
        2019); None: training chooses by the tokenizer.
    :param dropout: of the classifier.
    """

    history_turns: int = Field(5, ge=0, le=1000)
    max_tokens: int = Field(256, ge=16, le=100_000)
    speakers: Literal['names', 'numbers', 'none'] = 'names'
    summary: Literal['first', 'last', 'mean'] | None = None
    dropout: float = Field(0.1, ge=0, lt=1)

    @property
    def segments(self) -> bool:
        """Whether the network distinguishes earlier turns and current sentence by token type."""
        return int(self.architecture.get('type_vocab_size') or 0) > 1

    @property
    def room(self) -> int:
        """Tokens that the network can take, at most `max_tokens`."""
        known = self.architecture
        positions = known.get('max_position_embeddings', known.get('n_positions'))
        if not isinstance(positions, int):
            return self.max_tokens
        return min(self.max_tokens, positions - 2)  # RoBERTa leaves its first two unused


class HubAudioConfig(HubConfig):
    """
    A speech model that takes the waveform (wav2vec 2.0, HuBERT, WavLM, data2vec), or a Whisper.

    :param window_s: seconds that the network sees at once. It looks ahead within them: longer
        speech is cut into windows, each encoded once it is complete; the last one takes up to
        half of one more.
    :param layers: features are the 'last' layer's, or a learnt 'weighted' mean of all layers, as
        in SUPERB (Yang et al. 2021).
    :param normalize: each window has mean 0 and deviation 1; None: training takes what the
        published model was trained with.
    :param width: of the features, a linear map of the layers.
    :param dropout: of the classifier.
    """

    window_s: float = Field(10.0, ge=1.0, le=20.0)
    layers: Literal['last', 'weighted'] = 'weighted'
    normalize: bool | None = None
    width: int = Field(256, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)

    @property
    def window(self) -> int:
        """Samples of a window, an even number of a Whisper's states."""
        return round(self.window_s * SAMPLE_RATE / (2 * WHISPER_STATE)) * 2 * WHISPER_STATE

    @property
    def is_whisper(self) -> bool:
        """Whether the network is a Whisper's encoder."""
        return self.architecture.get('model_type') == WHISPER


class HubFaceConfig(HubConfig):
    """
    A vision model that embeds each face (ViT, CLIP, DINOv2, ConvNeXt, ...), then a GRU.

    :param image_size: side of the images that it sees, in pixels; None: training takes what the
        published model was trained with, as for `mean` and `std`.
    :param mean: of red, green and blue in [0, 1], subtracted.
    :param std: by which they are divided then.
    :param max_images: longer sequences are sampled evenly down to this.
    :param hidden: width of the GRU.
    """

    image_size: int | None = Field(None, ge=16, le=1024)
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    max_images: int = Field(50, ge=2)
    hidden: int = Field(256, ge=1)
