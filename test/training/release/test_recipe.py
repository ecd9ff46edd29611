"""Compositions, their teacher, calibrated experts, and clips of nobody."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.types import EMOTIONS, FACE_SIZE, InvalidInput, Modality, subset_name
import numpy as np
import pytest
import torch
from training.augment import out_of_domain as nothing
from training.augment.speech import SpeechConfig
from training.augment.views import CUT, Nobody, NOISY, Views
from training.corpora.examples import Example, LOUDER, split_view_key
from training.engine.sampling import Draw
from training.evaluation.pairs.human_votes import Rule
from training.fusion.calibrated_posteriors import Answers, Expert, fit_expert
from training.fusion.pseudo_pairs import (
    compose,
    CompositionConfig,
    CompositionData,
    Teacher,
    Trust,
)
from training.fusion.unimodal_examples import Library, NOTHING, Part
from training.release.fusion_data import few, MaterialConfig, voice_material
from training.release.recipe import StarterRecipe
from training.release.scores import crossed, held_out

TEXT, AUDIO, FACE = Modality.TEXT, Modality.AUDIO, Modality.FACE
ALL = Modality(7)
NEUTRAL, JOY = 0, 4


def part(modality: Modality, label: int, number: int = 0) -> Part:
    rng = np.random.default_rng([int(modality), label + 1, number])
    return Part(f'{subset_name(modality)}/{label}/{number}', label,
                torch.from_numpy(rng.normal(size=(2, 3)).astype(np.float32)),
                (4 * np.eye(8)[label][:7] + rng.normal(size=7)).astype(np.float32))


def library(labels: Sequence[int] = (*range(7), NOTHING)) -> Library:
    return Library({m: [part(m, label, n) for label in labels for n in range(3)]
                    for m in (TEXT, AUDIO, FACE)})


# ---------------------------------------------------------------- experts


def made_up_answers(rows: int = 20_000) -> tuple[Answers, np.ndarray]:
    """Return logits that are twice too sure and tilted by the shares, and the true posteriors."""
    rng = np.random.default_rng(0)
    shares = np.array([.4, .1, .05, .1, .2, .05, .1])
    labels = rng.choice(7, rows, p=shares)
    likelihood = 1.5 * np.eye(7)[labels] + rng.normal(size=(rows, 7))
    likelihood *= 1.5  # of unit variance noise: log p(x|y) = 1.5 x_y + const
    posterior = np.exp(likelihood) * shares
    logits = 2 * (likelihood + np.log(shares))
    return (Answers(logits.astype(np.float32), labels.astype(np.int64)),
            posterior / posterior.sum(axis=1, keepdims=True))


def test_an_expert_finds_temperature_and_shares_and_can_answer_under_others():
    answers, posterior = made_up_answers()
    expert = fit_expert(answers)
    assert expert.temperature == pytest.approx(2.0, rel=0.05)
    said = np.exp(expert.answer(answers.logits, np.array(expert.shares)))
    np.testing.assert_allclose(said, posterior, atol=0.05)
    flat = np.exp(expert.answer(answers.logits))
    expected = posterior / np.array(expert.shares)
    np.testing.assert_allclose(flat, expected / expected.sum(axis=1, keepdims=True), atol=0.07)


def test_crossed_answers_come_from_the_other_half_of_the_people():
    answers, _ = made_up_answers(400)
    people = np.repeat(np.arange(10), 40)
    said, experts = crossed(answers, people)
    first = people % 2 == 0
    np.testing.assert_allclose(
        said[first], np.exp(experts[0].answer(answers.logits[first],
                                              np.array(experts[0].shares))))
    assert len(experts) == 2 and experts[0] != experts[1]


# ---------------------------------------------------------------- compositions


def test_parts_of_a_composition_show_its_label_but_for_conflicts():
    config = CompositionConfig(conflicts=(0.0, 0.5, 0.0))
    rng, parts = np.random.default_rng(0), library()
    made = [compose(parts, ALL, JOY, config, rng) for _ in range(400)]
    assert all(c.parts[TEXT].label == c.parts[FACE].label == JOY for c in made)
    silent = np.mean([c.parts[AUDIO].label == NEUTRAL for c in made])
    assert silent == pytest.approx(0.5, abs=0.08)
    assert {c.parts[AUDIO].label for c in made} == {JOY, NEUTRAL}


def test_one_modality_always_shows_the_emotion_and_a_single_one_never_conflicts():
    config = CompositionConfig(conflicts=(1.0, 1.0, 1.0))
    rng, parts = np.random.default_rng(0), library()
    for _ in range(50):
        made = compose(parts, ALL, JOY, config, rng)
        assert [p.label for p in made.parts.values()].count(JOY) == 1
        assert compose(parts, FACE, JOY, config, rng).parts[FACE].label == JOY


def test_draws_are_repeatable_change_with_the_epoch_and_take_labels_in_turn():
    data = CompositionData(library(), CompositionConfig(), None, count=70, training=True)
    one, same, later = (data.composition(Draw(5, epoch, 0)) for epoch in (0, 0, 1))
    keys = [[p.key for p in made.parts.values()] for made in (one, same, later)]
    assert keys[0] == keys[1] != keys[2]
    assert [data.composition(Draw(i, 0, 0)).label for i in range(9)] == [*range(7), 0, 1]
    assert torch.equal(data[Draw(4, 0, 0)].target, torch.eye(7)[JOY])


def test_in_training_some_parts_show_nobody_held_out_ones_never():
    config = CompositionConfig(nothing=0.3)
    for training, least, most in ((True, 0.2, 0.4), (False, 0.0, 0.0)):
        data = CompositionData(library(), config, None, count=200, training=training)
        shown = [p.label for i in range(200) for p in
                 data.composition(Draw(i, 0, 0)).parts.values()]
        assert least <= shown.count(NOTHING) / len(shown) <= most


def test_held_out_parts_of_one_modality_are_all_there_are():
    asked, labels = held_out(library(), AUDIO, CompositionConfig(), 700)
    assert len(asked) == 21 and sorted(labels.tolist()) == sorted([*range(7)] * 3)
    asked, labels = held_out(library(), ALL, CompositionConfig(), 70)
    assert len(asked) == 70 and np.bincount(labels).tolist() == [10] * 7


def test_a_modality_without_an_emotion_is_refused():
    with pytest.raises(InvalidInput, match='no text of disgust, anger; give'):
        library(range(5))


# ---------------------------------------------------------------- the teacher

TRUST = Trust(weights=(0.8, 0.6, 0.9), neutral=-0.5)


def teacher(say: Mapping[str, np.ndarray], priors: Mapping[str, np.ndarray] | None = None
            ) -> Teacher:
    return Teacher(TRUST, priors or {}, say)


def likelihoods() -> tuple[dict[Modality, Part], dict[str, np.ndarray]]:
    parts = {m: part(m, JOY) for m in (TEXT, AUDIO, FACE)}
    rng = np.random.default_rng(3)
    return parts, {p.key: np.log(rng.dirichlet(np.ones(7))) for p in parts.values()}


def test_the_teacher_pools_with_its_trust_and_holds_neutral_back():
    parts, say = likelihoods()
    text, audio, face = (np.exp(say[parts[m].key]) for m in (TEXT, AUDIO, FACE))
    both = audio ** 0.6 * face ** 0.9
    both[NEUTRAL] *= np.exp(-0.5)
    found = np.exp(teacher(say)({AUDIO: parts[AUDIO], FACE: parts[FACE]}))
    np.testing.assert_allclose(found, both / both.sum())
    three = text ** 0.8 * audio ** 0.6 * face ** 0.9
    three[NEUTRAL] *= np.exp(-1.0)
    np.testing.assert_allclose(np.exp(teacher(say)(parts)), three / three.sum())


def test_a_single_modality_is_believed_as_it_is_under_the_prior_of_its_subset():
    parts, say = likelihoods()
    prior = np.array([.4, .1, .1, .1, .1, .1, .1])
    expected = np.exp(say[parts[AUDIO].key]) * prior
    found = np.exp(teacher(say, {'audio': prior})({AUDIO: parts[AUDIO]}))
    np.testing.assert_allclose(found, expected / expected.sum())


def test_nobody_says_nothing_and_leaves_the_other_its_full_weight():
    parts, say = likelihoods()
    noise = part(AUDIO, NOTHING)
    say[noise.key] = np.zeros(7)
    heard = teacher(say)({AUDIO: noise, FACE: parts[FACE]})
    np.testing.assert_allclose(heard, teacher(say)({FACE: parts[FACE]}))
    np.testing.assert_allclose(np.exp(teacher(say)({AUDIO: noise})), np.full(7, 1 / 7))


def test_a_louder_microphone_changes_no_answer():
    """What is learnt of a clip that is only louder is what the clip as it is says."""
    rng, expert = np.random.default_rng(0), Expert(
        temperature=1.0, offsets=(0.0,) * 7, shares=(1 / 7,) * 7)
    clip, noisy, louder = ('train/a#0', 'train/a#1', f'train/a#{LOUDER}')
    parts = {m: [Part(f'{label}{key}', label, torch.zeros(1, 3), rng.normal(size=7))
                 for label in range(7) for key in (clip, noisy, louder)] for m in (TEXT, AUDIO)}
    said = Library(parts).experts_say({TEXT: [expert], AUDIO: [expert]})
    for label in range(7):
        assert np.array_equal(said[f'{label}{louder}'], said[f'{label}{clip}'])
        assert not np.array_equal(said[f'{label}{noisy}'], said[f'{label}{clip}'])


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


def test_voices_are_heard_in_noise_each_ratio_by_itself():
    """A part of the clips of train, and all that are held out, whose answers tell how unsure."""
    config = MaterialConfig(noise_db=(10.0, 0.0), noise_every=2)
    _, _, _, *noisy, _, _ = voice_material(Quiet(), config, SpeechConfig()).learned
    assert len(noisy) == 6, 'three kinds of noise, two ratios'
    for number, (clips, ratio_db) in enumerate(zip(noisy, 3 * config.noise_db, strict=True)):
        keys = {split: [e.key for e in clips.examples if e.split == split]
                for split in ('train', 'dev')}
        assert keys['dev'] == [f'dev/{n}#{NOISY + number}' for n in range(7)]
        assert keys['train'] == [f'train/{n}#{NOISY + number}' for n in range(number % 2, 7, 2)]
        for key in keys['dev']:
            clean = Quiet().audio(key.split('#')[0]).astype(float)
            noise = clips.audio(key) - clean
            heard_db = 10 * np.log10(np.mean(clean ** 2) / np.mean(noise ** 2))
            assert heard_db == pytest.approx(ratio_db, abs=.1)
            assert np.array_equal(clips.audio(key), clips.audio(key))


def test_parts_are_answered_by_the_expert_of_their_condition():
    sure, unsure = (Expert(temperature=t, offsets=(0.,) * 7, shares=(1 / 7,) * 7) for t in (1, 3))
    logits = np.eye(7, dtype=np.float32)
    parts = [Part(f'{condition}/{n}', n, torch.zeros(1, 3), logits[n], condition)
             for n in range(7) for condition in (0, 1, 2)]
    said = Library({AUDIO: parts}).experts_say({AUDIO: [sure, unsure, sure]})
    for n in range(7):
        assert np.array_equal(said[f'0/{n}'], said[f'2/{n}'])
        assert np.exp(said[f'0/{n}'])[n] > np.exp(said[f'1/{n}'])[n] > 1 / 7


def test_the_material_has_voices_by_a_louder_microphone():
    """
    All clips of train once, at the level that robots record.

    Whole and cut ones are conditions of their own, calibrated together.
    """
    material = voice_material(Quiet(), MaterialConfig(noise_db=()), SpeechConfig())
    whole, cut, _, louder, _ = material.learned
    for clips, number in ((whole, 0), (cut, CUT)):
        assert [e.key for e in clips.examples] == [
            f'{split}/{n}#{number}' for split in ('train', 'dev') for n in range(7)]
    assert material.calibration is not None
    assert [e.key for e in material.calibration.examples if e.split == 'dev'] == [
        f'dev/{n}#{number}' for n in range(7) for number in (0, CUT)]
    assert [e.key for e in louder.examples] == [f'train/{n}#{LOUDER}' for n in range(7)]
    for example in louder.examples:
        heard = louder.audio(example.key)
        assert -25 < 20 * np.log10(np.std(heard / 32_768)) < -9


def test_experts_say_nothing_of_nobody():
    expert = Expert(temperature=2, offsets=(0.,) * 7, shares=(1 / 7,) * 7)
    said = library().experts_say(dict.fromkeys((TEXT, AUDIO, FACE), [expert]))
    assert not said['audio/-1/0'].any()
    np.testing.assert_allclose(np.exp(said['audio/4/0']).sum(), 1)
    assert said['audio/4/0'].argmax() == JOY


def test_what_people_make_of_voice_and_face_goes_into_the_recipe():
    rule = Rule(voice=0.634, face=0.951, neutral=-0.577, voice_neutral=0.41, face_neutral=0.09)
    recipe = StarterRecipe().with_rule(rule)
    assert recipe.fusion.trust == (0.79, 0.63, 0.95)
    assert recipe.fusion.compositions.conflicts == (0.25, 0.41, 0.09)
    assert recipe.trust(rule) == Trust(weights=(0.79, 0.63, 0.95), neutral=-0.58)
    assert StarterRecipe(text_weight=1.0).trust(rule).weights[0] == 1.0


# ---------------------------------------------------------------- views, and nobody


class Two:
    """Two clips of sound."""

    examples = (Example('train/a', 'train', labels=(JOY,), group='train/a'),
                Example('dev/b', 'dev', labels=(0,), group='dev/b'))

    def audio(self, key: str) -> np.ndarray:
        return np.arange(4, dtype=np.int16)

    def faces(self, key: str) -> None:
        return None


def test_views_are_the_clip_and_changes_that_follow_from_the_key():
    def change(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return samples + random.integers(1, 1000, samples.shape).astype(np.int16)

    views, again = (Views(Two(), {'train': (0, 1, 2), 'dev': (0,)}, sound=change)
                    for _ in range(2))
    assert [e.key for e in views.examples] == ['train/a#0', 'train/a#1', 'train/a#2', 'dev/b#0']
    assert split_view_key('train/a#2') == ('train/a', 2)
    assert split_view_key('dev/b') == ('dev/b', 0)
    np.testing.assert_array_equal(views.audio('train/a#0'), Two().audio('train/a'))
    np.testing.assert_array_equal(views.audio('train/a#1'), again.audio('train/a#1'))
    assert (views.audio('train/a#1') != views.audio('train/a#2')).any()
    assert views.faces('train/a#1') is None


@pytest.mark.parametrize('kind', [*nothing.SOUNDS, nothing.OTHER])
def test_sounds_of_nobody_are_sounds(kind: str):
    made = nothing.sound(kind, np.random.default_rng(1))
    assert made.dtype == np.int16 and 16_000 <= len(made) <= 64_000
    assert bool(made.any()) == (kind != 'silence')
    np.testing.assert_array_equal(made, nothing.sound(kind, np.random.default_rng(1)))


@pytest.mark.parametrize('kind', nothing.PICTURES)
def test_pictures_of_nobody_are_crops(kind: str):
    face = np.random.default_rng(0).integers(0, 256, (FACE_SIZE, FACE_SIZE, 3), dtype=np.uint8)
    made = nothing.picture(kind, np.random.default_rng(1), [face])
    assert made.dtype == np.uint8 and made.shape[1:] == (FACE_SIZE, FACE_SIZE, 3)
    if kind != 'plain':
        assert made.std() > 5


def test_nobody_has_examples_without_labels_for_each_modality():
    for modality in (TEXT, AUDIO, FACE):
        clips = Nobody(modality, 12)
        assert len(clips.examples) == 12 and not any(e.labels for e in clips.examples)
    kinds = {e.key.split('/')[1] for e in Nobody(AUDIO, 20).examples}
    assert kinds == {*nothing.SOUNDS, nothing.OTHER}
    assert all(e.text for e in Nobody(TEXT, 3).examples)
    assert not any(e.text for e in Nobody(AUDIO, 3).examples)
    np.testing.assert_array_equal(Nobody(AUDIO, 2).audio('nobody/white/1'),
                                  Nobody(AUDIO, 9).audio('nobody/white/1'))


@pytest.mark.parametrize('modality, maker', [
    (AUDIO, 'sound'), (FACE, 'picture'), (TEXT, 'letters')])
def test_clips_of_nobody_that_are_made_otherwise_have_another_digest(
        modality: Modality, maker: str, monkeypatch: pytest.MonkeyPatch):
    """So that their features are computed anew."""
    before, again = Nobody(modality, 20), Nobody(modality, 20)
    assert before.digest == again.digest != ''
    made = getattr(nothing, maker)
    monkeypatch.setattr(nothing, maker, lambda *args: made(*args)[:1])
    assert Nobody(modality, 20).digest != before.digest


def test_few_takes_of_each_emotion_in_order():
    examples = [Example(str(i), 'train', labels=(i % 7,)) for i in range(70)]
    chosen = few(examples, 3, np.random.default_rng(0))
    assert np.bincount([e.labels[0] for e in chosen]).tolist() == [3] * len(EMOTIONS)
    assert [int(e.key) for e in chosen] == sorted(int(e.key) for e in chosen)
