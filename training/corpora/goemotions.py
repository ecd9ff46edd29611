# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""GoEmotions: Reddit comments with one or more emotions; text only."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.text_repair import repair_text
from mmer_ros.types import InvalidInput
from training.corpora.corpus import Corpus, emotion_index
from training.corpora.examples import Example, SPLITS


def read_goemotions(folder: Path) -> Corpus:
    """
    Read GoEmotions (Demszky et al. 2020) grouped to Ekman's emotions.

    Each comment is a group of its own: it has neither history nor reply.

    :param folder: train.tsv, dev.tsv and test.tsv, each row a text, comma-separated indices
        into labels.txt, and an id. A missing split or a bad row is reported and left out.
    :raises InvalidInput: if labels.txt or all splits are missing, or a label is not ours.
    """
    emotions = _read_labels(folder / 'labels.txt')
    corpus = Corpus()
    for split in SPLITS:
        table = folder / f'{split}.tsv'
        if not table.is_file():
            corpus.report('missing split', str(table), 'it is not there; the split is left out')
            continue
        lines = table.read_text(encoding='utf-8', errors='surrogateescape').split('\n')
        for number, line in enumerate(lines, 1):
            if line.strip():
                _read_row(corpus, split, line.rstrip('\r'), emotions, f'{table}:{number}')
    if not corpus.examples:
        raise InvalidInput(f'GoEmotions {folder}: no comment was found; expected train.tsv with '
                           'rows of text, label indices and id, separated by tabs')
    return corpus


def _read_labels(path: Path) -> list[int]:
    """Return the index in EMOTIONS of each line."""
    try:
        names = path.read_text(encoding='utf-8').split()
    except OSError as error:
        raise InvalidInput(f'{path}: it cannot be read ({error}); expected the names of the '
                           'labels, one a line') from error
    try:
        return [emotion_index(name) for name in names]
    except InvalidInput as error:
        raise InvalidInput(f'{path}: {error}; take the version that is grouped to the emotions '
                           'of Ekman') from error


def _read_row(corpus: Corpus, split: str, line: str, emotions: list[int], where: str) -> None:
    columns = line.split('\t')
    if len(columns) != 3:
        corpus.report('bad row', where, f'{len(columns)} columns instead of 3; the row is left '
                      'out')
        return
    text, indices, name = columns
    key = f'{split}/{name}'
    try:
        chosen = {int(index) for index in indices.split(',')}
    except ValueError:
        corpus.report('bad row', where, f'{indices!r} are no label indices; the row is left out',
                      key)
        return
    unknown = chosen - set(range(len(emotions)))
    if unknown:
        corpus.report('unknown label', where, f'label index {min(unknown)} is not in labels.txt; '
                      'the row is left out', key)
        return
    labels = tuple(sorted(emotions[index] for index in chosen))
    corpus.add(Example(key, split, repair_text(text), labels, group=key), where)
