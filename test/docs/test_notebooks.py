# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The notebooks run from the first cell to the last, and print what they show."""

from __future__ import annotations

import copy
import json
from pathlib import Path
import re

import pytest
from tools import notebooks
from tools.notebooks import NOTEBOOKS, run, shown, to_markdown

NUMBER = re.compile(r'\d+(\.\d+)?')
PATHS = sorted(NOTEBOOKS.glob('*.ipynb'))


@pytest.mark.slow
@pytest.mark.parametrize('path', PATHS, ids=lambda path: path.stem)
def test_each_cell_prints_what_the_notebook_shows(
        path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = json.loads(path.read_text(encoding='utf-8'))
    made = copy.deepcopy(stored)
    monkeypatch.chdir(tmp_path)
    run(made)
    cells = [[c for c in notebook['cells'] if c['cell_type'] == 'code']
             for notebook in (stored, made)]
    assert len(cells[0]) >= 4 and any(shown(cell) for cell in cells[0])
    for before, now in zip(*cells, strict=True):  # figures differ a little between machines
        assert NUMBER.sub('0', shown(now)).split() == NUMBER.sub('0', shown(before)).split()


def test_there_is_one_for_files_and_one_for_your_own_people() -> None:
    assert [path.stem for path in PATHS] == ['fine_tune', 'recognise_a_file']


def test_a_notebook_is_run_and_shown_as_jupyter_does(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / 'a.ipynb'
    path.write_text(json.dumps({'cells': [
        {'cell_type': 'markdown', 'source': ['# Title']},
        {'cell_type': 'code', 'source': ['x = 2\n', 'print("a")\n', 'x + 1'], 'outputs': []},
        {'cell_type': 'code', 'source': ['y = x'], 'outputs': []}]}))
    monkeypatch.setattr(notebooks, 'NOTEBOOKS', tmp_path)
    monkeypatch.setattr(notebooks, 'ROOT', tmp_path)
    assert notebooks.main() == 0 and 'a.ipynb: written' in capsys.readouterr().out
    made = json.loads(path.read_text())
    assert [cell.get('execution_count') for cell in made['cells']] == [None, 1, 2]
    assert to_markdown(made) == (
        '# Title\n\n```python\nx = 2\nprint("a")\nx + 1\n```\n\n```text\na\n3\n```\n\n'
        '```python\ny = x\n```\n')
