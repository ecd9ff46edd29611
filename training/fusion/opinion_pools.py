# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Opinion pools: fixed-weight sums and log-linear pools of distributions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

Floats = NDArray[np.float64]
STEPS = 101  # grid of the weight of a sum


class LogLinearPool(nn.Module):
    """
    The weighted product of distributions: log p = sum of weight * log p_m + offset + const.

    Weights of 1 are right for evidence that is independent given the class (naive Bayes), smaller
    ones for evidence that is correlated or overconfident.

    :param count: number of distributions.
    :param by_class: fit a weight for each class instead of one for all.
    """

    def __init__(self, count: int, classes: int, *, by_class: bool = False) -> None:
        super().__init__()
        shape = (count, classes if by_class else 1)
        self.weights = nn.Parameter(torch.full(shape, 0.7, dtype=torch.float64))
        self.offset = nn.Parameter(torch.zeros(classes, dtype=torch.float64))

    def forward(self, evidence: Sequence[Tensor]) -> Tensor:
        """Return log probabilities (N, classes) of distributions (N, classes), all > 0."""
        pooled = sum((w * p.log() for w, p in zip(self.weights, evidence)), self.offset)
        result: Tensor = torch.log_softmax(torch.as_tensor(pooled), dim=1)
        return result

    def fit(self, evidence: Sequence[Floats], truth: Floats, *, decay: float = 1e-4
            ) -> LogLinearPool:
        """
        Fit weights and offset by cross-entropy.

        :param truth: (N, classes) distributions.
        :param decay: weight of the squared offsets and of the spread of the weights over classes.
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


def cross_entropy(predicted: Floats, truth: Floats) -> Floats:
    """Return -sum(truth * log predicted) of each row, nats."""
    result: Floats = -(truth * np.log(predicted)).sum(axis=1)
    return result


def correct(predicted: Floats, truth: Floats) -> Floats:
    """Return 1 where the most probable class is that of the truth, otherwise 0."""
    result: Floats = (predicted.argmax(axis=1) == truth.argmax(axis=1)).astype(np.float64)
    return result
