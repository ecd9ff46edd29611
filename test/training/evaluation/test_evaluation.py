# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Evaluation of a model that really predicts: subsets, robustness, seeds, comparisons."""

from __future__ import annotations

from functools import cache
import json
from pathlib import Path

from mmer_ros.evaluation import metrics
from mmer_ros.evaluation.metrics import score
from mmer_ros.types import InvalidInput, Modality
import numpy as np
import pytest
from training.engine.predictions import FixedPredictor, Predictions
from training.evaluation.conditions import Panel, subsets
from training.evaluation.embedding_map import map_embeddings
from training.evaluation.evaluation import evaluate, Evaluation
from training.evaluation.learning import read_learning_curves
from training.evaluation.results import align, measure
from training.evaluation.robustness import missing_curves, NOISE_LEVELS

from ...fixtures.evaluation import LinearPredictor, make_features

TEXT, AUDIO, FACE = Modality.TEXT, Modality.AUDIO, Modality.FACE
ALL = TEXT | AUDIO | FACE
SEEDS, COUNT = 2, 300


@cache
def predictors() -> tuple[LinearPredictor, ...]:
    evaluated = make_features(COUNT, seed=1, missing=.1)
    return tuple(LinearPredictor('linear', make_features(500, seed=10 + seed, split='train'),
                                 evaluated) for seed in range(SEEDS))


@cache
def evaluation() -> Evaluation:
    train = predictors()[0].train
    evaluated = predictors()[0].evaluated
    text = LinearPredictor('TF-IDF', train, evaluated, TEXT)
    faces = LinearPredictor('faces', train, evaluated, FACE)
    special = LinearPredictor('special', train, evaluated, TEXT | FACE)
    return evaluate(predictors(), data='made-up dev', ablations={'Text only': [text]},
                    others={'reader': [text], 'viewer': [faces]},
                    specialists={TEXT | FACE: [special]}, baselines=[text.predict(TEXT)],
                    resamples=100)


def test_every_subset_is_measured_and_more_evidence_is_better() -> None:
    causal = {r.modalities: r for r in evaluation().subsets if r.causal}
    replied = {r.modalities: r for r in evaluation().subsets if not r.causal}
    assert list(causal) == [TEXT, AUDIO, FACE, TEXT | AUDIO, TEXT | FACE, AUDIO | FACE, ALL]
    assert set(replied) == {s for s in causal if TEXT in s}

    def f1(result_of: dict[Modality, object], subset: Modality) -> float:
        return result_of[subset].figures['weighted_f1'].mean  # type: ignore[attr-defined]

    assert f1(causal, ALL) > max(f1(causal, s) for s in (TEXT, AUDIO, FACE)) + .03
    assert all(f1(replied, s) > f1(causal, s) for s in replied)


def test_figures_are_means_over_the_seeds() -> None:
    result = evaluation().main
    each = [p.predict(ALL, seed=seed) for seed, p in enumerate(predictors())]
    f1 = [score(p.labels, p.probabilities).weighted_f1 for p in each]
    figure = result.figures['weighted_f1']
    assert figure.mean == pytest.approx(np.mean(f1))
    assert figure.deviation == pytest.approx(abs(f1[0] - f1[1]) / 2 ** .5)
    expected = metrics.bootstrap_interval(
        metrics.weighted_f1, each[0].labels, np.stack([p.probabilities for p in each]),
        resamples=100)
    assert (figure.low, figure.high) == (expected.low, expected.high)
    assert result.figures['ece'].low is None
    assert result.confusion.sum() == SEEDS * len(result.labels)


def test_a_single_seed_has_no_deviation() -> None:
    answers = predictors()[0].predict(TEXT)
    assert measure('one', TEXT, [answers], resamples=10).figures['accuracy'].deviation is None


def test_examples_without_a_modality_are_left_out_where_only_it_is_given() -> None:
    data = predictors()[0].evaluated
    there = int((~np.isnan(data.sources[AUDIO]).any(axis=1)).sum())
    result = evaluation().find(AUDIO)
    assert result is not None and len(result.labels) == there < len(evaluation().main.labels)


def test_each_condition_is_asked_once_of_every_seed() -> None:
    few = make_features(60, seed=5)
    fresh = [LinearPredictor('linear', p.train, few) for p in predictors()]
    evaluate(fresh, data='dev', resamples=2)
    for seed, predictor in enumerate(fresh):
        asked = [(m, causal, tuple(noise.items())) for m, causal, noise, _ in predictor.asked]
        assert len(asked) == len(set(asked)) == 7 + 4 + 3 * (len(NOISE_LEVELS) - 1)
        assert {s for *_, s in predictor.asked} == {seed}


