# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the pages say about the repository is true of it: files, names, rooms, the picture."""

from __future__ import annotations

from dataclasses import fields
import importlib.util
from pathlib import Path
import re

import mmer_ros
import pytest

from ..fixtures.docs import DOCS, PAGES
from ..fixtures.stream import ROOT

# Paths as pages write them, e.g. `mmer_ros/sensing/vad.py` or test/sensing/test_vad.py.
PATH = re.compile(
    r'(?<![\w./:-])((?:mmer_ros|training|test|tools|docs|config|launch|examples|mmer_msgs)'
    r'/[\w/.-]+\.(?:py|md|yaml|json|xml|msg|csv|png))\b')

# A module as a page names it within its room, e.g. `runtime/inbox.py`.
MODULE = re.compile(r'`([\w/]+\.py)`')
RUN = re.compile(r'python3? -m ((?:tools|training|mmer_ros)[\w.]*\w)')
# A call of a launch file with its arguments.
LAUNCH = re.compile(r'mmer_ros +((?:emotion|bringup)\.launch\.py)((?: +\w+:=\S*)*)')
FOLDERS = ('mmer_ros', 'training', 'test', 'tools', 'examples', 'docs', 'launch')
FILES = {str(file.relative_to(ROOT)) for name in FOLDERS for file in (ROOT / name).rglob('*.py')}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = set(PATH.findall(page.read_text(encoding='utf-8')))
    assert not {name for name in named if not (ROOT / name).exists()}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_a_page_names_exist(page: Path) -> None:
    named = set(MODULE.findall(page.read_text(encoding='utf-8')))
    assert not {name for name in named if not any(f'/{file}'.endswith(f'/{name}')
                                                  for file in FILES)}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_modules_that_a_page_runs_exist(page: Path) -> None:
    named = {name.replace('.', '/') for name in RUN.findall(page.read_text(encoding='utf-8'))}
    assert not {name for name in named
                if not {f'{name}.py', f'{name}/__main__.py'} & FILES}


def launch_arguments(name: str) -> set[str]:
    """Return the arguments of a launch file, which can be run only where ROS is installed."""
    text = (ROOT / 'launch' / name).read_text(encoding='utf-8')
    tables = re.findall(r'^(?:ARGUMENTS|OVERRIDES|OTHERS) = \{(.*?)^\}', text,
                        re.DOTALL | re.MULTILINE)
    found = {name for table in tables for name in re.findall(r"^    '(\w+)':", table, re.M)}
    return found | (launch_arguments('emotion.launch.py') if name.startswith('bringup') else set())


@pytest.mark.parametrize('page', [*PAGES, *sorted(ROOT.glob('compose*.yaml'))],
                         ids=lambda page: str(page.relative_to(ROOT)))
def test_launch_files_have_the_arguments_that_a_page_gives_them(page: Path) -> None:
    text = re.sub(r'\s*\\?\n\s+-?', ' ', page.read_text(encoding='utf-8'))
    for name, arguments in LAUNCH.findall(text):
        given = set(re.findall(r'(\w+):=', arguments))
        assert given <= launch_arguments(name), page


def test_the_api_page_has_each_public_name_and_each_field() -> None:
    text = (DOCS / 'api.md').read_text(encoding='utf-8')
    assert not {name for name in mmer_ros.__all__ if f'`{name}' not in text}
    for kind in (mmer_ros.Utterance, mmer_ros.Estimate):
        assert not {field.name for field in fields(kind) if f'`{field.name}`' not in text}


def test_the_architecture_page_has_each_room() -> None:
    text = (DOCS / 'architecture.md').read_text(encoding='utf-8')
    contract = (ROOT / 'pyproject.toml').read_text(encoding='utf-8').split('Rooms of the core')[1]
    layers = contract[contract.index('layers = ['):contract.index(']\nignore')]
    names = {name for name in re.findall(r'\w+', layers)
             if list((ROOT / 'mmer_ros').glob(f'{name}*'))}
    assert {'sensing', 'nodes'} <= names
    table = text[text.index('## Rooms'):text.index('## The nodes')]
    assert not {name for name in names if f'`{name}' not in table}


def test_the_picture_is_what_its_script_draws() -> None:
    path = DOCS / 'dataflow.py'
    spec = importlib.util.spec_from_file_location('dataflow', path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.picture() == path.with_suffix('.svg').read_text(encoding='utf-8')
