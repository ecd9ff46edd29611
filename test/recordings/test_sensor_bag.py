# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Recordings that the project makes are read as those of a robot are."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
from mmer_ros.recordings.recording import Recording
from mmer_ros.recordings.sensor_bag import (
    AUDIO_TOPIC,
    IMAGE_TOPIC,
    Message,
    SensorBag,
    SPEECH_TOPIC,
    TEXT_TOPIC,
    TYPES,
)
import numpy as np
import pytest

SOUND = np.arange(-800, 800, dtype=np.int16)
JPEG = bytes(cv2.imencode('.jpg', np.full((24, 32, 3), 90, np.uint8))[1])
MESSAGES = (Message(1_000_000_015, 1_000_000_000, IMAGE_TOPIC, JPEG),
            Message(1_100_000_000, 1_000_000_007, AUDIO_TOPIC, SOUND),
            Message(1_200_000_000, 0, TEXT_TOPIC, 'It’s me.'),
            Message(1_300_000_000, 1_250_000_000, SPEECH_TOPIC, 'Hello.', language='en'))


@pytest.mark.parametrize('storage', ['mcap', 'sqlite3'])
def test_what_is_written_is_read_back(tmp_path: Path, storage: Literal['mcap', 'sqlite3']) -> None:
    with SensorBag(tmp_path / 'bag', storage=storage, compress=storage == 'mcap',
                   topics=tuple(TYPES), made_by='a test') as bag:
        for message in MESSAGES:
            bag.write(message)
    assert 'made_by: a test' in (tmp_path / 'bag' / 'metadata.yaml').read_text()
    with Recording(tmp_path / 'bag') as recording:
        assert recording.topics == TYPES
        image, audio, words, speech = ((m.time, recording.decode(m)) for m in recording.messages())
    times = [round(t * 1e9) for t, _ in (image, audio, words, speech)]
    assert times == [m.arrived_ns for m in MESSAGES]
    assert (image[1].format, bytes(image[1].data)) == ('jpeg', JPEG)
    assert (image[1].header.stamp.sec, image[1].header.stamp.nanosec) == (1, 0)
    assert (audio[1].sample_rate, audio[1].channels) == (16_000, 1)
    assert audio[1].header.stamp.nanosec == 7 and audio[1].header.frame_id == 'microphone'
    np.testing.assert_array_equal(audio[1].samples, SOUND)
    assert words[1].data == 'It’s me.'
    assert (speech[1].final, speech[1].locale) == ('Hello.', 'en')
    assert speech[1].header.stamp.nanosec == 250_000_000


def test_topics_are_offered_to_reliable_subscribers_and_may_be_left_out(tmp_path: Path) -> None:
    with SensorBag(tmp_path / 'bag', topics=[AUDIO_TOPIC]) as bag:
        bag.write(MESSAGES[1])
    metadata = (tmp_path / 'bag' / 'metadata.yaml').read_text()
    assert 'reliability: reliable' in metadata and 'depth: 50' in metadata
    with Recording(tmp_path / 'bag') as recording:
        assert recording.topics == {AUDIO_TOPIC: TYPES[AUDIO_TOPIC]}
