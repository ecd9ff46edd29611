"""A small model that really predicts, on made-up features of three modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmer_ros.types import EMOTIONS, MODALITIES, Modality
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from training.engine.predictions import Predictions

FREQUENCIES = np.array([.42, .12, .05, .09, .15, .04, .13])
SEPARATION = {Modality.TEXT: .8, Modality.AUDIO: .55, Modality.FACE: .4}
WIDTH = 10
REPLY = .6  # how far apart the classes lie in what the reply tells


@dataclass(frozen=True)
class Features:
    """Features of a split; what is missing is NaN."""

    keys: list[str]
    labels: NDArray[np.int64]
    sources: dict[Modality, NDArray[np.float64]]
    reply: NDArray[np.float64]


def make_features(count: int, *, seed: int, missing: float = 0.0, split: str = 'dev',
                  separation: Mapping[Modality, float] = SEPARATION) -> Features:
    """Draw classes and, for each modality, Gaussian features about the mean of the class."""
    world, generator = np.random.default_rng(1), np.random.default_rng(seed)
    labels = generator.choice(len(EMOTIONS), count, p=FREQUENCIES)
    sources = {}
    for modality in MODALITIES:
        means = world.normal(size=(len(EMOTIONS), WIDTH))
        values = separation.get(modality, 0) * means[labels] + generator.normal(
            size=(count, WIDTH)) * 1.6
        values[generator.random(count) < missing] = np.nan
        if modality not in separation:
            values[:] = np.nan
        sources[modality] = values
    means = world.normal(size=(len(EMOTIONS), WIDTH))
    reply = REPLY * means[labels] + generator.normal(size=(count, WIDTH)) * 2.5
    return Features([f'{split}/dia{i // 8}_utt{i % 8}' for i in range(count)], labels, sources,
                    reply)


@dataclass
class LinearPredictor:
    """
    A logistic regression per modality; their log-probabilities, without the prior, add up.

    :param fitted: modalities that it learnt from.
    """

    name: str
    train: Features
    evaluated: Features
    fitted: Modality = Modality.TEXT | Modality.AUDIO | Modality.FACE
    asked: list[tuple[Modality, bool, dict[Modality, float], int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Fit."""
        self.models = {m: self._fit(self.train.sources[m]) for m in MODALITIES if m in self.fitted}
        self.reply_model = self._fit(self.train.reply)
        self.prior = np.log(np.bincount(self.train.labels, minlength=7) + .5)

    def _fit(self, values: NDArray[np.float64]) -> LogisticRegression:
        there = ~np.isnan(values).any(axis=1)
        model = LogisticRegression(max_iter=200)
        return model.fit(values[there], self.train.labels[there])

    def predict(self, modalities: Modality, *, causal: bool = True,
                noise: Mapping[Modality, float] | None = None, seed: int = 0) -> Predictions:
        """Return answers for the examples that have any of the modalities."""
        self.asked.append((modalities, causal, dict(noise or {}), seed))
        generator = np.random.default_rng(seed)
        data, evidence, seen = self.evaluated, [], np.zeros(len(self.evaluated.labels), bool)
        parts = []
        for modality in (m for m in self.models if m in modalities):
            values = data.sources[modality]
            there = ~np.isnan(values).any(axis=1)
            level = (noise or {}).get(modality, 0.0)
            values = values + level * np.nanstd(values, axis=0) * generator.normal(
                size=values.shape) if level and there.any() else values
            values = np.where(there[:, None], values, 0)
            parts.append(values)
            evidence.append(np.where(there[:, None], self._evidence(self.models[modality], values),
                                     0))
            seen |= there
        if not causal and Modality.TEXT in modalities and seen.any():
            evidence.append(self._evidence(self.reply_model, data.reply))
        logits = np.sum([self.prior + np.zeros((len(seen), 7)), *evidence], axis=0)
        rows = np.flatnonzero(seen)
        embeddings = np.hstack(parts) if parts else np.zeros((len(seen), 1))
        return Predictions(self.name, [data.keys[i] for i in rows], data.labels[rows],
                           logits[rows].astype(np.float32),
                           embeddings[rows].astype(np.float32))

    def _evidence(self, model: LogisticRegression,
                  values: NDArray[np.float64]) -> NDArray[np.float64]:
        result: NDArray[np.float64] = model.predict_log_proba(values) - self.prior
        return result
