# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Checks of the fusion on real pairs: pools, folds and scores, on synthetic votes and signals."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
import pytest
from rich.console import Console
import torch
from training.__main__ import main
from training.corpora.cremad_votes import LETTERS, read_votes, shares, Votes
from training.corpora.examples import grouped_folds
from training.corpora.ravdess_action_units import read_units, Units
from training.engine.progress import Reporter
from training.evaluation.grouped_bootstrap import mean_interval
from training.evaluation.pairs.human_votes import BASELINES, check_votes, RULE
from training.evaluation.pairs.scores import score_pairs, score_unseen_speakers, UnseenSpeakers
from training.evaluation.pairs.voice_and_units import EncodedFold, predict_fold
from training.fusion.calibrated_posteriors import LabelledLogits
from training.fusion.distillation_stage import DistilledFusionConfig
from training.fusion.opinion_pools import best_weights, cross_entropy, LogLinearPool, weighted_sum

RECIPE = DistilledFusionConfig.model_validate({
    'fusion': {'width': 16, 'heads': 2, 'embracement_size': 32, 'pooling': 'summary'},
    'engine': {'epochs': 16, 'batch_size': 16, 'lr': 1e-2}})


def distributions(random: np.random.Generator, rows: int, classes: int = 6) -> np.ndarray:
    return random.dirichlet(np.full(classes, 0.7), rows) * 0.98 + 0.02 / classes


def made_up_votes(rows: int = 900, actors: int = 12) -> Votes:
    """Return votes of which those for both are a log-linear pool of the others, and noise."""
    random = np.random.default_rng(0)
    voice, face = distributions(random, rows), distributions(random, rows)
    both = voice ** 0.5 * face
    both /= both.sum(axis=1, keepdims=True)
    counts = [np.stack([random.multinomial(200, p) for p in part]).astype(float)
              for part in (voice, face, both)]
    return Votes(np.arange(rows) % actors, *counts, intended=both.argmax(axis=1))


def test_a_log_linear_pool_finds_the_exponents_and_a_sum_does_not_reach_it():
    votes = made_up_votes()
    found = check_votes(votes)
    assert found.rule.voice == pytest.approx(0.5, abs=0.05)
    assert found.rule.face == pytest.approx(1.0, abs=0.07)
    assert found.rule.neutral == pytest.approx(0.0, abs=0.1)
    for lead in found.leads().values():
        assert lead['cross_entropy']['low'] > 0
    assert set(found.leads()) == set(BASELINES) and RULE in found.scores()


def test_the_actors_who_are_asked_have_not_been_fitted():
    """An actor whose votes for both say something else does not change what is said of him."""
    votes = made_up_votes(240)
    one = votes.actors == 3
    both = votes.both.copy()
    both[one] = both[one][:, ::-1]
    changed = Votes(votes.actors, votes.voice, votes.face, both, votes.intended)
    first, second = check_votes(votes), check_votes(changed)
    for name in (RULE, 'fixed-weight sum'):
        np.testing.assert_allclose(first.predicted[name][one], second.predicted[name][one])


def test_sums_and_cross_entropy_by_hand():
    first, second = np.array([[.8, .2]]), np.array([[.4, .6]])
    np.testing.assert_allclose(weighted_sum(.25, first, second), [[.5, .5]])
    assert cross_entropy(first, np.array([[.5, .5]]))[0] == pytest.approx(
        -.5 * np.log(.8) - .5 * np.log(.2))
    third = np.array([[.35, .65]])
    assert best_weights(first, third, np.array([[1., 0.]])) == (1.0, pytest.approx(.34))
    pool = LogLinearPool(2, 2)
    with torch.no_grad():
        pool.weights.copy_(torch.tensor([[1.0], [2.0]]))
    expected = first * second ** 2
    np.testing.assert_allclose(pool.predict([first, second]), expected / expected.sum())


def test_how_often_one_of_them_is_neutral_splits_ties():
    neutral, joy, tie = np.eye(6)[0], np.eye(6)[3], np.array([1., 0, 0, 1, 0, 0])
    votes = Votes(np.arange(4), voice=np.stack([neutral, joy, tie, neutral]),
                  face=np.stack([joy, joy, joy, neutral]),
                  both=np.stack([joy, joy, joy, neutral]), intended=np.zeros(4, np.int64))
    assert votes.neutral_rates() == (pytest.approx(.5), 0.0)
    np.testing.assert_allclose(shares(tie[None])[0, :2], [1.5 / 5, .5 / 5])


def test_an_interval_over_actors_is_wider_than_one_over_clips_that_are_alike():
    actors = np.repeat(np.arange(10), 100)
    values = (actors % 2).astype(float)
    by_actor, by_clip = mean_interval(values, actors), mean_interval(values, np.arange(1000))
    assert by_actor.value == by_clip.value == 0.5
    assert by_actor.high - by_actor.low > 5 * (by_clip.high - by_clip.low)
    part = grouped_folds(actors, 3)
    assert all(len(set(part[actors == a])) == 1 for a in range(10)) and set(part) == {0, 1, 2}


