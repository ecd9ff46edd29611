# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Voices of corpora, and of people, that a model has not learnt from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mmer_ros.evaluation.metrics import Interval, score
from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from training.corpora.examples import grouped_folds
from training.encoders.audio.linear_voice import VoiceVectors

Predict = Callable[[Sequence[VoiceVectors], VoiceVectors], NDArray[np.float32]]
# Learns from some corpora and returns the logits (N, 7) of another.

RESAMPLES = 2000


def recall_interval(labels: NDArray[np.int64], answers: NDArray[np.int64],
                    speakers: NDArray[Any]) -> Interval:
    """
    Return the unweighted recall with its 95 % interval over resampled speakers.

    The mean is over the classes that occur; in a resample, over those of its speakers.

    :param labels, answers, speakers: (N,).
    """
    people, who = np.unique(speakers, return_inverse=True)
    shape = len(people), len(EMOTIONS)
    hits, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(counts, (who, labels), 1)
    np.add.at(hits, (who, labels), answers == labels)
    drawn = np.random.default_rng(0).integers(len(people), size=(RESAMPLES, len(people)))
    low, high = np.percentile(_recall(hits[drawn].sum(axis=1), counts[drawn].sum(axis=1)),
                              [2.5, 97.5])
    value = _recall(hits.sum(axis=0)[None], counts.sum(axis=0)[None])[0]
    return Interval(float(value), float(low), float(high))


def _recall(hits: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the classes that occur: (R, 7) -> (R,)."""
    result: NDArray[np.float64] = (
        (hits / counts.clip(min=1)).sum(axis=1) / (counts > 0).sum(axis=1))
    return result


def leave_one_corpus_out(corpora: Sequence[VoiceVectors], tested: Sequence[str],
                         predict: Predict) -> dict[str, NDArray[np.float32]]:
    """
    Return the logits of each tested corpus by a model that has learnt from the others alone.

    :raises InvalidInput: if a tested corpus is not there, or is the only one.
    """
    known = {c.name: c for c in corpora}
    for name in tested:
        if name not in known or len(known) < 2:
            raise InvalidInput(f'unseen corpus {name!r}: expected one of {", ".join(known)}, and '
                               'another one to learn from')
    return {name: predict([c for c in corpora if c.name != name], known[name])
            for name in tested}


def leave_speakers_out(corpora: Sequence[VoiceVectors], name: str, folds: int, predict: Predict
                       ) -> NDArray[np.float32]:
    """Return the logits of a corpus; its other speakers and all other corpora are learnt from."""
    own = next(c for c in corpora if c.name == name)
    others = [c for c in corpora if c.name != name]
    fold = grouped_folds(own.speakers, folds)
    logits = np.zeros((len(own.keys), len(EMOTIONS)), np.float32)
    for number in range(folds):
        logits[fold == number] = predict([*others, own.where(fold != number)],
                                         own.where(fold == number))
    return logits


def scores_of(corpus: VoiceVectors, logits: NDArray[np.float32]) -> dict[str, Any]:
    """
    Return clips, speakers, unweighted recall with its interval, recall by class, calibration.

    The calibration error is that of softmax(logits), over all seven classes.
    """
    answers = logits.argmax(axis=1)
    probabilities = softmax(logits.astype(np.float64), axis=1)
    recall = recall_interval(corpus.labels, answers, corpus.speakers)
    return {'clips': len(corpus.keys), 'speakers': len(np.unique(corpus.speakers)),
            'unweighted_recall': vars(recall),
            'recall': {EMOTIONS[i]: float((answers[corpus.labels == i] == i).mean())
                       for i in np.unique(corpus.labels)},
            'ece': score(corpus.labels, probabilities).ece,
            'mean_confidence': float(probabilities.max(axis=1).mean())}


def mean_recall(scores: Mapping[str, Mapping[str, Any]]) -> float:
    """Return the mean unweighted recall of several corpora."""
    return float(np.mean([each['unweighted_recall']['value'] for each in scores.values()]))
