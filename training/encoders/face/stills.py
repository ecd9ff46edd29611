"""Pictures as they are drawn in training: changed, now and then without a face."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
from mmer_ros.types import EMOTIONS, InvalidInput, UInt8
import numpy as np
from pydantic import Field
import torch
from torch import Tensor
from torch.utils.data import Dataset
from training.augment.faceless import faceless
from training.augment.faces import changed, FacesConfig
from training.corpora.examples import Example
from training.corpora.fer import STILL_SIZE, Stills
from training.engine.config import Settings
from training.engine.fit import Batch
from training.engine.losses import target_of
from training.engine.sampling import Draw

UNKNOWN = torch.full((len(EMOTIONS),), 1 / len(EMOTIONS))  # what a picture without a face says


class StillDataConfig(Settings):
    """
    What is done to the pictures.

    :param faceless: share of draws that show no readable face, and are to be answered by equal
        shares of all emotions.
    :param early_epochs: first epochs, of pictures reduced to `early_size` pixels, which takes less
        time; the network has no fixed size.
    :param late_from: epoch, from 0, from which on pictures are changed as `late` says; the last
        epochs are better with less, once the network knows what does not matter.
    """

    augment: FacesConfig = FacesConfig()
    late: FacesConfig | None = None
    late_from: int = Field(0, ge=0)
    faceless: float = Field(0.0, ge=0, lt=1)
    early_epochs: int = Field(0, ge=0)
    early_size: int = Field(36, ge=16, le=STILL_SIZE)


class StillItem(NamedTuple):
    """A picture, (1, size, size) uint8, and its emotion."""

    key: str
    picture: Tensor
    target: Tensor


class StillData(Dataset[StillItem]):
    """
    Pictures of some examples.

    :param training: with augmentation.
    """

    def __init__(self, stills: Stills, examples: Sequence[Example], config: StillDataConfig,
                 training: bool) -> None:
        """Take the examples."""
        self.stills, self.examples, self.config = stills, examples, config
        self.training = training
        self.sizes = [1] * len(examples)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.examples)

    def __getitem__(self, draw: Draw) -> StillItem:
        """Return a picture as drawn."""
        example, config = self.examples[draw.row], self.config
        picture = self.stills.grey(example.key)
        if not self.training:
            return StillItem(example.key, _tensor(picture), target_of(example.labels))
        picture, face = drawn(picture, config, draw.generator(), draw.epoch)
        if draw.epoch < config.early_epochs:
            picture = np.asarray(cv2.resize(picture, (config.early_size,) * 2,
                                            interpolation=cv2.INTER_AREA), np.uint8)
        return StillItem(example.key, _tensor(picture),
                         target_of(example.labels) if face else UNKNOWN)


def drawn(picture: UInt8, config: StillDataConfig, random: np.random.Generator, epoch: int
          ) -> tuple[UInt8, bool]:
    """Return a picture as drawn in training, and whether it shows a face."""
    late = config.late if epoch >= config.late_from else None
    face = random.random() >= config.faceless
    if not face:
        picture = faceless(picture, random)
    return changed(picture, late or config.augment, random), face


def _tensor(picture: UInt8) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture))[None]


def collate_stills(items: Sequence[StillItem]) -> Batch:
    """Put pictures of one size together: values (B, 1, size, size) uint8."""
    return {'keys': [i.key for i in items],
            'values': torch.stack([i.picture for i in items]),
            'targets': torch.stack([i.target for i in items])}


def labelled_stills(stills: Stills) -> dict[str, list[Example]]:
    """
    Return the examples of train and dev.

    :raises InvalidInput: if a split has none.
    """
    parts = {split: [e for e in stills.examples if e.split == split and e.labels]
             for split in ('train', 'dev')}
    for split, part in parts.items():
        if not part:
            raise InvalidInput(f'train face: no picture in the {split} split; give a folder with '
                               'train*.npz and valid*.npz')
    return parts
