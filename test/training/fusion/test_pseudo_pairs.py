# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Distillation on pseudo pairs: the fusion starts at its target; training of the gates."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.networks.late_fusion import LateFusion, OPEN
from mmer_ros.types import EMOTIONS, MODALITIES, Modality, subset_name, SUBSETS
import numpy as np
from pydantic import ValidationError
import pytest
from scipy.special import log_softmax
import torch
from torch import nn
from training.engine.progress import Reporter
from training.fusion.calibrated_posteriors import CalibratedPosterior, FLAT
from training.fusion.distillation_stage import (
    distil_pseudo_pairs,
    DistilledFusionConfig,
    LateFusionStart,
)
from training.fusion.pseudo_pairs import ModalityWeights, PooledTarget
from training.fusion.reliability_gates import fit_gates
from training.fusion.stage import FusionRecipe
from training.fusion.unimodal_examples import (
    OUT_OF_DOMAIN,
    unimodal_examples,
    UnimodalExample,
    UnimodalLibrary,
)
from training.release.recipe import StarterRecipe
from training.release.scores import fusion_logits

WIDTH = 6
OWN = FusionConfig(width=16, heads=2, embracement_size=16, pooling='summary', late_fusion=True)


class _Encoder:
    """The part of a trained encoder that unimodal examples need."""

    def __init__(self, modality: Modality) -> None:
        torch.manual_seed(int(modality))
        self.modality, self.encoder = modality, self
        self.classifier = nn.Linear(WIDTH, len(EMOTIONS))


class _Distilled(NamedTuple):
    """A fusion of synthetic features, its target, and its examples."""

    network: CrossmodalEmbraceNet
    target: PooledTarget
    library: UnimodalLibrary
    fitted: dict[str, torch.Tensor]


def gate_logit(own: LateFusion, modality: Modality, example: UnimodalExample) -> float:
    mask = torch.ones(1, len(example.features), dtype=torch.bool)
    gate = own.gates[subset_name(modality)]
    return gate(summary(modality, example.features[None], mask)).item()


def distilled(folder: Path, *, gates: bool = True, **recipe: Any) -> _Distilled:
    random = np.random.default_rng(0)
    encoders = {m: _Encoder(m) for m in MODALITIES}
    library = UnimodalLibrary({m: unimodal_examples(encoders[m], [
        (f'{m.name}/{label}', label, torch.randn(3, WIDTH) + 4 * (label == OUT_OF_DOMAIN))
        for label in (*range(7), OUT_OF_DOMAIN)]) for m in MODALITIES})
    posteriors = {m: [CalibratedPosterior(
        temperature=random.uniform(.5, 2), shares=tuple(FLAT),
        offsets=tuple(random.normal(0, .3, 7)))] for m in MODALITIES}
    target = PooledTarget(ModalityWeights(weights=(.8, .6, .9), neutral=-.5),
                          {'audio': random.dirichlet(np.ones(7))},
                          library.log_likelihoods(posteriors))
    settings = DistilledFusionConfig.model_validate({
        'fusion': OWN, 'feature_noise': 0, 'dev_count': 7} | recipe)

    fitted: dict[str, torch.Tensor] = {}

    def initialise(own: LateFusion) -> None:
        if gates:
            fit_gates(own, library, posteriors)
            fitted.update({name: v.clone() for name, v in own.gates.state_dict().items()})
        target.initialise(own, posteriors)

    start = LateFusionStart({m: e.classifier for m, e in encoders.items()}, initialise)
    network = distil_pseudo_pairs(settings, library, library, target, start, folder,
                                  Reporter('test'))
    return _Distilled(network, target, library, fitted)


def test_before_it_learns_a_fusion_answers_what_it_is_to_be_distilled(tmp_path: Path) -> None:
    """Under the prior of each subset, with the weights of several modalities."""
    network, target, library, _ = distilled(
        tmp_path / 'run', gates=False, pseudo_pairs={'count': 8},
        engine={'epochs': 1, 'lr': 1e-12, 'warmup': 0})
    for subset in SUBSETS:
        inputs = [{m: library.examples[m][i] for m in subset.members} for i in range(7)]
        found = log_softmax(fusion_logits(network, (1, 1, 1), inputs).astype(np.float64), axis=1)
        expected = np.stack([target.log_posterior(each) for each in inputs])
        np.testing.assert_allclose(found, expected, atol=1e-4, err_msg=subset.title)


def test_late_fusion_without_encoders_is_refused() -> None:
    with pytest.raises(ValidationError, match='cached features'):
        FusionRecipe(fusion=OWN)
    with pytest.raises(ValidationError, match='action units'):
        StarterRecipe(pairs=DistilledFusionConfig(fusion=OWN))


def test_gates_learn_what_is_in_domain(tmp_path: Path) -> None:
    """Before the fusion is trained; afterwards they are frozen."""
    made = distilled(tmp_path / 'run', pseudo_pairs={'count': 64}, engine={'epochs': 1})
    own = made.network.late_fusion
    assert own is not None
    for modality in MODALITIES:
        for example in made.library.examples[modality]:
            in_domain = example.label != OUT_OF_DOMAIN
            assert (gate_logit(own, modality, example) > 0) == in_domain, example.key
    assert made.fitted and all(torch.equal(own.gates.state_dict()[name], value)
                               for name, value in made.fitted.items())


def test_a_gate_is_half_open_where_the_temperature_is_twice_as_high() -> None:
    encoders = {m: _Encoder(m) for m in MODALITIES}
    library = UnimodalLibrary({m: [
        example for condition in (0, 1) for example in unimodal_examples(encoders[m], [
            (f'{condition}/{label}', label, torch.randn(3, WIDTH)
             + 4 * (label == OUT_OF_DOMAIN) - 4 * condition)
            for label in (*range(7), *[OUT_OF_DOMAIN] * (1 - condition))], condition)]
        for m in MODALITIES})
    posteriors = {m: [CalibratedPosterior(temperature=t, shares=tuple(FLAT), offsets=(0.,) * 7)
                      for t in (1, 2)] for m in MODALITIES}
    own = LateFusion(dict.fromkeys(MODALITIES, WIDTH),
                     {m: e.classifier for m, e in encoders.items()})
    fit_gates(own, library, posteriors)
    for modality in MODALITIES:
        opened = [1 / (1 + np.exp(-gate_logit(own, modality, example)))
                  for example in library.examples[modality] if example.condition == 1]
        assert np.mean(opened) == pytest.approx(0.5, abs=0.1)


def test_a_gate_stays_open_without_out_of_domain_examples() -> None:
    encoders = {m: _Encoder(m) for m in MODALITIES}
    library = UnimodalLibrary({m: unimodal_examples(encoders[m], [
        (str(label), label, torch.randn(3, WIDTH)) for label in range(7)]) for m in MODALITIES})
    own = LateFusion(dict.fromkeys(MODALITIES, WIDTH),
                     {m: e.classifier for m, e in encoders.items()})
    fit_gates(own, library, {})
    assert all(gate_logit(own, m, example) == OPEN
               for m in MODALITIES for example in library.examples[m])
