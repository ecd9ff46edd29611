"""What a release needs to agree on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
import re
from xml.etree import ElementTree

import mmer_ros
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent


def package_version(path: str) -> str | None:
    return ElementTree.parse(ROOT / path).findtext('version')


def setup_version() -> str:
    found = re.search(r"version='([^']+)'", (ROOT / 'setup.py').read_text(encoding='utf-8'))
    assert found
    return found[1]


def citation() -> dict[str, object]:
    return dict(yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8')))


@pytest.mark.parametrize('version', [
    pytest.param(setup_version, id='setup.py'),
    pytest.param(lambda: package_version('package.xml'), id='package.xml'),
    pytest.param(lambda: package_version('mmer_msgs/package.xml'), id='mmer_msgs/package.xml'),
    pytest.param(lambda: citation()['version'], id='CITATION.cff'),
])
def test_every_file_names_the_same_version(version: Callable[[], object]) -> None:
    assert version() == mmer_ros.__version__


def test_the_changelog_has_the_version_or_what_is_unreleased() -> None:
    text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    headings = re.findall(r'^## \[?([^\]\n ]+)', text, re.MULTILINE)
    assert headings[0] in ('Unreleased', mmer_ros.__version__)
