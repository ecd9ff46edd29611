# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The sample recording holds what its labels say, and is what its script makes."""

from __future__ import annotations

from pathlib import Path

import cv2
from mmer_ros.recordings.recording import COMPRESSED_IMAGE, Recording
from mmer_ros.sensing.face_detector import FaceConfig, make_detector
from mmer_ros.types import EMOTIONS
import numpy as np
import pytest
from tools.make_sample import main, SCRIPT, SHOTS

from ..fixtures.stream import SAMPLE, sample_labels

LOOKS_S = 0.5  # between the images in which faces are looked for
FACES = {'dora': 1, 'carl': 1, 'both': 2, 'away': 0}


def test_labels_are_those_of_the_script() -> None:
    assert [(row['speaker'], row['emotion'], row['text'], row['face_visible'] == '1',
             row['has_transcript'] == '1') for row in sample_labels()] == [
        (line.speaker, line.emotion, line.text, line.face_visible, line.has_transcript)
        for line in SCRIPT]
    assert {line.emotion for line in SCRIPT} == set(EMOTIONS)
    assert FACES.keys() == SHOTS.keys()


def test_it_is_small_enough_for_a_repository() -> None:
    assert sum(file.stat().st_size for file in SAMPLE.iterdir()) < 5_000_000


def test_utterances_differ_in_length_and_pauses_end_them() -> None:
    rows = sample_labels()
    lengths = [row['end'] - row['start'] for row in rows]
    assert min(lengths) < 1.2 and max(lengths) > 3.5
    assert min(after['start'] - before['end'] for before, after in zip(rows, rows[1:])) > 0.9


def test_the_face_detector_finds_exactly_the_people_in_view() -> None:
    detector = make_detector(FaceConfig())
    with Recording(SAMPLE) as recording:
        images = [(m.time, recording.decode(m).data) for m in recording.messages()
                  if m.msgtype == COMPRESSED_IMAGE]
    counts = []
    for row, line in zip(sample_labels(), SCRIPT, strict=True):
        for time in np.arange(row['start'], row['end'], LOOKS_S):
            data = next(data for stamp, data in images if stamp > time)
            image = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            counts.append(len(detector.detect(np.asarray(image, np.uint8))) == FACES[line.shot])
    assert np.mean(counts) > 0.97, f'{counts.count(False)} of {len(counts)} looks'


def test_what_is_there_is_not_replaced_unless_asked(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['--out', str(tmp_path)]) == 1
    assert '--force replaces a recording' in capsys.readouterr().err


def test_a_missing_voice_is_one_sentence(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv('PATH', str(tmp_path))
    assert main(['--out', f'{tmp_path}/new']) == 2
    assert 'apt-get install espeak-ng' in capsys.readouterr().err
