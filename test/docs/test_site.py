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
