# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Parameter file, documentation and launch file follow from the declaration of the settings."""

from __future__ import annotations

import ast
from pathlib import Path
import shutil
from typing import Any

from mmer_ros.settings import CAMERA, NodeSettings, parameters, setting
import pytest
from tools import settings_docs
from tools.settings_docs import DOCUMENTATION, LAUNCH_FILE, PARAMETER_FILE
import yaml


class WithZoom(NodeSettings):
    """The settings with one more."""

    zoom: float = setting(CAMERA, 1.0, 'Images are enlarged by this factor.', ge=1, le=8)


def test_the_files_are_up_to_date() -> None:
    assert settings_docs.outdated() == {}, 'run: python -m tools.settings_docs'


def test_the_parameter_file_holds_every_parameter_with_its_default_and_type() -> None:
    def dotted(values: dict[str, Any], prefix: str = '') -> dict[str, Any]:
        flat: dict[str, Any] = {}
        for name, value in values.items():
            flat |= dotted(value, f'{prefix}{name}.') if isinstance(value, dict) else {
                prefix + name: value}
        return flat

    written = dotted(yaml.safe_load(PARAMETER_FILE.read_text())['/**']['ros__parameters'])
    declared = {name: parameter.default for name, parameter in parameters().items()}
    assert written == declared
    assert {n: type(v) for n, v in written.items()} == {n: type(v) for n, v in declared.items()}


def test_one_more_field_is_one_more_parameter_in_every_file() -> None:
    line = '    # Images are enlarged by this factor.\n    zoom: 1.0\n'
    assert line in settings_docs.parameter_file(WithZoom)
    row = '| `zoom` | `1.0` | 1 .. 8 | Images are enlarged by this factor. |'
    assert row in settings_docs.documentation(DOCUMENTATION.read_text(), WithZoom)
    assert 'zoom' not in settings_docs.launch_file(LAUNCH_FILE.read_text(), WithZoom)


def test_the_launch_file_overrides_what_is_declared_for_it() -> None:
    module = ast.parse(LAUNCH_FILE.read_text())
    (overrides,) = (node.value for node in module.body if isinstance(node, ast.Assign)
                    and getattr(node.targets[0], 'id', '') == 'OVERRIDES')
    assert isinstance(overrides, ast.Dict)
    found = {ast.literal_eval(name): value for name, value in zip(overrides.keys, overrides.values)
             if name is not None}
    for name, value in found.items():
        assert isinstance(value, ast.Tuple)
        parameter = parameters()[name]
        assert (ast.unparse(value.elts[0]) == 'BOOLEAN') == (parameter.kind is bool)
        assert ast.literal_eval(value.elts[1]) == parameter.description
    assert set(found) == {name for name, parameter in parameters().items() if parameter.launch}


def test_a_file_that_is_out_of_date_is_named_and_written_anew(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
        ) -> None:
    old = tmp_path / PARAMETER_FILE.name
    old.write_text('bundle: paper\n')
    up_to_date = tmp_path / DOCUMENTATION.name
    shutil.copy(DOCUMENTATION, up_to_date)
    monkeypatch.setattr(settings_docs, 'ROOT', tmp_path)
    monkeypatch.setattr(settings_docs, 'FILES', {
        old: settings_docs.FILES[PARAMETER_FILE], up_to_date: settings_docs.documentation})
    assert settings_docs.main(['--check']) == 1
    assert capsys.readouterr().out == 'emotion.yaml: out of date\n'
    assert settings_docs.main([]) == 0
    assert old.read_text() == PARAMETER_FILE.read_text()
    assert settings_docs.main(['--check']) == 0
