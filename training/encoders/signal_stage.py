"""What `train audio` and `train face` have in common: labelled sequences of one modality."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.types import InvalidInput, Modality
import torch
from torch import nn, Tensor
from torch.utils.data import Dataset
from training.corpora.examples import Example
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import Batch, EngineConfig, fit, Task
from training.engine.losses import class_counts, EmotionLoss, LossConfig
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache


class SignalConfig(Settings):
    """
    What the recipes of audio and face share.

    :param init: published weights to begin with; '': from scratch.
    """

    init: str = ''
    loss: LossConfig = LossConfig()
    engine: EngineConfig = EngineConfig()


@dataclass(frozen=True)
class SignalItem:
    """What was heard or seen of an utterance, (n, ...), and its emotion."""

    key: str
    values: Tensor
    target: Tensor


class SignalData(Dataset[SignalItem]):
    """
    Labelled utterances that have the modality.

    :param sizes: steps of each utterance as it is given out.
    :param training: with augmentation.
    """

    def __init__(self, examples: Sequence[Example], sizes: Sequence[int], training: bool) -> None:
        """Take the examples."""
        self.examples, self.sizes, self.training = examples, sizes, training

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.examples)

    @abstractmethod
    def __getitem__(self, draw: Draw) -> SignalItem:
        """Return one utterance as drawn."""

    def collate(self, items: Sequence[Any]) -> Batch:
        """Pad the sequences with zeros, which are masked."""
        return collate_sequences(items)


MakeData = Callable[[Sequence[Example], bool], SignalData]


class SignalTask(Task):
    """
    The labelled utterances of train and dev.

    :param make: makes the data of some examples, for training or not.
    """

    train_data: SignalData

    def __init__(self, module: nn.Module, parts: dict[str, list[Example]], make: MakeData) -> None:
        """Make the data of both splits."""
        self.module = module
        learned, tried = make(parts['train'], True), make(parts['dev'], False)
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = tried, tried.sizes

    def collate(self, items: Sequence[Any]) -> Batch:
        """Pad the sequences."""
        return self.train_data.collate(items)


def collate_sequences(items: Sequence[Any]) -> Batch:
    """Pad sequences with zeros, which are masked."""
    return {'keys': [i.key for i in items],
            'values': nn.utils.rnn.pad_sequence([i.values for i in items], batch_first=True),
            'lengths': torch.tensor([len(i.values) for i in items]),
            'targets': torch.stack([i.target for i in items])}


def labelled(cache: ClipCache, modality: Modality) -> dict[str, list[Example]]:
    """
    Return the labelled examples of train and dev that have a modality.

    :raises InvalidInput: if a split has none.
    """
    found = [e for e in cache.examples if e.labels and modality in cache.modalities(e.key)]
    parts = {split: [e for e in found if e.split == split] for split in ('train', 'dev')}
    name = str(modality.name).lower()
    for split, part in parts.items():
        if not part:
            raise InvalidInput(f'train {name}: no labelled example with {name} in the {split} '
                               f'split of {cache.folder}; prepare a corpus that has some')
    return parts


def train_signal(modality: Modality, config: SignalConfig, encoder: Any,
                 make_module: Callable[[EmotionLoss], nn.Module], make_data: MakeData,
                 cache: ClipCache, run: RunFolder, reporter: Reporter) -> TrainedEncoder:
    """
    Train, or go on training, an encoder; the result is in the run's folder `encoder`.

    :param encoder: with its first weights.
    :param make_module: puts it together with its loss.
    """
    parts = labelled(cache, modality)
    counts = class_counts([e.labels for e in parts['train']])
    module = make_module(EmotionLoss(config.loss, counts))
    fit(SignalTask(module, parts, make_data), config.engine, run, reporter)
    result = TrainedEncoder(modality, encoder.config, encoder, run.facts())
    result.save(run.path / 'encoder')
    return result
