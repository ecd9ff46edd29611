# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Fine-tuning on one's own recordings: people apart, and a card that says what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import json
from pathlib import Path

from mmer_ros.evaluation.metrics import accuracy, Interval
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import numpy as np
from pydantic import ValidationError
import pytest
from rich.console import Console
import torch
from torch import Tensor
from training.__main__ import main
from training.corpora.examples import Example
from training.engine.fit import EngineConfig
from training.engine.predictions import Predictions
from training.engine.progress import Reporter
from training.engine.tensor_store import make_store
from training.evaluation.grouped_bootstrap import grouped_difference
from training.fusion.features import FeatureCache
from training.release.finetuned_bundle import finetuned_bundle
from training.release.finetuned_card import compare_by_person, Row, verdict
from training.release.finetuning import (
    cross_validated,
    FinetuneRecipe,
    Recordings,
    recordings_of,
)

from ...fixtures.model import tiny_bundle
from ...fixtures.text import corpus

QUIET = Reporter('finetune', Console(quiet=True))
RECIPE = FinetuneRecipe(folds=3, modality_dropout=0.0, feature_noise=0.0,
                        engine=EngineConfig(epochs=25, batch_size=32, lr=5e-3, weight_decay=0.0,
                                            keep='last'))


def recordings(folder: Path, *, people: int = 6, told: bool = True) -> Recordings:
    """Return text features that tell the emotion, or nothing; each of several people."""
    random = np.random.default_rng(0)
    means = random.normal(size=(len(EMOTIONS), 32))
    examples = [Example(f'train/{i}', 'train', 'words', (i % 7,), f'person{i // 7 % people}')
                for i in range(14 * people)]
    values = {e.key: torch.from_numpy((told * means[e.labels[0]] + 0.5 * random.normal(
        size=(3, 32))).astype(np.float32)) for e in examples}

    def compute(keys: Sequence[str]) -> Mapping[str, Tensor]:
        return {key: values[key] for key in keys}

    store = make_store(folder, list(values), compute, title='features', console=QUIET.console)
    return recordings_of(examples, FeatureCache({Modality.TEXT: 32}, {Modality.TEXT: [store]}))


