# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is checked of a bundle's weights before memory is taken for them, and of their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import json
import math
from pathlib import Path
import struct
from typing import Any

import numpy as np

Shapes = dict[str, tuple[int, ...]]

MAX_HEADER = 16_000_000  # bytes of the list of tensors in a safetensors file
MAX_SIZE = 100_000_000  # of a number in the settings of a model
# Settings on which memory depends although no weight has their size, or many layers do.
MAX_SIZES = {'n_layer': 256, 'num_hidden_layers': 256, 'encoder_layers': 256, 'num_layers': 256,
             'decoder_layers': 256, 'num_conv_pos_embeddings': 1024, 'n_res_block': 256,
             'n_fft': 16_384, 'win_length': 16_384, 'hop_length': 16_384,
             'samples_per_step': 16_384, 'n_freq': 1024, 'n_time': 100_000, 'kernel_size': 255,
             'max_images': 10_000, 'history_turns': 1000}
MAX_ITEMS = 16  # of a list in the settings of a model
_LENGTH = struct.Struct('<Q')
_DTYPES = {'F64': np.float64, 'F32': np.float32, 'F16': np.float16, 'BF16': np.uint16}
_BF16_NOT_FINITE = 0x7F80  # all bits of the exponent


def check_sizes(settings: Mapping[str, Any], name: str = 'model') -> None:
    """
    Check that no setting of a model asks for absurdly much.

    :param settings: as a bundle's config.json has them.
    :raises ValueError: naming the setting, and what is possible.
    """
    for path, value in _numbers(settings, name):
        most = MAX_SIZES.get(path.rpartition('.')[2], MAX_SIZE)
        if not abs(value) <= most:  # not a number is no size either
            raise ValueError(f'{path} is {value:g}; expected at most {most}')


def read_shapes(path: Path) -> Shapes:
    """
    Return the shapes of the tensors in a safetensors file; only its header is read.

    :raises ValueError: if there is no such header.
    """
    size = path.stat().st_size
    with path.open('rb') as file:
        start = file.read(_LENGTH.size)
        length = _LENGTH.unpack(start)[0] if len(start) == _LENGTH.size else 0
        if not 0 < length <= min(MAX_HEADER, size - _LENGTH.size):
            raise ValueError('its header is missing or too long')
        try:
            header = json.loads(file.read(length))
            return {name: tuple(map(int, tensor['shape'])) for name, tensor in header.items()
                    if name != '__metadata__'}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError('its header cannot be read') from error


def check_shapes(found: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]]
                 ) -> None:
    """
    Compare the tensors of a file with those that a model needs.

    :raises ValueError: naming the first tensor that differs.
    """
    for name, shape in expected.items():
        if name not in found:
            raise ValueError(f'{name} is missing')
        if found[name] != shape:
            raise ValueError(f'{name} is {found[name]}; expected {shape}')
    for name in found:
        if name not in expected:
            raise ValueError(f'{name} belongs to no part of the model')


def not_finite(data: bytes) -> str:
    """
    Return the name of the first tensor of a safetensors file with a value that is no number.

    :param data: the file.
    :return: '' if all values are finite.
    :raises ValueError: if the header does not describe the file.
    """
    length = _LENGTH.unpack_from(data)[0]
    header = json.loads(data[_LENGTH.size:_LENGTH.size + length])
    values = memoryview(data)[_LENGTH.size + length:]
    for name, tensor in header.items():
        kind = _DTYPES.get(tensor.get('dtype', ''))
        if kind is None:
            continue
        try:
            begin, end = tensor['data_offsets']
            array = np.frombuffer(values[begin:end], kind)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f'its header describes {name} wrongly') from error
        if not _is_finite(array, brain=tensor['dtype'] == 'BF16'):
            return str(name)
    return ''


def _is_finite(array: np.ndarray[Any, Any], *, brain: bool) -> bool:
    if brain:
        return not bool(np.any((array & _BF16_NOT_FINITE) == _BF16_NOT_FINITE))
    if array.dtype == np.float64:  # it becomes float32
        return bool(np.all(np.abs(array) <= np.finfo(np.float32).max))
    return bool(np.isfinite(array).all())


def _numbers(value: Any, path: str) -> Iterator[tuple[str, float]]:
    """Return all numbers in settings, and how many items each list has."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f'{path}.{key}')
    elif isinstance(value, (list, tuple)):
        if len(value) > MAX_ITEMS:
            yield path, math.inf
        for inner in value:
            yield from _numbers(inner, path)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path, value
