# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer policy`: one policy for several robots."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from mmer_ros.cli.main import BAD_INPUT, main
import pytest

FILE = Path(__file__).parents[2] / 'config' / 'sros2' / 'policy.xml'


def test_each_robot_has_its_own_enclaves_and_the_estimator_is_one(
        capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['policy', str(FILE), '--namespace', '/kitchen/', '--namespace=lab/left']) == 0
    policy = ElementTree.fromstring(capsys.readouterr().out)
    paths = [enclave.attrib['path'] for enclave in policy.iter('enclave')]
    assert paths == [f'/mmer/{name}' for name in (
        'kitchen/emotion', 'lab/left/emotion', 'kitchen/segmenter', 'lab/left/segmenter',
        'estimator', 'player', 'viewer', 'kitchen/companion', 'lab/left/companion', 'operator')]
    assert {profile.get('ns') for enclave in policy.iter('enclave')
            if enclave.attrib['path'].startswith('/mmer/lab') for profile in enclave.iter(
                'profile')} == {'/lab/left'}


@pytest.mark.parametrize(('content', 'arguments', 'words'), [
    ('<policy version="0.2.0"/>', ['--namespace=a'], 'no element `enclaves`'),
    ('policy', ['--namespace=a'], 'is no policy of SROS2'),
    (None, ['--namespace=a b'], "namespace 'a b'; expected letters"),
    (None, ['--namespace='], "namespace ''; expected letters"),
    (None, ['--namespace=a', '--estimator-namespace=<x>'], "namespace '<x>'; expected letters")])
def test_what_cannot_be_made_is_said(
        content: str | None, arguments: list[str], words: str, tmp_path: Path,
        capsys: pytest.CaptureFixture[str]) -> None:
    file = FILE if content is None else tmp_path / 'policy.xml'
    if content is not None:
        file.write_text(content)
    assert main(['policy', str(file), *arguments]) == BAD_INPUT
    shown = capsys.readouterr()
    assert words in ' '.join(shown.err.split()) and not shown.out


def test_a_file_that_is_not_there_is_named(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['policy', str(tmp_path / 'none.xml'), '--namespace=a']) == BAD_INPUT
    assert 'none.xml' in ''.join(capsys.readouterr().err.split())
