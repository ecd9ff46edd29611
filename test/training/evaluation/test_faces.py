# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Measures of faces: references from votes, calibration, composed sequences, acted frames."""

from __future__ import annotations

from pathlib import Path

import cv2
from mmer_ros.networks.configs import FaceEncoderConfig
from mmer_ros.networks.face_encoder import FaceEncoder
from mmer_ros.sensing.face_detector import Detection, FaceConfig
from mmer_ros.types import EMOTIONS, InvalidInput, UInt8
import numpy as np
import pytest
import torch
from training.evaluation.faces.acted_frames import acted_logits, acted_scores, read_frames
from training.evaluation.faces.composed_sequences import (
    composed_logits,
    composed_scores,
    KINDS,
    make_plans,
    view_crops,
)
from training.evaluation.faces.models import FaceModel
from training.evaluation.faces.rated_pictures import (
    agreement_scores,
    calibration_error,
    CONDITIONS,
    cross_fitted,
    label_scores,
    RatedPictures,
)

RNG = np.random.default_rng(0)
JOY, FEAR = EMOTIONS.index('joy'), EMOTIONS.index('fear')


def rated(votes: list[list[int]]) -> RatedPictures:
    count = len(votes)
    return RatedPictures(RNG.integers(0, 255, (count, 48, 48)).astype(np.uint8),
                         np.zeros(count, np.int64), np.array(votes))


def model() -> FaceModel:
    torch.manual_seed(0)
    return FaceModel('tiny', FaceEncoder(FaceEncoderConfig(
        backbone='compact', width=8, mirrored=True, hidden=16), 7))


def test_a_majority_is_more_than_half_and_a_plurality_the_most() -> None:
    pictures = rated([[0, 6, 4, 0, 0, 0, 0, 0, 0, 0],
                      [0, 5, 0, 0, 0, 0, 3, 2, 0, 0],
                      [0, 0, 0, 0, 0, 0, 4, 0, 6, 0],
                      [3, 0, 0, 0, 0, 0, 3, 3, 1, 0],
                      [-1] * 10])
    assert pictures.majority.tolist() == [JOY, -1, -1, -1, -1]
    assert pictures.plurality.tolist() == [JOY, JOY, -1, 0, -1]
    assert pictures.shares[1, [JOY, FEAR]].tolist() == [0.5, 0.3] and not pictures.shares[4].any()


def test_the_temperature_of_one_half_comes_from_the_other() -> None:
    labels = RNG.integers(7, size=4000)
    true = RNG.normal(0, 1.5, (4000, 7))
    labels = (true + RNG.gumbel(size=true.shape)).argmax(axis=1)
    sure = (3 * true).astype(np.float32)
    _, temperatures = cross_fitted(labels, sure)
    assert temperatures == pytest.approx([3, 3], rel=0.1) and temperatures[0] != temperatures[1]
    scores = label_scores(labels, sure)
    assert scores['ece_raw'] > 0.15 and scores['ece'] < 0.03
    left_out = label_scores(np.where(np.arange(4000) < 2000, -1, labels), sure)
    assert left_out['count'] == 2000


def test_confidence_can_be_measured_against_the_share_of_votes() -> None:
    assert calibration_error(np.full(4, 0.6), np.array([0.7, 0.5, 0.6, 0.6])) == pytest.approx(0)
    assert calibration_error(np.full(4, 0.6), np.ones(4)) == pytest.approx(0.4)
    shares = np.tile([0.6, 0, 0, 0.3, 0, 0, 0], (5, 1))
    perfect = np.log(np.tile([2 / 3, 1e-9, 1e-9, 1 / 3, 1e-9, 1e-9, 1e-9], (5, 1)))
    found = agreement_scores(np.vstack([shares, np.zeros(7)]),
                             np.vstack([perfect, np.zeros(7)]).astype(np.float32))
    assert found['agreement'] == pytest.approx(2 / 3)
    assert found['divergence'] == pytest.approx(0, abs=1e-6)
    assert found['ece_agreement'] == pytest.approx(0, abs=1e-6)


