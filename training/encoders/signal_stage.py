# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Common parts of the stages for audio and faces: labelled sequences of one modality."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mmer_ros.types import InvalidInput, Modality
import torch
from torch import nn, Tensor
from training.corpora.examples import DEV, Example, TRAIN
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import Batch, DrawnDataset, EngineConfig, fit, Task
from training.engine.losses import EmotionLoss, LossConfig
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache


class SignalConfig(Settings):
    """
    Settings shared by the recipes of audio and face.

    :param init: published weights to start from; '': train from scratch.
    """

    init: str = ''
    loss: LossConfig = LossConfig()
    engine: EngineConfig = EngineConfig()


@dataclass(frozen=True)
class SignalItem:
    """Audio samples or images of an utterance, (n, ...), and its target (7,)."""

    key: str
    values: Tensor
    target: Tensor


class SignalData(DrawnDataset[SignalItem]):
    """
    Labelled utterances that have the modality.

    :param sizes: length of each item.
    :param training: apply augmentation.
    """

    def __init__(self, examples: Sequence[Example], sizes: Sequence[int], training: bool) -> None:
        self.examples, self.sizes, self.training = examples, sizes, training

    @abstractmethod
    def __getitem__(self, draw: Draw) -> SignalItem: ...

    def collate(self, items: Sequence[Any]) -> Batch:
        """Return a padded batch."""
        return collate_sequences(items)


def collate_sequences(items: Sequence[SignalItem]) -> Batch:
    """Pad sequences with zeros: values (B, T, ...), lengths (B,), targets (B, 7)."""
    return {'keys': [i.key for i in items],
            'values': nn.utils.rnn.pad_sequence([i.values for i in items], batch_first=True),
            'lengths': torch.tensor([len(i.values) for i in items]),
            'targets': torch.stack([i.target for i in items])}


class SignalSource(Protocol):
    """Examples with the modalities of each: a ClipCache, or the pictures of FER2013."""

    @property
    def examples(self) -> Sequence[Example]: ...

    def modalities(self, key: str) -> Modality: ...


def labelled_splits(source: SignalSource, modality: Modality) -> dict[str, list[Example]]:
    """
    Return the labelled examples of train and dev that have a modality.

    :raises InvalidInput: if a split has none.
    """
    found = [e for e in source.examples if e.labels and modality in source.modalities(e.key)]
    splits = {split: [e for e in found if e.split == split] for split in (TRAIN, DEV)}
    for split, members in splits.items():
        if not members:
            raise InvalidInput(f'train {modality.key}: no labelled example with {modality.key} in '
                               f'the {split} split; give a corpus that has some')
    return splits


def train_signal(modality: Modality, config: SignalConfig, encoder: Any,
                 make_module: Callable[[EmotionLoss], nn.Module],
                 make_data: Callable[[Sequence[Example], bool], SignalData],
                 cache: ClipCache, run: RunFolder, reporter: Reporter,
                 finish: Callable[[], None] = lambda: None) -> TrainedEncoder:
    """
    Train, or resume training, an encoder, and save it in the run's folder `encoder`.

    :param encoder: with its initial weights.
    :param make_module: wraps the encoder with its loss.
    :param make_data: makes the dataset of some examples, for training or not.
    :param finish: called before the encoder is saved.
    """
    splits = labelled_splits(cache, modality)
    loss = EmotionLoss.from_labels(config.loss, [e.labels for e in splits[TRAIN]])
    train, dev = make_data(splits[TRAIN], True), make_data(splits[DEV], False)
    fit(Task(make_module(loss), train, dev, train.collate), config.engine, run, reporter)
    finish()
    result = TrainedEncoder(modality, encoder.config, encoder, run.facts())
    result.save(run.path / 'encoder')
    return result