def made_up_clips(actors: int = 8) -> tuple[Units, dict[str, torch.Tensor], np.ndarray]:
    """Return clips with independent evidence in voice and face."""
    random = np.random.default_rng(1)
    labels = np.tile(np.arange(7), actors * 6)
    who = np.repeat(np.arange(actors), 42)
    keys = [f'Actor_{a:02d}/{i}.flac' for i, a in enumerate(who)]
    spoken = np.eye(7)[labels] * 1.8 + random.normal(size=(len(labels), 7))
    seen = np.eye(7)[labels] * 1.8 + random.normal(size=(len(labels), 7))
    features = {key: torch.from_numpy(row.astype(np.float32)).expand(5, -1).contiguous()
                for key, row in zip(keys, spoken)}
    return (Units(keys, seen.astype(np.float32), labels, who), features,
            spoken.astype(np.float32))


def test_the_fusion_of_both_beats_each_and_knows_what_to_do_without_one(tmp_path: Path):
    units, features, logits = made_up_clips()
    encoded = EncodedFold(features, dict(zip(units.keys, logits)), frozenset({4, 5}),
                          frozenset({6, 7}))
    predicted = predict_fold(units, encoded, RECIPE, tmp_path, Reporter('x', Console(quiet=True)))
    test = np.isin(units.actors, [6, 7])
    figures = score_pairs(predicted, units.labels[test], units.actors[test])
    scores = {name: each['value'] for name, each in figures['scores'].items()}
    assert scores['both'] > max(scores['voice alone'], scores['face alone']) + 0.05
    assert min(scores['voice given'], scores['face given']) > 0.4  # by chance 0.14
    for each in predicted.values():
        np.testing.assert_allclose(each.sum(axis=1), 1)


def test_what_a_missing_modality_costs_is_measured_against_the_other_alone():
    labels, actors = np.zeros(8, np.int64), np.arange(8)
    right, wrong = np.eye(7)[[0] * 8], np.eye(7)[[1] * 8]
    half = np.concatenate([right[:4], wrong[:4]])
    figures = score_pairs({'both': right, 'voice given': half, 'face given': right,
                           'voice alone': right, 'face alone': right}, labels, actors)
    assert figures['cost_of_missing']['face missing']['value'] == 0.5
    assert figures['cost_of_missing']['voice missing']['value'] == 0
    assert not figures['missing_is_cheap'] and not figures['fused_beats_single']


def fold_of(actor: int, shift: float) -> UnseenSpeakers:
    """Return logits that are right in 3 of 4 clips, with more or less confidence."""
    labels = np.tile(np.arange(7), 40)
    say = np.where(np.arange(280) % 4 == 0, (labels + 1) % 7, labels)
    logits = np.eye(7, dtype=np.float32)[say] * (2 + shift)
    return UnseenSpeakers(LabelledLogits(logits, labels), np.full(280, actor))


def test_unseen_speakers_are_calibrated_on_the_other_folds():
    """The logits for the actors of a fold do not calibrate themselves."""
    alike = score_unseen_speakers([fold_of(actor, 0.0) for actor in range(4)])
    assert alike['accuracy']['value'] == 0.75 and alike['actors'] == 4 and alike['clips'] == 1_120
    assert alike['ece'] < 0.01 and alike['mean_confidence'] == pytest.approx(0.75, abs=0.01)
    assert alike['worst_actor'] == alike['best_actor'] == 0.75
    one = score_unseen_speakers([*(fold_of(actor, 0.0) for actor in range(3)), fold_of(3, 4.0)])
    assert one['accuracy']['value'] == 0.75 and one['ece'] > 0.05


def write_votes(folder: Path) -> None:
    random = np.random.default_rng(2)
    columns = [f'{kind}_{letter}' for kind in ('voice', 'face', 'av') for letter in LETTERS]
    with (folder / 'votes_wide.csv').open('w', newline='') as file:
        table = csv.DictWriter(file, ['clip', 'actor', 'intended', *columns])
        table.writeheader()
        for row in range(60):
            table.writerow({'clip': row, 'actor': 1000 + row % 12, 'intended': 'SAD',
                            **{c: int(random.integers(1, 9)) for c in columns}})


def test_the_command_writes_figures(tmp_path: Path):
    write_votes(tmp_path)
    assert main(['pairs', '--cremad', str(tmp_path), '--output', str(tmp_path / 'out')]) == 0
    figures = json.loads((tmp_path / 'out' / 'pairs.json').read_text())
    assert figures['votes']['clips'] == 60 and figures['votes']['actors'] == 12
    assert main(['pairs', '--output', str(tmp_path / 'out')]) == 2


@pytest.mark.parametrize('name, text', [
    ('votes_wide.csv', 'clip,actor\n1,2\n'), ('votes_wide.csv', ''),
    ('face_au_mean.csv', 'audio_file,emotion,actor,AU01_r,AU02_r\na,glad,1,0,0\n'),
    ('face_au_mean.csv', 'audio_file,emotion,actor,AU01_r,AU02_r\na,sad,1,nan,0\n')])
def test_a_table_of_another_form_is_refused(tmp_path: Path, name: str, text: str):
    (tmp_path / name).write_text(text)
    read = read_votes if name.startswith('votes') else read_units
    with pytest.raises(InvalidInput, match=f'{name}.*expected'):
        read(tmp_path)


def test_calm_is_neutral(tmp_path: Path):
    (tmp_path / 'face_au_mean.csv').write_text(
        'audio_file,emotion,actor,AU01_r,AU02_c\na.flac,calm,1,0.5,1\nb.flac,surprise,2,0,0\n')
    units = read_units(tmp_path)
    assert [EMOTIONS[i] for i in units.labels] == ['neutral', 'surprise']
    assert units.keys == ['a.flac', 'b.flac'] and units.values.tolist() == [[.5, 1], [0, 0]]
