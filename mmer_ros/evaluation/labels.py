# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Labels of a recording: speaker, words and emotion of each utterance by time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
from dataclasses import dataclass
import json
import math
from pathlib import Path
from typing import Any

from mmer_ros.recordings.meld.table import is_meld_table, MeldRow, read_table
from mmer_ros.recordings.tables import read_cell
from mmer_ros.types import EMOTIONS, InvalidInput


@dataclass(frozen=True)
class Label:
    """
    The label of one utterance.

    :param start: capture time of its beginning, seconds; `end` of its end.
    :param emotion: index into EMOTIONS, or None if it is not known.
    :raises InvalidInput: if it has no length.
    """

    start: float
    end: float
    emotion: int | None = None
    speaker: str = ''
    text: str = ''

    def __post_init__(self) -> None:
        """Check the times."""
        if not (math.isfinite(self.start) and math.isfinite(self.end)) or self.end <= self.start:
            raise InvalidInput(f'labels: {self.start!r}..{self.end!r} s is no utterance; expected '
                               'finite seconds with end > start')

    def shifted(self, by: float) -> Label:
        """Return the label `by` seconds later."""
        return Label(self.start + by, self.end + by, self.emotion, self.speaker, self.text)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, the emotion by name."""
        return {'start': self.start, 'end': self.end, 'speaker': self.speaker, 'text': self.text,
                'emotion': '' if self.emotion is None else EMOTIONS[self.emotion]}


def read_label_file(path: Path, *, dialogue: int | None = None) -> list[Label]:
    """
    Read labels by time.

    :param path: .csv, .json (a list of objects) or .jsonl with start and end in seconds, emotion
        (name or index; empty: not known) and, if known, speaker and text; or MELD's .csv.
    :param dialogue: of MELD's file; its first utterance then begins at 0 s.
    :raises InvalidInput: if it is not of this form.
    """
    try:
        if path.suffix == '.csv' and is_meld_table(path):
            return _meld(path, dialogue)
        text = path.read_text(encoding='utf-8-sig', errors='replace')
    except OSError as error:
        raise InvalidInput(f'labels {path}: {error.strerror or error}; expected a .csv, .json or '
                           '.jsonl file') from error
    try:
        labels = [_label(row) for row in _rows(path, text)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = str(error) if isinstance(error, InvalidInput) else repr(error)
        raise InvalidInput(f'labels {path}: expected start, end (seconds) and emotion in each row '
                           f'({what})') from error
    return sorted(labels, key=lambda label: (label.start, label.end))


def fit_to(labels: Sequence[Label], start: float, end: float) -> tuple[list[Label], int]:
    """
    Return the labels of a recording, and how many others there are.

    Labels that all lie before it began are taken as seconds since its start.

    :param start: of the recording, seconds; `end` is its end.
    """
    if labels and all(label.end < start for label in labels):
        labels = [label.shifted(start) for label in labels]
    inside = [label for label in labels if label.end > start and label.start < end]
    return inside, len(labels) - len(inside)


def _rows(path: Path, text: str) -> list[Mapping[str, Any]]:
    if path.suffix == '.jsonl':
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    if path.suffix == '.json':
        content = json.loads(text)
        if not isinstance(content, list):
            raise ValueError(f'a JSON {type(content).__name__} instead of a list')
        return content
    return list(csv.DictReader(text.splitlines()))


def _label(row: Mapping[str, Any]) -> Label:
    return Label(float(row['start']), float(row['end']), _emotion(row.get('emotion')),
                 read_cell(str(row.get('speaker') or '')), read_cell(str(row.get('text') or '')))


def _emotion(value: Any) -> int | None:
    if value is None or value == '':
        return None
    name = str(value).strip().lower()
    if name in EMOTIONS:
        return EMOTIONS.index(name)
    if name.isdigit() and int(name) < len(EMOTIONS):
        return int(name)
    raise InvalidInput(f'emotion {value!r}; expected one of {", ".join(EMOTIONS)}, its index, or '
                       'nothing')


def _meld(path: Path, dialogue: int | None) -> list[Label]:
    """Return the labels of one dialogue of MELD; its first utterance begins at 0 s."""
    if dialogue is None:
        raise InvalidInput(f"{path} is MELD's, but which dialogue is this recording? Name it "
                           'like dia12, or give a file with start, end and emotion')
    table = read_table(path)
    if table.bad_rows:
        first = table.bad_rows[0]
        raise InvalidInput(f'labels {first.where}: {first.problem}; correct or remove the row')
    chosen = [row for row in table.rows if row.dialogue == dialogue]
    if not chosen:
        raise InvalidInput(f'labels {path}: there is no dialogue {dialogue}')
    labels = [_meld_label(row) for row in chosen]
    first_start = min(label.start for label in labels)
    return sorted((label.shifted(-first_start) for label in labels), key=lambda x: x.start)


def _meld_label(row: MeldRow) -> Label:
    if row.start is None or row.end is None:
        raise InvalidInput(f'labels {row.where}: {row.name}: {row.time_problem}; correct the '
                           'row')
    try:
        return Label(row.start, row.end, _emotion(row.label), row.speaker, row.text)
    except InvalidInput as error:
        raise InvalidInput(f'labels {row.where}: {row.name}: {error}') from error
