"""Where the fusion of the starter bundle begins: at what it is to be taught."""

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
import torch
from torch import nn
from training.engine.progress import Reporter
from training.fusion.calibrated_posteriors import Expert, FLAT, log_normalized
from training.fusion.distillation_stage import Own, StarterFusion, teach_fusion
from training.fusion.pseudo_pairs import Teacher, Trust
from training.fusion.reliability_gates import fit_gates
from training.fusion.stage import FusionRecipe
from training.fusion.unimodal_examples import Library, make_parts, NOTHING, Part
from training.release.recipe import StarterRecipe
from training.release.scores import logits_of

WIDTH = 6
OWN = FusionConfig(width=16, heads=2, embracement_size=16, pooling='summary', late_fusion=True)


class _Encoder:
    """As much of a trained encoder as parts are made of."""

    def __init__(self, modality: Modality) -> None:
        torch.manual_seed(int(modality))
        self.modality, self.encoder = modality, self
        self.classifier = nn.Linear(WIDTH, len(EMOTIONS))


class _Taught(NamedTuple):
    """A fusion of made-up features, what it was taught by, and its parts."""

    network: CrossmodalEmbraceNet
    teacher: Teacher
    library: Library
    fitted: dict[str, torch.Tensor]


def gate_logit(own: LateFusion, modality: Modality, part: Part) -> float:
    mask = torch.ones(1, len(part.features), dtype=torch.bool)
    gate = own.gates[subset_name(modality)]
    return gate(summary(modality, part.features[None], mask)).item()


def taught(folder: Path, *, gates: bool = True, **recipe: Any) -> _Taught:
    random = np.random.default_rng(0)
    encoders = {m: _Encoder(m) for m in MODALITIES}
    library = Library({m: make_parts(encoders[m], [
        (f'{m.name}/{label}', label, torch.randn(3, WIDTH) + 4 * (label == NOTHING))
        for label in (*range(7), NOTHING)]) for m in MODALITIES})
    experts = {m: [Expert(temperature=random.uniform(.5, 2), shares=tuple(FLAT),
                          offsets=tuple(random.normal(0, .3, 7)))] for m in MODALITIES}
    teacher = Teacher(Trust(weights=(.8, .6, .9), neutral=-.5),
                      {'audio': random.dirichlet(np.ones(7))}, library.experts_say(experts))
    settings = StarterFusion.model_validate({
        'fusion': OWN, 'feature_noise': 0, 'dev_count': 7} | recipe)

    fitted: dict[str, torch.Tensor] = {}

    def begin(own: LateFusion) -> None:
        if gates:
            fit_gates(own, library, experts)
            fitted.update({name: v.clone() for name, v in own.gates.state_dict().items()})
        teacher.begin(own, experts)

    own = Own({m: e.classifier for m, e in encoders.items()}, begin)
    network = teach_fusion(settings, library, library, teacher, own, folder, Reporter('test'))
    return _Taught(network, teacher, library, fitted)


def test_before_it_learns_a_fusion_answers_what_it_is_to_be_taught(tmp_path: Path) -> None:
    """Under the prior of each subset, with the trust where there are several modalities."""
    network, teacher, library, _ = taught(
        tmp_path / 'run', gates=False, compositions={'count': 8},
        engine={'epochs': 1, 'lr': 1e-12, 'warmup': 0})
    for subset in SUBSETS:
        asked = [{m: library.parts[m][i] for m in MODALITIES if m in subset} for i in range(7)]
        said = log_normalized(logits_of(network, (1, 1, 1), asked).astype(np.float64))
        expected = np.stack([teacher(parts) for parts in asked])
        np.testing.assert_allclose(said, expected, atol=1e-4, err_msg=subset_name(subset))


def test_where_no_encoder_is_at_hand_own_answers_are_refused() -> None:
    with pytest.raises(ValidationError, match='cached features'):
        FusionRecipe(fusion=OWN)
    with pytest.raises(ValidationError, match='action units'):
        StarterRecipe(pairs=StarterFusion(fusion=OWN))


def test_gates_learn_whether_there_is_anybody(tmp_path: Path) -> None:
    """Before the fusion learns; after that they stay as they are."""
    made = taught(tmp_path / 'run', compositions={'count': 64}, engine={'epochs': 1})
    own = made.network.late_fusion
    assert own is not None
    for modality in MODALITIES:
        for part in made.library.parts[modality]:
            assert (gate_logit(own, modality, part) > 0) == (part.label != NOTHING), part.key
    assert made.fitted and all(torch.equal(own.gates.state_dict()[name], value)
                               for name, value in made.fitted.items())


def test_a_gate_is_half_open_where_an_encoder_is_twice_as_sure_as_it_ought_to_be() -> None:
    encoders = {m: _Encoder(m) for m in MODALITIES}
    library = Library({m: [
        part for condition in (0, 1) for part in make_parts(encoders[m], [
            (f'{condition}/{label}', label, torch.randn(3, WIDTH)
             + 4 * (label == NOTHING) - 4 * condition)
            for label in (*range(7), *[NOTHING] * (1 - condition))], condition)]
        for m in MODALITIES})
    experts = {m: [Expert(temperature=t, shares=tuple(FLAT), offsets=(0.,) * 7) for t in (1, 2)]
               for m in MODALITIES}
    own = LateFusion(dict.fromkeys(MODALITIES, WIDTH),
                     {m: e.classifier for m, e in encoders.items()})
    fit_gates(own, library, experts)
    for modality in MODALITIES:
        opened = [1 / (1 + np.exp(-gate_logit(own, modality, part)))
                  for part in library.parts[modality] if part.condition == 1]
        assert np.mean(opened) == pytest.approx(0.5, abs=0.1)


def test_a_gate_stays_open_where_nobody_was_never_seen() -> None:
    encoders = {m: _Encoder(m) for m in MODALITIES}
    library = Library({m: make_parts(encoders[m], [
        (str(label), label, torch.randn(3, WIDTH)) for label in range(7)]) for m in MODALITIES})
    own = LateFusion(dict.fromkeys(MODALITIES, WIDTH),
                     {m: e.classifier for m, e in encoders.items()})
    fit_gates(own, library, {})
    assert all(gate_logit(own, m, part) == OPEN for m in MODALITIES for part in library.parts[m])
