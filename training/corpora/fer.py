# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""FER2013 and FER+: grey pictures of faces, 48x48, kept in memory as they are."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from dataclasses import replace
from pathlib import Path
import zipfile

from mmer_ros.sensing.faces import crop_face
from mmer_ros.types import EMOTIONS, InvalidInput, Modality, UInt8
import numpy as np
from numpy.typing import NDArray
from training.corpora.corpus import emotion_index
from training.corpora.examples import Example
from training.corpora.presets.rows import soft_label
from training.engine.files import fingerprint

STILL_SIZE = 48  # pixels, height and width
PUBLISHED, VOTES = 'fer2013.csv', 'fer2013new.csv'
USAGES = {'Training': 'train', 'PublicTest': 'dev', 'PrivateTest': 'test'}
PUBLISHED_EMOTIONS = [EMOTIONS.index(name) for name in (
    'anger', 'disgust', 'fear', 'joy', 'sadness', 'surprise', 'neutral')]
FERPLUS = {name: emotion_index(name) for name in (
    'neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear')}
VOTE_NAMES = (*FERPLUS, 'contempt', 'unknown', 'NF')
LEAST_SHARE = 0.5  # of the votes for the seven emotions
NO_EMOTION = ('contempt', 'unknown', 'NF')  # columns of votes that count against the weight
SPLIT_OF = {'train': 'train', 'valid': 'dev', 'test': 'test'}  # by how a file's name begins


class Stills:
    """
    Labelled pictures of faces, one per example; a source of `Clips`.

    :param images: (n, STILL_SIZE, STILL_SIZE) grey.
    :param examples: in the order of the images.
    """

    def __init__(self, images: UInt8, examples: Sequence[Example]) -> None:
        self.images, self.examples = images, list(examples)
        self._rows = {e.key: row for row, e in enumerate(self.examples)}

    def grey(self, key: str) -> UInt8:
        """Return a picture, (STILL_SIZE, STILL_SIZE)."""
        picture: UInt8 = self.images[self._rows[key]]
        return picture

    def faces(self, key: str) -> UInt8:
        """Return the crop that the robot makes of a picture, (1, 160, 160, 3) RGB."""
        return crop_of(self.grey(key))[None]

    def audio(self, key: str) -> None:
        """Return nothing."""

    def modalities(self, key: str) -> Modality:
        """Return the modalities of an example: its face."""
        return Modality.FACE if key in self._rows else Modality(0)

    @property
    def digest(self) -> str:
        """Fingerprint of pictures, labels and splits."""
        return fingerprint(self.images.tobytes(), repr([
            (e.key, e.split, e.labels, *((e.soft, e.weight) if e.soft else ()))
            for e in self.examples]))


def crop_of(picture: UInt8) -> UInt8:
    """
    Return the crop that the robot makes if its detector returns the whole picture.

    :param picture: (height, width) grey.
    :return: (FACE_SIZE, FACE_SIZE, 3) RGB.
    """
    height, width = picture.shape
    crop = crop_face(np.repeat(picture[..., None], 3, axis=2), (0, 0, width, height), margin=0)
    assert crop is not None
    return crop


def is_fer2013(folder: Path) -> bool:
    """Return whether a folder holds files that `read_fer2013` reads."""
    return (folder / PUBLISHED).is_file() or any(folder.glob('train*.npz'))


def read_fer2013(folder: Path, votes: Path | None = None) -> Stills:
    """
    Read FER2013 (Goodfellow et al. 2013), and the votes of FER+ (Barsoum et al. 2016).

    With votes, the target of a picture is the distribution of those for the seven emotions, its
    label their most frequent one, and its weight their share of all votes: contempt, 'unknown'
    and 'not a face' are no class, and count against the weight. Pictures without votes, or with
    less than half of them for the seven, are left out.

    :param folder: with fer2013.csv as published, and fer2013new.csv of FER+ if it is there; or
        with the files train*.npz, valid*.npz (the dev split) and test*.npz, as far as they are
        there. Each of these holds `image`, (n, 48, 48) uint8, and `label`, (n,) indices into
        EMOTIONS; the published file numbers the emotions otherwise.
    :param votes: folder with a file votes_NAME.npz for each NAME.npz; it holds `votes`, (n, 10)
        counts in the order of VOTE_NAMES, -1 for a picture without votes.
    :raises InvalidInput: if there are none, or one is damaged or of another layout.
    """
    if (folder / PUBLISHED).is_file():
        return _read_published(folder)
    images: list[UInt8] = []
    examples: list[Example] = []
    for begin, split in SPLIT_OF.items():
        for path in sorted(folder.glob(f'{begin}*.npz')):
            pictures, labels = read_arrays(path)
            found = [Example(f'{split}/{path.stem}_{row:05d}', split, '', (int(label),))
                     for row, label in enumerate(labels)]
            if votes is not None:
                rows, found = _voted(found, read_votes(votes, path.stem, len(labels)))
                pictures = pictures[rows]
            images.append(pictures)
            examples += found
    if not images:
        raise InvalidInput(f'FER2013 {folder}: no file train*.npz, valid*.npz, test*.npz or '
                           f'{PUBLISHED}; give the folder that has them')
    return Stills(np.concatenate(images), examples)


