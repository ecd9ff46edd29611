# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Settings: recipes, overrides, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmer_ros.networks.emotion_model import ModelConfig
from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.types import InvalidInput, SAMPLE_RATE
import pytest
import torch
from training.encoders.audio.stage import AudioConfig
from training.encoders.face.stage import FaceConfig
from training.encoders.face.stills_stage import StillsConfig
from training.encoders.text.stage import TextConfig
from training.engine.config import (
    CONFIGS,
    dump_settings,
    load_settings,
    Settings,
    with_seed,
    without_seeds,
)
from training.engine.fit import EngineConfig, make_schedule
from training.fusion.stage import FusionRecipe
from training.release.finetuning import FinetuneRecipe

KINDS: dict[str, type[Settings]] = {
    'text': TextConfig, 'audio': AudioConfig, 'face': FaceConfig, 'fusion': FusionRecipe,
    'finetune': FinetuneRecipe}
STARTER: dict[str, type[Settings]] = {'starter/text': TextConfig, 'plus/face': StillsConfig}
RECIPES = sorted(name for path in CONFIGS.rglob('*.yaml')
                 if not (name := str(path.relative_to(CONFIGS).with_suffix(''))).startswith(
                     'starter/') or name in STARTER)


def kind_of(recipe: str) -> type[Settings]:
    room, name = recipe.split('/', 1)
    return STARTER.get(recipe) or KINDS[
        name.partition('_')[0] if room in ('modern', 'plus') else room]


def load(recipe: str, *overrides: str) -> Settings:
    return load_settings(kind_of(recipe), recipe, overrides)


def test_every_stage_has_a_recipe_of_its_own_and_the_papers() -> None:
    wanted = {f'{stage}/{name}' for stage in KINDS for name in ('default', 'paper')}
    assert set(RECIPES) >= wanted - {'finetune/paper'}


@pytest.mark.parametrize('recipe', RECIPES)
def test_the_recipes_that_come_with_it_are_valid(recipe: str) -> None:
    assert load(recipe) != kind_of(recipe)()
    with pytest.raises(InvalidInput, match='nonsense'):
        load(recipe, 'nonsense=1')
    with pytest.raises(InvalidInput, match="did you mean 'kind'"):
        load(recipe, 'loss.kinds=weighted')


def test_the_papers_recipes_have_the_papers_sizes() -> None:
    """Those that the architecture `paper` gives to a bundle, but for the vocabulary."""
    for stage in ('audio', 'face'):
        config: Any = load_settings(KINDS[stage], f'{stage}/paper')
        companded = {'waveform': 'mu_law'} if stage == 'audio' else {}
        assert config.model == getattr(ModelConfig(), stage).model_copy(update=companded)
        assert config.engine.clip_norm == 0
    audio = load_settings(AudioConfig, 'audio/paper')
    assert audio.data.train_s * SAMPLE_RATE == (240 - 5 + 1) * 200 == 47_200
    assert audio.gradient_checkpointing
    text = load_settings(TextConfig, 'text/paper')
    assert text.data.candidates == 2 and text.weights.reply_only
    fusion = load_settings(FusionRecipe, 'fusion/paper')
    assert fusion.fusion == FusionConfig(without_source='blocks')
    assert fusion.fusion.family == 'full' and fusion.modality_dropout == 0 and fusion.reply
    assert fusion.engine.clip_norm == 0
    assert (fusion.engine.optimizer, fusion.engine.lr) == ('sgd', .001)
    assert fusion.loss.kind == 'cross_entropy' and fusion.engine.momentum == 0
    factor = make_schedule(torch.optim.SGD([torch.zeros(1)], lr=1), fusion.engine, 100)
    assert factor.get_last_lr() == [1], 'from the first step on'


def test_a_seed_is_set_wherever_there_is_one_and_nothing_else() -> None:
    config = load_settings(TextConfig, 'starter/text')
    seeded = with_seed(config, 7)
    assert seeded.pretrain and seeded.hub_teacher and config.pretrain
    assert (seeded.pretrain.seed, seeded.hub_teacher.engine.seed) == (7, 7)
    assert config.pretrain.seed != 7 and seeded != config
    plain, other = (c.model_dump(mode='json') for c in (config, seeded))
    assert without_seeds(plain) == without_seeds(other)
    longer = load_settings(TextConfig, 'starter/text', ['pretrain.epochs=99'])
    assert without_seeds(plain) != without_seeds(longer.model_dump(mode='json'))


def test_overrides_reach_inner_settings() -> None:
    plain = load_settings(TextConfig, 'text/default')
    config = load_settings(TextConfig, 'text/default', [
        'pretrain.lr=0.5', 'linear_teacher=null', 'finetune.epochs=9'])
    assert config.pretrain and config.finetune and plain.pretrain
    assert config.pretrain.lr == 0.5 and config.pretrain.epochs == plain.pretrain.epochs
    assert plain.linear_teacher and config.linear_teacher is None
    assert plain.finetune is None and config.finetune.epochs == 9, 'one that the recipe leaves out'


def test_a_recipe_builds_on_another(tmp_path: Path) -> None:
    path = tmp_path / 'mine.yaml'
    path.write_text('base: text/default\nfinetune: {epochs: 99}\n')
    config = load_settings(TextConfig, path)
    assert config.finetune and config.finetune.epochs == 99
    assert config.model == load_settings(TextConfig, 'text/default').model


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    config = load_settings(TextConfig, 'text/default', ['finetune.seed=7'])
    path = tmp_path / 'config.yaml'
    path.write_text(dump_settings(config))
    assert load_settings(TextConfig, path) == config


@pytest.mark.parametrize(('override', 'said'), [
    ('finetune.epoch=3', "did you mean 'epochs'"),
    ('finetun.epochs=3', "did you mean 'finetune'"),
    ('finetune.epochs=many', 'finetune.epochs'),
    ('finetune.epochs=0', 'finetune.epochs'),
    ('finetune.epochs', 'expected key=value'),
    ('finetune.epochs=[', 'not YAML'),
])
def test_what_does_not_fit_is_refused_by_name(override: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        load_settings(TextConfig, 'text/default', [override])


def test_an_unknown_recipe_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match='text/default'):
        load_settings(TextConfig, 'nonsense')


@pytest.mark.parametrize('text', ['no', 'bf16'])
def test_words_that_older_yaml_reads_as_false_stay_words(tmp_path: Path, text: str) -> None:
    """`no` is a precision; `false` is no word."""
    assert load_settings(EngineConfig, '', [f'precision={text}']).precision == text
    (tmp_path / 'mine.yaml').write_text(f'precision: {text}\n')
    found = load_settings(EngineConfig, tmp_path / 'mine.yaml')
    assert found.precision == text
    (tmp_path / 'again.yaml').write_text(dump_settings(found))
    assert load_settings(EngineConfig, tmp_path / 'again.yaml') == found
    assert load_settings(TextConfig, '', ['pretrain=null']).pretrain is None
    with pytest.raises(InvalidInput, match='precision'):
        load_settings(EngineConfig, '', ['precision=false'])
