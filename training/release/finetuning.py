# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Fine-tuning of a bundle on one's own recordings, cross-validated by person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import copy
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import ALL_MODALITIES, EMOTIONS, InvalidInput, MODALITIES, Modality, SUBSETS
import numpy as np
from pydantic import Field, model_validator
import torch
from torch import nn
from training.corpora.examples import Example, grouped_folds
from training.engine.config import Settings
from training.engine.fit import EngineConfig, fit, Task
from training.engine.losses import EmotionLoss, LossConfig
from training.engine.predictions import Predictions, Predictor
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.fusion.features import FeatureCache
from training.fusion.predictor import FusionPredictor
from training.fusion.stage import collate_features, FusionData, FusionModule


class FinetuneRecipe(Settings):
    """
    Recipe of `finetune`: the fusion learns, the encoders stay as they are.

    :param folds: of the cross-validation; each person is in one of them.
    :param classifiers: train the classifiers of the late fusion, too.
    :param modality_dropout, feature_noise: as of `FusionRecipe`.
    """

    folds: int = Field(5, ge=2)
    classifiers: bool = True
    modality_dropout: float = Field(0.3, ge=0, le=1)
    feature_noise: float = Field(0.1, ge=0)
    loss: LossConfig = LossConfig()
    engine: EngineConfig = EngineConfig(keep='last')

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.engine.keep != 'last':
            raise ValueError('engine.keep: the people left out must not choose an epoch; it is '
                             '`last` here')
        return self


@dataclass(frozen=True)
class Recordings:
    """
    Labelled recordings with the features of a bundle's encoders.

    :param people: of each example; recordings of one never lie in two folds.
    :param by_person: whether `people` are people; otherwise dialogues or single recordings.
    """

    features: FeatureCache
    examples: Sequence[Example]
    people: Sequence[str]
    by_person: bool

    @property
    def count(self) -> int:
        """Number of people."""
        return len(set(self.people))

    @property
    def subsets(self) -> list[Modality]:
        """Subsets of the modalities that occur."""
        there = Modality.of({m for e in self.examples for m in self.features.lengths(e.key)})
        return [subset for subset in SUBSETS if subset in there]


def recordings_of(examples: Sequence[Example], features: FeatureCache) -> Recordings:
    """
    Return what can be learnt from.

    :param examples: of all splits.
    :raises InvalidInput: if there are too few labelled recordings, people or emotions.
    """
    found = [e for e in examples if e.labels and e.key in features and features.lengths(e.key)]
    speakers = [e.speaker for e in found]
    by_person = all(speakers) and len(set(speakers)) > 1
    groups = speakers if by_person else [e.group or e.key for e in found]
    if len(set(groups)) < 2 or len({e.labels[0] for e in found}) < 2:
        raise InvalidInput(
            f'finetune: {len(found)} labelled recordings of {len(set(groups))} people or '
            f'dialogues and {len({e.labels[0] for e in found})} emotions; expected two at least '
            'of each. Give `label` and `speaker` in the manifest')
    return Recordings(features, found, groups, by_person)


@dataclass(frozen=True)
class OutOfFold:
    """A Predictor of models that each answer for the people that they have not seen."""

    name: str
    predictors: Sequence[Predictor]

    def predict(self, modalities: Modality, *, causal: bool = True,
                noise: Mapping[Modality, float] | None = None, seed: int = 0) -> Predictions:
        """Return the predictions of all."""
        parts = [p for each in self.predictors if (p := each.predict(
            modalities, causal=causal, noise=noise, seed=seed)).keys]
        if not parts:
            return Predictions.none(self.name)
        return Predictions(
            self.name, [key for p in parts for key in p.keys],
            np.concatenate([p.labels for p in parts]), np.concatenate([p.logits for p in parts]))


def cross_validated(recipe: FinetuneRecipe, base: Bundle, recordings: Recordings, folder: Path,
                    reporter: Reporter, name: str) -> OutOfFold:
    """Fine-tune once for each fold without its people; each model answers for them."""
    count = min(recipe.folds, recordings.count)
    folds = grouped_folds(recordings.people, count)
    predictors: list[Predictor] = []
    for fold in range(count):
        train, held_out = ([e for e, own in zip(recordings.examples, folds)
                            if (own == fold) == out] for out in (False, True))
        network = finetuned(recipe, base, recordings.features, train, held_out,
                            folder / f'fold{fold}', reporter.named(f'finetune/fold{fold}'))
        predictors.append(predictor_of(base, network, recordings.features, held_out))
    return OutOfFold(name, predictors)


def predictor_of(base: Bundle, network: nn.Module, features: FeatureCache,
                 examples: Sequence[Example], *, temperatures: Mapping[str, float] | None = None
                 ) -> FusionPredictor:
    """Return the predictor of a fusion of the bundle's encoders."""
    return FusionPredictor(base.config.name, network, features, examples,
                           temperatures=temperatures,
                           modality_weights=base.config.modality_weights)


def finetuned(recipe: FinetuneRecipe, base: Bundle, features: FeatureCache,
              train: Sequence[Example], dev: Sequence[Example], folder: Path, reporter: Reporter
              ) -> nn.Module:
    """
    Fine-tune, or resume fine-tuning, a copy of the bundle's fusion.

    :param dev: scored after each epoch; nothing is chosen by it.
    :return: the network, ready for inference.
    """
    run = RunFolder.start(folder, recipe)
    torch.manual_seed(recipe.engine.seed)
    network = copy.deepcopy(base.model.fusion).train()
    network.requires_grad_(True)
    late = getattr(network, 'late_fusion', None)
    if late is not None:
        late.classifiers.requires_grad_(recipe.classifiers)
    noise = dict.fromkeys(MODALITIES, recipe.feature_noise)
    data = FusionData(features, train, ALL_MODALITIES, dropout=recipe.modality_dropout,
                      noise=noise)
    loss = EmotionLoss.from_labels(recipe.loss, [e.labels for e in train])
    module = FusionModule(network, loss, base.config.modality_weights)
    fit(Task(module, data, FusionData(features, dev, ALL_MODALITIES),
             partial(collate_features, widths=features.widths)), recipe.engine, run, reporter)
    return network.eval()


def shares_of(examples: Sequence[Example]) -> dict[str, int]:
    """Return the number of recordings of each emotion."""
    counts = np.bincount([e.labels[0] for e in examples], minlength=len(EMOTIONS))
    return {name: int(count) for name, count in zip(EMOTIONS, counts, strict=True)}
