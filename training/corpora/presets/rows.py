# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Rows of a published corpus, and how they become examples: label maps, soft labels, folds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mmer_ros.text_repair import repair_text
from mmer_ros.types import EMOTIONS, InvalidInput
from training.corpora.corpus import Corpus, emotion_index, ProblemKind
from training.corpora.examples import Example, split_of_fold

Report = Callable[[ProblemKind, str, str], None]  # kind, place, sentence


@dataclass(frozen=True)
class Row:
    """
    An utterance in the words of its corpus.

    :param name: unique in the corpus; the key without the split.
    :param label: as the corpus writes it, in lower case; '' if it has none.
    :param where: file, and line if it has lines.
    :param group: dialogue; '' stands alone.
    :param votes: number of votes by label; they become a soft label.
    :param fold: of the corpus' own folds; None: by speaker.
    :param split: the official one; '' if there is none.
    """

    name: str
    label: str
    where: str
    speaker: str = ''
    text: str = ''
    group: str = ''
    turn: int = 0
    audio: Path | None = None
    video: Path | None = None
    votes: Mapping[str, float] = field(default_factory=dict)
    fold: int | None = None
    split: str = ''


@dataclass(frozen=True)
class Preset:
    """
    A published corpus.

    :param title: name and reference.
    :param licence: its terms, for the model card.
    :param layout: files that it needs, as the error message names them.
    :param labels: emotion by the corpus' label; a label that is missing carries no emotion.
    :param folds: number of folds for cross-validation; 0: the corpus has an official split.
    :param read: yields the rows of a folder; reports what cannot be used.
    """

    title: str
    licence: str
    layout: str
    labels: Mapping[str, str]
    folds: int
    read: Callable[[Path, Report], Iterator[Row]]


def read_preset(name: str, preset: Preset, folder: Path, *,
                labels: Mapping[str, str] | None = None, fold: int | None = None) -> Corpus:
    """
    Read a corpus.

    :param labels: changes to the preset's label map, e.g. {'fru': 'anger'}; '' as the emotion
        takes it from a label.
    :param fold: held out as the test split; the fold before it is the dev split, all others are
        the train split. None: the last.
    :raises InvalidInput: if nothing can be read, or there is no such fold or emotion.
    """
    if not folder.is_dir():
        raise InvalidInput(f'{name} {folder}: there is no such folder; expected {preset.layout}')
    if fold is not None and not 0 <= fold < preset.folds:
        expected = f'0..{preset.folds - 1}' if preset.folds else (
            'none, since the corpus has an official split')
        raise InvalidInput(f'{name}: fold {fold}; expected {expected}')
    corpus = Corpus()
    rows = list(preset.read(folder, corpus.report))
    if not rows:
        raise InvalidInput(f'{name} {folder}: no utterance was found; expected {preset.layout}')
    known = {**preset.labels, **(labels or {})}
    indices = {label: emotion_index(emotion) for label, emotion in known.items() if emotion}
    held_out = preset.folds - 1 if fold is None else fold
    for row, place in zip(rows, _folds(rows, preset.folds)):
        split = row.split if place is None else split_of_fold(place, held_out, preset.folds)
        _add(corpus, row, split, place, indices)
    _report_unmapped(corpus, name, rows, indices)
    return corpus


def _folds(rows: Iterable[Row], count: int) -> Iterator[int | None]:
    """Return the fold of each row: the corpus' own, or all rows of a speaker in one."""
    speakers = sorted({row.speaker for row in rows})
    fold_of = {speaker: index % count for index, speaker in enumerate(speakers)} if count else {}
    for row in rows:
        yield None if row.split else fold_of[row.speaker] if row.fold is None else row.fold


def _add(corpus: Corpus, row: Row, split: str, fold: int | None, indices: Mapping[str, int]
         ) -> None:
    """Add an example; a row without emotion stays only as context of a dialogue."""
    soft, weight = soft_label(row.votes, indices)
    label = indices.get(row.label)
    if label is None and not soft and not row.group:
        return
    key = f'{split}/{row.name}'
    corpus.add(Example(
        key, split, repair_text(row.text), () if label is None else (label,), row.speaker,
        f'{split}/{row.group}' if row.group else key, row.turn, audio=row.audio,
        video=row.video, soft=soft, weight=weight, fold=fold), row.where)


def soft_label(votes: Mapping[str, float], indices: Mapping[str, int]
               ) -> tuple[tuple[float, ...], float]:
    """
    Return the distribution of votes over EMOTIONS, and the share of the votes in it.

    >>> soft_label({'happy': 3, 'angry': 1, 'bored': 4}, {'happy': 4, 'angry': 6})
    ((0.0, 0.0, 0.0, 0.0, 0.75, 0.0, 0.25), 0.5)

    :return: () and 1 if no vote is for an emotion.
    """
    counts = [0.0] * len(EMOTIONS)
    for label, count in votes.items():
        if label in indices:
            counts[indices[label]] += count
    mapped, total = sum(counts), sum(votes.values())
    if not mapped:
        return (), 1.0
    return tuple(count / mapped for count in counts), mapped / total


def _report_unmapped(corpus: Corpus, name: str, rows: Iterable[Row],
                     indices: Mapping[str, int]) -> None:
    """Report once for each label that stands for no emotion."""
    for label, count in Counter(row.label for row in rows).most_common():
        if label and label not in indices:
            corpus.report('unknown label', name, (
                f'label {label!r} of {count} rows stands for none of the seven emotions; these '
                'rows have no label. They are left out unless they have votes or belong to a '
                f'dialogue; --labels {label}=EMOTION maps the label'))


def files_by_stem(folder: Path, suffixes: tuple[str, ...]) -> dict[str, Path]:
    """Return the files below a folder by name without suffix, those of macOS left out."""
    return {path.stem: path for path in sorted(folder.rglob('*'))
            if path.suffix.lower() in suffixes and not path.name.startswith('.')}
