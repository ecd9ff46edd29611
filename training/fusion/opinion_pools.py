"""Rules that make one answer of several: fixed-weight sums, and log-linear pools."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

Floats = NDArray[np.float64]
STEPS = 101  # weights that are tried for a sum


class LogLinear(nn.Module):
    """
    The weighted product of distributions: log p = sum of weight * log p_m + offset, scaled.

    Equal weights of 1 are right for evidence that is independent given the emotion (naive
    Bayes); less than 1 where it says the same twice, or is not as sure as it claims.

    :param count: how many distributions are pooled.
    :param by_class: a weight for each class, not one for all.
    """

    def __init__(self, count: int, classes: int, *, by_class: bool = False) -> None:
        """Start between ignoring and believing."""
        super().__init__()
        shape = (count, classes if by_class else 1)
        self.weights = nn.Parameter(torch.full(shape, 0.7, dtype=torch.float64))
        self.offset = nn.Parameter(torch.zeros(classes, dtype=torch.float64))

    def forward(self, evidence: Sequence[Tensor]) -> Tensor:
        """Return log probabilities (N, classes) of distributions (N, classes) each, > 0."""
        pooled = sum((w * p.log() for w, p in zip(self.weights, evidence)), self.offset)
        result: Tensor = torch.log_softmax(torch.as_tensor(pooled), dim=1)
        return result

    def fit(self, evidence: Sequence[Floats], truth: Floats, *, decay: float = 1e-4) -> LogLinear:
        """
        Find the weights with the least cross-entropy.

        :param truth: (N, classes) distributions.
        :param decay: penalty on the squared offsets and on the spread of weights among classes.
        """
        given, target = [torch.from_numpy(e) for e in evidence], torch.from_numpy(truth)
        optimizer = torch.optim.LBFGS(self.parameters(), max_iter=200,
                                      line_search_fn='strong_wolfe')

        def closure() -> Tensor:
            optimizer.zero_grad()
            spread = (self.weights - self.weights.mean(dim=1, keepdim=True)).square().sum()
            loss: Tensor = -(target * self(given)).sum(dim=1).mean() + decay * (
                self.offset.square().sum() + spread)
            loss.backward()
            return loss

        optimizer.step(closure)
        return self

    @torch.no_grad()
    def predict(self, evidence: Sequence[Floats]) -> Floats:
        """Return probabilities, (N, classes)."""
        result: Floats = self([torch.from_numpy(e) for e in evidence]).exp().numpy()
        return result


def weighted_sum(weight: float, first: Floats, second: Floats) -> Floats:
    """Return weight * first + (1 - weight) * second."""
    result: Floats = weight * first + (1 - weight) * second
    return result


def best_weights(first: Floats, second: Floats, truth: Floats) -> tuple[float, float]:
    """Return the weights of the sum with the least cross-entropy, and with the best accuracy."""
    weights = np.linspace(0, 1, STEPS)
    sums = [weighted_sum(w, first, second) for w in weights]
    losses = [cross_entropy(s, truth).mean() for s in sums]
    right = [correct(s, truth).mean() for s in sums]
    return float(weights[int(np.argmin(losses))]), float(weights[int(np.argmax(right))])


def cross_entropy(answers: Floats, truth: Floats) -> Floats:
    """Return -sum(truth * log answer) of each row, nats."""
    result: Floats = -(truth * np.log(answers)).sum(axis=1)
    return result


def correct(answers: Floats, truth: Floats) -> Floats:
    """Return 1 where the most probable class is that of the truth, else 0."""
    result: Floats = (answers.argmax(axis=1) == truth.argmax(axis=1)).astype(np.float64)
    return result
