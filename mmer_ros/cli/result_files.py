# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The files of `mmer recognize`: each appears when it is complete, and replaces only its like."""

from __future__ import annotations

from collections.abc import Sequence
import csv
import json
from pathlib import Path
from typing import Any, TextIO

from mmer_ros.recordings.tables import safe_cell, table_columns, table_row
from mmer_ros.types import InvalidInput

COLUMNS = ('clip', *table_columns())
HEAD = ','.join(COLUMNS[:2])
MAX_LINE = 1 << 16  # bytes that are read to see what a file is

Row = dict[str, Any]  # Estimate.to_dict() and the clip


class ResultFile:
    """
    Rows of results on their way to a file; a context manager.

    They are kept however it ends. A file that gets no rows appears only if `keep` was called.

    :param overwrite: replace a file of another program as well.
    :raises InvalidInput: if something is there that is not of `mmer recognize`.
    """

    def __init__(self, path: Path, *, as_csv: bool, overwrite: bool = False) -> None:
        if path.exists() and not (overwrite and path.is_file()) and not is_ours(path):
            raise InvalidInput(f'{path}: it is there and holds no results of mmer recognize; it '
                               'is left as it is. Give another --output, or --overwrite')
        self.path = path
        self._as_csv = as_csv
        self._partial = path.with_name(f'{path.name}.partial')
        self._is_wanted = False
        self._file: TextIO | None = None

    def __enter__(self) -> ResultFile:
        """Begin a new file beside the old one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._partial.open('w', encoding='utf-8', newline='')
        if self._as_csv:
            write_csv(self._file, COLUMNS)
        return self

    def __exit__(self, *_: object) -> None:
        """Put it in the place of the old one, or leave that."""
        assert self._file is not None
        try:
            self._file.close()
        except OSError:
            self._is_wanted &= self._partial.stat().st_size > 0
            raise
        finally:
            if self._is_wanted:
                self._partial.replace(self.path)
            else:
                self._partial.unlink(missing_ok=True)

    def write(self, row: Row) -> None:
        """Write a row."""
        assert self._file is not None
        self._is_wanted = True
        write_row(self._file, row, as_csv=self._as_csv)
        self._file.flush()

    def keep(self) -> None:
        """Let the file appear even without rows."""
        self._is_wanted = True


def is_ours(path: Path) -> bool:
    """Return whether a file is empty or holds results of `mmer recognize`."""
    try:
        with path.open(encoding='utf-8') as file:
            first = file.readline(MAX_LINE)
        return not first or first.startswith(HEAD) or (
            {'clip', 'probabilities', 'bundle_hash'} <= json.loads(first).keys())
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def result_paths(clips: Sequence[Path], folder: Path, extension: str) -> list[Path]:
    """
    Return the file of each clip's results, no two alike.

    >>> result_paths([Path('a/x.mp4'), Path('b/x.mp4')], Path(), '.jsonl')
    [PosixPath('x.jsonl'), PosixPath('x-2.jsonl')]
    """
    paths: list[Path] = []
    stems = {clip.stem for clip in clips}
    for clip in clips:
        path, number = folder / f'{clip.stem}{extension}', 1
        while path in paths or (number > 1 and f'{clip.stem}-{number}' in stems):
            number += 1
            path = folder / f'{clip.stem}-{number}{extension}'
        paths.append(path)
    return paths


def write_row(file: TextIO, row: Row, *, as_csv: bool) -> None:
    """Write an estimate as a line of CSV or JSON."""
    if as_csv:
        write_csv(file, (safe_cell(row['clip']), *table_row(row)))
    else:
        file.write(json.dumps(row) + '\n')


def write_csv(file: TextIO, cells: Sequence[Any]) -> None:
    """Write a line of CSV."""
    csv.writer(file, lineterminator='\n').writerow(cells)
