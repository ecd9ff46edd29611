# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The definitions for machines without ROS are those of the message package."""

from __future__ import annotations

import re

from mmer_ros.interfaces.definitions import (
    AUDIO,
    AUDIO_DEFINITION,
    EMOTION,
    EMOTION_DEFINITION,
    LIVE_SPEECH,
    LIVE_SPEECH_DEFINITION,
)
import pytest

from ..fixtures.stream import ROOT

FOLDERS = {'mmer_msgs': ROOT / 'mmer_msgs' / 'msg',
           'hri_msgs': ROOT / 'test' / 'ros_packages' / 'ros4hri'}


def lines(text: str) -> list[list[str]]:
    """Return fields and constants, in order, without comments."""
    found = (re.sub('#.*', '', line).split() for line in text.splitlines())
    return [line for line in found if line]


@pytest.mark.parametrize(('name', 'definition'), [
    (AUDIO, AUDIO_DEFINITION), (EMOTION, EMOTION_DEFINITION),
    (LIVE_SPEECH, LIVE_SPEECH_DEFINITION)])
def test_they_are_the_same(name: str, definition: str) -> None:
    package, _, message = name.split('/')
    path = FOLDERS[package] / f'{message}.msg'
    assert lines(definition) == lines(path.read_text(encoding='utf-8'))
