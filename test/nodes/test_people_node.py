# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Several people before the node, over DDS: who speaks is found, though the face is small."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.sensing.face_detector import FaceConfig, make_detector
from mmer_ros.sensing.face_tracker import Box
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.types import VideoFrame
from sensor_msgs.msg import CompressedImage

from ..fixtures.node import chunk, jpeg, tiny
from ..fixtures.people import gathering, place_of, SMALLEST
from ..fixtures.ros import eventually, InStep, running
from ..fixtures.stream import sample_audio

LENGTH = 16_000 * 6  # samples
PERIOD = 0.2  # seconds between images


def test_the_speaker_is_found_among_four_though_the_others_are_larger(tmp_path: Path) -> None:
    start, sound = sample_audio()
    sound = np.concatenate([sound[:LENGTH], np.zeros(16_000, np.int16)])
    pictures = gathering([None, None, None, sound], len(sound))
    coded = [cv2.imencode('.jpg', image[..., ::-1])[1].tobytes() for image in pictures]
    messages = [(start + i * PERIOD + 0.001, 'image', jpeg(start + i * PERIOD, data))
                for i, data in enumerate(coded)]
    messages += [(start + (i + 800) / 16_000, 'audio', chunk(sound[i:i + 800], start + i / 16_000))
                 for i in range(0, len(sound), 800)]
    messages.sort(key=lambda m: m[0])
    with running(CompressedImage, bundle=tiny(tmp_path), image_transport='compressed',
                 image_reliability='reliable', audio_reliability='reliable',
                 use_sim_time=True) as rig:
        InStep(rig.talker, rig.node).play(rig.talker, messages)
        assert eventually(lambda: len(rig.talker.estimates) > 0)
        heard = rig.talker.estimates[0]
    assert heard.speaker_by == 'mouth' and 0.05 < heard.speaker_margin <= 1.0
    assert place_of(boxes(coded)[heard.face_id]) == SMALLEST
    assert heard.modalities == 6  # audio and face


def boxes(pictures: list[bytes]) -> dict[str, Box]:
    """Return where each face is, by the id that the node gives it."""
    stream = FaceStream(make_detector(FaceConfig()))
    found: dict[str, Box] = {}
    for i, data in enumerate(pictures[:3]):
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[..., ::-1]
        for crop in stream.push(VideoFrame(i * PERIOD, np.ascontiguousarray(image))):
            found[crop.face_id] = crop.box
    assert len(found) == 4
    return found
