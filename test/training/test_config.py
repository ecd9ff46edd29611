"""Settings: recipes, overrides, and what is refused."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.types import InvalidInput
import pytest
from training.engine.config import CONFIGS, dump_settings, load_settings
from training.text.stage import TextConfig


@pytest.mark.parametrize('recipe', ['text/default', 'text/paper'])
def test_the_recipes_that_come_with_it_are_valid(recipe: str) -> None:
    assert (CONFIGS / f'{recipe}.yaml').is_file()
    assert load_settings(TextConfig, recipe) != TextConfig()


def test_overrides_reach_inner_settings() -> None:
    config = load_settings(TextConfig, 'text/default', ['finetune.lr=0.5', 'pretrain=null'])
    assert config.finetune.lr == 0.5 and config.pretrain is None
    assert config.finetune.epochs == load_settings(TextConfig, 'text/default').finetune.epochs


def test_a_recipe_builds_on_another(tmp_path: Path) -> None:
    path = tmp_path / 'mine.yaml'
    path.write_text('base: text/default\nfinetune: {epochs: 99}\n')
    config = load_settings(TextConfig, path)
    assert config.finetune.epochs == 99
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
    ('finetune.epochs=[', 'no YAML'),
])
def test_what_does_not_fit_is_refused_by_name(override: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        load_settings(TextConfig, 'text/default', [override])


def test_an_unknown_recipe_is_told_with_those_that_there_are() -> None:
    with pytest.raises(InvalidInput, match='text/default'):
        load_settings(TextConfig, 'nonsense')