def _read_published(folder: Path) -> Stills:
    """
    Read fer2013.csv.

    With FER+, as `read_fer2013` says.
    """
    votes = _votes(folder / VOTES)
    images: list[UInt8] = []
    examples: list[Example] = []
    path = folder / PUBLISHED
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            for number, row in enumerate(csv.DictReader(file)):
                soft, weight = soft_label(votes[number], FERPLUS) if votes else ((), 1.0)
                if votes and (not soft or weight < LEAST_SHARE):
                    continue
                split = USAGES[row['Usage']]
                label = (soft.index(max(soft)) if soft else
                         PUBLISHED_EMOTIONS[int(row['emotion'])])
                images.append(np.array(row['pixels'].split(), np.uint8).reshape(
                    STILL_SIZE, STILL_SIZE))
                examples.append(Example(
                    f'{split}/fer{number:07d}', split, '', (label,), soft=soft, weight=weight))
    except (OSError, KeyError, IndexError, ValueError, csv.Error) as error:
        raise InvalidInput(f'FER2013 {path}:{len(images) + 2}: it cannot be read ({error!r}); '
                           'expected the columns emotion, pixels, Usage, and the same rows in '
                           f'{VOTES}') from error
    return Stills(np.stack(images), examples)


def read_votes(folder: Path, name: str, count: int) -> NDArray[np.int64]:
    """
    Return the votes of FER+ for the pictures of NAME.npz, (n, 10) in the order of VOTE_NAMES.

    A picture that FER+ does not have has -1 everywhere.

    :param name: of the file of pictures, without its suffix; `count`: of its pictures.
    :raises InvalidInput: if the file is missing, damaged, or of another layout.
    """
    path = folder / f'votes_{name}.npz'
    try:
        with np.load(path) as arrays:
            votes = arrays['votes']
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(f'FER+ {path}: it cannot be read ({error}); expected a .npz file with '
                           'the array votes') from error
    if votes.shape != (count, len(VOTE_NAMES)) or not np.issubdtype(votes.dtype, np.integer):
        raise InvalidInput(f'FER+ {path}: votes is {votes.dtype} {votes.shape}; expected integers '
                           f'({count}, {len(VOTE_NAMES)}), a row for each picture')
    return np.asarray(votes, np.int64)


def _voted(examples: Sequence[Example], votes: NDArray[np.int64]
           ) -> tuple[list[int], list[Example]]:
    """Return the rows of the pictures that are kept, and their examples with soft labels."""
    rows, kept = [], []
    for row, (example, counts) in enumerate(zip(examples, votes.tolist(), strict=True)):
        if min(counts) < 0:
            continue
        soft, weight = soft_label(dict(zip(VOTE_NAMES, counts)), FERPLUS)
        if soft and weight >= LEAST_SHARE:
            rows.append(row)
            kept.append(replace(example, labels=(soft.index(max(soft)),), soft=soft,
                                weight=weight))
    return rows, kept


def _votes(path: Path) -> list[dict[str, float]]:
    """Return the votes of FER+ for each row; [] without the file."""
    if not path.is_file():
        return []
    try:
        with path.open(newline='', encoding='utf-8-sig') as file:
            return [{name: float(row[name]) for name in (*FERPLUS, *NO_EMOTION)}
                    for row in csv.DictReader(file)]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f'FER+ {path}: it cannot be read ({error!r}); expected '
                           'fer2013new.csv as published') from error


def read_arrays(path: Path) -> tuple[UInt8, UInt8]:
    """
    Return pictures (n, 48, 48) and labels (n,) of a file as `read_fer2013` describes it.

    :raises InvalidInput: if it is missing, damaged or of another layout.
    """
    try:
        with np.load(path) as arrays:
            images, labels = arrays['image'], arrays['label']
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise InvalidInput(f'FER2013 {path}: it cannot be read ({error}); expected a .npz file '
                           'with the arrays image and label') from error
    if images.dtype != np.uint8 or images.shape[1:] != (STILL_SIZE, STILL_SIZE) or (
            labels.shape != images.shape[:1]):
        raise InvalidInput(
            f'FER2013 {path}: image is {images.dtype} {images.shape}, label {labels.shape}; '
            f'expected uint8 (n, {STILL_SIZE}, {STILL_SIZE}) and (n,)')
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(EMOTIONS):
        raise InvalidInput(f'FER2013 {path}: labels from {labels.min()} to {labels.max()}; '
                           f'expected indices into {", ".join(EMOTIONS)}')
    return images, labels
