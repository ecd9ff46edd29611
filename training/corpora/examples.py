# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""One example of a corpus: text, sound and faces of an utterance, and its emotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray

SPLITS = TRAIN, DEV, TEST = ('train', 'dev', 'test')
VIEW = '#'  # between the key of a clip and the number of its augmented view; 0: not augmented
LOUDER = 99  # number of the view by a louder microphone, which is to change no answer


@dataclass(frozen=True)
class Example:
    """
    An utterance of any corpus; each of text, audio and faces may be missing.

    :param key: unique in its corpus, e.g. 'train/dia3_utt7'.
    :param split: train, dev or test.
    :param labels: indices into EMOTIONS; several if the annotators named several, none if
        nothing is known (the text still serves the language model).
    :param group: dialogue that it belongs to; history and reply come from the same group.
    :param turn: place within the group.
    :param audio: file with a sound track, or None.
    :param faces: images of the face in order of time, already cropped; empty if there are none.
    :param video: clip in which the face is still to be found, or None; its sound track serves
        when `audio` is None.
    :param soft: distribution over EMOTIONS from the annotators' votes, the target of training;
        () if there is none. Scores are by `labels`.
    :param weight: how much the example counts in training, relative to others.
    :param fold: 0, 1, ... for cross-validation, or None.
    :param seconds: length of the utterance by the corpus, or None; a clip that is far longer is
        cut to it.
    """

    key: str
    split: str
    text: str = ''
    labels: tuple[int, ...] = ()
    speaker: str = ''
    group: str = ''
    turn: int = 0
    audio: Path | None = None
    faces: tuple[Path, ...] = ()
    video: Path | None = None
    soft: tuple[float, ...] = ()
    weight: float = 1.0
    fold: int | None = None
    seconds: float | None = None

    @property
    def target(self) -> tuple[float, ...]:
        """(7,) distribution times weight: votes, or equal shares of the labels; () unlabelled."""
        shares = self.soft
        if self.labels and not shares:
            share = 1 / len(set(self.labels))
            shares = tuple(share * (i in self.labels) for i in range(len(EMOTIONS)))
        return tuple(share * self.weight for share in shares)


def split_view_key(key: str) -> tuple[str, int]:
    """
    Return the key of the clip and the number of its augmented view.

    >>> split_view_key('train/a#2')
    ('train/a', 2)
    >>> split_view_key('train/a')
    ('train/a', 0)
    """
    clip, there, number = key.rpartition(VIEW)
    return (clip, int(number)) if there else (key, 0)


def reference_key(key: str) -> str:
    """Return the key of the view whose target holds for this one, e.g. a#0 for the louder a#99."""
    clip, number = split_view_key(key)
    return f'{clip}{VIEW}0' if number == LOUDER else key


def grouped_folds(groups: Sequence[Any] | NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return the fold 0..count-1 of each row, (N,); rows of one group share a fold."""
    _, where = np.unique(groups, return_inverse=True)
    result: NDArray[np.int64] = (where % count).astype(np.int64)
    return result


def split_of_fold(fold: int, held_out: int, count: int) -> str:
    """
    Return the split of a fold in cross-validation.

    The held-out fold is the test split, the one before it the dev split, all others are learnt.

    >>> [split_of_fold(fold, 0, 5) for fold in range(5)]
    ['test', 'train', 'train', 'train', 'dev']
    """
    if fold == held_out:
        return TEST
    return DEV if fold == (held_out - 1) % count else TRAIN


def balanced(labels: Sequence[NDArray[np.int64]], shares: Sequence[float] = ()
             ) -> NDArray[np.float64]:
    """
    Return weights of the examples of several corpora or conditions, (N,); their sum is 1.

    Each corpus counts the same, and within it each class that it has counts by `shares`.

    >>> balanced([np.array([0, 0, 1]), np.array([2])]).tolist()
    [0.125, 0.125, 0.25, 0.5]

    :param labels: indices into EMOTIONS of the examples of each.
    :param shares: (7,); equal ones by default.
    """
    weights, parts = np.array(shares if len(shares) else (1.0,) * len(EMOTIONS)), []
    for own in labels:
        counts = np.bincount(own, minlength=len(EMOTIONS))
        total = weights[counts > 0].sum() * len(labels)
        parts.append(weights[own] / counts[own] / total)
    return np.concatenate(parts)
