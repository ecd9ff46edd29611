# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Stage `train fusion`: crossmodal blocks, EmbraceNet and classifier on the cached features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple, Self

from mmer_ros.networks.fusion import AnyFusionConfig, FusionConfig, make_fusion
from mmer_ros.types import InvalidInput, MODALITIES, Modality, SUBSETS
import numpy as np
from pydantic import Field, model_validator, PositiveFloat
import torch
from torch import nn, Tensor
from training.corpora.examples import DEV, Example, TRAIN
from training.engine.config import Settings
from training.engine.fit import Batch, DrawnDataset, EngineConfig, fit, StepOutput, Task
from training.engine.losses import EmotionLoss, LossConfig, target_of
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.fusion.features import FeatureCache

Values = Mapping[Modality, Tensor]


class FusionRecipe(Settings):
    """
    Recipe of a fusion; `fusion.family` selects the full model or an ablation.

    :param reply: train, select and calibrate on text features with the reply, which the paper has
        and a robot has not. `evaluate` scores both ways.
    :param modalities: inputs of the model, in training and after.
    :param modality_dropout: share of the training examples that show a random subset of their
        modalities, so that any subset works.
    :param feature_noise: Gaussian noise on the features in training, in units of their standard
        deviation.
    :param modality_weights: relative weights of text, audio and face in EmbraceNet.
    """

    fusion: AnyFusionConfig = FusionConfig()
    reply: bool = False
    modalities: tuple[Literal['text', 'audio', 'face'], ...] = ('text', 'audio', 'face')
    modality_dropout: float = Field(0.5, ge=0, le=1)
    feature_noise: float = Field(0.0, ge=0)
    modality_weights: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)
    loss: LossConfig = LossConfig()
    engine: EngineConfig = EngineConfig()

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.fusion.late_fusion:
            raise ValueError('fusion.late_fusion: `train fusion` works on cached features, not on '
                             'the classifiers of the encoders; leave it out')
        return self

    @property
    def allowed(self) -> Modality:
        """Inputs of the model."""
        return Modality.of(Modality[name.upper()] for name in self.modalities)


class FusionItem(NamedTuple):
    """Features of an example by modality, (T, width) each, and its target (7,)."""

    key: str
    values: Values
    target: Tensor


class FusionData(DrawnDataset[FusionItem]):
    """
    Examples with features of any of the allowed modalities.

    :param dropout: share of the examples that show a random subset of their modalities.
    :param noise: Gaussian noise by modality, in units of the features' standard deviation.
    """

    largest_batch = 50_000  # steps; of features that are 512 wide, 100 MB

    def __init__(self, cache: FeatureCache, examples: Sequence[Example], allowed: Modality, *,
                 dropout: float = 0.0, noise: Mapping[Modality, float] | None = None) -> None:
        self.cache, self.allowed = cache, allowed
        self.dropout, self.noise = dropout, noise or {}
        self.examples = [e for e in examples
                         if e.key in cache and any(m in allowed for m in cache.lengths(e.key))]
        self.sizes = [max(n for m, n in cache.lengths(e.key).items() if m in allowed)
                      for e in self.examples]

    def __getitem__(self, draw: Draw) -> FusionItem:
        example, random = self.examples[draw.row], draw.generator()
        there = self.cache.get(example.key)
        values: Values = {m: v for m, v in there.items() if m in self.allowed}
        if random.random() < self.dropout:
            values = random_subset(values, random)
        return FusionItem(example.key, {m: self._noisy(v, self.noise.get(m, 0.0), random)
                                        for m, v in values.items()}, target_of(example.target))

    def _noisy(self, values: Tensor, level: float, random: np.random.Generator) -> Tensor:
        if not level:
            return values
        noise = torch.from_numpy(random.standard_normal(values.shape).astype(np.float32))
        return values + level * values.std() * noise


def random_subset(values: Values, random: np.random.Generator) -> Values:
    """Return a random subset of the modalities; all non-empty ones are equally probable."""
    subsets = [s for s in SUBSETS if all(m in values for m in s.members)]
    chosen = subsets[int(random.integers(len(subsets)))]
    return {m: v for m, v in values.items() if m in chosen}


def collate_features(items: Sequence[FusionItem], widths: Mapping[Modality, int]) -> Batch:
    """
    Pad the features; a modality that an example lacks has an empty mask.

    :return: features by modality: (B, T, width) and mask (B, T); targets (B, 7).
    """
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

    weights: Tensor

    def __init__(self, network: nn.Module, emotion_loss: EmotionLoss,
                 weights: Sequence[float]) -> None:
        super().__init__()
        self.network, self.emotion_loss = network, emotion_loss
        self.register_buffer('weights', torch.tensor(weights), persistent=False)

    def forward(self, batch: Batch) -> StepOutput:
        output = self.network(batch['features'], self.weights)
        return StepOutput(self.emotion_loss(output.logits, batch['targets']), output.logits, {})


def train_fusion(recipe: FusionRecipe, cache: FeatureCache, examples: Sequence[Example],
                 folder: Path, reporter: Reporter) -> nn.Module:
    """
    Train, or resume training, a fusion network on cached features.

    :param examples: of the corpus, all splits.
    :return: the network with the kept weights, ready for inference.
    :raises InvalidInput: if a split has no labelled example with features.
    """
    run = RunFolder.start(folder, recipe)
    torch.manual_seed(recipe.engine.seed)
    network = make_fusion(dict.fromkeys(MODALITIES, 1) | cache.widths, recipe.fusion)
    known = {split: [e for e in examples if e.labels and e.split == split and e.key in cache]
             for split in (TRAIN, DEV)}
    noise = dict.fromkeys(MODALITIES, recipe.feature_noise)
    train = FusionData(cache, known[TRAIN], recipe.allowed, dropout=recipe.modality_dropout,
                       noise=noise)
    dev = FusionData(cache, known[DEV], recipe.allowed)
    for split, data in ((TRAIN, train), (DEV, dev)):
        if not len(data):
            raise InvalidInput(f'train fusion: no labelled example with features in the {split} '
                               'split; prepare a corpus that has some')
    loss = EmotionLoss.from_labels(recipe.loss, [e.labels for e in known[TRAIN]])
    module = FusionModule(network, loss, recipe.modality_weights)
    fit(Task(module, train, dev, partial(collate_features, widths=cache.widths)), recipe.engine,
        run, reporter)
    return network.eval()
