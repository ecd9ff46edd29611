# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Calibrated unimodal posteriors: temperature and per-class offsets, with the prior removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import log_softmax
import torch
from torch import nn, Tensor
from training.engine.config import Settings

Floats = NDArray[np.float64]
CLASSES = len(EMOTIONS)
FLAT = np.full(CLASSES, 1 / CLASSES)


@dataclass(frozen=True)
class LabelledLogits:
    """Logits (N, 7) of an encoder's classifier, and the true labels (N,)."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def shares(self) -> Floats:
        """Share of each class, (7,); a missing class counts as half an example."""
        counts = np.bincount(self.labels, minlength=CLASSES).clip(min=0.5)
        result: Floats = counts / counts.sum()
        return result


class CalibratedPosterior(Settings):
    """
    Calibration of an encoder's classifier: log p(x | y) = logits / temperature + offsets + const.

    :param shares: of the classes among the examples that it was fitted on.
    """

    temperature: float = Field(gt=0)
    offsets: tuple[float, ...] = Field(min_length=CLASSES, max_length=CLASSES)
    shares: tuple[float, ...] = Field(min_length=CLASSES, max_length=CLASSES)

    def log_posterior(self, logits: NDArray[Any], prior: NDArray[Any] = FLAT) -> Floats:
        """Return log posteriors (N, 7) under a prior; under the flat one, log-likelihoods."""
        scores = logits.astype(np.float64) / self.temperature + self.offsets + np.log(prior)
        result: Floats = log_softmax(scores, axis=-1)
        return result

    def posterior(self, logits: NDArray[Any]) -> Floats:
        """Return posteriors (N, 7) under the class shares that it was fitted with."""
        result: Floats = np.exp(self.log_posterior(logits, np.array(self.shares)))
        return result


def fit_posterior(known: LabelledLogits, *, decay: float = 0.003) -> CalibratedPosterior:
    """
    Fit temperature and offsets on examples that the encoder was not trained on.

    softmax(logits / T + offsets + log shares) is fitted as the posterior of these examples, so
    without the shares it is the likelihood. Few examples do not determine seven offsets: they are
    regularised towards a multiple of minus the log shares, as of an encoder that learnt a prior.

    :param decay: weight of the squared distance of the offsets from that multiple.
    """
    shares = torch.from_numpy(known.shares)
    logits = torch.from_numpy(known.logits.astype(np.float64))
    labels = torch.from_numpy(known.labels)
    log_temperature, prior_exponent = (
        torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    rest = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([log_temperature, prior_exponent, rest], max_iter=300,
                                  line_search_fn='strong_wolfe')

    def offsets() -> Tensor:
        return rest - prior_exponent * shares.log()

    def closure() -> Tensor:
        optimizer.zero_grad()
        scores = logits / log_temperature.exp() + offsets() + shares.log()
        loss: Tensor = nn.functional.cross_entropy(scores, labels) + decay * rest.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    found = offsets().detach()
    return CalibratedPosterior(
        temperature=float(log_temperature.detach().exp()), shares=tuple(shares.tolist()),
        offsets=tuple((found - found.mean()).tolist()))
