# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Human votes for voice and face together, predicted from the votes for each alone.

CREMA-D (Cao et al. 2014) has the votes for all three. These posteriors of real pairs determine the
weights of voice and face, which pseudo pairs cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from training.corpora.cremad_votes import CLASSES, NEUTRAL, shares, Votes
from training.corpora.examples import grouped_folds
from training.evaluation.grouped_bootstrap import mean_interval
from training.fusion.opinion_pools import (
    best_weights,
    correct,
    cross_entropy,
    Floats,
    LogLinearPool,
    weighted_sum,
)

FOLDS = 6
RULE = 'log-linear'  # the pool of the bundle
BASELINES = ('face alone', 'face alone, recalibrated', 'fixed-weight sum',
             'fixed-weight sum, best of all in hindsight')


@dataclass(frozen=True)
class VotesRule:
    """
    The log-linear pool of voice and face, fitted on the clips of all actors.

    :param voice, face: exponents of their posteriors.
    :param neutral: offset of neutral relative to the mean of the emotions, nats; negative, since a
        neutral modality is weaker evidence than an emotional one.
    :param voice_neutral, face_neutral: share of the clips with an emotion in both in which the
        one alone is neutral.
    """

    voice: float
    face: float
    neutral: float
    voice_neutral: float
    face_neutral: float


@dataclass(frozen=True)
class VotesCheck:
    """
    Predictions for clips of actors that were not fitted on.

    :param predicted: distributions (N, 6) by the name of the rule.
    :param truth: (N, 6) shares of the votes for voice and face together.
    """

    predicted: Mapping[str, Floats]
    truth: Floats
    actors: NDArray[np.int64]
    intended: NDArray[np.int64]
    rule: VotesRule

    def figures(self) -> dict[str, Any]:
        """Return all figures as plain values."""
        return {'clips': len(self.actors), 'actors': len(np.unique(self.actors)),
                'rules': self.scores(), 'leads': self.leads(), 'rule': asdict(self.rule)}

    def scores(self) -> dict[str, Any]:
        """Return cross-entropy and accuracy of each rule with intervals over the actors."""
        return {name: {
            'cross_entropy': self._mean(cross_entropy(each, self.truth)),
            'accuracy': self._mean(correct(each, self.truth)),
            'intended': float((each.argmax(axis=1) == self.intended).mean()),
        } for name, each in self.predicted.items()}

    def leads(self) -> dict[str, dict[str, Any]]:
        """Return the lead of the rule over each baseline; > 0 is better."""
        rule = self.predicted[RULE]
        return {name: {
            'cross_entropy': self._mean(
                cross_entropy(self.predicted[name], self.truth) - cross_entropy(rule, self.truth)),
            'accuracy': self._mean(
                correct(rule, self.truth) - correct(self.predicted[name], self.truth)),
        } for name in BASELINES}

    def _mean(self, values: Floats) -> dict[str, float]:
        return asdict(mean_interval(values, self.actors))


def check_votes(votes: Votes) -> VotesCheck:
    """Predict the votes for voice and face together, actor-disjoint, by several rules."""
    voice, face, truth = shares(votes.voice), shares(votes.face), votes.both / votes.both.sum(
        axis=1, keepdims=True)
    part = grouped_folds(votes.actors, FOLDS)
    names = ('face alone, recalibrated', 'fixed-weight sum', RULE, 'log-linear by class')
    found = {name: np.zeros_like(truth) for name in names}
    for fold in range(FOLDS):
        fit, test = part != fold, part == fold
        weight, _ = best_weights(voice[fit], face[fit], truth[fit])
        found['fixed-weight sum'][test] = weighted_sum(weight, voice[test], face[test])
        for name, evidence, by_class in (
                ('face alone, recalibrated', [face], False), (RULE, [voice, face], False),
                ('log-linear by class', [voice, face], True)):
            pool = LogLinearPool(len(evidence), len(CLASSES), by_class=by_class)
            pool.fit([e[fit] for e in evidence], truth[fit])
            found[name][test] = pool.predict([e[test] for e in evidence])
    return VotesCheck({'voice alone': voice, 'face alone': face, **found,
                       BASELINES[-1]: _hindsight(voice, face, truth)},
                      truth, votes.actors, votes.intended, fit_rule(votes))


def fit_rule(votes: Votes) -> VotesRule:
    """Fit the log-linear pool on all clips."""
    voice, face = shares(votes.voice), shares(votes.face)
    pool = LogLinearPool(2, len(CLASSES)).fit(
        [voice, face], votes.both / votes.both.sum(axis=1, keepdims=True))
    offset = pool.offset.detach().numpy()
    emotional = np.delete(offset, NEUTRAL).mean()
    weights = pool.weights.detach().numpy()[:, 0]
    return VotesRule(float(weights[0]), float(weights[1]), float(offset[NEUTRAL] - emotional),
                     *votes.neutral_rates())


def _hindsight(voice: Floats, face: Floats, truth: Floats) -> Floats:
    """
    Return the sum whose weight has the best accuracy on the scored clips themselves.

    No fixed weight can do better.
    """
    _, weight = best_weights(voice, face, truth)
    return weighted_sum(weight, voice, face)
