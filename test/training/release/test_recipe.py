# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Pseudo pairs, their pooled targets, calibrated posteriors, training sets, augmented views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.types import ALL_MODALITIES, EMOTIONS, InvalidInput, Modality
import numpy as np
import pytest
import torch
from training.augment.speech import SpeechConfig
from training.augment.views import AugmentedViews, CUT, NOISY
from training.corpora.examples import Example, LOUDER, split_view_key
from training.engine.sampling import Draw
from training.evaluation.pairs.human_votes import VotesRule
from training.fusion.calibrated_posteriors import (
    CalibratedPosterior,
    fit_posterior,
    LabelledLogits,
)
from training.fusion.pseudo_pairs import (
    draw_pseudo_pair,
    ModalityWeights,
    PooledTarget,
    PseudoPairConfig,
    PseudoPairData,
)
from training.fusion.unimodal_examples import OUT_OF_DOMAIN, UnimodalExample, UnimodalLibrary
from training.release.recipe import StarterRecipe
from training.release.scores import cross_calibrated, held_out_inputs
from training.release.training_sets import balanced_sample, TrainingSetsConfig, voice_sets

TEXT, AUDIO, FACE = Modality.TEXT, Modality.AUDIO, Modality.FACE
FLAT = (1 / 7,) * 7
NEUTRAL, JOY = 0, 4


def example(modality: Modality, label: int, number: int = 0) -> UnimodalExample:
    rng = np.random.default_rng([int(modality), label + 1, number])
    return UnimodalExample(
        f'{modality.key}/{label}/{number}', label,
        torch.from_numpy(rng.normal(size=(2, 3)).astype(np.float32)),
        (4 * np.eye(8)[label][:7] + rng.normal(size=7)).astype(np.float32))


def library(labels: Sequence[int] = (*range(7), OUT_OF_DOMAIN)) -> UnimodalLibrary:
    return UnimodalLibrary({m: [example(m, label, n) for label in labels for n in range(3)]
                            for m in (TEXT, AUDIO, FACE)})


# ---------------------------------------------------------------- calibrated posteriors


def synthetic_logits(rows: int = 20_000) -> tuple[LabelledLogits, np.ndarray]:
    """Return overconfident logits with the prior in them, and the true posteriors."""
    rng = np.random.default_rng(0)
    shares = np.array([.4, .1, .05, .1, .2, .05, .1])
    labels = rng.choice(7, rows, p=shares)
    likelihood = 1.5 * np.eye(7)[labels] + rng.normal(size=(rows, 7))
    likelihood *= 1.5  # of unit variance noise: log p(x|y) = 1.5 x_y + const
    posterior = np.exp(likelihood) * shares
    logits = 2 * (likelihood + np.log(shares))
    return (LabelledLogits(logits.astype(np.float32), labels.astype(np.int64)),
            posterior / posterior.sum(axis=1, keepdims=True))


def test_calibration_finds_temperature_and_prior_and_can_change_the_prior():
    known, truth = synthetic_logits()
    fitted = fit_posterior(known)
    assert fitted.temperature == pytest.approx(2.0, rel=0.05)
    np.testing.assert_allclose(fitted.posterior(known.logits), truth, atol=0.05)
    flat = np.exp(fitted.log_posterior(known.logits))
    expected = truth / np.array(fitted.shares)
    np.testing.assert_allclose(flat, expected / expected.sum(axis=1, keepdims=True), atol=0.07)


def test_each_half_of_the_people_is_calibrated_on_the_other_half():
    known, _ = synthetic_logits(400)
    people = np.repeat(np.arange(10), 40)
    found, (first, second) = cross_calibrated(known, people)
    even = people % 2 == 0
    assert first == fit_posterior(LabelledLogits(known.logits[~even], known.labels[~even]))
    np.testing.assert_allclose(found[even], first.posterior(known.logits[even]))
    np.testing.assert_allclose(found[~even], second.posterior(known.logits[~even]))


# ---------------------------------------------------------------- pseudo pairs


