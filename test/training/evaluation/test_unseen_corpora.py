# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Voices of unseen corpora: who is learnt from, equal weights, intervals over speakers."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.types import InvalidInput
import numpy as np
from numpy.typing import NDArray
import pytest
import torch
from training.corpora.examples import balanced
from training.encoders.audio.linear_voice import fit_linear, VoiceVectors
from training.evaluation.unseen_corpora import (
    leave_one_corpus_out,
    leave_speakers_out,
    recall_interval,
    scores_of,
)

RNG = np.random.default_rng(0)


def corpus(name: str, labels: Sequence[int], speakers: int = 4, offset: float = 0.0
           ) -> VoiceVectors:
    """Return a corpus whose vectors show the label, beside noise and what is its own."""
    truth = np.array(labels)
    vectors = RNG.normal(0, 0.3, (len(truth), 12)).astype(np.float32)
    vectors[np.arange(len(truth)), truth] += 2
    vectors[:, 11] += offset
    return VoiceVectors(name, tuple(f'{name}/{i}' for i in range(len(truth))),
                        torch.from_numpy(vectors), truth,
                        np.array([f'{name}/{i % speakers}' for i in range(len(truth))]))


CORPORA = [corpus('a', [0, 1, 2, 4] * 30), corpus('b', [0, 4, 6] * 10, offset=0.5),
           corpus('c', [0, 2, 4, 6] * 5, offset=-0.5)]


class Recorder:
    """A model that knows which corpora and speakers it has learnt from."""

    def __init__(self) -> None:
        self.learnt: list[tuple[set[str], set[str]]] = []

    def __call__(self, train: Sequence[VoiceVectors], test: VoiceVectors
                 ) -> NDArray[np.float32]:
        known = {str(s) for c in train for s in c.speakers}
        self.learnt.append((known, {str(s) for s in test.speakers}))
        return np.eye(7, dtype=np.float32)[test.labels]


def test_nothing_is_learnt_from_the_corpus_that_is_left_out() -> None:
    recorder = Recorder()
    found = leave_one_corpus_out(CORPORA, ['a', 'c'], recorder)
    assert list(found) == ['a', 'c']
    for known, tested in recorder.learnt:
        assert not known & tested
        assert {s[0] for s in known} | {s[0] for s in tested} == {'a', 'b', 'c'}


def test_folds_hold_each_speaker_out_once() -> None:
    recorder = Recorder()
    logits = leave_speakers_out(CORPORA, 'a', 4, recorder)
    assert (logits.argmax(axis=1) == CORPORA[0].labels).all()
    assert sorted(s for _, tested in recorder.learnt for s in tested) == [
        f'a/{i}' for i in range(4)]
    for known, tested in recorder.learnt:
        assert not known & tested and {s[0] for s in known} == {'a', 'b', 'c'}


def test_an_unknown_or_a_single_corpus_is_refused() -> None:
    with pytest.raises(InvalidInput, match="'d'.*a, b, c"):
        leave_one_corpus_out(CORPORA, ['d'], Recorder())
    with pytest.raises(InvalidInput, match='another one'):
        leave_one_corpus_out(CORPORA[:1], ['a'], Recorder())


def test_each_corpus_and_each_of_its_classes_counts_the_same() -> None:
    labels = [np.array([0, 0, 0, 4]), np.array([6, 6])]
    weights = balanced(labels)
    assert weights.tolist() == pytest.approx([1 / 12] * 3 + [1 / 4] + [1 / 4] * 2)


def test_the_linear_model_separates_what_is_separable() -> None:
    found = leave_one_corpus_out(CORPORA, ['c'], lambda train, test: fit_linear(
        train, 1e-2).logits(test.vectors))
    scores = scores_of(CORPORA[2], found['c'])
    assert scores['unweighted_recall']['value'] > 0.9  # chance: 0.14
    assert set(scores['recall']) == {'neutral', 'fear', 'joy', 'anger'}


def test_recall_is_the_mean_over_classes_that_occur() -> None:
    labels, answers = np.array([0, 0, 0, 4]), np.array([0, 0, 1, 4])
    interval = recall_interval(labels, answers, np.array(['x', 'x', 'y', 'y']))
    assert interval.value == pytest.approx((2 / 3 + 1) / 2)
    # Speaker x alone: 1; y alone: (0 + 1) / 2.
    assert (interval.low, interval.high) == (pytest.approx(0.5), pytest.approx(1.0))


def test_the_interval_is_over_speakers_not_clips() -> None:
    labels = np.tile([0, 4], 200)
    people = np.repeat(np.arange(4), 100)
    answers = np.where(people < 2, labels, 1)  # two are always right, two never
    wide = recall_interval(labels, answers, people)
    narrow = recall_interval(labels, answers, np.arange(400))
    assert wide.high - wide.low > 0.7 > 0.2 > narrow.high - narrow.low