def test_no_model_answers_for_people_that_it_has_learnt_from(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, learnt = recordings(tmp_path / 'features'), []

    def remember(*arguments: object, **_: object) -> object:
        learnt.append(({e.speaker for e in arguments[3]},  # type: ignore[attr-defined]
                       {e.speaker for e in arguments[4]}))  # type: ignore[attr-defined]
        return tiny_bundle().model.fusion

    monkeypatch.setattr('training.release.finetuning.finetuned', remember)
    found = cross_validated(RECIPE, tiny_bundle(), mine, tmp_path, QUIET, 'mine')
    assert len(learnt) == 3 and mine.by_person and mine.count == 6
    assert all(not train & held_out for train, held_out in learnt)
    assert set().union(*(held_out for _, held_out in learnt)) == {e.speaker for e in mine.examples}
    answers = found.predict(Modality.TEXT)
    assert sorted(answers.keys) == sorted(e.key for e in mine.examples)
    assert not found.predict(Modality.AUDIO).keys


@pytest.mark.parametrize('told', [True, False])
def test_the_card_says_whether_it_beat_the_bundle_that_it_began_with(
        tmp_path: Path, told: bool) -> None:
    """Features that tell the emotion are worth learning from; noise is not, and is found out."""
    base = tiny_bundle()
    before = {k: v.clone() for k, v in base.model.state_dict().items()}
    bundle, said = finetuned_bundle(RECIPE, base, recordings(tmp_path / 'features', told=told),
                                    tmp_path / 'run', QUIET, 'mine')
    assert said.startswith('It beat `tiny`' if told else 'It did not beat `tiny`')
    assert f'**{said}**' in bundle.card and '3-fold' in bundle.card
    assert 'person0' not in bundle.card, 'nobody is named'
    assert '| text | 84 |' in bundle.card and 'text+audio' not in bundle.card
    assert bundle.config.training['base'] == {'name': 'tiny', 'hash': base.content_hash}
    changed = {k.partition('.')[0] for k, v in bundle.model.state_dict().items()
               if not torch.equal(v, before[k])}
    assert changed == {'fusion'}, 'the encoders are frozen'
    assert all(torch.equal(v, before[k]) for k, v in base.model.state_dict().items())
    bundle.save(tmp_path / 'bundle')
    assert Bundle.load(str(tmp_path / 'bundle')).content_hash == bundle.content_hash


def row(value: float, low: float, high: float) -> Row:
    return Row('text', 40, (0.4, 0.4), (0.5, 0.5), Interval(value, low, high))


def test_the_verdict_follows_the_interval() -> None:
    assert verdict('starter', [row(.1, .02, .2)], 9, True) == (
        'It beat `starter` on people that it had not learnt from: +10.0 points of weighted F1, '
        '95 % interval +2.0 to +20.0.')
    assert 'Stay with `starter`' in verdict('starter', [row(.1, -.02, .2)], 9, True)
    assert 'It is worse' in verdict('starter', [row(-.1, -.2, -.02)], 9, True)
    assert 'only 3 people' in verdict('starter', [row(.1, .02, .2)], 3, True)
    assert 'nothing about other people' in verdict('starter', [row(.1, .02, .2)], 3, False)


def test_the_interval_is_over_people_and_not_over_recordings() -> None:
    """With one person for whom all is better and one for whom all is worse, nothing is known."""
    labels = np.array([0, 1] * 50)
    groups = np.repeat([0, 1], 50)
    right, wrong = np.eye(7)[labels], np.eye(7)[1 - labels]
    better = np.where(groups[:, None] == 0, right, wrong)
    worse = np.where(groups[:, None] == 0, wrong, right)
    found = grouped_difference(accuracy, labels, better, worse, groups)
    assert (found.value, found.low, found.high) == (0, -1, 1)
    sure = grouped_difference(accuracy, labels, right, wrong, groups)
    assert (sure.value, sure.low, sure.high) == (1, 1, 1)


def test_too_little_to_learn_from_is_refused_in_one_sentence(tmp_path: Path) -> None:
    mine = recordings(tmp_path / 'features')
    one = [e for e in mine.examples if e.labels == (0,)]
    with pytest.raises(InvalidInput, match='of 6 people or dialogues and 1 emotions.*`speaker`'):
        recordings_of(one, mine.features)
    alone = [Example(e.key, e.split, e.text, e.labels, 'ana', f'talk{i % 4}')
             for i, e in enumerate(mine.examples)]
    found = recordings_of(alone, mine.features)
    assert not found.by_person and found.count == 4
    with pytest.raises(ValidationError, match='must not choose an epoch'):
        FinetuneRecipe(engine=EngineConfig())


def test_the_command_goes_from_a_manifest_to_a_bundle(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'mine.jsonl').write_text('\n'.join(json.dumps({
        'id': e.key, 'text': e.text, 'label': EMOTIONS[e.labels[0]], 'speaker': e.speaker})
        for e in corpus(10)))
    tiny_bundle().save(tmp_path / 'base')
    command = ['finetune', '--data', str(tmp_path / 'cache'), '--base', str(tmp_path / 'base'),
               '--output', str(tmp_path / 'run'), '--bundle', str(tmp_path / 'mine'),
               'engine.epochs=1', 'folds=2']
    assert main(['prepare', '--manifest', str(tmp_path / 'mine.jsonl'), '--text-only',
                 '--output', str(tmp_path / 'cache')]) == 0
    assert main(command) == 0
    assert 'on people that it had not learnt from' in ' '.join(capsys.readouterr().err.split())
    assert Bundle.load(str(tmp_path / 'mine')).config.trained
    assert (tmp_path / 'mine' / 'MODEL_CARD.md').read_text().startswith('# mine')
    assert main([*command, 'folds=3']) == 2, 'other settings need another folder'


def test_predictions_are_paired_by_recording(tmp_path: Path) -> None:
    class Fixed:

        def __init__(self, order: Sequence[int]) -> None:
            self.order, self.name = order, 'fixed'

        def predict(self, modalities: Modality, **_: object) -> Predictions:
            if modalities != Modality.TEXT:
                return Predictions.none(self.name)
            labels = np.array(self.order, np.int64) % 7
            return Predictions(self.name, [f'k{i}' for i in self.order], labels,
                               np.eye(7, dtype=np.float32)[labels] * 5)

    person = {f'k{i}': f'p{i % 3}' for i in range(12)}
    (only,) = compare_by_person(Fixed(range(12)), Fixed(range(11, -1, -1)), person,
                                [Modality.TEXT])
    assert only.before == only.after == (1, 1) and only.gain.value == 0
