# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Losses of emotion classification: hard and soft labels, weights, rows without a label."""

from __future__ import annotations

from mmer_ros.types import EMOTIONS
import pytest
import torch
from training.corpora.examples import Example
from training.engine.losses import class_counts, EmotionLoss, LossConfig, target_of

LOGITS = torch.randn(4, len(EMOTIONS), generator=torch.Generator().manual_seed(0))
KINDS = ('cross_entropy', 'weighted', 'focal', 'logit_adjusted')


def loss(rows: list[Example], kind: str = 'cross_entropy', smoothing: float = 0.0) -> float:
    config = LossConfig(kind=kind, label_smoothing=smoothing)
    targets = torch.stack([target_of(row.target) for row in rows])
    return float(EmotionLoss(config, [5, 1, 1, 2, 3, 1, 1])(LOGITS[:len(rows)], targets))


def test_a_hard_label_gives_the_cross_entropy() -> None:
    labels = [0, 4, 6, 4]
    rows = [Example('a', 'train', labels=(label,)) for label in labels]
    expected = torch.nn.functional.cross_entropy(LOGITS, torch.tensor(labels))
    assert loss(rows) == pytest.approx(float(expected))
    smooth = torch.nn.functional.cross_entropy(LOGITS, torch.tensor(labels), label_smoothing=.1)
    assert loss(rows, smoothing=.1) == pytest.approx(float(smooth))


def test_votes_are_the_target_and_labels_are_not_then() -> None:
    soft = (.25, 0, 0, 0, .75, 0, 0)
    row = Example('a', 'train', labels=(6,), soft=soft)
    assert target_of(row.target).tolist() == list(soft)
    expected = -(torch.tensor(soft) * LOGITS[0].log_softmax(dim=0)).sum()
    assert loss([row]) == pytest.approx(float(expected))
    assert Example('a', 'train', labels=(0, 6)).target == (.5, 0, 0, 0, 0, 0, .5)
    assert Example('a', 'train').target == ()


@pytest.mark.parametrize('smoothing', [0.0, 0.2])
@pytest.mark.parametrize('kind', KINDS)
def test_a_weight_of_two_counts_like_the_row_twice(kind: str, smoothing: float) -> None:
    once, twice = Example('a', 'train', labels=(3,)), Example('b', 'train', labels=(4,))
    config = LossConfig(kind=kind, label_smoothing=smoothing)
    module = EmotionLoss(config, [5, 1, 1, 2, 3, 1, 1])
    doubled = torch.stack([target_of(row.target) for row in (once, twice, twice)])
    expected = module(LOGITS[[0, 1, 1]], doubled)
    weighted = [once, Example('b', 'train', labels=(4,), weight=2.0)]
    assert loss(weighted, kind, smoothing) == pytest.approx(float(expected))


@pytest.mark.parametrize('kind', KINDS)
def test_rows_without_a_label_change_nothing(kind: str) -> None:
    rows = [Example('a', 'train', labels=(3,)), Example('b', 'train')]
    assert loss(rows, kind, .1) == pytest.approx(loss(rows[:1], kind, .1))
    assert loss(rows[1:], kind, .1) == 0


def test_an_example_of_two_labels_counts_half_for_each() -> None:
    assert class_counts([(0,), (0, 4), ()]) == [1.5, 0, 0, 0, .5, 0, 0]
