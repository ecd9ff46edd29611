# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The skip connection from the encoders' own classifiers to the logits of the fusion."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet, OpinionPool
from mmer_ros.networks.late_fusion import LateFusion, OPENED
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import MODALITIES, Modality
import numpy as np
import pytest
import torch
from torch import nn, Tensor

from ..fixtures.model import seeded, SUBSETS, TINY, tiny_bundle, TOLERANCE, utterance

SIZES = {Modality.TEXT: 12, Modality.AUDIO: 7, Modality.FACE: 9}
CONFIG = FusionConfig(width=16, heads=4, embracement_size=8, pooling='summary', late_fusion=True)
TRUST = torch.tensor([1.0, 2.0, 3.0])
Features = dict[Modality, tuple[Tensor, Tensor]]


def classifiers() -> dict[Modality, nn.Module]:
    torch.manual_seed(1)
    return {m: nn.Sequential(nn.Linear(SIZES[m], 7), nn.Dropout(0.5)).eval() for m in MODALITIES}


def features_of(subset: Modality, steps: int = 4, rows: int = 2) -> Features:
    generator = torch.Generator().manual_seed(3)
    return {m: (torch.randn(rows, steps, SIZES[m], generator=generator),
                torch.ones(rows, steps, dtype=torch.bool)) for m in MODALITIES if m in subset}


@pytest.mark.parametrize('modality', MODALITIES)
def test_before_it_has_learnt_a_fusion_says_what_the_encoder_says(modality: Modality) -> None:
    own = classifiers()
    network = seeded(CrossmodalEmbraceNet, SIZES, CONFIG, own)
    features = features_of(modality)
    said = torch.softmax(network(features, TRUST).logits, dim=1)
    expected = torch.softmax(own[modality](summary(modality, *features[modality])), dim=1)
    torch.testing.assert_close(said, expected, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize('subset', SUBSETS)
def test_the_pool_is_late_fusion_without_anything_else(subset: Modality) -> None:
    own = classifiers()
    full, pool = (seeded(kind, SIZES, CONFIG, own) for kind in (CrossmodalEmbraceNet, OpinionPool))
    features = features_of(subset)
    torch.testing.assert_close(pool(features, TRUST).logits, full(features, TRUST).logits)
    torch.testing.assert_close(pool(features, TRUST).weights, full(features, TRUST).weights)


def test_a_pool_without_classifiers_or_without_an_input_is_refused() -> None:
    with pytest.raises(ValueError, match='classifiers'):
        OpinionPool(SIZES, CONFIG)
    with pytest.raises(ValueError, match='no modality'):
        OpinionPool(SIZES, CONFIG, classifiers())({}, TRUST)


def test_a_bundle_may_have_a_pool() -> None:
    bundle = tiny_bundle(model=TINY.model_copy(update={'fusion': FusionConfig(family='pool')}))
    recognizer = Recognizer(bundle)
    for subset in SUBSETS:
        estimate = recognizer.recognize(utterance(subset))
        assert estimate.modalities is subset and np.isfinite(estimate.probabilities).all()


def test_weights_and_offsets_are_those_of_the_subset_at_hand() -> None:
    own, added = classifiers(), seeded(LateFusion, SIZES, classifiers())
    with torch.no_grad():
        added.weights.copy_(torch.rand(added.weights.shape) + 0.5)
        added.offsets.copy_(torch.randn(added.offsets.shape))
    for subset in SUBSETS:
        features = features_of(subset)
        present = torch.tensor([[m in subset for m in MODALITIES]] * 2)
        expected = added.offsets[subset.value].expand(2, -1)
        for i, m in enumerate(MODALITIES):
            if m in subset:
                said = torch.log_softmax(own[m](summary(m, *features[m])), dim=1)
                expected = expected + OPENED * added.weights[subset.value, i] * said
        torch.testing.assert_close(added(features, present), expected)


def test_where_a_gate_sees_nobody_the_encoder_is_not_believed() -> None:
    added = seeded(LateFusion, SIZES, classifiers())
    with torch.no_grad():
        added.gates['face'][-1].bias.fill_(-50.0)
    features = features_of(Modality.AUDIO | Modality.FACE)
    present = torch.tensor([[False, True, True]] * 2)
    said = torch.log_softmax(classifiers()[Modality.AUDIO](
        summary(Modality.AUDIO, *features[Modality.AUDIO])), dim=1)
    torch.testing.assert_close(added(features, present), said)


def test_rows_without_a_modality_and_padding_make_no_difference() -> None:
    network = seeded(CrossmodalEmbraceNet, SIZES, CONFIG, classifiers())
    with torch.no_grad():
        network.classifier.weight.normal_()
    every = Modality.TEXT | Modality.AUDIO | Modality.FACE
    features = features_of(every)
    text_only = features[Modality.TEXT][0][1:, :2]
    padded = {m: (x.clone(), mask.clone()) for m, (x, mask) in features.items()}
    for m, (_, mask) in padded.items():
        mask[1, 2 if m is Modality.TEXT else 0:] = False
    logits = network(padded, TRUST).logits
    first = {m: (x[:1], mask[:1]) for m, (x, mask) in features.items()}
    alone = {Modality.TEXT: (text_only, torch.ones(1, 2, dtype=torch.bool))}
    torch.testing.assert_close(logits[:1], network(first, TRUST).logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(logits[1:], network(alone, TRUST).logits, atol=1e-5, rtol=0)


def test_the_classifiers_are_copies_that_do_not_learn_and_drop_nothing_out() -> None:
    own = classifiers()
    network = CrossmodalEmbraceNet(SIZES, CONFIG, own).train()
    before = {name: p.clone() for name, p in own[Modality.AUDIO].state_dict().items()}
    optimizer = torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=1.0)
    features = features_of(Modality.AUDIO)
    added = network.late_fusion
    assert added is not None
    present = torch.tensor([[False, True, False]] * 2)
    assert torch.equal(added(features, present), added(features, present))
    network(features, TRUST).logits.square().sum().backward()
    optimizer.step()
    learnt = added.classifiers['audio'].state_dict()
    assert all(torch.equal(learnt[name], value) for name, value in before.items())
    assert not torch.equal(added.weights[Modality.AUDIO.value], torch.full((3,), 1 / OPENED))
    assert torch.equal(added.weights[Modality.FACE.value], torch.full((3,), 1 / OPENED))


def test_without_classifiers_it_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="needs the encoders' own classifiers"):
        CrossmodalEmbraceNet(SIZES, CONFIG)


def test_a_bundle_that_has_them_comes_back_to_the_bit(tmp_path: Path) -> None:
    fusion = TINY.fusion.model_copy(update={'late_fusion': True})
    bundle = tiny_bundle(model=TINY.model_copy(update={'fusion': fusion}))
    bundle.save(tmp_path / 'own')
    for subset in SUBSETS:
        before, after = (Recognizer(b).recognize(utterance(subset)) for b in (
            bundle, Bundle.load(str(tmp_path / 'own'))))
        assert np.array_equal(before.probabilities, after.probabilities)