def test_examples_of_a_pseudo_pair_have_its_label_except_in_disagreement():
    config = PseudoPairConfig(disagreement=(0.0, 0.5, 0.0))
    rng, examples = np.random.default_rng(0), library()
    made = [draw_pseudo_pair(examples, ALL_MODALITIES, JOY, config, rng) for _ in range(400)]
    assert all(p.examples[TEXT].label == p.examples[FACE].label == JOY for p in made)
    neutral = np.mean([p.examples[AUDIO].label == NEUTRAL for p in made])
    assert neutral == pytest.approx(0.5, abs=0.08)
    assert {p.examples[AUDIO].label for p in made} == {JOY, NEUTRAL}


def test_one_modality_always_shows_the_emotion_and_a_single_one_never_disagrees():
    config = PseudoPairConfig(disagreement=(1.0, 1.0, 1.0))
    rng, examples = np.random.default_rng(0), library()
    for _ in range(50):
        made = draw_pseudo_pair(examples, ALL_MODALITIES, JOY, config, rng)
        assert [e.label for e in made.examples.values()].count(JOY) == 1
        assert draw_pseudo_pair(examples, FACE, JOY, config, rng).examples[FACE].label == JOY


def test_draws_are_repeatable_change_with_the_epoch_and_take_labels_in_turn():
    data = PseudoPairData(library(), PseudoPairConfig(), None, count=70, training=True)
    one, same, later = (data.pair(Draw(5, epoch, 0)) for epoch in (0, 0, 1))
    keys = [[e.key for e in made.examples.values()] for made in (one, same, later)]
    assert keys[0] == keys[1] != keys[2]
    assert [data.pair(Draw(i, 0, 0)).label for i in range(9)] == [*range(7), 0, 1]
    assert torch.equal(data[Draw(4, 0, 0)].target, torch.eye(7)[JOY])


def test_out_of_domain_examples_are_drawn_in_training_only():
    config = PseudoPairConfig(out_of_domain=0.3)
    for training, least, most in ((True, 0.2, 0.4), (False, 0.0, 0.0)):
        data = PseudoPairData(library(), config, None, count=200, training=training)
        shown = [e.label for i in range(200) for e in
                 data.pair(Draw(i, 0, 0)).examples.values()]
        assert least <= shown.count(OUT_OF_DOMAIN) / len(shown) <= most


def test_held_out_inputs_of_one_modality_are_all_examples_of_it():
    inputs, labels = held_out_inputs(library(), AUDIO, PseudoPairConfig(), 700)
    assert len(inputs) == 21 and sorted(labels.tolist()) == sorted([*range(7)] * 3)
    inputs, labels = held_out_inputs(library(), ALL_MODALITIES, PseudoPairConfig(), 70)
    assert len(inputs) == 70 and np.bincount(labels).tolist() == [10] * 7


def test_a_modality_without_an_emotion_is_refused():
    with pytest.raises(InvalidInput, match='no text of disgust, anger; give'):
        library(range(5))


# ---------------------------------------------------------------- pooled targets

WEIGHTS = ModalityWeights(weights=(0.8, 0.6, 0.9), neutral=-0.5)


def pooled(likelihoods: Mapping[str, np.ndarray], examples: Mapping[Modality, UnimodalExample],
           priors: Mapping[str, np.ndarray] | None = None) -> np.ndarray:
    return np.exp(PooledTarget(WEIGHTS, priors or {}, likelihoods).log_posterior(examples))


def likelihoods() -> tuple[dict[Modality, UnimodalExample], dict[str, np.ndarray]]:
    examples = {m: example(m, JOY) for m in (TEXT, AUDIO, FACE)}
    rng = np.random.default_rng(3)
    return examples, {e.key: np.log(rng.dirichlet(np.ones(7))) for e in examples.values()}


def test_the_target_is_the_weighted_product_with_an_offset_of_neutral():
    examples, given = likelihoods()
    text, audio, face = (np.exp(given[examples[m].key]) for m in (TEXT, AUDIO, FACE))
    both = audio ** 0.6 * face ** 0.9
    both[NEUTRAL] *= np.exp(-0.5)
    found = pooled(given, {AUDIO: examples[AUDIO], FACE: examples[FACE]})
    np.testing.assert_allclose(found, both / both.sum())
    three = text ** 0.8 * audio ** 0.6 * face ** 0.9
    three[NEUTRAL] *= np.exp(-1.0)
    np.testing.assert_allclose(pooled(given, examples), three / three.sum())


