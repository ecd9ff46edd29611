# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Random access to a cache of `prepare`: text, audio and faces of every example."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmer_ros.types import Int16, InvalidInput, Modality, UInt8
from pydantic import ValidationError
from training.corpora.examples import Example
from training.engine.files import fingerprint
from training.preparation.cache_format import (
    CacheInfo,
    ExampleRow,
    EXAMPLES,
    FORMAT,
    INFO,
    shard_file,
)
from training.preparation.shards import Shard


class ClipCache:
    """
    Prepared examples; audio and faces are loaded on demand.

    It works in forked and spawned DataLoader workers: each opens the shards itself.

    :ivar info: what the cache was made from, and its preprocessing.
    :ivar examples: in the order of the corpus, without paths.
    :raises InvalidInput: if the folder is not a complete cache.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.info = read_info(folder)
        self._rows = {row.key: row for row in _read_rows(folder)}
        self.examples: list[Example] = [row.example() for row in self._rows.values()]
        self._shards: dict[str, Shard] = {}
        self._process = os.getpid()

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def digest(self) -> str:
        """Fingerprint of what the cache was made from."""
        return fingerprint(self.info.model_dump_json())

    def modalities(self, key: str) -> Modality:
        """Return the modalities of an example."""
        row = self._row(key)
        return Modality.where([bool(row.text), row.audio_samples > 0, row.faces > 0])

    def sizes(self, key: str) -> tuple[int, int]:
        """Return the number of audio samples at 16 kHz and of faces."""
        row = self._row(key)
        return row.audio_samples, row.faces

    def audio(self, key: str) -> Int16 | None:
        """
        Return the audio of an example, (n,) int16, 16 kHz mono, or None without audio.

        :raises InvalidInput: if the key is unknown or the shard is damaged.
        """
        row = self._row(key)
        return self._shard(row).audio(row.row) if row.audio_samples else None

    def faces(self, key: str) -> UInt8 | None:
        """
        Return the faces of an example by time, or None without faces.

        :return: (n, 160, 160, 3) uint8 RGB, n <= max_images.
        :raises InvalidInput: if the key is unknown or the shard is damaged.
        """
        row = self._row(key)
        return self._shard(row).faces(row.row) if row.faces else None

    def _row(self, key: str) -> ExampleRow:
        try:
            return self._rows[key]
        except KeyError:
            raise InvalidInput(f'cache {self.folder}: it has no example {key!r}') from None

    def _shard(self, row: ExampleRow) -> Shard:
        if self._process != os.getpid():  # forked: open files are not shared
            self._shards, self._process = {}, os.getpid()
        shard = self._shards.get(row.shard)
        if shard is None:
            shard = self._shards[row.shard] = Shard(shard_file(self.folder, row.shard))
        if shard.keys[row.row:row.row + 1] != [row.key]:
            raise InvalidInput(f'shard {shard.path}: it does not hold {row.key}, which {EXAMPLES} '
                               'expects there; repeat `python -m training prepare`')
        return shard

    def __getstate__(self) -> dict[str, Any]:
        # Open files cannot be sent to spawned processes.
        return {**self.__dict__, '_shards': {}}


def read_info(folder: Path) -> CacheInfo:
    """
    Return the content of cache.json.

    :raises InvalidInput: if the folder is not a cache, or one of another version.
    """
    path = folder / INFO
    try:
        return CacheInfo.model_validate_json(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f'cache {folder}: {INFO} cannot be read ({error}); make it with '
                           '`python -m training prepare --output DIR`') from error
    except ValidationError as error:
        raise InvalidInput(f'cache {folder}: {INFO} is not of format {FORMAT} '
                           f'({error.errors()[0]["msg"]}); prepare into a new folder') from error


def _read_rows(folder: Path) -> list[ExampleRow]:
    path = folder / EXAMPLES
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
        return [ExampleRow.model_validate_json(line) for line in lines]
    except FileNotFoundError:
        raise InvalidInput(f'cache {folder}: it is not complete; repeat `python -m training '
                           'prepare`, which resumes') from None
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise InvalidInput(f'cache {folder}: {EXAMPLES} is damaged ({error}); repeat `python -m '
                           'training prepare`') from error
