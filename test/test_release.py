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


def requirements_of_setup() -> dict[str, str]:
    """Return the name of each package that setup.py asks for, and how it asks for it."""
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    asked = re.search(r'install_requires=\[(.*?)\n    \]', setup, re.DOTALL)
    assert asked
    found = re.findall(r"^ +'(([\w-]+)[^']*)'", asked[1], re.MULTILINE)
    return {name: requirement for requirement, name in found if name != 'setuptools'}


def test_what_setup_py_asks_for_comes_to_a_robot_from_rosdep_or_from_pip() -> None:
    keys = {'opencv-python-headless': 'opencv', 'pillow': 'pil', 'pyyaml': 'yaml'}
    package = ElementTree.parse(ROOT / 'package.xml')
    from_rosdep = {depend.text for depend in package.iter('exec_depend')}
    from_pip = [line.partition('#')[0].strip() for line in (
        ROOT / 'requirements-robot.txt').read_text(encoding='utf-8').splitlines()]
    asked = requirements_of_setup()
    assert {'numpy', 'onnxruntime'} <= set(asked)
    assert not {name for name, requirement in asked.items()
                if f'python3-{keys.get(name, name)}' not in from_rosdep
                and requirement not in from_pip}
    assert f'{asked["numpy"]},<2' in from_pip  # ROS on Ubuntu 24.04 is compiled for NumPy 1.26


def test_no_rosdep_key_is_for_pip_which_ubuntu_and_bloom_refuse() -> None:
    for path in ('package.xml', 'mmer_msgs/package.xml'):
        assert '-pip<' not in (ROOT / path).read_text(encoding='utf-8')


def copied_by(dockerfile: str) -> set[str]:
    """Return what a Dockerfile copies out of the repository, but for all of it."""
    copies = re.findall(r'^COPY (.+) \S+$', dockerfile, re.MULTILINE)
    return {name for names in copies for name in names.split()} - {'.'}


def test_the_image_has_what_it_copies_and_what_setup_py_installs() -> None:
    kept = {line[1:] for line in (ROOT / '.dockerignore').read_text(
        encoding='utf-8').splitlines() if line.startswith('!')}
    copied = copied_by((ROOT / 'Dockerfile').read_text(encoding='utf-8'))
    assert all((ROOT / name).exists() for name in kept | copied)
    assert {name.partition('/')[0] for name in copied} <= kept
    setup = (ROOT / 'setup.py').read_text(encoding='utf-8')
    folders = {path.partition('/')[0] for path in re.findall(r"files\('([^']+)'\)", setup)}
    assert {'config', 'launch', 'resource'} <= folders <= kept


def test_the_changelog_has_the_version_or_what_is_unreleased() -> None:
    text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    headings = re.findall(r'^## \[?([^\]\n ]+)', text, re.MULTILINE)
    assert headings[0] in ('Unreleased', mmer_ros.__version__)


@pytest.mark.parametrize('folder', ['.', 'mmer_msgs'])
def test_bloom_reads_the_versions_of_the_changelog(folder: str) -> None:
    changelog = pytest.importorskip('catkin_pkg.changelog')
    found = changelog.get_changelog_from_path(str(ROOT / folder))
    text = (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8')
    released = re.findall(r'^## \[?(\d+\.\d+\.\d+)', text, re.MULTILINE)
    assert [version for version, _, _ in found.foreach_version()] == released
    heading = 'Forthcoming\n-----------\n'  # catkin_prepare_release makes a version of it
    assert (heading in (ROOT / folder / 'CHANGELOG.rst').read_text(encoding='utf-8')) == (
        '## Unreleased' in text)