def test_noise_on_a_modality_costs_and_none_costs_nothing() -> None:
    curves = {c.modality: c for c in evaluation().curves if c.kind == 'noise'}
    assert set(curves) == {TEXT, AUDIO, FACE}
    for curve in curves.values():
        assert curve.levels == NOISE_LEVELS
        assert curve.weighted_f1[0] == evaluation().main.figures['weighted_f1']
        assert curve.weighted_f1[-1].mean < curve.weighted_f1[0].mean - .02
    again = predictors()[0].predict(ALL, noise={TEXT: 2.0}, seed=0)
    assert curves[TEXT].accuracy[-1].mean == pytest.approx(np.mean(
        [score(p.labels, p.probabilities).accuracy
         for p in (again, predictors()[1].predict(ALL, noise={TEXT: 2.0}, seed=1))]))


def test_missing_always_is_the_model_without_the_modality() -> None:
    panel = Panel(predictors())
    curves = {c.modality: c for c in missing_curves(panel, [TEXT, AUDIO, FACE], resamples=10)}
    complete = [i for i in range(COUNT) if not any(
        np.isnan(v[i]).any() for v in predictors()[0].evaluated.sources.values())]
    keys = {predictors()[0].evaluated.keys[i] for i in complete}
    for lost in (TEXT, AUDIO, FACE):
        rest = [p.predict(ALL & ~lost) for p in predictors()]
        kept = [np.array([k in keys for k in p.keys]) for p in rest]
        expected = np.mean([score(p.labels[k], p.probabilities[k]).accuracy
                            for p, k in zip(rest, kept)])
        assert curves[lost].count == len(keys)
        assert curves[lost].accuracy[-1].mean == pytest.approx(expected)
        whole = np.mean([score(p.labels[k], p.probabilities[k]).accuracy for p, k in (
            (p, np.array([key in keys for key in p.keys]))
            for p in (each.predict(ALL) for each in predictors()))])
        assert curves[lost].accuracy[0].mean == pytest.approx(whole)
        middle = curves[lost].accuracy[2].mean
        assert min(expected, whole) - .03 < middle < max(expected, whole) + .03
    # All lost: one modality is left, so it lies between the worst and the best of them.
    alone = [score(p.labels, p.probabilities).accuracy
             for p in (predictors()[0].predict(m) for m in (TEXT, AUDIO, FACE))]
    assert min(alone) - .05 < curves[ALL].accuracy[-1].mean < max(alone) + .05


def test_comparisons_are_paired_over_shared_examples() -> None:
    found = {(c.first, c.second): c for c in evaluation().comparisons}
    whole = 'Text + audio + face'
    assert set(found) == {
        (whole, 'Text'), (whole, 'Audio'), (whole, 'Face'), (whole, 'TF-IDF'),
        (whole, 'Text only'), (whole, 'reader'), (whole, 'viewer'), ('Text', 'reader'),
        ('Face', 'viewer'), (f'{whole}, with reply', whole),
        ('Text + face', 'Trained on text + face only'),
        *((name, 'TF-IDF') for name in (f'{whole}, with reply', 'Text', 'reader',
                                        'reader, with reply', 'viewer'))}
    gain = found[whole, 'Audio']
    audio = predictors()[0].predict(AUDIO)
    assert gain.count == len(audio.keys) and gain.difference.low > 0
    assert found['reader', 'TF-IDF'].difference.value == 0, 'they are the same'
    read, seen = (set(predictors()[0].predict(m).keys) for m in (TEXT, FACE))
    assert found['viewer', 'TF-IDF'].count == len(read & seen) < min(len(read), len(seen))
    same = found['Text + face', 'Trained on text + face only'].difference
    assert same.low <= 0.02  # alike but for the second seed


def test_all_is_plain_json() -> None:
    plain = json.loads(json.dumps(evaluation().to_dict()))
    assert len(plain['subsets']) == 11 and len(plain['subsets'][0]['seeds']) == SEEDS
    assert {c['kind'] for c in plain['robustness']} == {'noise', 'missing'}
    assert len(plain['embedding_map']['points']) == len(evaluation().main.labels)


def test_other_models_are_given_all_that_they_take_and_the_reply_if_they_read_it() -> None:
    found = {r.name: r for r in evaluation().others}
    assert list(found) == ['reader', 'reader, with reply', 'viewer']
    assert found['viewer'].modalities == FACE and found['reader'].modalities == TEXT
    alone = evaluation().find(FACE)
    assert alone is not None and len(found['viewer'].labels) == len(alone.labels)
    assert (found['reader, with reply'].figures['accuracy'].mean
            > found['reader'].figures['accuracy'].mean)


