# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Tensors by key, computed once and kept on disk: features of encoders, embeddings of faces."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import json
from pathlib import Path
from typing import Any

from mmer_ros.types import InvalidInput
from rich.console import Console
from rich.progress import track
import safetensors
import safetensors.torch
from torch import Tensor
from training.engine.files import write_file
from training.engine.processes import main_first

SHARD = 64  # keys per file; a killed run loses at most one file
INDEX = 'index.json'


class TensorStore:
    """
    Tensors (T, ...) by key, loaded on demand; safe in forked and spawned DataLoader workers.

    :param folder: written by `make_store`.
    :raises InvalidInput: if it is not complete.
    """

    def __init__(self, folder: Path) -> None:
        try:
            index = json.loads((folder / INDEX).read_text(encoding='utf-8'))
            self._rows = {key: (int(shard), int(steps)) for key, (shard, steps) in index.items()}
        except (OSError, ValueError, AttributeError) as error:
            raise InvalidInput(f'{folder}: {INDEX} cannot be read ({error}); remove the folder '
                               'and repeat the command that wrote it') from error
        self.folder = folder
        self._shards: dict[int, Any] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def steps(self, key: str) -> int:
        """Return T of a tensor without loading it."""
        return self._rows[key][1]

    def get(self, key: str) -> Tensor:
        number = self._rows[key][0]
        if number not in self._shards:  # memory-mapped: only the tensor is read
            self._shards[number] = safetensors.safe_open(_shard(self.folder, number), 'pt')
        tensor: Tensor = self._shards[number].get_tensor(key)
        return tensor

    def __getstate__(self) -> dict[str, Any]:
        # Open files cannot be sent to spawned processes.
        return {**self.__dict__, '_shards': {}}


def make_store(folder: Path, keys: Sequence[str],
               compute: Callable[[Sequence[str]], Mapping[str, Tensor]], *, title: str,
               console: Console) -> TensorStore:
    """
    Compute a tensor for each key, except for those that are on disk already.

    :param folder: of this store alone, named by a fingerprint of what the tensors depend on.
    :param compute: maps up to SHARD keys to their tensors, contiguous, on the CPU.
    :param title: of the progress bar.
    :raises InvalidInput: if the disk is full; complete shards stay.
    """
    with main_first():
        if not (folder / INDEX).is_file():
            _fill(folder, keys, compute, title, console)
    return TensorStore(folder)


def _fill(folder: Path, keys: Sequence[str],
          compute: Callable[[Sequence[str]], Mapping[str, Tensor]], title: str, console: Console
          ) -> None:
    groups = [keys[i:i + SHARD] for i in range(0, len(keys), SHARD)]
    try:
        (folder / 'shards').mkdir(parents=True, exist_ok=True)
        for number, group in enumerate(track(groups, title, console=console, transient=True)):
            path = _shard(folder, number)
            if not path.is_file():
                write_file(path, safetensors.torch.save(dict(compute(group))))
        write_file(folder / INDEX, json.dumps(_index(folder, len(groups))).encode())
    except OSError as error:
        raise InvalidInput(f'{folder}: it cannot be written ({error.strerror}); free some space '
                           'and repeat the command, complete shards are kept') from error


def _shard(folder: Path, number: int) -> Path:
    return folder / 'shards' / f'{number:05d}.safetensors'


def _index(folder: Path, shards: int) -> dict[str, tuple[int, int]]:
    """Return the shard and the steps of each key."""
    index = {}
    for number in range(shards):
        with safetensors.safe_open(_shard(folder, number), 'pt') as file:
            for key in file.keys():
                index[key] = (number, file.get_slice(key).get_shape()[0])
    return index
