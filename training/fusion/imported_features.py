# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Features that were computed elsewhere, by the key of the example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmer_ros.networks.several_encoder import side_by_side
from mmer_ros.types import InvalidInput
import numpy as np
import safetensors
import safetensors.numpy
import torch
from torch import Tensor
from training.corpora.examples import Example, TRAIN
from training.engine.files import fingerprint


class ImportedFeatures:
    """
    Features of one modality, (T, width) float32 each, standardised by those of the train split.

    :param width: of all of them.
    :param digest: fingerprint of the file that they come from.
    """

    def __init__(self, values: Mapping[str, np.ndarray[Any, Any]], width: int,
                 digest: str = '') -> None:
        self._values, self.width, self.digest = values, width, digest

    def beside(self, other: ImportedFeatures) -> ImportedFeatures:
        """Return these and others of the same examples side by side, at the steps of these."""
        return ImportedFeatures(
            {key: side_by_side([self.get(key), other.get(key)]).numpy()
             for key in self._values if key in other},
            self.width + other.width, f'{self.digest}+{other.digest}')

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def steps(self, key: str) -> int:
        """Return T of an example."""
        return len(self._values[key])

    def get(self, key: str) -> Tensor:
        """Return the features of an example, (T, width)."""
        return torch.from_numpy(self._values[key])


def import_features(path: Path, examples: Sequence[Example]) -> ImportedFeatures:
    """
    Read features that any other program has computed.

    :param path: .npz or .safetensors with an array for each example, named by its key, e.g.
        `train/dia3_utt7`: (T, width), or (width,) for one vector an utterance.
    :param examples: of the corpus, all splits; other arrays of the file are left out.
    :raises InvalidInput: if the file cannot be read, or its arrays do not fit.
    """
    arrays = _read(path)
    keys = [e.key for e in examples if e.key in arrays]
    train = [e.key for e in examples if e.split == TRAIN and e.key in arrays]
    if not train:
        some = ', '.join(sorted(arrays)[:3]) or 'none'
        raise InvalidInput(f'features {path}: none of its {len(arrays)} arrays ({some}) is named '
                           f'as an example of the train split, e.g. {examples[0].key}')
    values = {key: _checked(path, key, arrays[key]) for key in keys}
    widths = {each.shape[1] for each in values.values()}
    if len(widths) > 1:
        raise InvalidInput(f'features {path}: arrays of {sorted(widths)} columns; expected the '
                           'same number in all')
    steps = np.concatenate([values[key] for key in train])  # (all steps, width)
    mean, deviation = steps.mean(axis=0), steps.std(axis=0)
    scale = np.where(deviation > 0, deviation, 1)
    return ImportedFeatures({key: ((each - mean) / scale).astype(np.float32)
                             for key, each in values.items()}, widths.pop(),
                            fingerprint(path.read_bytes()))


def _read(path: Path) -> Mapping[str, np.ndarray[Any, Any]]:
    try:
        if path.suffix == '.safetensors':
            found: dict[str, np.ndarray[Any, Any]] = safetensors.numpy.load_file(path)
            return found
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, EOFError, safetensors.SafetensorError) as error:
        raise InvalidInput(f'features {path}: they cannot be read ({error}); expected .npz or '
                           '.safetensors with an array for each example') from error


def _checked(path: Path, key: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return an array as (T, width), in double precision."""
    rows = array[None] if array.ndim == 1 else array
    if rows.ndim != 2 or not rows.size or rows.dtype.kind not in 'fiu' or (
            not np.isfinite(rows).all()):
        raise InvalidInput(f'features {path}: {key} is {array.dtype} {array.shape}; expected '
                           'finite numbers, (T, width) or (width,), and no array where there is '
                           'nothing')
    return rows.astype(np.float64)
