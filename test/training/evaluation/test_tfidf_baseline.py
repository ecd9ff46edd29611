# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The TF-IDF baseline: what it learns from, what it must not see, what it refuses."""

from __future__ import annotations

from dataclasses import replace

from mmer_ros.evaluation.metrics import score
from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
import pytest
from training.corpora.examples import Example
from training.evaluation.tfidf_baseline import choose_strength, tfidf_baseline

WORDS = {'neutral': 'table train paper', 'joy': 'great wonderful yay', 'anger': 'hate idiot stop',
         'sadness': 'sorry miss lonely'}


def corpus(split: str, count: int, seed: int, certainty: float = .8) -> list[Example]:
    """Return sentences of four words, each with this chance of its emotion, else of another."""
    generator = np.random.default_rng(seed)
    examples = []
    for index in range(count):
        emotion = str(generator.choice(list(WORDS)))
        said = [generator.choice(WORDS[emotion if generator.random() < certainty
                                       else str(generator.choice(list(WORDS)))].split())
                for _ in range(4)]
        examples.append(Example(f'{split}/dia{index // 5}_utt{index % 5}', split, ' '.join(said),
                                (EMOTIONS.index(emotion),), group=f'{split}/dia{index // 5}'))
    return examples


def test_it_learns_words_and_answers_for_every_example() -> None:
    train, dev = corpus('train', 300, seed=0), corpus('dev', 120, seed=1)
    found = tfidf_baseline(train, dev, strengths=(.01, 3.0), folds=2, quiet=True)
    assert list(found.keys) == [e.key for e in dev]
    assert found.labels.tolist() == [e.labels[0] for e in dev]
    scores = score(found.labels, found.probabilities)
    # Two of four words decide: more than 90 % can be told apart, a quarter by chance.
    assert scores.accuracy > .85
    assert 'TF-IDF' in found.name and 'C = 3' in found.name
    unseen = [i for i, name in enumerate(EMOTIONS) if name not in WORDS]
    assert found.probabilities[:, unseen].max() < 1e-9


def test_the_same_again_gives_the_same_and_labels_of_the_evaluated_do_not_matter() -> None:
    train, dev = corpus('train', 100, seed=2), corpus('dev', 40, seed=3)
    blind = [replace(e, labels=(0,)) for e in dev]
    first, second = (tfidf_baseline(train, d, strengths=(1.0,), quiet=True) for d in (dev, blind))
    assert np.array_equal(first.logits, second.logits)


def test_strength_is_chosen_without_sharing_a_group_between_folds() -> None:
    """
    Sentences that are alike within a dialogue only say nothing of another dialogue.

    If parts of a dialogue were in both folds, a weak regularisation would know them all; as
    they are not, it is no better than one that answers the most frequent emotion always.
    """
    examples = [Example(f'{letter}_{turn}', 'train', 4 * letter, (int(letter in 'abehk'),),
                        group=letter)
                for letter in 'abcdefghijkl' for turn in range(6)]
    shared = [replace(e, group='') for e in examples]  # each a group of its own
    assert choose_strength(shared, (1e-6, 100.0), 3, quiet=True) == 100.0
    assert choose_strength(examples, (1e-6, 100.0), 3, quiet=True) == 1e-6
    assert choose_strength(examples, (5.0,), 3, quiet=True) == 5.0


def test_examples_without_one_label_or_text_are_left_out() -> None:
    train, dev = corpus('train', 60, seed=4), corpus('dev', 10, seed=5)
    odd = [replace(dev[0], key='a', labels=()), replace(dev[0], key='b', labels=(1, 2)),
           replace(dev[0], key='c', text='')]
    found = tfidf_baseline([*train, *odd], [*dev, *odd], strengths=(1.0,), quiet=True)
    assert list(found.keys) == [e.key for e in dev]


def test_a_fold_that_has_one_emotion_only_is_passed_over() -> None:
    examples = [Example(f'{group}_{turn}', 'train', word, (label,), group=group)
                for group, word, label in (('a', 'yes yes', 0), ('b', 'no no', 4))
                for turn in range(5)]
    assert choose_strength(examples, (1.0, 3.0), 2, quiet=True) == 1.0
    found = tfidf_baseline(examples, examples, quiet=True)
    assert score(found.labels, found.probabilities).accuracy == 1


@pytest.mark.parametrize(('train', 'message'), [
    ([], 'none of the 0 examples train'),
    ([Example('a', 'train', 'yes', ())], 'exactly one label'),
    ([Example(str(i), 'train', 'yes', (2,)) for i in range(4)], 'same emotion')])
def test_nothing_to_learn_from_is_told(train: list[Example], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        tfidf_baseline(train, corpus('dev', 4, seed=6), quiet=True)
