# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Held-out sequences that are composed of pictures: steady, and rising and falling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mmer_ros.evaluation.metrics import accuracy, bootstrap_interval, paired_difference
from mmer_ros.types import Float32, UInt8
import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
import torch
from torch import Tensor
from training.augment.faces import augmented, FacesConfig
from training.corpora.fer import crop_of
from training.encoders.face.sequences import blended, CLEAR, rise_and_fall
from training.evaluation.faces.models import FaceModel
from training.evaluation.faces.rated_pictures import calibration_error, RatedPictures

VIEWS = FacesConfig(flip=0.0, zoom=0.04, shift=0.02, turn=4, light=0.15, small=0.1, blur=0.1,
                    noise=0.2, noise_sigma=6)  # how much a face changes from frame to frame
VIEWS_EACH = 3
LONGEST = 20
KINDS = {'steady': 'one picture',
         'rises and falls': 'embeddings between a neutral picture and the expression',
         'cut in and out': 'the neutral picture, then the expression, without a step between',
         'neutral': 'one neutral picture'}


@dataclass(frozen=True)
class Plan:
    """
    How a sequence is composed.

    :param kind: of KINDS; `row`: picture of the expression; `neutral`: neutral picture.
    :param shares: (T,) how much of the expression each step shows, 0..1.
    :param views, others: (T,) view of each picture at each step.
    """

    kind: str
    row: int
    neutral: int
    shares: Float32
    views: NDArray[np.int64]
    others: NDArray[np.int64]

    def compose(self, views: Tensor) -> Tensor:
        """Return the sequence (T, 512) from the embeddings (N, VIEWS_EACH, 512) of all views."""
        return blended(views[self.row, self.views], views[self.neutral, self.others],
                       torch.from_numpy(self.shares))


def make_plans(pictures: RatedPictures, seed: int = 0) -> list[Plan]:
    """Return plans of each kind for the pictures of which a majority says what they show."""
    random = np.random.default_rng(seed)
    neutral = np.flatnonzero(pictures.shares[:, 0] >= CLEAR)
    plans = []
    for row in np.flatnonzero(pictures.majority >= 0):
        for kind in KINDS:
            if (kind == 'neutral') != (pictures.majority[row] == 0):
                continue
            steps = int(random.integers(4, LONGEST + 1))
            curve = rise_and_fall(steps, random)
            shares = {'rises and falls': curve,
                      'cut in and out': (curve >= 0.5).astype(np.float32)}.get(
                          kind, np.ones(steps, np.float32))
            views, others = random.integers(VIEWS_EACH, size=(2, steps))
            plans.append(Plan(kind, int(row), int(random.choice(neutral)), shares, views, others))
    return plans


def view_crops(pictures: RatedPictures, seed: int = 0) -> UInt8:
    """Return the views of each picture as grey pictures, (N, VIEWS_EACH, 48, 48)."""
    random = np.random.default_rng(seed)
    return np.stack([np.stack([image, *(augmented(image, VIEWS, random)
                                        for _ in range(VIEWS_EACH - 1))])
                     for image in pictures.images])


def composed_logits(model: FaceModel, views: UInt8, plans: list[Plan]) -> dict[str, Float32]:
    """
    Return the logits (P, 7) of the plans, after the GRU and by the pooled single steps.

    'gru' is the model's answer; 'mean of steps' the logarithm of the mean of its answers to each
    step alone, which forgets no step and prefers none.
    """
    embeddings = torch.cat([model.embed(np.stack([crop_of(view) for view in each]))[None]
                            for each in views])
    sequences = [plan.compose(embeddings) for plan in plans]
    steps = softmax(model.sequence_logits([row[None] for s in sequences for row in s]), axis=1)
    ends = np.cumsum([len(s) for s in sequences])
    means = [part.mean(axis=0) for part in np.split(steps, ends[:-1])]
    return {'gru': model.sequence_logits(sequences),
            'mean of steps': np.log(np.stack(means).clip(min=1e-9))}


def composed_scores(pictures: RatedPictures, plans: list[Plan], logits: Mapping[str, Float32]
                    ) -> dict[str, Any]:
    """
    Return the scores of each kind by the name of the model, and differences to the first.

    :param logits: (P, 7) of each model.
    """
    kinds = np.array([plan.kind for plan in plans])
    labels = pictures.majority[[plan.row for plan in plans]]
    first = next(iter(logits))
    found: dict[str, Any] = {}
    for kind in KINDS:
        here = kinds == kind
        truth, own = labels[here], {n: softmax(x[here], axis=1) for n, x in logits.items()}
        found[kind] = {name: {
            'count': int(here.sum()),
            'accuracy': vars(bootstrap_interval(accuracy, truth, p)),
            'nll': float(-log_softmax(logits[name][here], axis=1)[
                np.arange(len(truth)), truth].mean()),
            'ece': calibration_error(p.max(axis=1), p.argmax(axis=1) == truth),
            'better_than_first': vars(paired_difference(accuracy, truth, p, own[first])),
        } for name, p in own.items()}
    return found
