# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""MELD as published: the CSV files with their encoding repaired, and the clips that they name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
import logging
import os
from pathlib import Path

from mmer_ros.recordings.meld.table import CLIP_FOLDERS, locate, MeldRow, read_table, TABLES
from mmer_ros.types import EMOTIONS, InvalidInput
from training.corpora.corpus import Corpus
from training.corpora.examples import Example, SPLITS

LOGGER = logging.getLogger('training')
TOLERATED_CLIPS, TOLERATED_SHARE = 3, 0.01  # missing in a split of a complete download
KNOWN_DEFECTS = {'train/dia125_utt3', 'dev/dia110_utt7'}  # broken or missing as published


def read_meld(folder: Path, splits: Sequence[str] = SPLITS, *, clips: bool = True) -> Corpus:
    """
    Read MELD (Poria et al. 2019) as it is published, wherever its files lie in the folder.

    The CSV files and the folders of the clips are looked for in `folder` and below. A row that
    cannot be used is reported and left out; one whose clip is missing is reported and kept
    with its text. Utterances come sorted by split, dialogue and place.

    :param folder: e.g. MELD.Raw with its archives unpacked, or data/MELD of the repository.
    :param clips: look for clips; without, the examples hold text only.
    :raises InvalidInput: if there is no CSV file, or one is not MELD's.
    """
    if not folder.is_dir():
        raise InvalidInput(f'MELD {folder}: there is no such folder')
    places = locate(folder, [name for split in splits
                             for name in (TABLES[split], CLIP_FOLDERS[split])])
    corpus = Corpus()
    for split in splits:
        table = places.get(TABLES[split])
        if table is None:
            corpus.report('missing split', str(folder), f'there is no {TABLES[split]}; the '
                          f'{split} split is left out')
            continue
        _read_split(corpus, split, table, places.get(CLIP_FOLDERS[split]), clips)
    if not corpus.examples:
        raise InvalidInput(f'MELD {folder}: no utterance was found; expected train_sent_emo.csv, '
                           'dev_sent_emo.csv or test_sent_emo.csv in it or in its folders')
    return corpus


def check_clips(corpus: Corpus, folder: Path, *, allow_partial: bool) -> None:
    """
    Refuse a corpus most of whose clips may be missing, since its scores would mean something else.

    :param allow_partial: warn, and go on with the text of those utterances.
    :raises InvalidInput: if a split lacks more clips than MELD as published, unless allowed.
    """
    rows = Counter(example.split for example in corpus.examples)
    missing = Counter(e.split for e in corpus.examples if e.video is None)
    partial = [f'{missing[split]:,} of {count:,} clips of {split}' for split, count in rows.items()
               if missing[split] > max(TOLERATED_CLIPS, TOLERATED_SHARE * count)]
    if not partial:
        return
    found = f'MELD {folder}: {", ".join(partial)} are missing'
    if not allow_partial:
        raise InvalidInput(f'{found}. Unpack all archives of MELD.Raw there, or give '
                           '--allow-partial to go on with the text of these utterances')
    LOGGER.warning('PARTIAL CORPUS: %s. These utterances have text only, and scores by modality '
                   'are not those of the whole corpus', found)


def _read_split(corpus: Corpus, split: str, table: Path, clip_folder: Path | None,
                clips: bool) -> None:
    present = _clips_in(clip_folder) if clips and clip_folder else {}
    if clips and not present:
        corpus.report('missing split', str(table.parent),
                      f'there are no clips {CLIP_FOLDERS[split]}/dia0_utt0.mp4 ...; the {split} '
                      f'split has text only. Unpack {split}.tar.gz of MELD.Raw')
    content = read_table(table)
    for bad in content.bad_rows:
        corpus.report('bad row', bad.where, f'{bad.problem}; the row is left out')
    for row in sorted(content.rows, key=lambda r: (r.dialogue, r.utterance)):
        _add_row(corpus, split, row, present)


def _add_row(corpus: Corpus, split: str, row: MeldRow, clips: dict[str, Path]) -> None:
    """Add an utterance, with its clip if it is among `clips`."""
    key, file = f'{split}/{row.name}', f'{row.name}.mp4'
    if row.emotion is None:
        corpus.report('unknown label', row.where, f'label {row.label!r}: it is unknown; expected '
                      f'{", ".join(EMOTIONS)}; the row is left out', key)
        return
    added = corpus.add(Example(
        key, split, row.text, (row.emotion,), row.speaker, f'{split}/dia{row.dialogue}',
        row.utterance, video=clips.get(file), seconds=_seconds(row)), row.where)
    if added and row.time_problem:
        corpus.report('wrong time', row.where, f'{row.name}: {row.time_problem}; the row is kept '
                      'without times', key)
    if added and clips and file not in clips:
        known = ' (a known defect of MELD)' if key in KNOWN_DEFECTS else ''
        corpus.report('missing file', row.where, f'{CLIP_FOLDERS[split]}/{file} is not there'
                      f'{known}; text only', key)


def _seconds(row: MeldRow) -> float | None:
    return None if row.start is None or row.end is None else row.end - row.start


def _clips_in(folder: Path) -> dict[str, Path]:
    """Return the clips by name, without those that macOS and the authors left beside them."""
    with os.scandir(folder) as entries:
        return {e.name: Path(e.path) for e in entries
                if e.name.startswith('dia') and e.name.endswith('.mp4')}
