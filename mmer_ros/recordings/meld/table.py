# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The CSV tables of MELD (Poria et al. 2019), read once for replay, `mmer meld2bag` and training.

    >>> table = read_table(Path('MELD.Raw/dev_sent_emo.csv'))
    >>> table.rows[0].name, table.rows[0].speaker, table.rows[0].text
    ('dia0_utt0', 'Phoebe', "Oh my God, he's lost it. He's totally lost it.")
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
from dataclasses import dataclass
import os
from pathlib import Path
import re
from typing import TextIO

from mmer_ros.text_repair import repair_text
from mmer_ros.types import EMOTIONS, InvalidInput

SPLITS = ('train', 'dev', 'test')
TABLES = {split: f'{split}_sent_emo.csv' for split in SPLITS}
CLIP_FOLDERS = {'train': 'train_splits', 'dev': 'dev_splits_complete',
                'test': 'output_repeated_splits_test'}
COLUMNS = ('Sr No.', 'Utterance', 'Speaker', 'Emotion', 'Sentiment', 'Dialogue_ID',
           'Utterance_ID', 'Season', 'Episode', 'StartTime', 'EndTime')
REQUIRED = ('Utterance', 'Speaker', 'Emotion', 'Dialogue_ID', 'Utterance_ID')
TIMES = ('StartTime', 'EndTime')
MAX_DEPTH = 3  # folders below the given one that are searched
_CLOCK = re.compile(r'(\d+):([0-5]?\d):([0-5]?\d)[,.](\d+)')


@dataclass(frozen=True)
class MeldRow:
    """
    One utterance as the table describes it.

    :param where: file and line, e.g. 'MELD.Raw/dev_sent_emo.csv:12'.
    :param dialogue: number of the dialogue, unique within a split.
    :param utterance: place within the dialogue.
    :param text: the words; encoding accidents of the published files are repaired.
    :param label: the emotion in lower case, as written; see `emotion`.
    :param start: seconds since the start of the episode; None if unknown, as is `end`.
    :param season: number of the season; None if unknown, as is `episode`.
    :param time_problem: why start and end are unknown, e.g. "StartTime '7': ..."; '' if they are
        known or the table has no such columns.
    """

    where: str
    dialogue: int
    utterance: int
    speaker: str
    text: str
    label: str
    start: float | None = None
    end: float | None = None
    season: int | None = None
    episode: int | None = None
    time_problem: str = ''

    @property
    def name(self) -> str:
        """Name of the clip without its suffix, e.g. 'dia3_utt7'."""
        return f'dia{self.dialogue}_utt{self.utterance}'

    @property
    def emotion(self) -> int | None:
        """Index into EMOTIONS, or None if the label is none of them."""
        return EMOTIONS.index(self.label) if self.label in EMOTIONS else None


@dataclass(frozen=True)
class BadRow:
    """
    A row that names no utterance.

    :param where: file and line.
    :param problem: the column and what is wrong with it.
    """

    where: str
    problem: str


@dataclass(frozen=True)
class MeldTable:
    """The rows of a table in its order, and those that name no utterance."""

    rows: tuple[MeldRow, ...]
    bad_rows: tuple[BadRow, ...]


def is_meld_table(path: Path) -> bool:
    """
    Return whether a CSV file has MELD's columns, times included, in upper or lower case.

    :raises OSError: if the file cannot be read.
    """
    with _open(path) as file:
        try:
            header = next(csv.reader(file), [])
        except csv.Error:
            return False
    return not _missing(header, [*REQUIRED, *TIMES])


