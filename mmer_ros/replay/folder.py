# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The folder of a replay's results: what an earlier replay wrote is replaced, nothing else."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import re

from mmer_ros.types import InvalidInput

MARKS = {  # file -> keys that it has if a replay wrote it
    'summary.json': ({'mmer_ros', 'bag'}, {'bags', 'exit_code'}),
    'run.json': ({'fingerprint', 'device'},),
    'tracks.json': ({'inputs', 'transcripts'},),
    'matches.json': ({'labels', 'labels_outside'},),
    'estimates.jsonl': ({'utterance_id', 'bundle_hash'},),
    'people.jsonl': ({'stamp', 'people'},),
    'events.jsonl': ({'kind', 'stamp', 'text'},)}
OTHERS = ('estimates.csv', 'faces.csv', 'report.html')
MAX_LINE = 1 << 20  # bytes


def check_folder(folder: Path) -> None:
    """
    Check that nothing but results of a replay would be replaced.

    :raises InvalidInput: if a file has the name of a result and is none.
    """
    if folder.exists() and not folder.is_dir():
        raise InvalidInput(f'{folder}: it is a file; give another --output')
    if strange := _strange(folder):
        raise InvalidInput(f'{folder}: it holds {strange[0]}, which mmer replay did not write; it '
                           'is left as it is. Give another --output, or --overwrite')


def clear_folder(folder: Path) -> None:
    """Remove the files for which `check_folder` would refuse a folder; never a folder."""
    for name in _strange(folder):
        if (folder / name).is_file():
            (folder / name).unlink()


def _strange(folder: Path) -> list[str]:
    """Return the names of files that have the name of a result and are none."""
    found = [name for name in MARKS if (folder / name).is_file() and not _is_ours(folder / name)]
    if not is_result_folder(folder):
        found += [name for name in OTHERS if (folder / name).exists()]
    return found


def is_result_folder(folder: Path) -> bool:
    """Return whether a replay wrote results into a folder, be it without coming to an end."""
    return any((folder / name).is_file() and _is_ours(folder / name) for name in MARKS)


def _is_ours(path: Path) -> bool:
    try:
        with path.open(encoding='utf-8') as file:
            text = file.readline(MAX_LINE) if path.suffix == '.jsonl' else file.read()
        if not text and path.suffix == '.jsonl':
            return True
        keys = json.loads(text).keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        return False
    return any(marks <= keys for marks in MARKS[path.name])


def free_place(path: Path, is_ours: Callable[[Path], bool] = lambda place: False) -> Path:
    """
    Return the path, or the first of `path-2`, `path-3`, ... where nothing else is.

    :param is_ours: returns whether what is in a place may be replaced.

    >>> free_place(Path('out/talk_emotion'))  # which is there
    PosixPath('out/talk_emotion-2')
    """
    number, place = 1, path
    while (place.exists() or place.is_symlink()) and not is_ours(place):
        number += 1
        place = path.with_name(f'{path.name}-{number}')
    return place


def holds_only(folder: Path, names: re.Pattern[str]) -> bool:
    """Return whether a folder holds nothing but files whose names match."""
    return folder.is_dir() and not folder.is_symlink() and all(
        names.fullmatch(path.name) and path.is_file() for path in folder.iterdir())
