# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Clips made of the sample recording, for the tests of the commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools.sample_clip import write_wav

from ..fixtures.stream import sample_audio, track, TWO_TURNS_S, write_two_turns


@pytest.fixture(scope='package')
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with clip.mp4, sound.wav, silence.wav and words.csv."""
    folder = tmp_path_factory.mktemp('media')
    sound = sample_audio()[1][:int(TWO_TURNS_S * 16_000)]
    write_two_turns(folder / 'clip.mp4')
    (folder / 'clip.csv').rename(folder / 'words.csv')
    write_wav(folder / 'sound.wav', sound)
    write_wav(folder / 'silence.wav', track(3.0))
    return folder


@pytest.fixture(autouse=True)
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder of its own: results are saved in the current one."""
    folder = tmp_path / 'work'
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder
