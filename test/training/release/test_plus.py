# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The plus bundle: a new voice in the pool of another bundle; everything else as before."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.late_fusion import LateFusion, OPENED
from mmer_ros.networks.whisper_encoder import WhisperEncoder, WhisperEncoderConfig
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import EMOTIONS, InvalidInput, MODALITIES, Modality, SUBSETS, Utterance
import numpy as np
import pytest
from scipy.special import softmax
import torch
from torch import nn
from training.release.plus import (
    fit_common_temperature,
    fit_gate,
    FLAT,
    plus_bundle,
    pool_of,
    replace_voice,
    UnseenLogits,
)

from ...fixtures.model import random_audio, random_faces, seeded, TINY, tiny_bundle

AUDIO = Modality.AUDIO
VOICE = WhisperEncoderConfig(d_model=16, n_layer=2, n_head=2, n_inner=32, states=(1, 2), width=9)
PRIOR = (0.3, 0.1, 0.1, 0.1, 0.2, 0.1, 0.1)
RNG = np.random.default_rng(0)


def base_bundle() -> Bundle:
    """Return a bundle with late fusion whose crossmodal branch is silent, as before training."""
    bundle = tiny_bundle(
        model=TINY.model_copy(update={'fusion': FusionConfig(
            width=32, heads=4, embracement_size=24, pooling='summary', late_fusion=True)}),
        priors={subset.title: PRIOR for subset in SUBSETS})
    late_fusion = bundle.model.fusion.late_fusion
    assert isinstance(late_fusion, LateFusion)
    with torch.no_grad():
        late_fusion.offsets.copy_(torch.randn(late_fusion.offsets.shape))
        late_fusion.weights.mul_(torch.rand(late_fusion.weights.shape) + 0.5)
    return bundle


@pytest.fixture(scope='module')
def bundles() -> tuple[Bundle, Bundle]:
    """Return a base, and a plus bundle made of it."""
    torch.manual_seed(0)
    base = base_bundle()
    encoder = seeded(WhisperEncoder, VOICE, 7)
    plus = plus_bundle('plus', base, encoder, pool_of(base, encoder), card='# plus\n',
                       notice='', training={})
    return base, plus


def utterance(subset: Modality) -> Utterance:
    return Utterance(text='how was I to know' if Modality.TEXT in subset else None,
                     audio=random_audio(9_000) if AUDIO in subset else None,
                     faces=random_faces(3) if Modality.FACE in subset else None)


@pytest.mark.parametrize('subset', [s for s in SUBSETS if AUDIO not in s])
def test_without_a_voice_the_answers_are_those_of_the_base(
        bundles: tuple[Bundle, Bundle], subset: Modality) -> None:
    before, after = (Recognizer(bundle).recognize(utterance(subset)) for bundle in bundles)
    np.testing.assert_allclose(after.probabilities, before.probabilities, atol=1e-3)  # float16


@torch.inference_mode()
def test_the_voice_alone_is_its_own_classifier(bundles: tuple[Bundle, Bundle]) -> None:
    _, plus = bundles
    recognizer = Recognizer(plus)
    encoder = plus.model.audio
    assert isinstance(encoder, WhisperEncoder)
    moments = encoder.moments(encoder.whole(random_audio(9_000)))
    expected = torch.softmax(encoder.classifier(encoder.project(moments)), dim=0)
    np.testing.assert_allclose(recognizer.recognize(utterance(AUDIO)).probabilities, expected,
                               atol=1e-4)
    assert plus.config.priors['audio'] == pytest.approx(FLAT)


def test_the_likelihood_of_the_old_voice_is_exchanged_for_the_new_with_its_exponent() -> None:
    """Recomputed: the pool's logits are a weighted sum of log-likelihoods and what is left."""
    sizes = dict.fromkeys(MODALITIES, 5)
    torch.manual_seed(0)
    heads = {m: nn.Linear(5, 7) for m in MODALITIES}
    base, pool = LateFusion(sizes, heads), LateFusion(sizes, heads)
    with torch.no_grad():
        base.weights.copy_(torch.rand(base.weights.shape) + 0.5)
        base.offsets.copy_(torch.randn(base.offsets.shape))
    replace_voice(pool, base, PRIOR)
    vectors = {m: (torch.randn(1, 1, 5), torch.ones(1, 1, dtype=torch.bool)) for m in MODALITIES}
    log_p = torch.log_softmax(heads[AUDIO](vectors[AUDIO][0][0]), dim=1)
    for subset in (s for s in SUBSETS if AUDIO in s and s != AUDIO):
        present = torch.tensor([[m in subset for m in MODALITIES]])
        there = {m: v for m, v in vectors.items() if m in subset}
        before, after = (each(there, present) for each in (base, pool))
        exponent = base.weights[subset.value, 1] / base.weights[AUDIO.value, 1]
        old = base.weights[AUDIO.value, 1] * OPENED * log_p + (
            base.offsets[AUDIO.value] - torch.tensor(PRIOR).log())
        torch.testing.assert_close(after, before - exponent * old + exponent * log_p)


def test_a_bundle_without_late_fusion_is_no_base() -> None:
    with pytest.raises(InvalidInput, match='tiny.*late fusion'):
        pool_of(tiny_bundle(), seeded(WhisperEncoder, VOICE, 7))


def test_the_temperature_makes_overconfident_voices_modest() -> None:
    logits = RNG.normal(0, 1, (4000, 7)).astype(np.float32)
    labels = np.array([RNG.choice(7, p=p) for p in softmax(logits.astype(float), axis=1)])
    halves = [UnseenLogits(3 * logits[half], labels[half]) for half in (
        slice(0, 3000), slice(3000, 4000))]
    assert fit_common_temperature(halves) == pytest.approx(3, rel=0.1)


def test_the_gate_opens_for_people_and_closes_for_other_sounds() -> None:
    torch.manual_seed(0)
    width = len(EMOTIONS) + 4
    pool = LateFusion({AUDIO: width}, {AUDIO: nn.Linear(width, 7)})
    gate = pool.gates['audio']
    assert isinstance(gate, nn.Sequential)
    people = [torch.randn(50, width) + 3, torch.randn(500, width) + 2]
    others = torch.randn(200, width) - 3
    assert fit_gate(gate, people, others) > 0.95
    with torch.no_grad():
        assert float(torch.sigmoid(gate(others)).median()) < 0.05
        moved = people[0].clone()
        moved[:, :len(EMOTIONS)] -= 20  # by adaptation to a person
        torch.testing.assert_close(gate(moved), gate(people[0]))


def test_it_survives_saving(bundles: tuple[Bundle, Bundle], tmp_path: Path) -> None:
    _, plus = bundles
    plus.save(tmp_path / 'plus')
    loaded = Recognizer(Bundle.load(tmp_path / 'plus'))
    for subset in SUBSETS:
        np.testing.assert_array_equal(
            loaded.recognize(utterance(subset)).probabilities,
            Recognizer(plus).recognize(utterance(subset)).probabilities)
