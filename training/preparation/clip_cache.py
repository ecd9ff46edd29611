"""The cache that `prepare` makes, read at random: text, audio and faces of every example."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from mmer_ros.types import Int16, InvalidInput, Modality, UInt8
from pydantic import ValidationError
from training.corpora.examples import Example
from training.engine.files import sha256_of
from training.preparation.cache_format import (
    CacheInfo,
    ExampleRow,
    EXAMPLES,
    FORMAT,
    INFO,
    record_file,
    shard_file,
    ShardRecord,
)
from training.preparation.shards import Shard


class ClipCache:
    """
    Prepared examples; audio and faces are loaded when asked for.

    May be used in the worker processes of a DataLoader, forked or spawned: each opens the
    shards for itself.

    :ivar info: what the cache is made of, its preprocessing among it.
    :ivar examples: all of them, in the order of the corpus; their paths are empty.
    """

    def __init__(self, folder: Path) -> None:
        """
        Read the list of examples.

        :raises InvalidInput: if the folder is no complete cache.
        """
        self.folder = folder
        self.info = read_info(folder)
        self._rows = {row.key: row for row in _read_rows(folder)}
        self.examples: list[Example] = [row.example() for row in self._rows.values()]
        self._shards: dict[str, Shard] = {}
        self._process = os.getpid()

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.examples)

    def modalities(self, key: str) -> Modality:
        """Return what there is of an example."""
        row = self._row(key)
        found = Modality(0)
        for modality, there in ((Modality.TEXT, bool(row.text)),
                                (Modality.AUDIO, row.audio_samples > 0),
                                (Modality.FACE, row.faces > 0)):
            found |= modality if there else Modality(0)
        return found

    def sizes(self, key: str) -> tuple[int, int]:
        """Return the number of audio samples at 16 kHz and of faces, without loading them."""
        row = self._row(key)
        return row.audio_samples, row.faces

    def audio(self, key: str) -> Int16 | None:
        """
        Return the sound of an example, (n,) int16, 16 kHz mono, or None if there is none.

        :raises InvalidInput: if the key is unknown or the shard is damaged.
        """
        row = self._row(key)
        return self._shard(row).audio(row.row) if row.audio_samples else None

    def faces(self, key: str) -> UInt8 | None:
        """
        Return the faces of an example by time, or None if there is none.

        :return: (n, 160, 160, 3) uint8 RGB, n <= max_images.
        :raises InvalidInput: if the key is unknown or the shard is damaged.
        """
        row = self._row(key)
        return self._shard(row).faces(row.row) if row.faces else None

    def verify(self) -> None:
        """
        Compare every shard with its checksum; this reads the whole cache.

        :raises InvalidInput: naming the shards that are missing or damaged.
        """
        damaged = [name for name in self.info.shards if not self._is_whole(name)]
        if damaged:
            raise InvalidInput(f'cache {self.folder}: damaged or missing: {", ".join(damaged)}; '
                               'run `python -m training prepare` again as before, it makes '
                               'these shards anew')

    def _is_whole(self, name: str) -> bool:
        try:
            record = ShardRecord.model_validate_json(
                record_file(self.folder, name).read_text(encoding='utf-8'))
            return sha256_of(shard_file(self.folder, name)) == record.sha256
        except (OSError, ValidationError, UnicodeDecodeError):
            return False

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
            raise InvalidInput(f'shard {shard.path}: it does not hold {row.key}, as {EXAMPLES} '
                               'says; run `python -m training prepare` again as before')
        return shard

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open files out, for processes that are spawned."""
        return {**self.__dict__, '_shards': {}}


def read_info(folder: Path) -> CacheInfo:
    """
    Return what is written in cache.json.

    :raises InvalidInput: if the folder is no cache, or one of another version.
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
        raise InvalidInput(f'cache {folder}: it is not complete; run `python -m training prepare` '
                           'again as before, it goes on where it was') from None
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise InvalidInput(f'cache {folder}: {EXAMPLES} is damaged ({error}); run `python -m '
                           'training prepare` again as before') from error
