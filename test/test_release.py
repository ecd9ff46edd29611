# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

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


def test_package_xml_has_a_rosdep_key_for_what_setup_py_asks_for_or_says_why_not() -> None:
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    asked = re.search(r'install_requires=\[(.*?)\n    \]', setup, re.DOTALL)
    assert asked
    names = set(re.findall(r"^ +'([\w-]+)", asked[1], re.MULTILINE)) - {'setuptools'}
    keys = {'opencv-python-headless': 'opencv', 'pillow': 'pil', 'pyyaml': 'yaml'}
    package = (ROOT / 'package.xml').read_text(encoding='utf-8')
    assert {'numpy', 'onnxruntime'} <= names
    assert not {name for name in names
                if not re.search(rf'\b(python3-)?{keys.get(name, name)}\b', package)}


def test_the_changelog_has_the_version_or_what_is_unreleased() -> None:
    text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    headings = re.findall(r'^## \[?([^\]\n ]+)', text, re.MULTILINE)
    assert headings[0] in ('Unreleased', mmer_ros.__version__)
