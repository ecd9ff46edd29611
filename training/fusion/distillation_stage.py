# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Distillation of the pooled posteriors into a fusion network, on pseudo-multimodal pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.networks.late_fusion import LateFusion
from mmer_ros.types import MODALITIES, Modality
from pydantic import Field, PositiveFloat
import torch
from torch import nn, Tensor
from training.engine.config import Settings
from training.engine.fit import Batch, DrawnDataset, EngineConfig, fit, StepOutput, Task
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.fusion.pseudo_pairs import PooledTarget, PseudoPairConfig, PseudoPairData
from training.fusion.stage import collate_features, FusionItem
from training.fusion.unimodal_examples import UnimodalLibrary


class DistilledFusionConfig(Settings):
    """
    Recipe of a distilled fusion.

    :param modality_weights: relative weights of text, audio and face in EmbraceNet.
    :param feature_noise: Gaussian noise on the features in training, in units of their standard
        deviation.
    :param dev_count: pseudo pairs that are scored after each epoch.
    :param scored: held-out pseudo pairs of each subset, for temperatures and figures.
    """

    fusion: FusionConfig = FusionConfig(width=128, heads=4, pooling='summary')
    pseudo_pairs: PseudoPairConfig = PseudoPairConfig()
    modality_weights: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)
    feature_noise: float = Field(0.1, ge=0)
    dev_count: int = Field(2_800, ge=7)
    scored: int = Field(2_100, ge=70)
    engine: EngineConfig = EngineConfig()


class DistillationModule(nn.Module):
    """A fusion network with the cross-entropy to target distributions."""

    weights: Tensor

    def __init__(self, network: CrossmodalEmbraceNet, weights: Sequence[float], noise: float
                 ) -> None:
        super().__init__()
        self.network, self.noise = network, noise
        self.register_buffer('weights', torch.tensor(weights), persistent=False)

    def forward(self, batch: Batch) -> StepOutput:
        features = batch['features']
        if self.training and self.noise:
            features = {m: (x + self.noise * x.std() * torch.randn_like(x), mask)
                        for m, (x, mask) in features.items()}
        # The expectation of EmbraceNet: the target is a distribution, draws would only add noise.
        output = self.network(features, self.weights, sample=False)
        log_p = torch.log_softmax(output.logits, dim=1)  # (B, 7)
        return StepOutput(-(batch['targets'] * log_p).sum(dim=1).mean(), output.logits, {})


@dataclass(frozen=True)
class LateFusionStart:
    """
    Late fusion of the encoders' own classifiers, where the recipe has it.

    :param initialise: sets initial gates, weights and offsets.
    """

    classifiers: Mapping[Modality, nn.Module]
    initialise: Callable[[LateFusion], None]


def distil_pseudo_pairs(recipe: DistilledFusionConfig, train: UnimodalLibrary,
                        dev: UnimodalLibrary, target: PooledTarget, start: LateFusionStart,
                        folder: Path, reporter: Reporter) -> CrossmodalEmbraceNet:
    """
    Train, or resume training, a fusion on pseudo pairs.

    :param dev: held-out examples, whose labels score the network after each epoch.
    :return: the network with the kept weights, ready for inference.
    """
    config = recipe.pseudo_pairs
    return distil(
        recipe, PseudoPairData(train, config, target, count=config.count, training=True),
        PseudoPairData(dev, config, None, count=recipe.dev_count, training=False),
        train.widths, folder, reporter, start)


def distil(recipe: DistilledFusionConfig, train: DrawnDataset[FusionItem],
           dev: DrawnDataset[FusionItem], widths: Mapping[Modality, int], folder: Path,
           reporter: Reporter, start: LateFusionStart | None = None) -> CrossmodalEmbraceNet:
    """
    Train, or resume training, a fusion on any items with target distributions.

    :param widths: of the features of each modality that occurs.
    """
    run = RunFolder.start(folder, recipe)
    torch.manual_seed(recipe.engine.seed)
    network = CrossmodalEmbraceNet(dict.fromkeys(MODALITIES, 1) | dict(widths), recipe.fusion,
                                   start.classifiers if start else None)
    if start is not None and network.late_fusion is not None:
        start.initialise(network.late_fusion)
    module = DistillationModule(network, recipe.modality_weights, recipe.feature_noise)
    fit(Task(module, train, dev, partial(collate_features, widths=widths)), recipe.engine, run,
        reporter)
    return network.eval()
