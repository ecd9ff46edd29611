# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Write what follows from mmer_ros/settings.py: parameter file, documentation, launch arguments.

Run `python -m tools.settings_docs` after a change of the settings; with --check nothing is
written, and the exit code is 1 if a file is out of date.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping
import json
from pathlib import Path
import re
import sys
import textwrap
from typing import Any

from mmer_ros.settings import NodeSettings, Parameter, parameters, Section, SECTIONS

ROOT = Path(__file__).resolve().parent.parent
PARAMETER_FILE = ROOT / 'config' / 'emotion.yaml'
DOCUMENTATION = ROOT / 'docs' / 'parameters.md'
LAUNCH_FILE = ROOT / 'launch' / 'emotion.launch.py'
WIDTH = 99
HEAD = """\
# The parameters of the nodes emotion, segmenter and estimator, with their defaults.
# `python -m tools.settings_docs` writes this file from mmer_ros/settings.py.
/**:
  ros__parameters:
"""


def parameter_file(model: type[NodeSettings] = NodeSettings) -> str:
    """Return the content of config/emotion.yaml."""
    lines = []
    group: list[str] = []
    section = None
    for parameter in parameters(model).values():
        if parameter.section is not section:
            section = parameter.section
            lines += ['', f'    # ---- {section.title}: {", ".join(section.nodes)}']
        *path, name = parameter.name.split('.')
        for depth, key in enumerate(path):
            if group[:depth + 1] != path[:depth + 1]:
                lines.append(f'{_indent(depth)}{key}:')
        group = path
        indent = _indent(len(path))
        lines += textwrap.wrap(parameter.description, WIDTH, initial_indent=f'{indent}# ',
                               subsequent_indent=f'{indent}# ')
        lines.append(f'{indent}{name}: {_scalar(parameter.default)}')
    return HEAD + '\n'.join(lines[1:]) + '\n'


def documentation(old: str, model: type[NodeSettings] = NodeSettings) -> str:
    """Return docs/parameters.md with the table of each section made anew between its markers."""
    known = parameters(model)
    for section in SECTIONS:
        table = _table(section, [p for p in known.values() if p.section is section], known)
        old = _between(old, f'<!-- parameters: {section.title} -->', '<!-- end -->', table)
    return old


def launch_file(old: str, model: type[NodeSettings] = NodeSettings) -> str:
    """Return emotion.launch.py with the parameters that it may override."""
    lines = ['OVERRIDES = {  # name: (values that it may have, description)']
    for parameter in parameters(model).values():
        if parameter.launch:
            choices = 'BOOLEAN' if parameter.kind is bool else repr(parameter.choices)
            words = textwrap.wrap(parameter.description, WIDTH - 14, drop_whitespace=False)
            lines += [f"    '{parameter.name}': ({choices}, (",
                      *(f'        {word!r}' for word in words[:-1]),
                      f'        {words[-1]!r})),']
    return _between(old, '# parameters: begin', '# parameters: end', '\n'.join([*lines, '}']))


def _table(section: Section, found: Iterable[Parameter], known: Mapping[str, Parameter]) -> str:
    found = list(found)
    lines = [f'Nodes: {", ".join(f"`{node}`" for node in section.nodes)}.']
    if all(parameter.live for parameter in found):
        lines[0] += ' These parameters can be changed at any time.'
    lines += ['', '| parameter | default | values | meaning |', '|---|---|---|---|']
    for parameter in found:
        notes = []
        if parameter.read_only:
            notes.append('It cannot be changed.')
        elif parameter.live and not all(p.live for p in found):
            notes.append('It can be changed at any time.')
        meaning = ' '.join([_quoted(parameter.description, known), *notes])
        lines.append(f'| `{parameter.name}` | `{_scalar(parameter.default)}` | '
                     f'{_values(parameter)} | {meaning} |')
    return '\n'.join(lines)


def _values(parameter: Parameter) -> str:
    if parameter.kind is bool:
        return '`true`, `false`'
    if parameter.choices:
        return ', '.join(f'`{_scalar(choice)}`' for choice in parameter.choices)
    if parameter.kind is str:
        return parameter.form
    return f'{parameter.minimum:.9g} .. {parameter.maximum:.9g}'


def _quoted(text: str, known: Iterable[str]) -> str:
    """Return a text with values, names of parameters, topics and message types as code."""
    names = '|'.join(re.escape(name) for name in sorted(known, key=len, reverse=True)
                     if re.search('[_.]', name))
    pattern = rf'(?<![\w/~])(~?(?:/?\w+)(?:/\w+)+|~/\w+|/\w+|{names}|MMER_BUNDLE_PATH)(?![\w/])'
    return re.sub(pattern, r'`\1`', re.sub(r"'(\S+)'", r'`\1`', text))


def _between(text: str, begin: str, end: str, content: str) -> str:
    """Return the text with what stands between two marks replaced."""
    before, mark, rest = text.partition(begin)
    if not mark or end not in rest:
        raise SystemExit(f'the marks {begin!r} and {end!r} are missing')
    return f'{before}{begin}\n{content}\n{rest[rest.index(end):]}'


def _indent(depth: int) -> str:
    return ' ' * (4 + 2 * depth)


def _scalar(value: Any) -> str:
    """Return a value as YAML writes it."""
    if isinstance(value, str) and re.fullmatch(r'[\w/]+', value):
        return value
    return json.dumps(value)


FILES: dict[Path, Callable[[str], str]] = {
    PARAMETER_FILE: lambda old: parameter_file(),
    DOCUMENTATION: documentation,
    LAUNCH_FILE: launch_file,
}


def outdated() -> dict[Path, str]:
    """Return the files that are out of date, with the content that they should have."""
    new = {path: make(path.read_text(encoding='utf-8')) for path, make in FILES.items()}
    return {path: text for path, text in new.items()
            if text != path.read_text(encoding='utf-8')}


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files and return the exit code."""
    parser = argparse.ArgumentParser(prog='python -m tools.settings_docs', description=__doc__)
    parser.add_argument('--check', action='store_true', help='write nothing')
    options = parser.parse_args(arguments)
    files = outdated()
    for path, text in files.items():
        print(f'{path.relative_to(ROOT)}: {"out of date" if options.check else "written"}')
        if not options.check:
            path.write_text(text, encoding='utf-8')
    return int(bool(files) and options.check)


if __name__ == '__main__':
    sys.exit(main())
