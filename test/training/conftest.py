# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Prepared clips that several tests of this folder read."""

from __future__ import annotations

from pathlib import Path
import shutil

import pytest
from training.corpora.meld import read_meld
from training.preparation.prepare import prepare

from ..fixtures.clip import CONFIG, make_corpus


@pytest.fixture(scope='session')
def meld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the clips of `make_corpus`."""
    folder = tmp_path_factory.mktemp('meld')
    make_corpus(folder)
    return folder


@pytest.fixture(scope='session')
def whole(meld: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the cache in one go; tests must leave it as it is."""
    folder = tmp_path_factory.mktemp('cache') / 'whole'
    prepare(read_meld(meld), folder, CONFIG)
    return folder


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Return a cache of the test's own."""
    return Path(shutil.copytree(whole, tmp_path / 'copy'))
