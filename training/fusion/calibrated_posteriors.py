"""What a single modality says, calibrated: an encoder's own classifier as an expert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import torch
from torch import nn, Tensor
from training.engine.config import Settings

Floats = NDArray[np.float64]
CLASSES = len(EMOTIONS)
FLAT = np.full(CLASSES, 1 / CLASSES)


class Expert(Settings):
    """
    How logits become log-likelihoods: log p(x | y) = logits / temperature + offsets, up to a sum.

    :param shares: of the emotions among the examples on which it was fitted.
    """

    temperature: float = Field(gt=0)
    offsets: tuple[float, ...] = Field(min_length=CLASSES, max_length=CLASSES)
    shares: tuple[float, ...] = Field(min_length=CLASSES, max_length=CLASSES)

    def answer(self, logits: NDArray[Any], prior: NDArray[Any] = FLAT) -> Floats:
        """Return log posteriors (N, 7) under a prior."""
        scores = logits.astype(np.float64) / self.temperature + self.offsets + np.log(prior)
        return log_normalized(scores)


@dataclass(frozen=True)
class Answers:
    """Logits (N, 7) of an encoder's own classifier, and the true labels (N,)."""

    logits: NDArray[np.float32]
    labels: NDArray[np.int64]

    @property
    def shares(self) -> Floats:
        """Share of each emotion, (7,); one that does not occur counts as half an example."""
        counts = np.bincount(self.labels, minlength=CLASSES).clip(min=0.5)
        result: Floats = counts / counts.sum()
        return result


def fit_expert(answers: Answers, *, decay: float = 0.003) -> Expert:
    """
    Fit temperature and offsets on examples that the encoder has not learnt from.

    softmax(logits / T + offsets + log shares) is to be the posterior among these examples, so
    that without the shares it is the likelihood. Few examples cannot tell seven offsets; they are
    held near those of an encoder that learnt with the shares (a posterior: minus log shares).

    :param decay: penalty on the squared distance of the offsets from the best constant tilt.
    """
    shares = torch.from_numpy(answers.shares)
    logits = torch.from_numpy(answers.logits.astype(np.float64))
    labels = torch.from_numpy(answers.labels)
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)   # log temperature
    tilt = torch.zeros((), dtype=torch.float64, requires_grad=True)    # power of the shares
    rest = torch.zeros(CLASSES, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([scale, tilt, rest], max_iter=300,
                                  line_search_fn='strong_wolfe')

    def offsets() -> Tensor:
        return rest - tilt * shares.log()

    def closure() -> Tensor:
        optimizer.zero_grad()
        scores = logits / scale.exp() + offsets() + shares.log()
        loss: Tensor = nn.functional.cross_entropy(scores, labels) + decay * rest.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    found = offsets().detach()
    return Expert(temperature=float(scale.detach().exp()), shares=tuple(shares.tolist()),
                  offsets=tuple((found - found.mean()).tolist()))


def log_normalized(scores: Floats) -> Floats:
    """Return the log of the softmax over the last axis."""
    top = scores.max(axis=-1, keepdims=True)
    result: Floats = scores - top - np.log(np.exp(scores - top).sum(axis=-1, keepdims=True))
    return result
