# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Copyright headers: found, added once, and where ament_copyright looks for them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.license_headers import add_header, main

# The header of ament_copyright's own template, of which it compares the words.
TEMPLATE = """
Licensed under the Apache License, Version 2.0 (the "License");
you may not use this file except in compliance with the License.
You may obtain a copy of the License at

    http://www.apache.org/licenses/LICENSE-2.0

Unless required by applicable law or agreed to in writing, software
distributed under the License is distributed on an "AS IS" BASIS,
WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
See the License for the specific language governing permissions and
limitations under the License."""


def test_the_header_has_the_words_of_aments_template() -> None:
    lines = add_header('"""A module."""\n').splitlines()
    copyright_line, block = lines[0], lines[1:lines.index('')]
    assert copyright_line.startswith('# Copyright 20')
    assert ' '.join(line[2:] for line in block).split() == TEMPLATE.split()


def test_the_header_comes_after_the_interpreter_and_before_the_docstring() -> None:
    lines = add_header('#!/usr/bin/env python3\n"""A module."""\n').splitlines()
    assert lines[0] == '#!/usr/bin/env python3' and lines[1].startswith('# Copyright')
    assert lines[-1] == '"""A module."""' and lines[-2] == ''


def test_a_header_is_added_once_and_never_to_an_empty_file() -> None:
    once = add_header('x = 1\n')
    assert add_header(once) == once
    assert add_header(once.replace('2026', '2025-2027')) == once.replace('2026', '2025-2027')
    assert add_header('') == ''


def test_the_command_lists_adds_and_is_content(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / 'module.py'
    file.write_text('x = 1\n')
    assert main([str(tmp_path)]) == 1
    assert 'module.py:1: the copyright header is missing' in capsys.readouterr().out
    assert main(['--add', str(tmp_path)]) == 0
    assert main([str(tmp_path)]) == 0
    assert file.read_text().endswith('\n\nx = 1\n')
