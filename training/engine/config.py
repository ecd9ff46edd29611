# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Settings of every stage: typed models, over them YAML recipes, over those `key=value`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import difflib
from pathlib import Path
from typing import Any, get_args, TypeVar

from mmer_ros.types import InvalidInput
from pydantic import BaseModel, ConfigDict, ValidationError
import yaml

CONFIGS = Path(__file__).parents[1] / 'configs'


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """YAML 1.2: `no`, `yes`, `on` and `off` are words, as in engine.precision=no."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, pattern) for tag, pattern in resolvers
                if tag != 'tag:yaml.org,2002:bool' or first in 'tTfF']
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def parse_yaml(text: str) -> Any:
    """
    Return the values of a YAML text.

    >>> parse_yaml('{precision: no, flip: true}')
    {'precision': 'no', 'flip': True}

    :raises yaml.YAMLError: if it is none.
    """
    return yaml.load(text, _Loader)  # noqa: S506


class Settings(BaseModel):
    """Frozen and typed; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra='forbid')


Kind = TypeVar('Kind', bound=Settings)


def load_settings(kind: type[Kind], recipe: str | Path = '', overrides: Sequence[str] = ()
                  ) -> Kind:
    """
    Return the settings of a recipe with overrides.

    For example `load_settings(TextConfig, 'text/default', ['pretrain.epochs=3'])`.

    :param recipe: a YAML file, or the name of one in training/configs without its ending; '':
        the defaults. A recipe may begin with `base: NAME` to extend another.
    :param overrides: `dotted.key=value`, the value in YAML.
    :raises InvalidInput: if a key is unknown or a value does not fit.
    """
    values = _read(find_recipe(recipe)) if str(recipe) else {}
    for override in overrides:
        _assign(values, override)
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        where = '.'.join(map(str, first['loc']))
        hint = _nearest(kind, first['loc']) if first['type'] == 'extra_forbidden' else ''
        raise InvalidInput(f'settings {str(recipe) or "(defaults)"}: {where}: '
                           f'{first["msg"]}{hint}') from error


def nested(overrides: Sequence[str]) -> dict[str, Any]:
    """
    Return overrides as the content of a recipe.

    >>> nested(['engine.lr=1.0e-3', 'engine.epochs=2'])
    {'engine': {'lr': 0.001, 'epochs': 2}}

    :raises InvalidInput: if one is not `dotted.key=value`.
    """
    values: dict[str, Any] = {}
    for override in overrides:
        _assign(values, override)
    return values


def dump_settings(settings: Settings) -> str:
    """Return the settings as YAML that `load_settings` reads."""
    return str(yaml.safe_dump(settings.model_dump(mode='json'), sort_keys=False))


def with_seed(settings: Kind, seed: int) -> Kind:
    """Return the settings with every `seed` in them replaced, nested ones included."""
    changed: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if name == 'seed':
            changed[name] = seed
        elif isinstance(value, Settings):
            changed[name] = with_seed(value, seed)
    return settings.model_copy(update=changed)


def without_seeds(values: Any) -> Any:
    """Return plain values of settings without `seed` keys: equal for all seeds of one recipe."""
    if isinstance(values, Mapping):
        return {key: without_seeds(value) for key, value in values.items() if key != 'seed'}
    if isinstance(values, (list, tuple)):
        return [without_seeds(value) for value in values]
    return values


def find_recipe(recipe: str | Path) -> Path:
    """
    Return the file of a recipe.

    :raises InvalidInput: if there is none.
    """
    for path in (Path(recipe), CONFIGS / f'{recipe}.yaml'):
        if path.is_file():
            return path
    known = sorted(str(p.relative_to(CONFIGS).with_suffix('')) for p in CONFIGS.rglob('*.yaml'))
    raise InvalidInput(f'recipe {str(recipe)!r}: there is no such file; give one, or one of '
                       f'{", ".join(known)}')


def _read(path: Path) -> dict[str, Any]:
    try:
        values = parse_yaml(path.read_text(encoding='utf-8')) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f'recipe {path}: it is not valid YAML ({error})') from error
    if not isinstance(values, dict):
        raise InvalidInput(f'recipe {path}: expected `key: value` lines')
    base = values.pop('base', '')
    return _merged(_read(find_recipe(base)), values) if base else values


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = _merged(result[key], value) if both else value
    return result


def _assign(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition('=')
    if not equals or not key:
        raise InvalidInput(f'override {override!r}: expected key=value, e.g. engine.epochs=3')
    *parents, last = key.strip().split('.')
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            inner = values[parent] = {}
        values = inner
    try:
        values[last] = parse_yaml(text)
    except yaml.YAMLError as error:
        raise InvalidInput(f'override {override!r}: the value is not YAML ({error})') from error


def _nearest(kind: type[BaseModel], where: tuple[int | str, ...]) -> str:
    """Suggest a known key of the model that refused one."""
    for part in where[:-1]:
        field = kind.model_fields.get(str(part))
        inner = _inner_model(field.annotation if field else None)
        if inner is None:
            return ''
        kind = inner
    names = list(kind.model_fields)
    close = difflib.get_close_matches(str(where[-1]), names, n=1)
    return f'; did you mean {close[0]!r}?' if close else f'; expected one of {", ".join(names)}'


def _inner_model(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a field, also of an optional one."""
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
