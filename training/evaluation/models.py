# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Trained models by path: encoders and bundles; seeds of one recipe are one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
import re

from mmer_ros.networks.fusion_families import UnimodalClassifier
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import InvalidInput, Modality
from torch import nn
from training.corpora.clips import Clips
from training.encoders.trained_encoder import encoders_of, is_encoder, TrainedEncoder
from training.engine.config import without_seeds
from training.engine.progress import Reporter
from training.fusion.features import make_features
from training.fusion.predictor import FusionPredictor


@dataclass(frozen=True)
class TrainedModel:
    """
    A bundle, or an encoder with its own classifier.

    :param origin: recipe and data without seeds, equal for the seeds of one model.
    :param encoders: of its modalities.
    :param network: maps their features to logits.
    :param temperatures: by subset of modalities; {}: not calibrated.
    :param modality_weights: of EmbraceNet.
    :param runs: folders with the metrics of its training.
    """

    path: Path
    origin: str
    encoders: Mapping[Modality, TrainedEncoder]
    network: nn.Module
    temperatures: Mapping[str, float]
    modality_weights: tuple[float, ...]
    runs: tuple[Path, ...] = ()

    @property
    def modalities(self) -> Modality:
        """Inputs of the model."""
        return Modality.of(self.encoders)

    def predictor(self, clips: Clips, split: str, features: Path, reporter: Reporter
                  ) -> FusionPredictor:
        """
        Return the predictor for a split, causal and with the reply.

        :param features: folder of the features, as in `make_features`.
        """
        causal, with_reply = (make_features(
            self.encoders, clips, features, reporter, splits=[split], with_reply=reply)
            for reply in (False, True))
        examples = [e for e in clips.examples if e.split == split]
        replies = with_reply if Modality.TEXT in self.encoders else None
        return FusionPredictor(self.path.name, self.network, causal, examples, with_reply=replies,
                               temperatures=self.temperatures,
                               modality_weights=self.modality_weights,
                               allowed=self.modalities)


def load_models(path: Path) -> list[TrainedModel]:
    """
    Return the model at a path, or all seeds of a run of `train --seeds`.

    :param path: run of `train text|audio|face`, or folder or name of a bundle.
    :raises InvalidInput: if there is no trained model.
    """
    seeds = sorted((p for p in path.glob('seed*') if is_encoder(p)),
                   key=lambda p: (len(p.name), p.name))
    if is_encoder(path):
        return [_encoder(path)]
    return [_encoder(seed) for seed in seeds] or [_bundle(path)]


def by_origin(models: Sequence[TrainedModel]) -> dict[str, list[TrainedModel]]:
    """Return the seeds of each model by its name, in the given order."""
    groups: dict[str, list[TrainedModel]] = {}
    for model in models:
        groups.setdefault(model.origin, []).append(model)
    named: dict[str, list[TrainedModel]] = {}
    for group in groups.values():
        first = group[0].path
        name = _name(first, several=len(group) > 1)
        named[str(first) if name in named else name] = group
    return named


def _name(path: Path, *, several: bool) -> str:
    """Return `mine-seed0` for mine-seed0 and for mine/seed0; `mine` for several seeds."""
    bare = path.resolve()
    name = bare.name
    if re.fullmatch(r'seed\d+', name):
        name = f'{bare.parent.name}-{name}'
    return re.sub(r'-seed\d+$', '', name) if several else name


def _encoder(path: Path) -> TrainedModel:
    trained = TrainedEncoder.load(path)
    origin = trained.recipe or {'path': str(path.resolve())}
    metrics = sorted([*path.glob('metrics.jsonl'), *path.glob('*/metrics.jsonl')])
    runs = tuple(p.parent for p in metrics)
    return TrainedModel(path, _plain([trained.modality.name, origin]),
                        {trained.modality: trained},
                        UnimodalClassifier(trained.modality, trained.encoder.classifier), {},
                        (1.0, 1.0, 1.0), runs)


def _bundle(path: Path) -> TrainedModel:
    try:
        bundle = Bundle.load(str(path))
    except InvalidInput as error:
        raise InvalidInput(f'model {path}: it is not a finished run of `train text|audio|face`, '
                           f'and not a bundle ({error})') from error
    if not bundle.config.trained:
        raise InvalidInput(f'bundle {path}: it is not trained; give one made by `train fusion`')
    facts = bundle.config.training
    encoders = {name: each.get('run') for name, each in facts.get('encoders', {}).items()}
    origin = [bundle.config.model.model_dump(mode='json'), facts.get('recipe'), encoders]
    return TrainedModel(path, _plain(origin), encoders_of(bundle), bundle.model.fusion,
                        bundle.config.temperatures, bundle.config.modality_weights)


def _plain(origin: object) -> str:
    return json.dumps(without_seeds(origin), sort_keys=True)
