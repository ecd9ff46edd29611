"""What the fusion answers to parts, alone and put together, and how good that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmer_ros.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    bootstrap_interval,
    Interval,
    score,
    weighted_f1,
)
from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.types import EMOTIONS, MODALITIES, Modality, subset_name, SUBSETS
import numpy as np
from numpy.typing import NDArray
import torch
from training.engine.sampling import Draw
from training.fusion.calibrated_posteriors import Answers, Expert, fit_expert
from training.fusion.calibration import fit_temperature
from training.fusion.pseudo_pairs import CompositionConfig, CompositionData
from training.fusion.stage import collate_features, FusionItem
from training.fusion.unimodal_examples import Library, NOTHING, Part

BATCH = 64
Parts = Mapping[Modality, Part]


@torch.inference_mode()
def logits_of(network: CrossmodalEmbraceNet, trust: Sequence[float], asked: Sequence[Parts]
              ) -> NDArray[np.float32]:
    """Return the raw logits (N, 7) of the network for sets of parts."""
    widths = {m: p.features.shape[1] for parts in asked for m, p in parts.items()}
    order = sorted(range(len(asked)), key=lambda i: max(
        len(p.features) for p in asked[i].values()))  # little padding
    found = np.zeros((len(asked), len(EMOTIONS)), np.float32)
    for start in range(0, len(order), BATCH):
        rows = order[start:start + BATCH]
        items = [FusionItem('', {m: p.features for m, p in asked[i].items()},
                            torch.zeros(len(EMOTIONS))) for i in rows]
        output = network(collate_features(items, widths)['features'], torch.tensor(trust),
                         sample=False)
        found[rows] = output.logits.numpy()
    return found


def held_out(library: Library, subset: Modality, config: CompositionConfig, count: int
             ) -> tuple[list[Parts], NDArray[np.int64]]:
    """
    Return sets of held-out parts and their labels.

    All parts of a single modality as they are; of several compositions, the same each time, each
    label as common.
    """
    single = [m for m in MODALITIES if m in subset]
    if len(single) == 1:
        known = [p for p in library.parts[single[0]] if p.label != NOTHING]
        return ([{single[0]: p} for p in known],
                np.array([p.label for p in known], np.int64))
    data = CompositionData(library, config, None, count=count, training=False, subset=subset)
    made = [data.composition(Draw(i, 0, 1)) for i in range(count)]
    return [c.parts for c in made], np.array([c.label for c in made], np.int64)


def fit_temperatures(network: CrossmodalEmbraceNet, trust: Sequence[float], library: Library,
                     config: CompositionConfig, count: int) -> dict[str, float]:
    """Return a temperature for each subset of the modalities, by name."""
    found = {}
    for subset in SUBSETS:
        asked, labels = held_out(library, subset, config, count)
        found[subset_name(subset)] = fit_temperature(logits_of(network, trust, asked), labels)
    return found


def subset_figures(network: CrossmodalEmbraceNet, trust: Sequence[float], library: Library,
                   config: CompositionConfig, temperatures: Mapping[str, float], count: int,
                   subsets: Sequence[Modality] = SUBSETS) -> dict[str, Any]:
    """Return the scores of subsets on held-out parts, with intervals over the examples."""
    found = {}
    for subset in subsets:
        asked, labels = held_out(library, subset, config, count)
        logits = logits_of(network, trust, asked).astype(np.float64)
        found[subset_name(subset)] = figures_of(
            labels, softmax(logits / temperatures.get(subset_name(subset), 1.0)))
    return found


def figures_of(labels: NDArray[np.int64], probabilities: NDArray[Any]) -> dict[str, Any]:
    """Return all that a card tells of answers: figures with intervals, confusion matrix."""
    scores = score(labels, probabilities)

    def interval(statistic: Any) -> dict[str, float]:
        found: Interval = bootstrap_interval(statistic, labels, probabilities)
        return {'value': found.value, 'low': found.low, 'high': found.high}

    return {'examples': scores.count, 'accuracy': interval(accuracy),
            'unweighted_recall': interval(balanced_accuracy),
            'weighted_f1': interval(weighted_f1), 'ece': scores.ece, 'nll': scores.nll,
            'mean_confidence': float(probabilities.max(axis=1).mean()),
            'recall': dict(zip(EMOTIONS, scores.recall.tolist(), strict=True)),
            'confusion': scores.confusion.tolist()}


def crossed(answers: Answers, groups: NDArray[Any]) -> tuple[NDArray[np.float64], list[Expert]]:
    """
    Return calibrated probabilities (N, 7) of an expert fitted on the other half of the groups.

    :param groups: (N,) whose example it is: actor, dialogue; a group is in one half.
    """
    _, where = np.unique(groups, return_inverse=True)
    half = where % 2
    found = np.zeros((len(answers.labels), len(EMOTIONS)))
    experts = []
    for part in (0, 1):
        fit, other = half != part, half == part
        expert = fit_expert(Answers(answers.logits[fit], answers.labels[fit]))
        found[other] = np.exp(expert.answer(answers.logits[other], np.array(expert.shares)))
        experts.append(expert)
    return found, experts


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float64] = shifted / shifted.sum(axis=-1, keepdims=True)
    return result
