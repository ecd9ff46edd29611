# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Predictions of a trained network on the cached features of a split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.networks.fusion import available
from mmer_ros.types import ALL_MODALITIES, Modality
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn
from training.corpora.examples import Example
from training.engine.device import placed
from training.engine.fit import Batch
from training.engine.predictions import Predictions
from training.engine.sampling import Draw, padded_batches
from training.fusion.features import FeatureCache
from training.fusion.stage import collate_features, FusionData, FusionItem

BATCH = 64


class FusionPredictor:
    """
    A Predictor of a fusion, or of the classifier of an encoder.

    :param features: causal ones.
    :param with_reply: features with the reply; None: there are no predictions with it.
    :param temperatures: by subset of modalities; {}: raw logits.
    :param modality_weights: of EmbraceNet.
    :param allowed: modalities that the network was trained with.
    """

    def __init__(self, name: str, network: nn.Module, features: FeatureCache,
                 examples: Sequence[Example], *, with_reply: FeatureCache | None = None,
                 temperatures: Mapping[str, float] | None = None,
                 modality_weights: Sequence[float] = (1.0, 1.0, 1.0),
                 allowed: Modality = ALL_MODALITIES) -> None:
        self.name, self.network, self.allowed = name, network.eval(), allowed
        self.features, self.with_reply = features, with_reply
        self.examples = [e for e in examples if e.labels and e.key in features]
        self.temperatures = temperatures or {}
        self.weights = torch.tensor(modality_weights)

    def predict(self, modalities: Modality, *, causal: bool = True,
                noise: Mapping[Modality, float] | None = None, seed: int = 0) -> Predictions:
        cache = self.features if causal else self.with_reply
        given = modalities & self.allowed
        if cache is None or not given:
            return Predictions.none(self.name)
        data = FusionData(cache, self.examples, given, noise=noise)
        if not len(data):
            return Predictions.none(self.name)
        with placed(self.network) as device:
            logits, embeddings = self._outputs(data, cache.widths, seed, device)
        return Predictions(
            self.name, [e.key for e in data.examples],
            np.array([e.labels[0] for e in data.examples], np.int64), logits, embeddings)

    @torch.inference_mode()
    def _outputs(self, data: FusionData, widths: Mapping[Modality, int], seed: int,
                 device: torch.device) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return calibrated logits and embeddings of all examples, in order."""
        logits, embeddings, order = [], [], np.argsort(data.sizes, kind='stable')
        for rows in padded_batches(order, np.asarray(data.sizes), BATCH, data.largest_batch):
            items: list[FusionItem] = [data[Draw(int(i), 0, seed)] for i in rows]
            batch = collate_features(items, widths)
            given = {m: (values.to(device), mask.to(device))
                     for m, (values, mask) in batch['features'].items()}
            output = self.network(given, self.weights.to(device))
            logits.append(output.logits.cpu() / self._temperatures(batch))
            embeddings.append(output.embedding.cpu())
        back = np.argsort(order)
        return torch.cat(logits).numpy()[back], torch.cat(embeddings).numpy()[back]

    def _temperatures(self, batch: Batch) -> torch.Tensor:
        """Return the temperature of each row, (B, 1), for the modalities that it has."""
        return torch.tensor([
            self.temperatures.get(Modality.where(map(bool, row)).title, 1.0)
            for row in available(batch['features'])])[:, None]
