# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Recordings: rosbag2 read without ROS; what cannot be read is said in a sentence."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
import re
import shutil

from mmer_ros.recordings.recording import (
    AUDIO,
    AUDIO_DEFINITION,
    COMPRESSED_IMAGE,
    IMAGE,
    Recording,
    TRANSCRIPT,
)
from mmer_ros.types import EMOTIONS, InvalidInput
import pytest

from ..fixtures.stream import ROOT, SAMPLE, sample_labels

MCAP = SAMPLE / 'dialogue.mcap'


@pytest.mark.parametrize('path', [SAMPLE, MCAP], ids=['folder', 'file'])
def test_the_sample_opens(path: Path) -> None:
    with Recording(path) as recording:
        assert recording.topics == {'/camera/image/compressed': COMPRESSED_IMAGE,
                                    '/audio': AUDIO, '/transcript': TRANSCRIPT}
        assert recording.topic_of(IMAGE, COMPRESSED_IMAGE) == '/camera/image/compressed'
        assert recording.topic_of(IMAGE) == ''
        assert recording.end - recording.start == pytest.approx(40.8, abs=0.1)
        messages = list(recording.messages())
        assert Counter(m.msgtype for m in messages) == {
            COMPRESSED_IMAGE: 612, AUDIO: 408, TRANSCRIPT: 9}
        times = [m.time for m in messages]
        assert times == sorted(times)
        assert recording.start == pytest.approx(times[0])
        assert recording.end == pytest.approx(times[-1])
        words = [recording.decode(m).data for m in messages if m.msgtype == TRANSCRIPT]
    assert words == [row['text'] for row in sample_labels() if row['has_transcript'] == '1']


def test_messages_arrive_soon_after_their_stamps() -> None:
    with Recording(SAMPLE) as recording:
        for recorded in recording.messages():
            if recorded.msgtype == TRANSCRIPT:
                continue
            message = recording.decode(recorded)
            stamp = message.header.stamp.sec + message.header.stamp.nanosec / 1e9
            length = len(message.samples) / 16_000 if recorded.msgtype == AUDIO else 0
            assert 0 < recorded.time - stamp - length < 0.03


def test_the_definition_of_audio_is_that_of_the_message_package() -> None:
    def fields(text: str) -> list[list[str]]:
        lines = (re.sub('#.*', '', line).split() for line in text.splitlines())
        return [line for line in lines if line]

    installed = (ROOT / 'mmer_msgs' / 'msg' / 'AudioChunk.msg').read_text(encoding='utf-8')
    assert fields(installed) == fields(AUDIO_DEFINITION)


def test_a_missing_recording_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='recording .*nowhere: there is no such file'):
        Recording(tmp_path / 'nowhere')


@pytest.mark.parametrize('kept', [0, 5, 1000, 2_000_000, -20])
def test_a_truncated_file_is_told(tmp_path: Path, kept: int) -> None:
    path = tmp_path / 'cut.mcap'
    path.write_bytes(MCAP.read_bytes()[:kept])
    with pytest.raises(InvalidInput, match='cut.mcap: it cannot be read .* expected a rosbag2'):
        with Recording(path):
            pass


@pytest.mark.parametrize(('name', 'content'), [
    ('words.txt', b'hello\n'), ('words.mcap', b'hello\n' * 100), ('words.db3', b'hello\n' * 100)])
def test_what_is_no_recording_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=f'{name}: it cannot be read'):
        with Recording(path):
            pass


@pytest.mark.parametrize('metadata', [None, 'a: [', 'rosbag2_bagfile_information: 3\n'])
def test_a_folder_that_is_no_recording_is_told(tmp_path: Path, metadata: str | None) -> None:
    if metadata is not None:
        (tmp_path / 'metadata.yaml').write_text(metadata)
    with pytest.raises(InvalidInput, match='it cannot be read'):
        with Recording(tmp_path):
            pass


def test_a_folder_without_its_data_is_told(tmp_path: Path) -> None:
    shutil.copy(SAMPLE / 'metadata.yaml', tmp_path)
    with pytest.raises(InvalidInput, match='it cannot be read .*dialogue.mcap'):
        with Recording(tmp_path):
            pass


def test_the_labels_are_read() -> None:
    rows = sample_labels()
    assert len(rows) == 10
    assert {row['emotion'] for row in rows} == set(EMOTIONS)
    assert all(row['start'] < row['end'] for row in rows)
