# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Action units of the speaking faces of RAVDESS, and a linear classifier of them."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from numpy.typing import NDArray
from training.corpora.examples import grouped_folds

INNER_FOLDS = 5
STRENGTH = 0.1  # inverse penalty of the logistic regression on standardised units


@dataclass(frozen=True)
class Units:
    """
    Clip means of OpenFace action units (Baltrusaitis et al. 2018).

    :param keys: (N,) of the sound of the same clip, e.g. 'Actor_01/03-01-01-01-01-01-01.flac'.
    :param values: (N, 35) intensities 0..5 and presences 0..1.
    :param labels: (N,) indices into EMOTIONS; calm counts as neutral.
    :param actors: (N,).
    """

    keys: Sequence[str]
    values: NDArray[np.float32]
    labels: NDArray[np.int64]
    actors: NDArray[np.int64]


LABELS = {'neutral': 'neutral', 'calm': 'neutral', 'happy': 'joy', 'sad': 'sadness',
          'angry': 'anger', 'fear': 'fear', 'disgust': 'disgust', 'surprise': 'surprise'}


def read_units(folder: Path) -> Units:
    """
    Read face_au_mean.csv.

    :raises InvalidInput: if it is not there or not of this form.
    """
    path = folder / 'face_au_mean.csv'
    try:
        with path.open(newline='', encoding='utf-8') as file:
            rows = list(csv.DictReader(file))
        names = [name for name in rows[0] if name.startswith('AU')]
        values = np.array([[float(row[name]) for name in names] for row in rows], np.float32)
        labels = np.array([EMOTIONS.index(LABELS[row['emotion']]) for row in rows], np.int64)
        actors = np.array([int(row['actor']) for row in rows], np.int64)
        keys = [row['audio_file'] for row in rows]
        if len(names) < 2 or not np.isfinite(values).all():
            raise ValueError('there are no action units, or not all are numbers')
    except (OSError, KeyError, IndexError, TypeError, ValueError) as error:
        raise InvalidInput(f'{path}: it cannot be used ({error!r}); expected action units of '
                           'RAVDESS with the columns audio_file, emotion, actor, AU...') from error
    return Units(keys, values, labels, actors)


def known_logits(values: NDArray[np.float32], labels: NDArray[np.int64],
                 actors: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return out-of-fold logits (N, 7): each actor is classified by a model of the others."""
    found = np.zeros((len(labels), len(EMOTIONS)), np.float32)
    part = grouped_folds(actors, INNER_FOLDS)
    for fold in range(INNER_FOLDS):
        fit, other = part != fold, part == fold
        found[other] = linear_logits(values[fit], labels[fit], values[other])
    return found


def linear_logits(values: NDArray[np.float32], labels: NDArray[np.int64],
                  asked: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return logits (M, 7) of a logistic regression for other rows."""
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(C=STRENGTH, max_iter=1000).fit(values, labels)
    logits = np.full((len(asked), len(EMOTIONS)), -30.0, np.float32)
    logits[:, model.classes_] = model.decision_function(asked)
    return logits
