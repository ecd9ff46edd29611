"""MELD as published: the CSV files with their encoding repaired, and the clips that they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
import csv
from dataclasses import dataclass
import os
from pathlib import Path

from mmer_ros.text_repair import repair_text
from mmer_ros.types import InvalidInput
from training.corpora.corpus import Corpus, emotion_index
from training.corpora.examples import Example, SPLITS

CLIP_FOLDERS = {'train': 'train_splits', 'dev': 'dev_splits_complete',
                'test': 'output_repeated_splits_test'}
COLUMNS = ('Utterance', 'Speaker', 'Emotion', 'Dialogue_ID', 'Utterance_ID')
KNOWN_DEFECTS = {'train/dia125_utt3', 'dev/dia110_utt7'}  # broken or missing as published
MAX_DEPTH = 3  # folders below the given one that are searched


@dataclass(frozen=True)
class _Row:
    line: int
    dialogue: int
    utterance: int
    values: dict[str, str]


def read_meld(folder: Path, splits: Sequence[str] = SPLITS, *, clips: bool = True) -> Corpus:
    """
    Read MELD (Poria et al. 2019) as it is published, in whichever of its folders things lie.

    The CSV files and the folders of the clips are looked for in `folder` and below. A row that
    cannot be used is reported and left out; one whose clip is missing is reported and kept
    with its text. Utterances come sorted by split, dialogue and place.

    :param folder: e.g. MELD.Raw with its archives unpacked, or data/MELD of the repository.
    :param clips: look for clips; without, the examples hold text only.
    :raises InvalidInput: if there is no CSV file, or one is not MELD's.
    """
    if not folder.is_dir():
        raise InvalidInput(f'MELD {folder}: there is no such folder')
    places = _find(folder, splits)
    corpus = Corpus()
    for split in splits:
        table = places.get(f'{split}_sent_emo.csv')
        if table is None:
            corpus.report('missing split', str(folder), f'there is no {split}_sent_emo.csv; the '
                          f'{split} split is left out')
            continue
        _read_split(corpus, split, table, places.get(CLIP_FOLDERS[split]), clips)
    if not corpus.examples:
        raise InvalidInput(f'MELD {folder}: no utterance was found; expected train_sent_emo.csv, '
                           'dev_sent_emo.csv or test_sent_emo.csv in it or in its folders')
    return corpus


def _find(folder: Path, splits: Sequence[str]) -> dict[str, Path]:
    """Return the path of each file and folder of MELD, the least deep one first."""
    wanted = {f'{split}_sent_emo.csv' for split in splits} | {CLIP_FOLDERS[s] for s in splits}
    found: dict[str, Path] = {}
    level = [folder]
    for _ in range(MAX_DEPTH + 1):
        below: list[Path] = []
        for path in (p for place in level for p in sorted(place.iterdir())):
            if path.name in wanted:
                found.setdefault(path.name, path)
            elif path.is_dir() and os.access(path, os.R_OK | os.X_OK):
                below.append(path)
        level = below
    return found


def _read_split(corpus: Corpus, split: str, table: Path, clip_folder: Path | None,
                clips: bool) -> None:
    present = _clips_in(clip_folder) if clips and clip_folder else {}
    if clips and not present:
        corpus.report('missing split', str(table.parent),
                      f'there are no clips {CLIP_FOLDERS[split]}/dia0_utt0.mp4 ...; the {split} '
                      f'split has text only. Unpack {split}.tar.gz of MELD.Raw')
    for row in sorted(_rows(table, corpus), key=lambda r: (r.dialogue, r.utterance)):
        name = f'dia{row.dialogue}_utt{row.utterance}'
        where, key = f'{table}:{row.line}', f'{split}/{name}'
        try:
            label = emotion_index(row.values['Emotion'])
        except InvalidInput as error:
            corpus.report('unknown label', where, f'{error}; the row is left out', key)
            continue
        added = corpus.add(Example(
            key, split, repair_text(row.values['Utterance']), (label,),
            repair_text(row.values['Speaker']), f'{split}/dia{row.dialogue}', row.utterance,
            video=present.get(f'{name}.mp4')), where)
        if added and present and f'{name}.mp4' not in present:
            known = ' (a known defect of MELD)' if key in KNOWN_DEFECTS else ''
            corpus.report('missing file', where, f'{CLIP_FOLDERS[split]}/{name}.mp4 is not '
                          f'there{known}; text only', key)


def _clips_in(folder: Path) -> dict[str, Path]:
    """Return the clips by name, without those that macOS and the authors left beside them."""
    with os.scandir(folder) as entries:
        return {e.name: Path(e.path) for e in entries
                if e.name.startswith('dia') and e.name.endswith('.mp4')}


def _rows(table: Path, corpus: Corpus) -> Iterator[_Row]:
    # Bytes that are not UTF-8 become surrogates, which repair_text takes for Windows-1252.
    with table.open(newline='', encoding='utf-8-sig', errors='surrogateescape') as file:
        reader = csv.DictReader(file)
        missing = set(COLUMNS) - set(reader.fieldnames or ())
        if missing:
            raise InvalidInput(f'{table}: it lacks the columns {", ".join(sorted(missing))}; '
                               'expected a CSV file of MELD')
        try:
            for values in reader:
                row = _row(values, reader.line_num)
                if row is not None:
                    yield row
                else:
                    corpus.report('bad row', f'{table}:{reader.line_num}', 'a column is missing '
                                  'or too many, or an ID is no number; the row is left out')
        except csv.Error as error:
            raise InvalidInput(f'{table}:{reader.line_num}: it is no CSV ({error}); fetch it '
                               'again') from error


def _row(values: dict[str, str], line: int) -> _Row | None:
    if None in values or any(values[column] is None for column in COLUMNS):
        return None
    try:
        return _Row(line, int(values['Dialogue_ID']), int(values['Utterance_ID']), values)
    except ValueError:
        return None
