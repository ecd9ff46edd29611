# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A network of the transformers library from its published settings, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmer_ros.networks.hub_configs import clean_architecture, WHISPER
from mmer_ros.types import Modality
from torch import nn

# Random masks and skipped layers are for pre-training; they fail on short speech.
_PLAIN = {'apply_spec_augment': False, 'layerdrop': 0.0, 'encoder_layerdrop': 0.0}
_PART = {Modality.TEXT: 'text_config', Modality.FACE: 'vision_config'}  # of CLIP and the like
_INPUT = {Modality.TEXT: 'input_ids', Modality.AUDIO: 'input_values',
          Modality.FACE: 'pixel_values'}
_EXPECTED = {Modality.TEXT: 'a text model, e.g. roberta',
             Modality.AUDIO: 'a model of the waveform (wav2vec2, hubert, wavlm, data2vec-audio) '
                             'or whisper',
             Modality.FACE: 'a vision model, e.g. vit or dinov2'}


def part_of(architecture: Mapping[str, Any], modality: Modality) -> dict[str, Any]:
    """Return the settings of a modality's part of a network for several."""
    part = architecture.get(_PART.get(modality, ''))
    return clean_architecture(part if isinstance(part, Mapping) else architecture)


def make_settings(architecture: Mapping[str, Any], *, whisper_states: int = 0) -> Any:
    """
    Return the settings as transformers has them.

    :param whisper_states: positions of a Whisper; 0: as many as it was published with.
    :raises ValueError: if transformers does not know the model_type.
    """
    from transformers import AutoConfig
    values = dict(architecture)
    kind = str(values.pop('model_type', ''))
    if kind == WHISPER and whisper_states:
        values['max_source_positions'] = whisper_states
    try:
        settings = AutoConfig.for_model(kind, **values)
    except (TypeError, ValueError, KeyError) as error:
        raise ValueError(f'architecture: transformers knows no model_type {kind!r} with these '
                         'settings; give the config.json of a published model, or a newer '
                         'transformers') from error
    for name, value in _PLAIN.items():
        if hasattr(settings, name):
            setattr(settings, name, value)
    return settings


def make_network(settings: Any, modality: Modality) -> Any:
    """
    Return the network, float32 with random weights, without the decoder and the pooling layer.

    :param settings: as of `make_settings`.
    :raises ValueError: if it is of another modality.
    """
    from transformers import AutoModel
    build: Any = AutoModel.from_config
    if settings.model_type == WHISPER:
        from transformers.models.whisper.modeling_whisper import WhisperEncoder
        return _checked(WhisperEncoder(settings), settings, modality)
    if settings.is_encoder_decoder:
        raise _unfit(settings, modality)
    try:
        network = build(settings)
    except ValueError as error:
        raise _unfit(settings, modality) from error
    return _checked(network, settings, modality)


def _checked(network: nn.Module, settings: Any, modality: Modality) -> nn.Module:
    kind = 'input_values' if settings.model_type == WHISPER else getattr(
        network, 'main_input_name', '')
    if kind != _INPUT[modality] or modality is Modality.AUDIO and not (
            settings.model_type == WHISPER or hasattr(settings, 'conv_stride')):
        raise _unfit(settings, modality)
    return without_pooler(network)


def _unfit(settings: Any, modality: Modality) -> ValueError:
    return ValueError(f'architecture {settings.model_type}: it is no encoder of {modality.key}; '
                      f'expected {_EXPECTED[modality]}')


def without_pooler(network: nn.Module) -> nn.Module:
    """Return the network without a pooling layer of its own, which few are published with."""
    pooler = getattr(network, 'pooler', None)
    if isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters()):
        setattr(network, 'pooler', None)  # noqa: B010 - nn.Module's type knows only modules
    return network
