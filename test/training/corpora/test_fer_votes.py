# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The votes of FER+ beside FER2013: what becomes a target, a label and a weight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
from numpy.typing import NDArray
import pytest
from training.corpora.fer import read_fer2013, read_votes, VOTE_NAMES

# neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
VOTES = np.array([
    [5, 0, 0, 5, 0, 0, 0, 0, 0, 0],
    [0, 8, 0, 0, 0, 0, 0, 0, 2, 0],
    [2, 0, 0, 0, 0, 0, 2, 0, 6, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
    [-1] * 10,
    [1, 0, 0, 0, 0, 3, 1, 5, 0, 0]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ('train', 'valid'):
        np.savez(tmp_path / f'{name}.npz', label=np.zeros(6, np.uint8),
                 image=np.repeat(np.arange(6, dtype=np.uint8), 48 * 48).reshape(6, 48, 48))
        np.savez(tmp_path / f'votes_{name}.npz', votes=VOTES.astype(np.int16))
    return tmp_path


def test_votes_become_targets_in_our_order_and_pictures_without_an_emotion_are_left_out(
        folder: Path) -> None:
    stills = read_fer2013(folder, folder)
    train = [e for e in stills.examples if e.split == 'train']
    assert [e.key[-5:] for e in train] == ['00000', '00001', '00005'], (
        'mostly unknown, no face, and no votes')
    assert [EMOTIONS[e.labels[0]] for e in train] == ['neutral', 'joy', 'disgust']
    assert [e.weight for e in train] == [1, 0.8, 0.5]
    assert dict(zip(EMOTIONS, train[0].soft)) | {'neutral': 0, 'sadness': 0} == dict.fromkeys(
        EMOTIONS, 0)
    assert train[2].target[EMOTIONS.index('disgust')] == pytest.approx(0.3)
    assert [int(stills.grey(e.key)[0, 0]) for e in train] == [0, 1, 5], 'pictures keep their rows'
    assert len(stills.images) == len(stills.examples) == 6


def test_without_votes_the_label_of_fer2013_is_learnt(folder: Path) -> None:
    stills = read_fer2013(folder)
    assert len(stills.examples) == 12 and not any(e.soft for e in stills.examples)
    assert stills.digest != read_fer2013(folder, folder).digest


@pytest.mark.parametrize(('votes', 'message'), [
    (VOTES[:5], r'int64 \(5, 10\); expected integers \(6, 10\)'),
    (VOTES[:, :8], r'\(6, 8\)'),
    (VOTES / 10, 'float64'),
])
def test_votes_of_another_layout_are_refused(folder: Path, votes: NDArray[Any], message: str
                                             ) -> None:
    np.savez(folder / 'votes_train.npz', votes=votes)
    with pytest.raises(InvalidInput, match=message):
        read_fer2013(folder, folder)


def test_missing_and_damaged_votes_are_refused(folder: Path, tmp_path: Path) -> None:
    assert read_votes(folder, 'train', 6).shape == (6, len(VOTE_NAMES))
    with pytest.raises(InvalidInput, match='votes_test.npz: it cannot be read'):
        read_votes(folder, 'test', 6)
    np.savez(tmp_path / 'votes_valid.npz', other=VOTES)
    with pytest.raises(InvalidInput, match='expected a .npz file with the array votes'):
        read_votes(tmp_path, 'valid', 6)
