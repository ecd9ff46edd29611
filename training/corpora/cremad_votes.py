# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Human votes on CREMA-D clips from the voice, from the face, and from both."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from numpy.typing import NDArray

LETTERS = {'N': 'neutral', 'F': 'fear', 'S': 'sadness', 'H': 'joy', 'D': 'disgust', 'A': 'anger'}
CLASSES = tuple(EMOTIONS.index(name) for name in LETTERS.values())  # no surprise in CREMA-D
INTENDED = {'NEU': 'N', 'FEA': 'F', 'SAD': 'S', 'HAP': 'H', 'DIS': 'D', 'ANG': 'A'}
NEUTRAL = 0  # place in CLASSES
SMOOTHING = 0.5  # votes added to each class (Krichevsky and Trofimov 1981)

Counts = NDArray[np.float64]


@dataclass(frozen=True)
class Votes:
    """
    Votes of N clips over CLASSES.

    :param actors: (N,) number of the speaker.
    :param voice, face, both: (N, 6) numbers of votes.
    :param intended: (N,) places in CLASSES of the emotion that the actor meant to show.
    """

    actors: NDArray[np.int64]
    voice: Counts
    face: Counts
    both: Counts
    intended: NDArray[np.int64]

    def neutral_rates(self) -> tuple[float, float]:
        """
        Return how often voice and face alone seem neutral where both together do not.

        That is the share of the clips whose most voted class from both is not neutral, but
        that from the voice alone, or the face alone, is.
        """
        emotional = 1 - _first(self.both)
        voice, face = (float((_first(v) * emotional).sum() / emotional.sum())
                       for v in (self.voice, self.face))
        return voice, face


def _first(votes: Counts) -> Counts:
    """Return how far neutral is the most voted class, (N,): 1/k where k classes share that."""
    top = votes == votes.max(axis=1, keepdims=True)
    result: Counts = top[:, NEUTRAL] / top.sum(axis=1)
    return result


def shares(votes: Counts) -> Counts:
    """Return votes as a distribution, smoothed so that no class is impossible."""
    smoothed = votes + SMOOTHING
    result: Counts = smoothed / smoothed.sum(axis=1, keepdims=True)
    return result


def read_votes(folder: Path) -> Votes:
    """
    Read votes_wide.csv.

    :raises InvalidInput: if it is not there or not of this form.
    """
    path = folder / 'votes_wide.csv'
    try:
        with path.open(newline='', encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
        voice, face, both = (np.array([[float(row[f'{kind}_{letter}']) for letter in LETTERS]
                                       for row in rows]) for kind in ('voice', 'face', 'av'))
        actors = np.array([int(row['actor']) for row in rows], np.int64)
        intended = np.array([list(LETTERS).index(INTENDED[row['intended']]) for row in rows],
                            np.int64)
        if not len(rows) or min(kind.sum(axis=1).min() for kind in (voice, face, both)) < 1:
            raise ValueError('there are clips without votes, or no clips')
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f'{path}: it cannot be used ({error!r}); expected the votes of CREMA-D '
                           'with the columns actor, intended, voice_A ... av_S') from error
    return Votes(actors, voice, face, both, intended)
