# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Adaptation to a voice, simulated: held-out speakers, without their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mmer_ros.recognition.prior_correction import NAMED
from mmer_ros.recognition.voice_baseline import VoiceBaselines
from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from training.encoders.audio.linear_voice import VoiceVectors

UTTERANCES = 40  # of a dialogue, at most
REPEATS = 12  # dialogues of a speaker
FEWEST_CLIPS, FEWEST_EMOTIONS = 12, 3  # of a speaker; fewer show nothing
FEWEST_SPEAKERS = 5
PERIODS = {'1-4': (0, 4), '5-10': (4, 10), '11-40': (10, UTTERANCES)}
_NEUTRAL = 0.6
ORDERS = {'balanced': NAMED['flat'], 'as in MELD': NAMED['meld'], '60 % neutral': (
    _NEUTRAL, *(((1 - _NEUTRAL) / (len(EMOTIONS) - 1),) * (len(EMOTIONS) - 1)))}

Ints = NDArray[np.int64]


def simulate_adaptation(corpus: VoiceVectors, logits: NDArray[np.float32]
                        ) -> dict[str, dict[str, dict[str, float]]]:
    """
    Return the unweighted recall without and with adaptation, by order and utterance numbers.

    :param logits: (N, 7) for the clips, by a model that has not learnt from the corpus.
    :return: {} if fewer than FEWEST_SPEAKERS have enough clips and emotions.
    """
    return {order: found for order, shares in ORDERS.items()
            if (found := _simulate(corpus, logits, shares))}


def _simulate(corpus: VoiceVectors, logits: NDArray[np.float32], shares: Sequence[float]
              ) -> dict[str, dict[str, float]]:
    dialogues = list(_dialogues(corpus, shares))
    rows = [row for dialogue in dialogues
            for row in _answers(corpus.labels[dialogue], logits[dialogue])]
    if not rows or len(dialogues) < FEWEST_SPEAKERS * REPEATS:
        return {}
    number, truth, plain, adapted = np.array(rows).T
    return {name: {'without': _recall(truth[there], plain[there]),
                   'with': _recall(truth[there], adapted[there])}
            for name, (first, end) in PERIODS.items()
            if (there := (number >= first) & (number < end)).any()}


def _dialogues(corpus: VoiceVectors, shares: Sequence[float]) -> Iterator[Ints]:
    """Yield clips in the order of dialogues of one speaker, whose emotions have these shares."""
    for speaker in np.unique(corpus.speakers):
        own = np.flatnonzero(corpus.speakers == speaker)
        emotions = np.unique(corpus.labels[own])
        if len(own) < FEWEST_CLIPS or len(emotions) < FEWEST_EMOTIONS:
            continue
        for repeat in range(REPEATS):
            random = np.random.default_rng(repeat)
            waiting = {e: list(random.permutation(own[corpus.labels[own] == e]))
                       for e in emotions}
            weights = np.array([shares[e] for e in emotions])
            drawn = random.choice(emotions, UTTERANCES, p=weights / weights.sum())
            yield np.array([waiting[e].pop() for e in drawn if waiting[e]], np.int64)


def _answers(labels: Ints, logits: NDArray[np.float32]
             ) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, truth, and answer without and with adaptation, of a dialogue's utterances."""
    voices = VoiceBaselines()
    for number, (label, each) in enumerate(zip(labels, logits)):
        voices.add('', each)
        yield number, int(label), int(each.argmax()), int((each - voices.offset('')).argmax())


def _recall(truth: Ints, answers: Ints) -> float:
    return float(np.mean([(answers[truth == e] == e).mean() for e in np.unique(truth)]))


def adaptation_rows(found: dict[str, dict[str, dict[str, Any]]]
                    ) -> Iterator[tuple[str, list[str]]]:
    """Yield the rows of a table: the order, and for each period 'without > with' in percent."""
    for order, periods in found.items():
        yield order, [f'{100 * periods[name]["without"]:.1f} > {100 * periods[name]["with"]:.1f}'
                      if name in periods else '' for name in PERIODS]
