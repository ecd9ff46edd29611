# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The site is built without a warning: every link and cross-reference leads somewhere."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import pytest

from ..fixtures.docs import DOCS
from ..fixtures.stream import ROOT

pytestmark = pytest.mark.slow
pytest.importorskip('myst_parser', reason='needs the extra docs')
pytest.importorskip('furo', reason='needs the extra docs')


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, '-m', 'sphinx', '-W', '--keep-going', '-n', '-q', '-b', 'html',
         '-d', tmp_path / 'cache', DOCS, tmp_path / 'site'], cwd=ROOT,
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = {path.stem for path in (tmp_path / 'site').glob('*.html')}
    assert built >= {page.stem for page in DOCS.glob('*.md')}
    assert 'Keep a Changelog' in (tmp_path / 'site' / 'changelog.html').read_text()
