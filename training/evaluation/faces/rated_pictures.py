# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Pictures of FER2013 against its label and the votes of FER+: accuracy, and calibration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import accuracy, balanced_accuracy, bootstrap_interval, ECE_BINS
from mmer_ros.types import EMOTIONS, Float32, UInt8
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from training.augment.faces import (
    blurred,
    compressed,
    framed,
    noisy,
    relit,
    ROBOT_HEIGHT,
    ROBOT_WIDTH,
    smaller,
)
from training.corpora.fer import FERPLUS, read_arrays, read_votes
from training.fusion.calibration import fit_temperature

Degrade = Callable[[UInt8, np.random.Generator], UInt8]

# What a robot sees: a face far away (18 of 48 pixels), out of focus, in the dark with noise, and
# in the frame that its detector gives.
CONDITIONS: dict[str, Degrade] = {
    'clean': lambda picture, random: picture,
    'small': lambda picture, random: smaller(picture, 18),
    'blurred': lambda picture, random: blurred(picture, 1.5),
    'dark': lambda picture, random: noisy(relit(picture, 1.6, 0.35, 0.5, 0.0), 6.0, random),
    'compressed': lambda picture, random: compressed(picture, 20),
    'robot frame': lambda picture, random: framed(picture, ROBOT_WIDTH, ROBOT_HEIGHT),
}


@dataclass(frozen=True)
class RatedPictures:
    """
    Pictures with FER2013's label and the votes of FER+.

    :param images: (N, 48, 48) grey; `labels`: (N,) indices into EMOTIONS.
    :param votes: (N, 10) in the order of VOTE_NAMES, -1 where there are none.
    """

    images: UInt8
    labels: NDArray[np.int64]
    votes: NDArray[np.int64]

    @classmethod
    def read(cls, pictures: Path, votes: Path, name: str = 'valid') -> RatedPictures:
        """
        Read NAME.npz of FER2013 and votes_NAME.npz of FER+.

        :raises InvalidInput: if one is missing, damaged or of another layout.
        """
        images, labels = read_arrays(pictures / f'{name}.npz')
        return cls(images, labels.astype(np.int64), read_votes(votes, name, len(labels)))

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Shares of the votes for the seven emotions, (N, 7); 0 for pictures without votes."""
        known = self.votes.clip(min=0)
        result: NDArray[np.float64] = np.zeros((len(known), len(EMOTIONS)))
        result[:, list(FERPLUS.values())] = known[:, :len(FERPLUS)]
        result /= known.sum(axis=1, keepdims=True).clip(min=1)
        return result

    @cached_property
    def majority(self) -> NDArray[np.int64]:
        """The emotion with more than half of all votes, (N,); -1 where none has."""
        return np.where(self.shares.max(axis=1) > 0.5, self.shares.argmax(axis=1), -1)

    @cached_property
    def plurality(self) -> NDArray[np.int64]:
        """
        The emotion with most votes, (N,); the first of several.

        -1 if 'contempt', 'unknown' or 'not a face' has more, and where there are no votes.
        """
        others = self.votes[:, len(FERPLUS):].max(axis=1) / self.votes.sum(axis=1).clip(min=1)
        known = (self.votes >= 0).all(axis=1) & (self.shares.max(axis=1) >= others)
        return np.where(known, self.shares.argmax(axis=1), -1)

    @property
    def references(self) -> dict[str, NDArray[np.int64]]:
        """Labels to score against, -1 where a picture has none."""
        return {'majority': self.majority, 'plurality': self.plurality, 'fer2013': self.labels}

    def degraded(self, condition: str) -> UInt8:
        """Return the pictures under one of CONDITIONS, the same at every call."""
        random = np.random.default_rng(0)
        return np.stack([CONDITIONS[condition](image, random) for image in self.images])


def label_scores(labels: NDArray[np.int64], logits: Float32) -> dict[str, Any]:
    """
    Return accuracy and mean recall with 95 % intervals, recalls, and calibration errors.

    `ece` is with temperatures of `cross_fitted`, `ece_raw` without any.

    :param labels: (N,), -1 where a picture is left out; `logits`: (N, 7).
    """
    known = labels >= 0
    labels, logits = labels[known], logits[known]
    raw = softmax(logits.astype(np.float64), axis=1)
    fitted, temperatures = cross_fitted(labels, logits)
    answers = raw.argmax(axis=1)
    right = answers == labels
    return {'count': len(labels), 'accuracy': vars(bootstrap_interval(accuracy, labels, raw)),
            'balanced': vars(bootstrap_interval(balanced_accuracy, labels, raw)),
            'recall': {EMOTIONS[i]: float((answers[labels == i] == i).mean())
                       for i in np.unique(labels)},
            'ece_raw': calibration_error(raw.max(axis=1), right),
            'ece': calibration_error(fitted.max(axis=1), right), 'temperatures': temperatures}


def agreement_scores(shares: NDArray[np.float64], logits: Float32) -> dict[str, float]:
    """
    Return how well predictions meet the votes, by pictures that have some.

    `agreement` is the share of the votes for the answer, `ece_agreement` the calibration error of
    the confidence as that share, and `divergence` the mean Kullback-Leibler divergence of the
    prediction from the distribution of the votes, nats.

    :param shares: (N, 7) of all votes; `logits`: (N, 7).
    """
    known = shares.sum(axis=1) > 0
    target = shares[known] / shares[known].sum(axis=1, keepdims=True)
    predicted = softmax(logits[known].astype(np.float64), axis=1)
    agreed = target[np.arange(len(target)), predicted.argmax(axis=1)]
    terms = target * (np.log(target.clip(min=1e-12)) - np.log(predicted.clip(min=1e-12)))
    return {'agreement': float(agreed.mean()),
            'ece_agreement': calibration_error(predicted.max(axis=1), agreed),
            'divergence': float(terms.sum(axis=1).mean())}


def cross_fitted(labels: NDArray[np.int64], logits: Float32
                 ) -> tuple[NDArray[np.float64], list[float]]:
    """
    Return calibrated probabilities (N, 7), and the temperatures of even and odd rows.

    The temperature of one half is fitted on the other.
    """
    result = np.zeros(logits.shape)
    temperatures = []
    for half in (0, 1):
        temperatures.append(fit_temperature(logits[1 - half::2], labels[1 - half::2]))
        result[half::2] = softmax(logits[half::2].astype(np.float64) / temperatures[-1], axis=1)
    return result, temperatures


def calibration_error(confidences: NDArray[Any], hits: NDArray[Any]) -> float:
    """
    Return the expected calibration error, over ECE_BINS bins of equal width.

    >>> calibration_error(np.array([0.9, 0.9, 0.7]), np.array([1, 0, 0.7]))
    0.26666666666666666

    :param confidences: (N,) 0..1; `hits`: (N,) how right each answer is, 0..1.
    """
    bins = np.minimum((confidences * ECE_BINS).astype(int), ECE_BINS - 1)
    gaps = np.bincount(bins, hits - confidences, ECE_BINS)
    return float(np.abs(gaps).sum() / len(bins))
