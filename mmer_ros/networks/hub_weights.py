# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Weights, settings and tokenizers of the Hugging Face hub, or of a folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmer_ros.networks.encoder import EncoderConfig, make_encoder
from mmer_ros.networks.hub_audio_encoder import HubAudioEncoder
from mmer_ros.networks.hub_configs import HubAudioConfig, HubConfig, HubFaceConfig, HubTextConfig
from mmer_ros.networks.hub_network import part_of, without_pooler
from mmer_ros.networks.hub_text_input import SpeakerTokenizer
from mmer_ros.networks.pretrained import fetch, LOCAL_COPY, PretrainedUnavailable
from mmer_ros.types import Modality
from tokenizers import Tokenizer
import torch

PREPROCESSING = ('preprocessor_config.json', 'processor_config.json')


def hub_config(config: EncoderConfig, source: str, modality: Modality) -> HubConfig:
    """
    Return the settings with what belongs to a published network.

    :param source: name on the Hugging Face hub, or a folder made by `save_pretrained`.
    :raises PretrainedUnavailable: if it is neither reachable nor cached.
    """
    from transformers import AutoConfig
    assert isinstance(config, HubConfig)
    found: Any = fetch(f'config.json of {source!r}', lambda: AutoConfig.from_pretrained(source),
                       LOCAL_COPY)
    update: dict[str, Any] = {'architecture': part_of(found.to_dict(), modality)}
    if isinstance(config, HubAudioConfig) and config.normalize is None:
        update['normalize'] = bool(_preprocessing(source).get('do_normalize', False))
    if isinstance(config, HubFaceConfig):
        update |= _image_settings(config, source, update['architecture'])
    if isinstance(config, HubTextConfig) and config.summary is None:
        update['summary'] = SpeakerTokenizer(hub_tokenizer(source), config).summary
    return type(config).model_validate({**config.model_dump(), **update})


def make_hub_encoder(config: HubConfig, source: str, modality: Modality) -> Any:
    """
    Return an encoder with published weights; its own layers are random.

    :param config: as of `hub_config`.
    :raises PretrainedUnavailable: if they are neither reachable nor cached, or of another type.
    """
    try:
        encoder: Any = make_encoder(modality, config)
    except ValueError as error:
        raise PretrainedUnavailable(f'{source!r}: {error}') from error
    network = encoder.facenet if modality is Modality.FACE else encoder.network
    network.load_state_dict(_published(network, encoder, source))
    return encoder


def _published(network: Any, encoder: Any, source: str) -> dict[str, torch.Tensor]:
    """Return the published weights by their names in the network."""
    whisper = isinstance(encoder, HubAudioEncoder) and encoder.config.is_whisper
    kind: Any = type(network)
    settings = network.config
    if whisper:
        from transformers import WhisperConfig, WhisperModel
        kind, settings = WhisperModel, WhisperConfig(**{
            **encoder.config.architecture, 'model_type': 'whisper'})
    loaded, report = fetch(f'weights of {source!r}', lambda: kind.from_pretrained(
        source, config=settings, output_loading_info=True), LOCAL_COPY)
    own = loaded.encoder if whisper else without_pooler(loaded)
    prefix = 'encoder.' if whisper else ''
    needed = network.state_dict()
    missing = sorted(name for name in report['missing_keys']
                     if name.removeprefix(prefix) in needed and name.startswith(prefix))
    if missing:
        raise PretrainedUnavailable(f'{source!r}: it lacks {missing[0]}; give a model of the type '
                                    f'{network.config.model_type}')
    given = {name: weights.float() for name, weights in own.state_dict().items()}
    if whisper:  # positions are sinusoids: those of shorter windows are the first ones
        name = 'embed_positions.weight'
        given[name] = given[name][:len(needed[name])]
    return given


def hub_tokenizer(source: str) -> Tokenizer:
    """
    Return the tokenizer of a published text model.

    :raises PretrainedUnavailable: if it is neither reachable nor cached, or empty.
    """
    from transformers import AutoTokenizer
    what = f'the tokenizer of {source!r}'
    loaded: Any = fetch(what, lambda: AutoTokenizer.from_pretrained(source), LOCAL_COPY)
    tokenizer = getattr(loaded, 'backend_tokenizer', None)
    if tokenizer is None:
        raise PretrainedUnavailable(f'{what}: there is no tokenizer.json; give a model with one')
    if tokenizer.get_vocab_size() < 50:  # transformers makes an empty one where there are no files
        raise PretrainedUnavailable(f'{what}: it has {tokenizer.get_vocab_size()} tokens; give a '
                                    'folder with its files')
    return Tokenizer.from_str(tokenizer.to_str())


def _image_settings(config: HubFaceConfig, source: str, architecture: dict[str, Any]
                    ) -> dict[str, Any]:
    found = _preprocessing(source)
    size = found.get('crop_size') or found.get('size') or architecture.get('image_size')
    if isinstance(size, dict):
        size = size.get('height') or size.get('shortest_edge')
    return {'image_size': config.image_size or size,
            'mean': config.mean or found.get('image_mean'),
            'std': config.std or found.get('image_std')}


def _preprocessing(source: str) -> dict[str, Any]:
    """Return the settings of a published model's preprocessing; {} if it comes without."""
    from transformers.utils.hub import cached_file
    for name in PREPROCESSING:
        path = fetch(f'{name} of {source!r}', lambda name=name: cached_file(  # type: ignore[misc]
            source, name, _raise_exceptions_for_missing_entries=False), LOCAL_COPY)
        if path is not None:
            values: dict[str, Any] = json.loads(Path(path).read_text(encoding='utf-8'))
            for part in ('feature_extractor', 'image_processor'):
                values |= values.get(part) or {}
            return values
    return {}