def read_table(path: Path) -> MeldTable:
    """
    Read a table, e.g. dev_sent_emo.csv.

    Columns are found by name in upper or lower case. A byte order mark, CRLF, and bytes of
    Windows-1252 among UTF-8 do not matter.

    :raises InvalidInput: if it cannot be read, is no CSV, or lacks a column of REQUIRED.
    """
    try:
        with _open(path) as file:
            reader = csv.reader(file)
            columns = _columns(next(reader, []), path)
            found = [_row(columns, cells, f'{path}:{reader.line_num}')
                     for cells in reader if cells]
    except csv.Error as error:
        raise InvalidInput(f'{path}:{reader.line_num}: it is no CSV ({error}); fetch the file '
                           'again') from error
    except OSError as error:
        raise InvalidInput(f'{path}: it cannot be read ({error.strerror or error}); expected a '
                           'CSV file of MELD') from error
    return MeldTable(tuple(row for row in found if isinstance(row, MeldRow)),
                     tuple(row for row in found if isinstance(row, BadRow)))


def locate(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """
    Find files and folders of MELD wherever people unpack them.

    :param folder: searched with up to MAX_DEPTH levels of its folders, the least deep first.
    :param names: e.g. 'dev_sent_emo.csv' and 'dev_splits_complete'.
    :return: path by name; names that are not there are missing.
    """
    found: dict[str, Path] = {}
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        below: list[Path] = []
        for path in (p for place in level for p in sorted(place.iterdir())):
            if path.name in names:
                found.setdefault(path.name, path)
            elif path.is_dir() and os.access(path, os.R_OK | os.X_OK):
                below.append(path)
        level = below
    return found


def _open(path: Path) -> TextIO:
    # Bytes that are not UTF-8 become surrogates, which repair_text reads as Windows-1252.
    return path.open(newline='', encoding='utf-8-sig', errors='surrogateescape')


def _missing(header: Sequence[str], wanted: Sequence[str]) -> list[str]:
    present = {name.strip().lower() for name in header}
    return sorted(name for name in wanted if name.lower() not in present)


def _columns(header: Sequence[str], path: Path) -> list[str]:
    """Return the names of the columns, MELD's own as it writes them."""
    missing = _missing(header, REQUIRED)
    if missing:
        raise InvalidInput(f'{path}: it lacks the columns {", ".join(missing)}; expected a CSV '
                           'file of MELD')
    known = {name.lower(): name for name in COLUMNS}
    return [known.get(name.strip().lower(), name) for name in header]


def _row(columns: Sequence[str], cells: Sequence[str], where: str) -> MeldRow | BadRow:
    if len(cells) != len(columns):
        return BadRow(where, f'it has {len(cells)} columns, the header {len(columns)}')
    values = dict(zip(columns, cells))
    numbers = {name: _number(values.get(name, ''))
               for name in ('Dialogue_ID', 'Utterance_ID', 'Season', 'Episode')}
    dialogue, utterance = numbers['Dialogue_ID'], numbers['Utterance_ID']
    if dialogue is None or utterance is None:
        name = 'Dialogue_ID' if dialogue is None else 'Utterance_ID'
        return BadRow(where, f'{name} {values[name]!r} is no number')
    start, end, problem = _times(values)
    return MeldRow(
        where, dialogue, utterance, repair_text(values['Speaker']),
        repair_text(values['Utterance']), values['Emotion'].strip().lower(), start, end,
        numbers['Season'], numbers['Episode'], problem)


def _number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def _times(values: Mapping[str, str]) -> tuple[float | None, float | None, str]:
    """Return start and end in seconds, or None twice and the reason."""
    seconds = []
    for column in TIMES:
        if column not in values:
            return None, None, ''
        found = _CLOCK.fullmatch(values[column].strip())
        if found is None:
            return None, None, f'{column} {values[column]!r} is no time; expected 00:16:16,059'
        hours, minutes, rest, fraction = found.groups()
        seconds.append(int(hours) * 3600 + int(minutes) * 60 + float(f'{rest}.{fraction}'))
    start, end = seconds
    if end <= start:
        return None, None, (f'EndTime {values["EndTime"]!r} is not after StartTime '
                            f'{values["StartTime"]!r}')
    return start, end, ''
