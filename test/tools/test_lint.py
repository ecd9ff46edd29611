# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Every rule of `make lint` that is this project's own finds a file that breaks it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
import shutil
import subprocess
import sys

import pytest
from tools.lint import check_file, main, ROOT

BIN = Path(sys.executable).parent


def messages(folder: Path, text: str) -> list[str]:
    path = folder / 'sample.py'
    path.write_text(text, encoding='utf-8')
    return [message for _, message in check_file(path)]


@pytest.mark.parametrize(('text', 'found'), [
    ('x = 1\n' * 601, '601 lines'),
    ('def long():\n' + '    x = 1\n' * 60, 'long: 61 lines'),
    ('async def long():\n' + '    x = 1\n' * 60, 'long: 61 lines'),
    ('numpy.load(path, allow_pickle=True)\n', 'allow_pickle'),
    ('numpy.load(path, allow_pickle=trusted)\n', 'allow_pickle'),
    ('torch.load(path)\n', 'weights_only'),
    ('torch.load(path, weights_only=False)\n', 'weights_only'),
    ('load(path, weights_only=False)\n', 'weights_only'),
    ('HERE = "/' 'home/me/data"\n', 'one machine'),
    ('def later():\n    raise NotImplementedError("soon")\n', 'abstract method'),
])
def test_a_file_that_breaks_a_rule_is_found(tmp_path: Path, text: str, found: str) -> None:
    message, = messages(tmp_path, text)
    assert found in message


@pytest.mark.parametrize('text', [
    'x = 1\n' * 600,
    'def short():\n' + '    x = 1\n' * 59,
    'torch.load(path, weights_only=True)\nnumpy.load(path)\n',
    'NAME = "home/work"\n',
])
def test_a_file_within_the_rules_passes(tmp_path: Path, text: str) -> None:
    assert messages(tmp_path, text) == []


def test_the_command_names_file_and_line_and_fails(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / 'room').mkdir()
    (tmp_path / 'room' / 'loads.py').write_text('import torch\n\ntorch.load("x")\n')
    assert main([str(tmp_path)]) == 1
    assert 'room/loads.py:3: load weights with weights_only=True' in capsys.readouterr().out


@pytest.mark.parametrize(('text', 'rule'), [
    *((f'import {name}\n', 'TID251') for name in (
        'pickle', 'dill', 'cloudpickle', 'joblib', 'shelve', 'marshal')),
    ('from . import types\n', 'TID252'),
    ('try:\n    x = 1\nexcept:\n    x = 2\n', 'E722'),
])
def test_ruff_finds_pickles_relative_imports_and_bare_excepts(text: str, rule: str) -> None:
    ruff = BIN / 'ruff'
    if not ruff.exists():
        pytest.skip('needs ruff (make env)')
    done = subprocess.run(
        [ruff, 'check', '--output-format=concise', '--stdin-filename=mmer_ros/sample.py', '-'],
        cwd=ROOT, input=text, capture_output=True, text=True, check=False)
    assert rule in done.stdout


# For each contract of pyproject.toml: a file, and the import in it that breaks the contract.
BREAKING = {
    'Rooms of the core': ('mmer_ros/sensing', 'mmer_ros.recordings.recording'),
    'Rooms of the training': ('training/engine', 'training.release.recipe'),
    'Packages': ('mmer_ros/networks', 'training.engine.fit'),
    'Training does without the nodes': ('training/corpora', 'mmer_ros.nodes.process'),
    'Only the nodes know ROS': ('mmer_ros/report', 'sensor_msgs.msg'),
    'Tools reach ROS through the nodes': ('tools', 'rclpy.node'),
    'The core reads no clock': ('mmer_ros/recognition', 'datetime'),
    'No circles': ('mmer_ros/interfaces', 'mmer_ros.interfaces.circle'),
}


@pytest.fixture(scope='module')
def verdict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return what lint-imports prints for a copy of the sources that breaks every contract."""
    if not (BIN / 'lint-imports').exists():
        pytest.skip('needs import-linter (make env)')
    copy = tmp_path_factory.mktemp('sources')
    for name in ('mmer_ros', 'training', 'tools', 'test'):
        shutil.copytree(ROOT / name, copy / name, ignore=only_python)
    shutil.copy(ROOT / 'pyproject.toml', copy)
    for folder, module in BREAKING.values():
        (copy / folder / 'breaking.py').write_text(f'import {module}\n')
    (copy / 'mmer_ros/interfaces/circle.py').write_text('import mmer_ros.interfaces.breaking\n')
    (copy / 'mmer_ros/attic').mkdir()
    (copy / 'mmer_ros/attic/__init__.py').touch()
    done = subprocess.run([BIN / 'lint-imports', '--no-cache'], cwd=copy, capture_output=True,
                          text=True, check=False)
    assert done.returncode == 1, done.stderr
    return ' '.join(done.stdout.split())


def only_python(folder: str, names: Sequence[str]) -> set[str]:
    """Return the names that `copytree` leaves out."""
    return {name for name in names
            if not name.endswith('.py') and not (Path(folder) / name).is_dir()}


@pytest.mark.parametrize('contract', BREAKING)
def test_an_import_against_a_contract_is_found(contract: str, verdict: str) -> None:
    assert f'{contract} BROKEN' in verdict


def test_every_contract_is_broken_by_a_test(verdict: str) -> None:
    assert f'Contracts: 0 kept, {len(BREAKING)} broken.' in verdict


def test_a_room_without_a_place_among_the_layers_is_found(verdict: str) -> None:
    assert 'mmer_ros.attic' in verdict
