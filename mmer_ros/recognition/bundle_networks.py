# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The networks of a bundle, as torch modules or as graphs, checked before memory is taken."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
import re
from typing import TYPE_CHECKING

from mmer_ros.networks.backbones import StreamingEncoder
from mmer_ros.networks.configs import ModelConfig
from mmer_ros.networks.onnx_networks import FUSION, OnnxModel, VOICE_CLASSIFIER
from mmer_ros.onnx_graphs import Graph
from mmer_ros.recognition.bundle_config import (
    BundleConfig,
    BundleError,
    CONFIG,
    GRAPH,
    TOKENIZER,
    WEIGHTS,
)
from mmer_ros.recognition.weights_file import (
    check_shapes,
    check_sizes,
    not_finite,
    read_shapes,
    Shapes,
)
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from mmer_ros.networks.emotion_model import EmotionModel
    from torch import Tensor

EXPORT_AGAIN = 'write the graphs again with `mmer export`, or use engine torch'
ONE_THREAD = ('audio_frame', 'audio_hop', 'audio_features', VOICE_CLASSIFIER, 'face_sequence',
              FUSION)  # graphs that are small
# Tensors that are computed, or averages of a batch normalisation.
NOT_LEARNT = re.compile(r'\.(running_mean|running_var|num_batches_tracked)$|\.mel\.|\.positions$')


def make_model(folder: Path, config: BundleConfig, tokenizer: Tokenizer) -> EmotionModel:
    model = _read_model(folder, config)
    _use_tokenizer(folder, model, tokenizer)
    return model


def make_graphs(folder: Path, config: BundleConfig, tokenizer: Tokenizer) -> OnnxModel:
    _check_settings(folder, config)
    _weight_shapes(folder)  # it has a header that can be read
    weights = _read_weights(folder)
    graphs = {}
    for file in config.files:
        if not file.endswith(GRAPH):
            continue
        data = (folder / file).read_bytes()
        if hashlib.sha256(data).hexdigest() != config.files[file]:
            raise changed(folder, file)
        name = file.removesuffix(GRAPH)
        try:
            graphs[name] = Graph(data, {WEIGHTS: weights}, str(folder / file),
                                 single=name in ONE_THREAD)
        except ValueError as error:
            raise BundleError(f'bundle {folder}: the graph {file} cannot be used with its '
                              f'{WEIGHTS}: {error}; {EXPORT_AGAIN}') from error
    try:
        model = OnnxModel(config.model, graphs)
    except KeyError as error:
        raise BundleError(f'bundle {folder}: it lacks the graph {error.args[0]}{GRAPH}; '
                          f'{EXPORT_AGAIN}') from error
    for encoder in model.encoders.values():
        _use_tokenizer(folder, encoder, tokenizer)
    return model


def _use_tokenizer(folder: Path, user: EmotionModel | StreamingEncoder, tokenizer: Tokenizer
                   ) -> None:
    try:
        user.use_tokenizer(tokenizer)
    except ValueError as error:
        raise BundleError(f'bundle {folder}: {TOKENIZER} does not fit the network: {error}'
                          ) from error


def changed(folder: Path, name: str) -> BundleError:
    return BundleError(f'bundle {folder}: {name} was changed or damaged (its sha256 is not the '
                       f'one in {CONFIG}); fetch the bundle again')


def _read_model(folder: Path, config: BundleConfig) -> EmotionModel:
    """Return the model; what it asks for is compared with its weights before it is built."""
    from mmer_ros.networks.emotion_model import EmotionModel
    _check_settings(folder, config)
    try:
        expected = _needed_shapes(config.model)
    except (RuntimeError, ValueError, OverflowError) as error:
        raise _no_model(folder, error) from error
    found = _weight_shapes(folder)
    try:
        if expected is not None:
            check_shapes({current_name(name): shape for name, shape in found.items()}, expected)
    except ValueError as error:
        raise BundleError(f'bundle {folder}: the weights do not fit the sizes in {CONFIG}: '
                          f'{error}') from error
    model = EmotionModel(config.model).eval()
    _load_weights(folder, model, _read_weights(folder))
    return model


def _read_weights(folder: Path) -> bytes:
    """Return the file of the weights, all of which are finite."""
    data = (folder / WEIGHTS).read_bytes()
    try:
        name = not_finite(data)
    except ValueError as error:
        raise BundleError(f'bundle {folder}: {WEIGHTS} is no safetensors file ({error}); '
                          'fetch the bundle again') from error
    if name:
        raise BundleError(f'bundle {folder}: the weights {name} hold values that are not '
                          'finite; train or fetch the bundle again')
    return data


def _weight_shapes(folder: Path) -> Shapes:
    try:
        return read_shapes(folder / WEIGHTS)
    except ValueError as error:
        raise BundleError(f'bundle {folder}: {WEIGHTS} is no safetensors file ({error}); '
                          'fetch the bundle again') from error


def _check_settings(folder: Path, config: BundleConfig) -> None:
    """Check that the settings ask for no absurd sizes."""
    try:
        check_sizes(config.model.model_dump())
    except ValueError as error:
        raise _no_model(folder, error) from error


def _no_model(folder: Path, error: Exception) -> BundleError:
    return BundleError(f'bundle {folder}: no model can have the sizes in {CONFIG}: '
                       f'{" ".join(str(error).split())}; correct them')


def _needed_shapes(config: ModelConfig) -> Shapes | None:
    """
    Return the shapes of all weights of a model; no memory is taken for them.

    :return: None if an encoder of another package cannot be built without its values.
    """
    from mmer_ros.networks.emotion_model import EmotionModel
    import torch
    try:
        with torch.device('meta'):
            return {name: tuple(tensor.shape)
                    for name, tensor in EmotionModel(config).state_dict().items()}
    except (RuntimeError, TypeError) as error:
        if 'meta' in str(error):
            return None
        raise


def _load_weights(folder: Path, model: EmotionModel, data: bytes) -> None:
    import safetensors.torch
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load(data)
    except safetensors.SafetensorError as error:
        raise BundleError(f'bundle {folder}: {WEIGHTS} is no safetensors file ({error}); '
                          'fetch the bundle again') from error
    floats = {current_name(name): t.float() if t.is_floating_point() else t
              for name, t in tensors.items()}
    try:
        model.load_state_dict(floats, strict=True)
    except RuntimeError as error:
        raise BundleError(f'bundle {folder}: the weights do not fit the sizes in {CONFIG}: '
                          f'{str(error).splitlines()[-1].strip()}') from error


def count_parameters(folder: Path) -> dict[str, int]:
    """
    Return how many numbers were learnt, by part of the model; only headers are read.

    :raises BundleError: if the weights have no header that can be read.
    """
    counts: dict[str, int] = {}
    for name, shape in _weight_shapes(folder).items():
        if not NOT_LEARNT.search(name):
            part = name.partition('.')[0]
            counts[part] = counts.get(part, 0) + math.prod(shape)
    return counts


def current_name(name: str) -> str:
    """Return today's name of a tensor; bundles of format 1 may call late fusion own_answers."""
    return name.replace('fusion.own_answers.', 'fusion.late_fusion.', 1)
