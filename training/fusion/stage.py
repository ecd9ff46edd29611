"""Stage `train fusion`: crossmodal blocks, EmbraceNet and classifier on the cached features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, Self

from mmer_ros.networks.fusion import AnyFusionConfig, FusionConfig, make_fusion
from mmer_ros.types import InvalidInput, MODALITIES, Modality, SUBSETS
import numpy as np
from pydantic import Field, model_validator, PositiveFloat
import torch
from torch import nn, Tensor
from torch.utils.data import Dataset
from training.corpora.examples import Example
from training.engine.config import Settings
from training.engine.fit import Batch, EngineConfig, fit, StepOutput, Task
from training.engine.losses import class_counts, EmotionLoss, LossConfig, target_of
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.fusion.features import FeatureCache

Values = Mapping[Modality, Tensor]


class FusionRecipe(Settings):
    """
    Recipe of a fusion; `fusion.family` chooses its kind.

    :param modalities: what the model may see at all, in training and after.
    :param modality_dropout: share of the training examples that show a random subset of their
        modalities, so that any subset works.
    :param feature_noise: Gaussian noise on the features in training, in units of their standard
        deviation.
    :param trust: relative weights of text, audio and face in EmbraceNet.
    """

    fusion: AnyFusionConfig = FusionConfig()
    modalities: tuple[Literal['text', 'audio', 'face'], ...] = ('text', 'audio', 'face')
    modality_dropout: float = Field(0.5, ge=0, le=1)
    feature_noise: float = Field(0.0, ge=0)
    trust: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)
    loss: LossConfig = LossConfig()
    engine: EngineConfig = EngineConfig()

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.fusion.late_fusion:
            raise ValueError('fusion.late_fusion: `train fusion` learns from cached features '
                             'alone, without the encoders; leave it out')
        return self

    @property
    def allowed(self) -> Modality:
        """What the model may see."""
        result = Modality(0)
        for name in self.modalities:
            result |= Modality[name.upper()]
        return result


class FusionItem(NamedTuple):
    """Features of an example by modality, (T, width) each, and its emotion."""

    key: str
    values: Values
    target: Tensor


class FusionData(Dataset[FusionItem]):
    """
    Examples with features.

    :param allowed: modalities that are given out at all.
    """

    def __init__(self, cache: FeatureCache, examples: Sequence[Example], allowed: Modality, *,
                 dropout: float = 0.0, noise: Mapping[Modality, float] | None = None) -> None:
        """Keep the examples that have any of the modalities."""
        self.cache, self.allowed = cache, allowed
        self.dropout, self.noise = dropout, noise or {}
        self.examples = [e for e in examples
                         if e.key in cache and any(m in allowed for m in cache.lengths(e.key))]
        self.sizes = [max(n for m, n in cache.lengths(e.key).items() if m in allowed)
                      for e in self.examples]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.examples)

    def __getitem__(self, draw: Draw) -> FusionItem:
        """Return one example as drawn."""
        example, random = self.examples[draw.row], draw.generator()
        there = self.cache.get(example.key)
        values: Values = {m: v for m, v in there.items() if m in self.allowed}
        if random.random() < self.dropout:
            values = some_of(values, random)
        return FusionItem(example.key, {m: self._noisy(v, self.noise.get(m, 0.0), random)
                                        for m, v in values.items()}, target_of(example.labels))

    def _noisy(self, values: Tensor, level: float, random: np.random.Generator) -> Tensor:
        if not level:
            return values
        noise = torch.from_numpy(random.standard_normal(values.shape).astype(np.float32))
        return values + level * values.std() * noise


def some_of(values: Values, random: np.random.Generator) -> Values:
    """Return a random subset of the modalities at hand, each non-empty one as probable."""
    subsets = [s for s in SUBSETS if all(m in values for m in MODALITIES if m in s)]
    chosen = subsets[int(random.integers(len(subsets)))]
    return {m: v for m, v in values.items() if m in chosen}


def collate_features(items: Sequence[FusionItem], widths: Mapping[Modality, int]) -> Batch:
    """Pad the features; a modality that an example lacks has an empty mask in its row."""
    features = {}
    for modality, width in widths.items():
        rows = [i.values.get(modality, torch.zeros(0, width)) for i in items]
        if not any(len(row) for row in rows):
            continue
        lengths = torch.tensor([len(row) for row in rows])
        padded = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
        features[modality] = (padded, torch.arange(padded.shape[1]) < lengths[:, None])
    return {'keys': [i.key for i in items], 'features': features,
            'targets': torch.stack([i.target for i in items])}


class FusionModule(nn.Module):
    """A fusion network with its loss."""

    trust: Tensor

    def __init__(self, network: nn.Module, emotion_loss: EmotionLoss,
                 trust: Sequence[float]) -> None:
        """Take the network."""
        super().__init__()
        self.network, self.emotion_loss = network, emotion_loss
        self.register_buffer('trust', torch.tensor(trust), persistent=False)

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of a batch."""
        output = self.network(batch['features'], self.trust)
        return StepOutput(self.emotion_loss(output.logits, batch['targets']), output.logits, {})


class FusionTask(Task):
    """The labelled examples of a feature cache."""

    def __init__(self, module: FusionModule, cache: FeatureCache, examples: Sequence[Example],
                 recipe: FusionRecipe) -> None:
        """Split the examples."""
        labelled = [e for e in examples if e.labels]
        noise = dict.fromkeys(MODALITIES, recipe.feature_noise)
        learned = FusionData(cache, [e for e in labelled if e.split == 'train'], recipe.allowed,
                             dropout=recipe.modality_dropout, noise=noise)
        tried = FusionData(cache, [e for e in labelled if e.split == 'dev'], recipe.allowed)
        for split, part in (('train', learned), ('dev', tried)):
            if not len(part):
                raise InvalidInput(f'train fusion: no labelled example with features in the '
                                   f'{split} split; prepare a corpus that has some')
        self.module, self.widths = module, cache.widths
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = tried, tried.sizes

    def collate(self, items: Sequence[FusionItem]) -> Batch:
        """Pad the features."""
        return collate_features(items, self.widths)


def train_fusion(recipe: FusionRecipe, cache: FeatureCache, examples: Sequence[Example],
                 folder: Path, reporter: Reporter) -> nn.Module:
    """
    Train, or go on training, a fusion network on cached features.

    :param examples: of the corpus, all splits.
    :return: the network with its best weights, ready for inference.
    """
    run = RunFolder.take_up(folder, recipe)
    torch.manual_seed(recipe.engine.seed)
    network = make_fusion(cache.widths, recipe.fusion)
    counts = class_counts([e.labels for e in examples if e.split == 'train' and e.key in cache])
    module = FusionModule(network, EmotionLoss(recipe.loss, counts), recipe.trust)
    task = FusionTask(module, cache, examples, recipe)
    fit(task, recipe.engine, run, reporter)
    return network.eval()
