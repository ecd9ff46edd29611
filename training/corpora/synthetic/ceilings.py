# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Scores of the best possible classifier of a synthetic corpus, by modalities."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from training.corpora.synthetic.plan import CorpusConfig, NEUTRAL, SHOWN_IN

Float = NDArray[np.float64]
TURNS = 6  # of a simulated dialogue
CLASSES = len(EMOTIONS)


@dataclass(frozen=True)
class Ceiling:
    """
    The scores of the Bayes classifier, in [0, 1].

    It sees without error what each modality shows, so that a real model stays below.
    """

    accuracy: float
    weighted_f1: float

    @classmethod
    def of(cls, confusion: Float) -> Ceiling:
        """
        Score a confusion matrix.

        :param confusion: (7, 7) joint probabilities or counts of truth (row) and answer.
        """
        truth, answers, hits = confusion.sum(1), confusion.sum(0), np.diag(confusion)
        f1 = 2 * hits / np.maximum(truth + answers, 1e-12)
        total = float(confusion.sum())
        return cls(float(hits.sum()) / total, float((f1 * truth).sum()) / total)


def ceilings(config: CorpusConfig) -> dict[str, Ceiling]:
    """
    Compute the ceilings of every subset of the modalities, each utterance by itself; exact.

    :return: by name: 'text', 'audio', 'face', 'text+audio', ... 'text+audio+face'.
    """
    found = {}
    for count in range(1, len(SHOWN_IN) + 1):
        for chosen in combinations(range(len(SHOWN_IN)), count):
            joint = config.prior[:, None]  # (7, combinations shown)
            for index in chosen:
                joint = joint[:, :, None] * emission(config, index)[:, None, :]
                joint = joint.reshape(CLASSES, -1)
            confusion = np.zeros((CLASSES, CLASSES))
            np.add.at(confusion.T, joint.argmax(0), joint.T)
            found['+'.join(SHOWN_IN[i] for i in chosen)] = Ceiling.of(confusion)
    return found


def context_ceilings(config: CorpusConfig, dialogues: int = 10_000) -> dict[str, Ceiling]:
    """
    Estimate by simulation what the words of the dialogue around the utterance add.

    :param dialogues: simulated, of TURNS turns.
    :return: 'text' and 'text+audio+face', each with ', history' (causal) and ', history and
        reply' (the next turn is known as well).
    """
    rng = np.random.default_rng(config.seed)
    truth, shown, remarks = _simulate(config, dialogues, rng)
    found = {}
    for name, modalities in (('text', (0,)), ('text+audio+face', (0, 1, 2))):
        for reply in (False, True):
            answers = _answers(config, shown, remarks, modalities, reply)
            confusion = np.zeros((CLASSES, CLASSES))
            np.add.at(confusion, (truth.ravel(), answers.ravel()), 1)
            found[f'{name}, history{" and reply" if reply else ""}'] = Ceiling.of(confusion)
    return found


def emission(config: CorpusConfig, modality: int) -> Float:
    """Return (7, 7) the probability of each emotion shown (column) given the true one (row)."""
    clear, conflict = config.clear[modality], config.conflict
    table = np.full((CLASSES, CLASSES), conflict / (CLASSES - 1))
    np.fill_diagonal(table, clear)
    table[:, NEUTRAL] += 1 - clear - conflict
    return table


def _transition(config: CorpusConfig) -> Float:
    """Return (7, 7) the probability of the next emotion (column) given the one before."""
    prior = config.prior
    return config.persistence * np.eye(CLASSES) + (1 - config.persistence) * prior


def _remark(config: CorpusConfig, remarks: NDArray[np.int64]) -> Float:
    """Return (dialogues, 7) the likelihood of a remark (-1: none) by the emotion remarked on."""
    given = remarks >= 0
    likelihood = np.full((len(remarks), CLASSES), 1 - config.reaction)
    likelihood[given] = config.reaction * np.eye(CLASSES)[remarks[given]]
    return likelihood


def _simulate(config: CorpusConfig, dialogues: int, rng: np.random.Generator
              ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Draw (dialogues, turns) emotions, (3, dialogues, turns) shown and again remarks."""
    def draw(probabilities: Float) -> NDArray[np.int64]:
        chance = rng.random((len(probabilities), 1))
        drawn = (probabilities.cumsum(1) < chance).sum(1)
        return np.asarray(np.minimum(drawn, CLASSES - 1), np.int64)

    truth = np.empty((dialogues, TURNS), np.int64)
    remarks = np.full((dialogues, TURNS), -1)
    prior = config.prior
    for turn in range(TURNS):
        truth[:, turn] = draw(np.tile(prior, (dialogues, 1)) if turn == 0
                              else _transition(config)[truth[:, turn - 1]])
        if turn:
            given = rng.random(dialogues) < config.reaction
            remarks[given, turn] = truth[given, turn - 1]
    shown = np.stack([draw(emission(config, m)[truth.ravel()]).reshape(truth.shape)
                      for m in range(len(SHOWN_IN))])
    return truth, shown, remarks


def _answers(config: CorpusConfig, shown: NDArray[np.int64], remarks: NDArray[np.int64],
             modalities: tuple[int, ...], reply: bool) -> NDArray[np.int64]:
    """Answer every turn by the forward algorithm over the words, and one step back for a reply."""
    dialogues, turns = remarks.shape
    tables = [emission(config, m).T for m in range(len(SHOWN_IN))]
    step = _transition(config)
    belief = np.tile(config.prior, (dialogues, 1))
    answers = np.empty((dialogues, turns), np.int64)
    for turn in range(turns):
        if turn:
            belief = (belief * _remark(config, remarks[:, turn])) @ step
        posterior = belief.copy()
        for m in modalities:
            posterior *= tables[m][shown[m, :, turn]]
        if reply and turn + 1 < turns:
            posterior *= tables[0][shown[0, :, turn + 1]] @ step.T
            posterior *= _remark(config, remarks[:, turn + 1])
        answers[:, turn] = posterior.argmax(1)
        belief = belief * tables[0][shown[0, :, turn]]
        belief /= belief.sum(1, keepdims=True)
    return answers
