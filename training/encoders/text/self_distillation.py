"""Self-distillation: what the teacher says, mixed with what the network itself says by now."""

from __future__ import annotations

from collections.abc import Mapping

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import torch
from training.encoders.text.data import collate_text, TextData
from training.encoders.text.module import TextLossWeights, TextModule
from training.engine.config import Settings
from training.engine.device import placed
from training.engine.fit import EngineConfig
from training.engine.sampling import OrderedBatches

Probabilities = NDArray[np.float32]
BATCH = 256
TINY = 1e-6


class DistillConfig(Settings):
    """
    A phase that goes on from the network so far, with its own answers among the targets.

    :param share: of the network's own log-probabilities in the targets.
    :param weights: of the losses in this phase.
    """

    share: float = Field(0.5, gt=0, lt=1)
    weights: TextLossWeights = TextLossWeights(language_model=0, next_sentence=0, emotion=0.15,
                                               teacher=0.85)
    engine: EngineConfig = EngineConfig()


def mixed_targets(module: TextModule, data: TextData, pad: int, soft: Mapping[str, Probabilities],
                  share: float) -> dict[str, Probabilities]:
    """
    Return new soft targets (7,) by key: the geometric mean of network and teacher, weighted.

    :param data: the examples as the network sees them in evaluation.
    :param soft: what the teacher says; examples that it does not know have no new target.
    """
    answers = log_answers(module, data, pad)
    rows = [(row.example.key, number) for number, row in enumerate(data.rows)
            if row.example.key in soft]
    taught = np.log(np.stack([soft[key] for key, _ in rows]) + TINY)
    mixed = share * answers[[number for _, number in rows]] + (1 - share) * taught
    mixed = torch.softmax(torch.from_numpy(mixed), dim=1).numpy().astype(np.float32)
    return {key: target for (key, _), target in zip(rows, mixed)}


def log_answers(module: TextModule, data: TextData, pad: int) -> Probabilities:
    """Return log-probabilities (N, 7) of the main head."""
    with placed(module.eval()) as device:
        return _log_answers(module, data, pad, device)


@torch.inference_mode()
def _log_answers(module: TextModule, data: TextData, pad: int, device: torch.device
                 ) -> Probabilities:
    result = np.zeros((len(data), len(EMOTIONS)), np.float32)
    for draws in OrderedBatches(data.sizes, BATCH):
        batch = collate_text([data[draw] for draw in draws], pad)
        hidden, _ = module.encoder(*(batch[k].to(device) for k in ('ids', 'types', 'lengths')))
        last = hidden[torch.arange(len(hidden)), batch['lengths'] - 1]
        logits = torch.log_softmax(module.encoder.classifier(last), dim=1)
        result[[draw.row for draw in draws]] = logits.cpu().numpy()
    return result
