"""A trained fusion on the cached features of one split, asked under several conditions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.model import available
from mmer_ros.types import InvalidInput, MODALITIES, Modality, subset_name
import numpy as np
import torch
from torch import nn
from training.corpora.examples import Example
from training.engine.fit import Batch
from training.engine.sampling import Draw
from training.fusion.features import FeatureCache
from training.fusion.stage import collate_features, FusionData, FusionItem
from training.predictions import Predictions

BATCH = 64
ALL = Modality(7)


class FusionPredictor:
    """
    Answers of a fusion network; see predictions.Predictor.

    :param features: causal ones.
    :param with_reply: those that have seen the reply, or None.
    :param temperatures: by subset of modalities; {}: raw logits.
    :param allowed: modalities that the network was trained with.
    """

    def __init__(self, name: str, network: nn.Module, features: FeatureCache,
                 examples: Sequence[Example], *, with_reply: FeatureCache | None = None,
                 temperatures: Mapping[str, float] | None = None,
                 trust: Sequence[float] = (1.0, 1.0, 1.0),
                 allowed: Modality = ALL) -> None:
        """Keep the labelled examples."""
        self.name, self.network, self.allowed = name, network, allowed
        self.features, self.with_reply = features, with_reply
        self.examples = [e for e in examples if e.labels and e.key in features]
        self.temperatures, self.trust = temperatures or {}, torch.tensor(trust)

    @torch.inference_mode()
    def predict(self, modalities: Modality, *, causal: bool = True,
                noise: Mapping[Modality, float] | None = None, seed: int = 0) -> Predictions:
        """
        Return the answers when only these modalities are given.

        :raises InvalidInput: if the features with the reply were not made.
        """
        cache = self.features if causal else self.with_reply
        if cache is None:
            raise InvalidInput(f'{self.name}: there are no features with the reply; make them')
        data = FusionData(cache, self.examples, modalities & self.allowed, noise=noise)
        logits, embeddings, order = [], [], np.argsort(data.sizes, kind='stable')
        for start in range(0, len(order), BATCH):
            items: list[FusionItem] = [data[Draw(int(i), 0, seed)]
                                       for i in order[start:start + BATCH]]
            batch = collate_features(items, cache.widths)
            output = self.network(batch['features'], self.trust)
            logits.append(output.logits / self._temperatures(batch))
            embeddings.append(output.embedding)
        if not logits:
            return Predictions(self.name, [], np.zeros(0, np.int64), np.zeros((0, 7), np.float32))
        back = np.argsort(order)
        return Predictions(
            self.name, [e.key for e in data.examples],
            np.array([e.labels[0] for e in data.examples], np.int64),
            torch.cat(logits).numpy()[back], torch.cat(embeddings).numpy()[back])

    def _temperatures(self, batch: Batch) -> torch.Tensor:
        """Return the divisor of each row, (B, 1), by what it really has."""
        values = []
        for row in available(batch['features']):
            here = Modality(0)
            for modality, there in zip(MODALITIES, row):
                here |= modality if there else Modality(0)
            values.append(self.temperatures.get(subset_name(here), 1.0))
        return torch.tensor(values)[:, None]