def test_conditions_are_repeatable_and_change_pictures() -> None:
    pictures = rated([[10] + [0] * 9] * 3)
    for name in CONDITIONS:
        once = pictures.degraded(name)
        assert np.array_equal(once, pictures.degraded(name)) and once.shape == (3, 48, 48)
        assert np.array_equal(once, pictures.images) == (name == 'clean')
    assert pictures.degraded('dark').mean() < 0.5 * pictures.images.mean()


def test_single_pictures_are_sequences_of_one_step_whatever_the_batch() -> None:
    tiny, pictures = model(), rated([[10] + [0] * 9] * 70).images
    logits = tiny.picture_logits(pictures)
    assert logits.shape == (70, 7)
    assert np.allclose(logits[66:], tiny.picture_logits(pictures[66:]), atol=1e-5)


def test_composed_sequences_show_the_expression_between_neutral_steps() -> None:
    pictures = rated([[0, 9, 0, 0, 0, 0, 1, 0, 0, 0]] * 12 + [[9, 1, 0, 0, 0, 0, 0, 0, 0, 0]] * 12)
    plans = make_plans(pictures)
    assert {p.kind for p in plans} == set(KINDS)
    embeddings = torch.nn.functional.normalize(torch.randn(24, 3, 512), dim=2)
    for plan in plans:
        sequence = plan.compose(embeddings)
        own = (embeddings[plan.row] @ sequence.T).max(dim=0).values
        assert torch.allclose(own[torch.from_numpy(plan.shares) == 1], torch.tensor(1.0))
        assert plan.row < 12 or plan.kind == 'neutral'
        assert plan.neutral >= 12
        if plan.kind == 'cut in and out':
            assert set(plan.shares.tolist()) <= {0, 1}
    logits = composed_logits(model(), view_crops(pictures), plans)
    scores = composed_scores(pictures, plans, logits)
    assert scores['steady']['gru']['count'] == 12 and scores['neutral']['gru']['count'] == 12
    assert scores['steady']['gru']['better_than_first']['value'] == 0
    again = composed_logits(model(), view_crops(pictures), make_plans(pictures))
    assert np.array_equal(logits['gru'], again['gru'])


class _Bright:
    """Finds a face in bright frames: the middle half."""

    config = FaceConfig()

    def detect(self, image: UInt8) -> list[Detection]:
        side = len(image)
        box = side / 4, side / 4, 3 * side / 4, 3 * side / 4
        return [Detection(box, 0.99)] if image.mean() > 100 else []


def strips(folder: Path) -> Path:
    (folder / 'face').mkdir()
    frames = [np.full((80, 80), level, np.uint8) for level in (40, 150, 200)]
    cv2.imwrite(str(folder / 'face/a.jpg'), np.hstack(frames))
    cv2.imwrite(str(folder / 'face/b.jpg'), np.hstack(frames[:1]))
    (folder / 'labels.csv').write_text('face_strip,emotion_code\na.jpg,06\nb.jpg,02\n')
    return folder


def test_strips_are_cut_into_frames_and_cropped_where_there_is_a_face(tmp_path: Path) -> None:
    clips = read_frames(strips(tmp_path), _Bright())
    assert [(c.key, EMOTIONS[c.label], c.crops.shape, c.frames) for c in clips] == [
        ('a', 'fear', (2, 160, 160, 3), 3), ('b', 'neutral', (0, 160, 160, 3), 1)]
    assert clips[0].crops[1].mean() == pytest.approx(200, abs=3)
    logits = acted_logits(model(), clips[:1])
    scores = acted_scores(np.array([FEAR]), logits)
    assert set(scores) == {'gru', 'mean of steps'}
    right = logits['gru'].argmax() == FEAR
    assert scores['gru']['accuracy']['value'] == float(right)


def test_damaged_strips_and_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='labels.csv: it cannot be read'):
        read_frames(tmp_path, _Bright())
    cv2.imwrite(str(strips(tmp_path) / 'face/a.jpg'), np.zeros((80, 100), np.uint8))
    with pytest.raises(InvalidInput, match='expected a picture of square frames'):
        read_frames(tmp_path, _Bright())
    (tmp_path / 'labels.csv').write_text('face_strip,emotion_code\na.jpg,09\n')
    with pytest.raises(InvalidInput, match='emotion_code of RAVDESS'):
        read_frames(tmp_path, _Bright())
