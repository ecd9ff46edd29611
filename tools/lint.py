# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
House rules that neither ruff nor import-linter can hold: sizes, unpickling, machine paths.

Run by `make lint` as `python -m tools.lint`; with paths as arguments it checks those alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
import os
from pathlib import Path
import re
import sys

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ('mmer_ros', 'training', 'tools', 'test', 'launch', 'examples', 'docs', 'setup.py')
MAX_FILE_LINES = 600
MAX_FUNCTION_LINES = 60
MACHINE_PATH = re.compile(r'/(home|root|Users|work)/')

Problem = tuple[int, str]  # line, message


def check_sizes(text: str, tree: ast.Module) -> Iterator[Problem]:
    """Yield the file if it is too long, and each function that is."""
    lines = text.count('\n')
    if lines > MAX_FILE_LINES:
        yield 1, f'{lines} lines; split the file at an idea, at most {MAX_FILE_LINES}'
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                yield node.lineno, f'{node.name}: {length} lines, at most {MAX_FUNCTION_LINES}'


def check_unpickling(tree: ast.Module) -> Iterator[Problem]:
    """Yield the calls that would unpickle a file; ruff bans pickle and its relatives."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if arguments.get('allow_pickle', 'False') != 'False':
            yield node.lineno, 'allow_pickle must stay False: a pickle can run any code'
        safe = 'weights_only' in arguments or ast.unparse(node.func) != 'torch.load'
        if arguments.get('weights_only', 'True') != 'True' or not safe:
            yield node.lineno, 'load weights with weights_only=True: a pickle can run any code'


def check_strings(tree: ast.Module) -> Iterator[Problem]:
    """Yield the absolute paths that exist on one machine only."""
    for node in ast.walk(tree):
        if (isinstance(node, ast.Constant) and isinstance(node.value, str)
                and MACHINE_PATH.match(node.value)):
            yield node.lineno, f'{node.value!r} exists on one machine only'


def check_stubs(tree: ast.Module) -> Iterator[Problem]:
    """Yield what is left to somebody else: raised NotImplementedError."""
    for node in ast.walk(tree):
        if (isinstance(node, ast.Raise) and node.exc is not None
                and ast.unparse(node.exc).startswith('NotImplementedError')):
            yield node.lineno, 'use an abstract method or a Protocol, not NotImplementedError'


def check_file(path: Path) -> list[Problem]:
    """
    Check one Python file against every rule.

    >>> check_file(Path('mmer_ros/types.py'))
    []
    """
    text = path.read_text(encoding='utf-8')
    tree = ast.parse(text, str(path))
    return sorted([*check_sizes(text, tree), *check_unpickling(tree), *check_strings(tree),
                   *check_stubs(tree)])


def python_files(names: Sequence[str]) -> Iterator[Path]:
    """Yield the Python files in folders and among files, sorted."""
    for path in (ROOT / name for name in names):
        yield from sorted(path.rglob('*.py')) if path.is_dir() else (path,)


def main(names: Sequence[str]) -> int:
    """Print `file:line: problem` for each problem; 0 if there is none, 1 otherwise."""
    failed = False
    for path in python_files(names or SOURCES):
        for line, message in check_file(path):
            print(f'{os.path.relpath(path)}:{line}: {message}')
            failed = True
    return int(failed)


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