def test_a_single_modality_has_its_own_posterior_under_the_prior_of_its_subset():
    examples, given = likelihoods()
    prior = np.array([.4, .1, .1, .1, .1, .1, .1])
    expected = np.exp(given[examples[AUDIO].key]) * prior
    found = pooled(given, {AUDIO: examples[AUDIO]}, {'audio': prior})
    np.testing.assert_allclose(found, expected / expected.sum())


def test_out_of_domain_examples_leave_the_other_modality_its_full_weight():
    examples, given = likelihoods()
    noise = example(AUDIO, OUT_OF_DOMAIN)
    given[noise.key] = np.zeros(7)
    both = pooled(given, {AUDIO: noise, FACE: examples[FACE]})
    np.testing.assert_allclose(both, pooled(given, {FACE: examples[FACE]}))
    np.testing.assert_allclose(pooled(given, {AUDIO: noise}), np.full(7, 1 / 7))


def test_a_louder_microphone_does_not_change_the_target():
    """A louder view has the likelihoods of the unchanged clip."""
    rng, plain = np.random.default_rng(0), CalibratedPosterior(
        temperature=1.0, offsets=(0.0,) * 7, shares=FLAT)
    clip, noisy, louder = ('train/a#0', 'train/a#1', f'train/a#{LOUDER}')
    examples = {m: [UnimodalExample(f'{label}{key}', label, torch.zeros(1, 3), rng.normal(size=7))
                    for label in range(7) for key in (clip, noisy, louder)]
                for m in (TEXT, AUDIO)}
    found = UnimodalLibrary(examples).log_likelihoods({TEXT: [plain], AUDIO: [plain]})
    for label in range(7):
        assert np.array_equal(found[f'{label}{louder}'], found[f'{label}{clip}'])
        assert not np.array_equal(found[f'{label}{noisy}'], found[f'{label}{clip}'])


class Quiet:
    """Seven clips of train and as many of dev, one of each emotion; a tone, quiet."""

    digest = 'quiet'
    examples = [Example(f'{split}/{n}', split, labels=(n,), group=f'{split}/{n}')
                for split in ('train', 'dev') for n in range(7)]

    def audio(self, key: str) -> np.ndarray:
        pitch = 200 * (1 + int(key[-1]))
        return (300 * np.sin(2 * np.pi * pitch * np.arange(16_000) / 16_000)).astype(np.int16)

    def faces(self, key: str) -> None:
        return None


def test_each_noise_and_ratio_is_a_set_of_its_own():
    """It has a part of the training clips, and all held-out ones for its calibration."""
    config = TrainingSetsConfig(noise_db=(10.0, 0.0), noise_every=2)
    _, _, _, *noisy, _, _ = voice_sets(Quiet(), config, SpeechConfig()).train
    assert len(noisy) == 6, 'three kinds of noise, two ratios'
    for number, (clips, ratio_db) in enumerate(zip(noisy, 3 * config.noise_db, strict=True)):
        keys = {split: [e.key for e in clips.examples if e.split == split]
                for split in ('train', 'dev')}
        assert keys['dev'] == [f'dev/{n}#{NOISY + number}' for n in range(7)]
        assert keys['train'] == [f'train/{n}#{NOISY + number}' for n in range(number % 2, 7, 2)]
        for key in keys['dev']:
            clean = Quiet().audio(key.split('#')[0]).astype(float)
            noise = clips.audio(key) - clean
            ratio = 10 * np.log10(np.mean(clean ** 2) / np.mean(noise ** 2))
            assert ratio == pytest.approx(ratio_db, abs=.1)
            assert np.array_equal(clips.audio(key), clips.audio(key))


def test_examples_have_the_calibration_of_their_condition():
    sure, unsure = (CalibratedPosterior(temperature=t, offsets=(0.,) * 7, shares=FLAT)
                    for t in (1, 3))
    logits = np.eye(7, dtype=np.float32)
    examples = [UnimodalExample(f'{condition}/{n}', n, torch.zeros(1, 3), logits[n], condition)
                for n in range(7) for condition in (0, 1, 2)]
    found = UnimodalLibrary({AUDIO: examples}).log_likelihoods({AUDIO: [sure, unsure, sure]})
    for n in range(7):
        assert np.array_equal(found[f'0/{n}'], found[f'2/{n}'])
        assert np.exp(found[f'0/{n}'])[n] > np.exp(found[f'1/{n}'])[n] > 1 / 7


