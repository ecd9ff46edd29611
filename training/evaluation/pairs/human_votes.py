"""
What people make of a voice and a face together, predicted from what they make of each alone.

CREMA-D (Cao et al. 2014) has the votes for all three. The real unimodal posteriors of real
pairs show how far to trust voice and face, which no label-matched composition can tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmer_ros.evaluation.metrics import Interval
import numpy as np
from numpy.typing import NDArray
from training.corpora.cremad_votes import CLASSES, NEUTRAL, shares, Votes
from training.corpora.examples import grouped_folds
from training.evaluation.grouped_bootstrap import mean_interval
from training.evaluation.pairs.judge import plain
from training.fusion.opinion_pools import (
    best_weights,
    correct,
    cross_entropy,
    Floats,
    LogLinear,
    weighted_sum,
)

FOLDS = 6
RULE = 'log-linear'  # the one that goes on to the bundle
BASELINES = ('face alone', 'face alone, recalibrated', 'fixed-weight sum',
             'fixed-weight sum, best of all in hindsight')


@dataclass(frozen=True)
class Rule:
    """
    How far to trust voice and face, as fitted on the clips of all actors.

    :param voice, face: exponents of their posteriors in the log-linear pool.
    :param neutral: offset of neutral against the mean of the emotions, nats: that one of them
        shows nothing says less than that it shows an emotion.
    :param voice_neutral, face_neutral: how often they show nothing where both show an emotion.
    """

    voice: float
    face: float
    neutral: float
    voice_neutral: float
    face_neutral: float


@dataclass(frozen=True)
class Perception:
    """
    Answers for clips of actors that were not in the fitting.

    :param answers: by name of the rule, (N, 6) each.
    :param truth: (N, 6) shares of the votes from voice and face together.
    """

    answers: Mapping[str, Floats]
    truth: Floats
    actors: NDArray[np.int64]
    intended: NDArray[np.int64]
    rule: Rule

    def figures(self) -> dict[str, Any]:
        """Return cross-entropy and accuracy of each rule with intervals over the actors."""
        return {name: {
            'cross_entropy': plain(self._mean(cross_entropy(answers, self.truth))),
            'accuracy': plain(self._mean(correct(answers, self.truth))),
            'intended': float((answers.argmax(axis=1) == self.intended).mean()),
        } for name, answers in self.answers.items()}

    def leads(self) -> dict[str, dict[str, Any]]:
        """Return by how much the rule beats each baseline; > 0 is better."""
        rule = self.answers[RULE]
        return {name: {
            'cross_entropy': plain(self._mean(
                cross_entropy(self.answers[name], self.truth) - cross_entropy(rule, self.truth))),
            'accuracy': plain(self._mean(
                correct(rule, self.truth) - correct(self.answers[name], self.truth))),
        } for name in BASELINES}

    def _mean(self, values: Floats) -> Interval:
        return mean_interval(values, self.actors)


def check_perception(votes: Votes) -> Perception:
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
            pool = LogLinear(len(evidence), len(CLASSES), by_class=by_class)
            pool.fit([e[fit] for e in evidence], truth[fit])
            found[name][test] = pool.predict([e[test] for e in evidence])
    return Perception({'voice alone': voice, 'face alone': face, **found,
                       BASELINES[-1]: _hindsight(voice, face, truth)},
                      truth, votes.actors, votes.intended, fit_rule(votes))


def fit_rule(votes: Votes) -> Rule:
    """Fit the log-linear pool on all clips."""
    voice, face = shares(votes.voice), shares(votes.face)
    pool = LogLinear(2, len(CLASSES)).fit(
        [voice, face], votes.both / votes.both.sum(axis=1, keepdims=True))
    offset = pool.offset.detach().numpy()
    emotional = np.delete(offset, NEUTRAL).mean()
    weights = pool.weights.detach().numpy()[:, 0]
    return Rule(float(weights[0]), float(weights[1]), float(offset[NEUTRAL] - emotional),
                *votes.neutral_rates())


def _hindsight(voice: Floats, face: Floats, truth: Floats) -> Floats:
    """
    Return the sum whose weight has the best accuracy on the very clips that it is scored on.

    No fixed weight can have a better one.
    """
    _, weight = best_weights(voice, face, truth)
    return weighted_sum(weight, voice, face)
