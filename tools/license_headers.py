# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Copyright headers as ament_copyright wants them, in its shortest accepted form.

`python -m tools.license_headers` lists the files without one; with `--add` it writes it into them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import os
import re
import sys

from tools.lint import python_files, SOURCES

HOLDER = 'The mmer_ros authors'
YEAR = 2026
# ament_copyright compares the words only, so that the text may fill its lines.
LICENSE = """\
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.
"""
HEADER = re.compile(
    rf'(#!.*\n)?# Copyright \d{{4}}(-\d{{4}})? {HOLDER}\n{re.escape(LICENSE)}(\n|$)')


def add_header(text: str) -> str:
    """
    Return the source with the header at its top, after a `#!` line; empty files stay empty.

    >>> add_header('x = 1').splitlines()[0]
    '# Copyright 2026 The mmer_ros authors'
    """
    if not text or HEADER.match(text):
        return text
    first, rest = '', text
    if text.startswith('#!'):
        first, _, rest = text.partition('\n')
        first += '\n'
    return f'{first}# Copyright {YEAR} {HOLDER}\n{LICENSE}\n{rest}'


def main(arguments: Sequence[str] | None = None) -> int:
    """List or add what is missing; 0 if every file has its header, 1 otherwise."""
    parser = argparse.ArgumentParser(prog='python -m tools.license_headers',
                                     description='Check the copyright headers.')
    parser.add_argument('--add', action='store_true', help='write what is missing')
    parser.add_argument('paths', nargs='*', default=SOURCES)
    options = parser.parse_args(arguments)
    missing = [path for path in python_files(options.paths)
               if (text := path.read_text(encoding='utf-8')) != add_header(text)]
    for path in missing:
        if options.add:
            path.write_text(add_header(path.read_text(encoding='utf-8')), encoding='utf-8')
        print(f'{os.path.relpath(path)}:1: the copyright header '
              f'{"was added" if options.add else "is missing"}')
    return int(bool(missing) and not options.add)


if __name__ == '__main__':
    sys.exit(main())