def test_a_model_is_not_asked_what_it_cannot_be_asked() -> None:
    """Answers that are known as they are have no subsets, no reply and no noise."""
    answers = predictors()[0].predict(TEXT)
    found = evaluate([FixedPredictor(answers)], data='dev', resamples=10)
    assert [(r.modalities, r.causal) for r in found.subsets] == [(TEXT, True)]
    assert found.curves == () and found.name == 'linear'
    deaf = LinearPredictor('deaf', predictors()[0].train, predictors()[0].evaluated, FACE)
    found = evaluate([deaf], data='dev', resamples=10)
    assert [(r.modalities, r.causal) for r in found.subsets] == [(FACE, True)]
    assert [(c.kind, c.modality) for c in found.curves] == [('noise', FACE)]


def test_data_with_text_alone_is_evaluated_with_what_there_is() -> None:
    evaluated = make_features(120, seed=3, separation={TEXT: 1.0})
    model = LinearPredictor('text', make_features(300, seed=4, split='train'), evaluated)
    found = evaluate([model], data='dev', resamples=10)
    assert found.available == (TEXT,)
    assert [(r.modalities, r.causal) for r in found.subsets] == [(TEXT, True), (TEXT, False)]
    assert [c.kind for c in found.curves] == ['noise']
    assert found.main is found.find(TEXT)


def test_nothing_to_evaluate_is_told() -> None:
    empty = make_features(30, seed=3, separation={})
    model = LinearPredictor('linear', predictors()[0].train, empty)
    with pytest.raises(InvalidInput, match='no example has text, audio or faces'):
        evaluate([model], data='dev')
    with pytest.raises(InvalidInput, match='no model'):
        evaluate([], data='dev')


def test_seeds_of_other_examples_are_refused_and_another_order_is_not() -> None:
    first = predictors()[0].predict(ALL)
    backwards = Predictions('b', list(first.keys)[::-1], first.labels[::-1], first.logits[::-1])
    assert np.array_equal(align([first, backwards])[1].logits, first.logits)
    fewer = Predictions('c', first.keys[1:], first.labels[1:], first.logits[1:])
    with pytest.raises(InvalidInput, match='predictions c: 1 examples differ'):
        align([first, fewer])


def test_subsets_are_those_of_what_is_there() -> None:
    assert subsets([TEXT, FACE]) == [TEXT, FACE, TEXT | FACE]


# -- embeddings and learning curves ---------------------------------------------------------


def test_neighbours_in_the_map_are_neighbours_in_the_embedding() -> None:
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 4, 6], 30)
    vectors = 20 * np.eye(8)[labels] + generator.normal(size=(90, 8))
    answers = Predictions('m', [str(i) for i in range(90)], labels,
                          np.eye(7, dtype=np.float32)[labels], vectors.astype(np.float32))
    drawn = map_embeddings(answers)
    assert drawn is not None and np.abs(drawn.points).max() == pytest.approx(1)
    distance = np.linalg.norm(drawn.points[:, None] - drawn.points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (labels[distance.argmin(axis=1)] == labels).all()
    again = map_embeddings(answers)
    assert again is not None and np.array_equal(again.points, drawn.points)
    some = map_embeddings(answers, max_points=40)
    assert some is not None and len(some.labels) == 40 and some.total == 90


def test_without_embeddings_there_is_no_map() -> None:
    answers = predictors()[0].predict(ALL)
    assert map_embeddings(Predictions('m', answers.keys, answers.labels, answers.logits)) is None


def log(folder: Path, *lines: str) -> Path:
    folder.mkdir()
    (folder / 'metrics.jsonl').write_text('\n'.join(lines), encoding='utf-8')
    return folder


def test_learning_curves_are_read_by_split_and_step(tmp_path: Path) -> None:
    run = log(tmp_path / 'run', '{"step": 8, "split": "train", "loss": 1.5}',
              '{"step": 4, "split": "train", "loss": 2, "epoch": 0}',
              '{"step": 8, "split": "dev", "loss": NaN, "weighted_f1": 0.4}',
              '{"step": 8, "split": "dev", "weighted_f1": 0.5}', '{"step": 9, "spl')
    curves = {(c.split, c.quantity): c.points for c in read_learning_curves(run)}
    assert curves == {('train', 'loss'): ((4, 2.0), (8, 1.5)),
                      ('dev', 'weighted_f1'): ((8, 0.5),)}


def test_what_is_no_run_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='metrics.jsonl cannot be read'):
        read_learning_curves(tmp_path)
    other = log(tmp_path / 'other', '[1, 2]', '{"step": 1, "split": "dev", "loss": 1}')
    with pytest.raises(InvalidInput, match='metrics.jsonl:1: it is no line of metrics'):
        read_learning_curves(other)
