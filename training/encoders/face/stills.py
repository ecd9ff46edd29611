# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Training data of single pictures: augmented, some of them without a face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import cv2
from mmer_ros.types import UInt8
import numpy as np
from pydantic import Field
import torch
from torch import Tensor
from training.augment.faces import augmented, FacesConfig
from training.augment.out_of_domain import no_face
from training.corpora.examples import Example
from training.corpora.fer import STILL_SIZE, Stills
from training.engine.config import Settings
from training.engine.fit import Batch, DrawnDataset
from training.engine.losses import target_of, UNIFORM
from training.engine.sampling import Draw


class StillDataConfig(Settings):
    """
    Augmentation of the pictures.

    :param no_face: share of the examples without a readable face; their target is uniform.
    :param sizes: pixels of the pictures by the epoch (0 is the first) from which they hold;
        smaller ones save time early on, and the network accepts any size. Full size before.
    :param late: weaker augmentation from epoch `late_from` (0 is the first) on.
    """

    augment: FacesConfig = FacesConfig()
    late: FacesConfig | None = None
    late_from: int = Field(0, ge=0)
    no_face: float = Field(0.0, ge=0, lt=1)
    sizes: dict[Annotated[int, Field(ge=0)], Annotated[int, Field(ge=16, le=STILL_SIZE)]] = {}

    def size(self, epoch: int) -> int:
        """
        Return the pixels of the pictures of an epoch.

        >>> [StillDataConfig(sizes={0: 24, 8: 48}).size(epoch) for epoch in (0, 7, 8)]
        [24, 24, 48]
        """
        begun = [first for first in self.sizes if first <= epoch]
        return self.sizes[max(begun)] if begun else STILL_SIZE


class StillItem(NamedTuple):
    """A picture, (1, size, size) uint8, and its target (7,)."""

    key: str
    picture: Tensor
    target: Tensor


class StillData(DrawnDataset[StillItem]):
    """
    Pictures of some examples.

    :param training: apply augmentation.
    """

    def __init__(self, stills: Stills, examples: Sequence[Example], config: StillDataConfig,
                 training: bool) -> None:
        self.stills, self.examples, self.config = stills, examples, config
        self.training = training
        self.sizes = [1] * len(examples)

    def __getitem__(self, draw: Draw) -> StillItem:
        example, config = self.examples[draw.row], self.config
        picture = self.stills.grey(example.key)
        if not self.training:
            return StillItem(example.key, _tensor(picture), target_of(example.target))
        random = draw.generator()
        late = config.late if draw.epoch >= config.late_from else None
        face = random.random() >= config.no_face
        picture = augmented(picture if face else no_face(picture, random),
                            late or config.augment, random)
        size = config.size(draw.epoch)
        if size < STILL_SIZE:
            picture = np.asarray(cv2.resize(picture, (size, size),
                                            interpolation=cv2.INTER_AREA), np.uint8)
        return StillItem(example.key, _tensor(picture),
                         target_of(example.target) if face else UNIFORM)


def _tensor(picture: UInt8) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture))[None]


def collate_stills(items: Sequence[StillItem]) -> Batch:
    """Stack pictures of one size: values (B, 1, size, size) uint8, targets (B, 7)."""
    return {'keys': [i.key for i in items],
            'values': torch.stack([i.picture for i in items]),
            'targets': torch.stack([i.target for i in items])}
