# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Models by path: which of them are seeds of one model, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import pytest
from training.__main__ import main
from training.corpora.examples import Example
from training.encoders.trained_encoder import run_of_seed
from training.evaluation.models import by_origin, load_models

from ...fixtures.text import corpus

TINY = ['model.vocab_size=300', 'model.n_positions=32', 'model.n_embd=8', 'model.n_layer=1',
        'model.n_head=1', 'pretrain=null', 'finetune.epochs=1',
        'finetune.batch_size=64']


def manifest(path: Path, examples: list[Example]) -> str:
    path.write_text('\n'.join(json.dumps({
        'id': e.key, 'split': e.split, 'text': e.text, 'label': EMOTIONS[e.labels[0]],
        'speaker': e.speaker, 'group': e.group, 'turn': e.turn}) for e in examples))
    return str(path)


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train two seeds, a third one later on its own, another recipe, and other data."""
    folder = tmp_path_factory.mktemp('models')
    main_corpus = manifest(folder / 'main.jsonl', corpus(12, 3))
    other = manifest(folder / 'other.jsonl', corpus(12, 3, seed=5))
    for output, data, seeds, settings in (
            ('text', main_corpus, ['--seeds', '0', '1'], []),
            ('alone', main_corpus, ['--seeds', '2'], []), ('single', main_corpus, [], []),
            ('wide', main_corpus, [], ['model.n_embd=16']), ('data', other, [], [])):
        assert main(['train', 'text', *seeds, '--data', data, '--output', str(folder / output),
                     *TINY, *settings]) == 0
    return folder


def test_seeds_of_a_recipe_on_the_same_data_are_one_model(runs: Path) -> None:
    models = [m for name in ('text', 'wide', 'alone/seed2', 'data')
              for m in load_models(runs / name)]
    found = by_origin(models)
    assert {name: [m.path.name for m in seeds] for name, seeds in found.items()} == {
        'text': ['seed0', 'seed1', 'seed2'], 'wide': ['wide'], 'data': ['data']}
    assert all(m.modalities == Modality.TEXT for m in models)
    assert models[0].runs == (runs / 'text' / 'seed0' / 'finetune',)


def test_a_seed_is_the_same_alone_as_among_others(runs: Path) -> None:
    first, single = load_models(runs / 'text')[0], load_models(runs / 'single')[0]
    digests = [m.encoders[Modality.TEXT].digest for m in (*load_models(runs / 'text'), single)]
    assert first.origin == single.origin
    assert digests[0] == digests[2] != digests[1]


def test_each_seed_uses_the_encoder_of_its_seed_where_there_is_one(runs: Path) -> None:
    assert run_of_seed(runs / 'text', 1) == runs / 'text' / 'seed1'
    assert run_of_seed(runs / 'text', None) == runs / 'text'
    assert run_of_seed(runs / 'single', 1) == runs / 'single'


def test_models_of_the_same_folder_name_keep_apart(runs: Path, tmp_path: Path) -> None:
    (tmp_path / 'wide').symlink_to(runs / 'data')
    models = [*load_models(runs / 'wide'), *load_models(tmp_path / 'wide')]
    assert len(by_origin(models)) == 2


def test_other_folders_and_untrained_bundles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='not a finished run .* not a bundle'):
        load_models(tmp_path)
    Bundle.untrained('compact').save(tmp_path / 'bundle')
    with pytest.raises(InvalidInput, match='it is not trained'):
        load_models(tmp_path / 'bundle')


def test_nothing_to_evaluate_is_an_error(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ['--data', str(runs / 'main.jsonl'), '--output', str(runs / 'report')]
    assert main(['evaluate', *data]) == 2
    assert 'nothing to score' in capsys.readouterr().err
    assert main(['evaluate', str(runs / 'single'), '--split', 'test', *data]) == 2
    assert 'no example has text' in ' '.join(capsys.readouterr().err.split())
