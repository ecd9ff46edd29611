# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The public interface: the names that `mmer_ros` promises, and what importing it costs."""

from __future__ import annotations

import doctest
import subprocess
import sys

import mmer_ros
import mmer_ros.types
import pytest

from .fixtures.stream import ROOT

PUBLIC = ['AudioBlock', 'BundleError', 'EMOTIONS', 'Estimate', 'FileResult', 'InvalidInput',
          'Pipeline', 'Recognizer', 'SegmenterConfig', 'Transcript', 'Utterance', 'VideoFrame',
          '__version__']
HEAVY = ('torch', 'transformers', 'facenet_pytorch', 'cv2', 'pydantic')


def loaded_by(code: str) -> set[str]:
    """Return the top-level modules that a fresh process has loaded after the code."""
    done = subprocess.run(
        [sys.executable, '-c', f'{code}; import sys; print(*{{m.split(".")[0] for m in '
         'sys.modules})'], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_the_public_names_are_these_and_no_others() -> None:
    assert sorted(mmer_ros.__all__) == sorted(PUBLIC)
    assert set(PUBLIC) <= set(dir(mmer_ros))


@pytest.mark.parametrize('name', PUBLIC)
def test_each_public_name_can_be_imported_from_the_package(name: str) -> None:
    namespace: dict[str, object] = {}
    exec(f'from mmer_ros import {name}', namespace)
    assert namespace[name] is getattr(mmer_ros, name)


def test_an_unknown_name_is_answered_with_the_public_ones() -> None:
    with pytest.raises(AttributeError, match="'Recogniser'.*public names are .*Recognizer"):
        getattr(mmer_ros, 'Recogniser')  # noqa: B009


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by('import mmer_ros').isdisjoint(HEAVY)


def test_the_examples_in_the_docstrings_hold() -> None:
    for module in (mmer_ros, mmer_ros.types):
        result = doctest.testmod(module)
        assert result.attempted and not result.failed, module
