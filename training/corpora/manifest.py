# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Manifests: any corpus as JSON lines, so that it can be prepared and mixed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
import json
import math
import os
from pathlib import Path
from typing import Literal

from mmer_ros.text_repair import repair_text
from mmer_ros.types import EMOTIONS, InvalidInput
from pydantic import BaseModel, ConfigDict, Field, field_validator, ValidationError
from training.corpora.corpus import Corpus, emotion_index
from training.corpora.examples import Example, split_of_fold
from training.engine.files import write_file


class ManifestRow(BaseModel):
    """
    A line of a manifest; all of it may be missing. Paths are relative to the manifest's folder.

    :param id: unique name; by default the number of the line.
    :param text: the words.
    :param audio: file with a sound track.
    :param faces: images of the face by time, already cropped.
    :param video: clip in which the face is to be found.
    :param label: name of an emotion, or several.
    :param soft: votes by emotion, in any unit: {"joy": 3, "neutral": 1}; the target of training.
    :param weight: how much the row counts in training, relative to others.
    :param group: dialogue; rows without one have neither history nor reply.
    :param turn: place within the group; by default the order of the lines.
    :param fold: 0, 1, ... for cross-validation; see `read_manifest`.
    """

    model_config = ConfigDict(frozen=True, extra='forbid', coerce_numbers_to_str=True)

    id: str = ''  # noqa: A003
    text: str = ''
    audio: str = ''
    faces: tuple[str, ...] = ()
    video: str = ''
    label: str | tuple[str, ...] = ()
    soft: dict[str, float] = Field(default_factory=dict)
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)
    speaker: str = ''
    group: str = ''
    turn: int | None = Field(None, ge=0)
    split: Literal['train', 'dev', 'test'] = 'train'
    fold: int | None = Field(None, ge=0)

    @field_validator('soft')
    @classmethod
    def _are_votes(cls, value: dict[str, float]) -> dict[str, float]:
        if value and not (all(0 <= votes < math.inf for votes in value.values())
                          and sum(value.values()) > 0):
            raise ValueError(f'{value}: expected votes of 0 or more, not all 0')
        return value


def read_manifest(path: Path, fold: int | None = None) -> Corpus:
    """
    Read a manifest: one JSON object a line, as `ManifestRow` describes.

    A line that cannot be used is reported and left out; a file that is not there is reported
    and the example kept with what it has.

    :param fold: held out as the test split; the fold before it is the dev split, the others are
        learnt. None: the splits of the rows.
    :raises InvalidInput: if the manifest cannot be read or no line can be used.
    """
    try:
        lines = path.read_text(encoding='utf-8-sig').split('\n')
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f'manifest {path}: it cannot be read ({error}); expected JSON lines '
                           'in UTF-8') from error
    corpus = Corpus()
    rows = {number: _parse(line) for number, line in enumerate(lines, 1) if line.strip()}
    folds = 1 + max((row.fold for row in rows.values()
                     if isinstance(row, ManifestRow) and row.fold is not None), default=-1)
    if fold is not None and not 0 <= fold < folds:
        expected = f'0..{folds - 1}' if folds else 'none, since its rows have no fold'
        raise InvalidInput(f'manifest {path}: fold {fold}; expected {expected}')
    turns: dict[str, int] = {}
    for number, row in rows.items():
        where = f'{path}:{number}'
        if isinstance(row, str):
            corpus.report('bad row', where, f'{row}; the line is left out')
            continue
        split = row.split if fold is None or row.fold is None else (
            split_of_fold(row.fold, fold, folds))
        _add_row(corpus, row, split, f'line{number}', where, path.parent, turns)
    if not corpus.examples:
        first = f': {corpus.problems[0].text}' if corpus.problems else ''
        raise InvalidInput(f'manifest {path}: no line of it can be used{first}')
    return corpus


def _parse(line: str) -> ManifestRow | str:
    """Return the row of a line, or what is wrong with it."""
    try:
        return ManifestRow.model_validate_json(line)
    except ValidationError as error:
        return _reason(error)


def _add_row(corpus: Corpus, row: ManifestRow, split: str, name: str, where: str, folder: Path,
             turns: dict[str, int]) -> None:
    names = (row.label,) if isinstance(row.label, str) else row.label
    try:
        labels = tuple(sorted({emotion_index(name) for name in names}))
        soft = _shares(row.soft)
    except InvalidInput as error:
        corpus.report('unknown label', where, f'{error}; the line is left out', row.id)
        return
    name = row.id or name
    key = name if name.startswith(f'{split}/') else f'{split}/{name}'
    group = f'{split}/{row.group}' if row.group else key
    turn = turns.get(group, 0) if row.turn is None else row.turn
    example = Example(key, split, repair_text(row.text), labels, row.speaker, group, turn,
                      soft=soft, weight=row.weight, fold=row.fold)
    if corpus.add(example, where):
        turns[group] = turn + 1
        corpus.examples[-1] = _with_files(corpus, example, row, folder, where)


def _shares(votes: Mapping[str, float]) -> tuple[float, ...]:
    shares = [0.0] * len(EMOTIONS)
    for name, count in votes.items():
        shares[emotion_index(name)] += count / sum(votes.values())
    return tuple(shares) if votes else ()


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    name = '.'.join(map(str, first['loc']))
    if first['type'] == 'extra_forbidden':
        return f'unknown key {name!r}; expected {", ".join(ManifestRow.model_fields)}'
    return f'{name}: {first["msg"]}' if name else first['msg']


def _with_files(corpus: Corpus, example: Example, row: ManifestRow, folder: Path,
                where: str) -> Example:
    """Return the example with the files that are there."""
    def present(name: str) -> Path | None:
        if name and not (folder / name).is_file():
            corpus.report('missing file', where, f'{folder / name} is not there; the example is '
                          'kept without it', example.key)
            return None
        return folder / name if name else None

    images = [present(name) for name in row.faces]
    return replace(example, audio=present(row.audio), video=present(row.video),
                   faces=tuple(image for image in images if image))


def write_manifest(path: Path, examples: Iterable[Example]) -> int:
    """
    Write examples as a manifest, atomically; return how many.

    :raises OSError: if it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(_row_of(example, path.parent), ensure_ascii=False) + '\n'
             for example in examples]
    write_file(path, ''.join(lines).encode())
    return len(lines)


def _row_of(example: Example, folder: Path) -> dict[str, object]:
    def relative(file: Path | None) -> str:
        return os.path.relpath(file, folder) if file else ''

    prefix = f'{example.split}/'
    row: dict[str, object] = {
        'id': example.key.removeprefix(prefix), 'text': example.text,
        'audio': relative(example.audio), 'faces': [relative(f) for f in example.faces],
        'video': relative(example.video), 'label': [EMOTIONS[i] for i in example.labels],
        'speaker': example.speaker, 'split': example.split}
    if example.soft:
        row['soft'] = {name: share for name, share in zip(EMOTIONS, example.soft) if share}
    row |= {'weight': example.weight} if example.weight != 1 else {}
    row |= {'fold': example.fold} if example.fold is not None else {}
    if example.group != example.key:
        row |= {'group': example.group.removeprefix(prefix), 'turn': example.turn}
    return {name: value for name, value in row.items() if value or value == 0}
