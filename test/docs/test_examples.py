# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The examples on the pages: each runs as it is pasted, and prints what the page shows."""

from __future__ import annotations

import ast
from contextlib import redirect_stdout
import io
from pathlib import Path
import re

import pytest

from ..fixtures.docs import DOCS, Example, examples, PAGES, write_example_files
from ..fixtures.stream import ROOT

PERCENT = re.compile(r'\d+%')
RUN = (DOCS / 'api.md', DOCS / 'quickstart-python.md', ROOT / 'README.md')


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def output_of(example: Example, namespace: dict[str, object]) -> str:
    out = io.StringIO()
    with redirect_stdout(out):
        exec(compile(example.code, 'example', 'exec'), namespace)
    return out.getvalue()


def assert_same(printed: str, shown: str) -> None:
    """Compare output; percentages may differ by 1, as arithmetic does between machines."""
    assert PERCENT.sub('%', printed) == PERCENT.sub('%', shown)
    for now, then in zip(PERCENT.findall(printed), PERCENT.findall(shown)):
        assert abs(int(now[:-1]) - int(then[:-1])) <= 1, printed


@pytest.mark.parametrize('page', RUN, ids=name_of)
def test_each_example_prints_what_the_page_shows(
        page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_example_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    found = [example for example in examples(page) if not example.needs_ros]
    assert any(example.output for example in found)
    namespace: dict[str, object] = {}
    for example in found:
        assert_same(output_of(example, namespace), example.output or '')


@pytest.mark.parametrize('page', PAGES, ids=name_of)
def test_each_example_is_python(page: Path) -> None:
    for example in examples(page):
        ast.parse(example.code)
