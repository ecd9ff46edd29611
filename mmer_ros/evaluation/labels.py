"""The truth about a recording: who said what, when, with which emotion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import csv
from dataclasses import dataclass
import json
import math
from pathlib import Path
import re
from typing import Any

from mmer_ros.types import EMOTIONS, InvalidInput

MELD_COLUMNS = {'Dialogue_ID', 'Utterance_ID', 'StartTime', 'EndTime', 'Emotion'}
MELD_TIME = re.compile(r'(\d+):(\d+):(\d+)[,.](\d+)')


@dataclass(frozen=True)
class Label:
    """
    One utterance as somebody labelled it.

    :param start: capture time of its beginning, seconds; `end` likewise.
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
        text = path.read_text(encoding='utf-8-sig', errors='replace')
    except OSError as error:
        raise InvalidInput(f'labels {path}: {error.strerror or error}; expected a .csv, .json or '
                           '.jsonl file') from error
    try:
        rows = _rows(path, text)
        if rows and set(rows[0]) >= MELD_COLUMNS:
            return _meld(rows, path, dialogue)
        labels = [_label(row) for row in rows]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = str(error) if isinstance(error, InvalidInput) else repr(error)
        raise InvalidInput(f'labels {path}: expected start, end (seconds) and emotion in each row '
                           f'({what})') from error
    return sorted(labels, key=lambda label: (label.start, label.end))


def fit_to(labels: Sequence[Label], start: float, end: float) -> tuple[list[Label], int]:
    """
    Return the labels of a recording, and how many others there are.

    Labels that all lie before it began are taken as seconds since its start.

    :param start: of the recording, seconds; `end` likewise.
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
                 str(row.get('speaker') or ''), str(row.get('text') or ''))


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


def _meld(rows: Iterable[Mapping[str, Any]], path: Path, dialogue: int | None) -> list[Label]:
    if dialogue is None:
        raise InvalidInput(f"{path} is MELD's, but which dialogue is this recording? Name it "
                           'like dia12, or give a file with start, end and emotion')
    chosen = [row for row in rows if int(row['Dialogue_ID']) == dialogue]
    if not chosen:
        raise InvalidInput(f'there is no dialogue {dialogue}')
    labels = [Label(_seconds(row['StartTime']), _seconds(row['EndTime']),
                    _emotion(row['Emotion']), row.get('Speaker', ''), row.get('Utterance', ''))
              for row in chosen]
    first = min(label.start for label in labels)
    return sorted((label.shifted(-first) for label in labels), key=lambda label: label.start)


def _seconds(text: str) -> float:
    found = MELD_TIME.fullmatch(text.strip())
    if found is None:
        raise ValueError(f'time {text!r}; expected 00:00:00,000')
    hours, minutes, seconds, fraction = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(f'{seconds}.{fraction}')
