# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Sequences in which an expression rises from a neutral face, and may fall again."""

from __future__ import annotations

from mmer_ros.types import EMOTIONS
import numpy as np
import pytest
import torch
from training.corpora.examples import Example
from training.encoders.face.sequences import (
    blended,
    EmbeddedViews,
    rise_and_fall,
    SequenceConfig,
    SequenceData,
    shows_neutral,
)
from training.engine.sampling import Draw

JOY = EMOTIONS.index('joy')


class _Directions:
    """Embeddings that point in a direction for each emotion: the key names it."""

    no_face = ['0']

    def get(self, key: str) -> torch.Tensor:
        return torch.eye(512)[int(key) % 7].repeat(4, 1)

    def predict(self, key: str) -> torch.Tensor:
        return torch.eye(7)[int(key) % 7]


def sequences(**settings: float) -> SequenceData:
    examples = [Example(str(row), 'train', '', (row % 7,)) for row in range(28)]
    views: EmbeddedViews = _Directions()  # type: ignore[assignment]
    config = SequenceConfig.model_validate({'lost': 0, 'no_face': 0, 'single': 0} | settings)
    return SequenceData(views, examples, config, True)


def test_curves_rise_and_fall_once_and_show_all_at_some_step() -> None:
    random = np.random.default_rng(0)
    begun, ended = [], []
    for steps in (2, 3, 8, 20) * 50:
        curve = rise_and_fall(steps, random)
        assert curve.shape == (steps,) and curve.max() == 1 and curve.min() >= 0
        turns = np.sign(np.diff(curve))
        assert (np.diff(turns[turns != 0]) <= 0).all(), 'never falls and rises again'
        begun.append(curve[0])
        ended.append(curve[-1])
    assert min(begun) == min(ended) == 0 and max(begun) == max(ended) == 1


def test_an_expression_rises_from_neutral_and_the_target_says_how_much_of_it_is_shown() -> None:
    data = sequences(rising=1, neutral_weight=0.25)
    partly = 0
    for epoch in range(40):
        item = data[Draw(JOY, epoch, 0)]
        shown = set(item.values.nonzero()[:, 1].tolist())
        assert shown <= {0, JOY} and item.values[:, JOY].max() == 1
        assert torch.allclose(item.values.norm(dim=1), torch.ones(len(item.values)))
        assert item.target.sum().item() == pytest.approx(1)
        least = 1 / (1 + 0.25 * (len(item.values) - 1))
        assert item.target[JOY] >= least * 0.99, 'a brief expression counts more than its share'
        partly += bool(0 < item.target[0] < 1)
    assert partly > 20


def test_neutral_weight_0_asks_for_the_expression_alone_and_neutral_pictures_stay() -> None:
    brief = sequences(rising=1, neutral_weight=0)[Draw(JOY, 3, 0)]
    least = 1 - brief.values[:, 0].max().item()
    assert brief.target[JOY] >= least
    neutral = sequences(rising=1)[Draw(0, 3, 0)]
    assert neutral.target[0] == 1 and (neutral.values[:, 0] == 1).all()


def test_without_rising_sequences_nothing_is_drawn_otherwise() -> None:
    for epoch in range(5):
        steady = sequences(rising=0)[Draw(JOY, epoch, 0)]
        assert set(steady.values.nonzero()[:, 1].tolist()) == {JOY} and steady.target[JOY] == 1


def test_only_clearly_neutral_pictures_are_what_an_expression_rises_from() -> None:
    votes = (0.8, 0, 0, 0.2, 0, 0, 0)
    assert shows_neutral(Example('a', 'train', '', (0,)))
    assert shows_neutral(Example('a', 'train', '', (0,), soft=votes))
    assert not shows_neutral(Example('a', 'train', '', (0,), soft=(0.5, 0, 0, 0.5, 0, 0, 0)))
    assert not shows_neutral(Example('a', 'train', '', (JOY,)))


def test_blended_embeddings_have_unit_length() -> None:
    mixed = blended(torch.eye(2, 512), torch.eye(2, 512).flip(0), torch.tensor([0.5, 1.0]))
    assert mixed[0, :2].tolist() == pytest.approx([0.5 ** 0.5] * 2)
    assert mixed[1, :2].tolist() == [0, 1]
