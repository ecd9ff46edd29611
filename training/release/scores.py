# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Scores of a fusion on unimodal examples and pseudo-multimodal pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mmer_ros.evaluation.metrics import (
    accuracy,
    balanced_accuracy,
    bootstrap_interval,
    score,
    weighted_f1,
)
from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.types import EMOTIONS, Modality, SUBSETS
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
import torch
from training.corpora.examples import grouped_folds
from training.engine.sampling import Draw
from training.fusion.calibrated_posteriors import (
    CalibratedPosterior,
    fit_posterior,
    LabelledLogits,
)
from training.fusion.calibration import fit_temperature
from training.fusion.pseudo_pairs import PseudoPairConfig, PseudoPairData
from training.fusion.stage import collate_features, FusionItem
from training.fusion.unimodal_examples import OUT_OF_DOMAIN, UnimodalExample, UnimodalLibrary

BATCH = 64
Inputs = Mapping[Modality, UnimodalExample]


@torch.inference_mode()
def fusion_logits(network: CrossmodalEmbraceNet, weights: Sequence[float], inputs: Sequence[Inputs]
                  ) -> NDArray[np.float32]:
    """
    Return the raw logits (N, 7) of the network.

    :param weights: of the modalities in EmbraceNet.
    """
    widths = {m: e.features.shape[1] for each in inputs for m, e in each.items()}
    order = sorted(range(len(inputs)), key=lambda i: max(
        len(e.features) for e in inputs[i].values()))  # little padding
    found = np.zeros((len(inputs), len(EMOTIONS)), np.float32)
    for start in range(0, len(order), BATCH):
        rows = order[start:start + BATCH]
        items = [FusionItem('', {m: e.features for m, e in inputs[i].items()},
                            torch.zeros(len(EMOTIONS))) for i in rows]
        output = network(collate_features(items, widths)['features'], torch.tensor(weights),
                         sample=False)
        found[rows] = output.logits.numpy()
    return found


def held_out_inputs(library: UnimodalLibrary, subset: Modality, config: PseudoPairConfig,
                    count: int) -> tuple[list[Inputs], NDArray[np.int64]]:
    """
    Return held-out inputs and their labels.

    These are all examples of a single modality, or `count` pseudo pairs of several, always the
    same, with each label equally often.
    """
    if subset in subset.members:
        known = [e for e in library.examples[subset] if e.label != OUT_OF_DOMAIN]
        return [{subset: e} for e in known], np.array([e.label for e in known], np.int64)
    data = PseudoPairData(library, config, None, count=count, training=False, subset=subset)
    pairs = [data.pair(Draw(i, 0, 1)) for i in range(count)]
    return [p.examples for p in pairs], np.array([p.label for p in pairs], np.int64)


def fit_pair_temperatures(network: CrossmodalEmbraceNet, weights: Sequence[float],
                          library: UnimodalLibrary, config: PseudoPairConfig, count: int
                          ) -> dict[str, float]:
    """Return a temperature for each subset of the modalities, by name."""
    found = {}
    for subset in SUBSETS:
        inputs, labels = held_out_inputs(library, subset, config, count)
        found[subset.title] = fit_temperature(fusion_logits(network, weights, inputs), labels)
    return found


def subset_figures(network: CrossmodalEmbraceNet, weights: Sequence[float],
                   library: UnimodalLibrary, config: PseudoPairConfig,
                   temperatures: Mapping[str, float], count: int,
                   subsets: Sequence[Modality] = SUBSETS) -> dict[str, Any]:
    """Return the scores of subsets on held-out inputs, with intervals over the examples."""
    found = {}
    for subset in subsets:
        inputs, labels = held_out_inputs(library, subset, config, count)
        found[subset.title] = figures_of(labels, probabilities(
            network, weights, inputs, temperatures.get(subset.title, 1.0)))
    return found


def probabilities(network: CrossmodalEmbraceNet, weights: Sequence[float],
                  inputs: Sequence[Inputs], temperature: float) -> NDArray[np.float64]:
    """Return the calibrated predictions, (N, 7)."""
    logits = fusion_logits(network, weights, inputs).astype(np.float64)
    result: NDArray[np.float64] = softmax(logits / temperature, axis=1)
    return result


def figures_of(labels: NDArray[np.int64], predicted: NDArray[Any]) -> dict[str, Any]:
    """Return the figures of the card: scores with intervals, and the confusion matrix."""
    scores = score(labels, predicted)

    def interval(statistic: Any) -> dict[str, float]:
        return asdict(bootstrap_interval(statistic, labels, predicted))

    return {'examples': scores.count, 'accuracy': interval(accuracy),
            'unweighted_recall': interval(balanced_accuracy),
            'weighted_f1': interval(weighted_f1), 'ece': scores.ece, 'nll': scores.nll,
            'mean_confidence': float(predicted.max(axis=1).mean()),
            'recall': dict(zip(EMOTIONS, scores.recall.tolist(), strict=True)),
            'confusion': scores.confusion.tolist()}


def cross_calibrated(known: LabelledLogits, groups: NDArray[Any]
                     ) -> tuple[NDArray[np.float64], list[CalibratedPosterior]]:
    """
    Return probabilities (N, 7), each half calibrated on the other half, and both calibrations.

    :param groups: (N,) actor or dialogue of each example; a group is in one half.
    """
    half = grouped_folds(groups, 2)
    found = np.zeros((len(known.labels), len(EMOTIONS)))
    posteriors = [fit_posterior(LabelledLogits(known.logits[half != part],
                                               known.labels[half != part])) for part in (0, 1)]
    for part, posterior in enumerate(posteriors):
        found[half == part] = posterior.posterior(known.logits[half == part])
    return found, posteriors
