# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Run the notebooks of the documentation, as Jupyter would, and keep what they print in them.

`python -m tools.notebooks` runs all; no Jupyter is needed, since their cells are plain Python.
"""

from __future__ import annotations

import ast
from contextlib import redirect_stdout
import io
import json
import os
from pathlib import Path
import sys
import tempfile
from typing import Any

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / 'docs' / 'notebooks'


def main() -> int:
    """Run each notebook in a folder of its own and write its outputs; return the exit code."""
    here = Path.cwd()
    for path in sorted(NOTEBOOKS.glob('*.ipynb')):
        notebook = json.loads(path.read_text(encoding='utf-8'))
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                run(notebook)
            finally:
                os.chdir(here)
        path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + '\n', 'utf-8')
        print(f'{path.relative_to(ROOT)}: written')
    return 0


def run(notebook: dict[str, Any]) -> None:
    """Run the code cells one after the other in the working folder; put in their outputs."""
    namespace: dict[str, Any] = {'__name__': '__main__'}
    cells = [cell for cell in notebook['cells'] if cell['cell_type'] == 'code']
    for number, cell in enumerate(cells, 1):
        printed, value = _run_cell(''.join(cell['source']), namespace, f'cell {number}')
        cell['execution_count'] = number
        cell['outputs'] = []
        if printed:
            cell['outputs'].append({'name': 'stdout', 'output_type': 'stream',
                                    'text': printed.splitlines(keepends=True)})
        if value is not None:
            cell['outputs'].append({
                'data': {'text/plain': repr(value).splitlines(keepends=True)},
                'execution_count': number, 'metadata': {}, 'output_type': 'execute_result'})


def shown(cell: dict[str, Any]) -> str:
    """Return all that a code cell shows, as text."""
    return ''.join(''.join(output.get('text', output.get('data', {}).get('text/plain', [])))
                   for output in cell['outputs'])


def to_markdown(notebook: dict[str, Any]) -> str:
    """Return a notebook as a page of Markdown, with what its cells have shown."""
    parts = []
    for cell in notebook['cells']:
        source = ''.join(cell['source'])
        if cell['cell_type'] == 'markdown':
            parts.append(source)
            continue
        parts.append(f'```python\n{source}\n```')
        if text := shown(cell).rstrip():
            parts.append(f'```text\n{text}\n```')
    return '\n\n'.join(parts) + '\n'


def _run_cell(source: str, namespace: dict[str, Any], name: str) -> tuple[str, Any]:
    """Return what a cell prints, and the value of its last line if that is an expression."""
    tree = ast.parse(source, name)
    end = tree.body[-1] if tree.body else None
    last = end if isinstance(end, ast.Expr) else None
    if last is not None:
        tree.body.pop()
    out, value = io.StringIO(), None
    with redirect_stdout(out):
        exec(compile(tree, name, 'exec'), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), name, 'eval'), namespace)
    return out.getvalue(), value


if __name__ == '__main__':
    sys.exit(main())