def test_voices_are_whole_cut_and_louder():
    """Whole and cut ones are conditions of their own; temperatures are fitted on both."""
    sets = voice_sets(Quiet(), TrainingSetsConfig(noise_db=()), SpeechConfig())
    whole, cut, _, louder, _ = sets.train
    for clips, number in ((whole, 0), (cut, CUT)):
        assert [e.key for e in clips.examples] == [
            f'{split}/{n}#{number}' for split in ('train', 'dev') for n in range(7)]
    assert sets.calibration is not None
    assert [e.key for e in sets.calibration.examples if e.split == 'dev'] == [
        f'dev/{n}#{number}' for n in range(7) for number in (0, CUT)]
    assert [e.key for e in louder.examples] == [f'train/{n}#{LOUDER}' for n in range(7)]
    for each in louder.examples:
        level = np.std(louder.audio(each.key) / 32_768)
        assert -25 < 20 * np.log10(level) < -9, 'as with automatic gain'


def test_out_of_domain_examples_have_equal_likelihoods():
    plain = CalibratedPosterior(temperature=2, offsets=(0.,) * 7, shares=FLAT)
    found = library().log_likelihoods(dict.fromkeys((TEXT, AUDIO, FACE), [plain]))
    assert not found['audio/-1/0'].any()
    np.testing.assert_allclose(np.exp(found['audio/4/0']).sum(), 1)
    assert found['audio/4/0'].argmax() == JOY


def test_human_votes_set_the_weights_and_disagreement_of_the_recipe():
    rule = VotesRule(voice=0.634, face=0.951, neutral=-0.577, voice_neutral=0.41,
                     face_neutral=0.09)
    recipe = StarterRecipe().with_rule(rule)
    assert recipe.fusion.modality_weights == (0.79, 0.63, 0.95)
    assert recipe.fusion.pseudo_pairs.disagreement == (0.25, 0.41, 0.09)
    assert recipe.weights(rule) == ModalityWeights(weights=(0.79, 0.63, 0.95), neutral=-0.58)
    assert StarterRecipe(text_weight=1.0).weights(rule).weights[0] == 1.0


# ---------------------------------------------------------------- views


class Two:
    """Two clips with audio."""

    digest = 'two'

    examples = (Example('train/a', 'train', labels=(JOY,), group='train/a'),
                Example('dev/b', 'dev', labels=(0,), group='dev/b'))

    def audio(self, key: str) -> np.ndarray:
        return np.arange(4, dtype=np.int16)

    def faces(self, key: str) -> None:
        return None


def test_views_are_the_clip_and_changes_that_depend_on_the_key():
    def change(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return samples + random.integers(1, 1000, samples.shape).astype(np.int16)

    views, again = (AugmentedViews(Two(), {'train': (0, 1, 2), 'dev': (0,)}, audio=change)
                    for _ in range(2))
    assert [e.key for e in views.examples] == ['train/a#0', 'train/a#1', 'train/a#2', 'dev/b#0']
    assert split_view_key('train/a#2') == ('train/a', 2)
    assert split_view_key('dev/b') == ('dev/b', 0)
    np.testing.assert_array_equal(views.audio('train/a#0'), Two().audio('train/a'))
    np.testing.assert_array_equal(views.audio('train/a#1'), again.audio('train/a#1'))
    assert (views.audio('train/a#1') != views.audio('train/a#2')).any()
    assert views.faces('train/a#1') is None


def test_a_balanced_sample_has_each_emotion_equally_often_in_order():
    examples = [Example(str(i), 'train', labels=(i % 7,)) for i in range(70)]
    chosen = balanced_sample(examples, 3, np.random.default_rng(0))
    assert np.bincount([e.labels[0] for e in chosen]).tolist() == [3] * len(EMOTIONS)
    assert [int(e.key) for e in chosen] == sorted(int(e.key) for e in chosen)
