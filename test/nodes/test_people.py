# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.


"""~/people over DDS: everybody in view, speaking or not, apart from the utterances."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.inputs.message_types import load_type, MissingType
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import People as Seen
from mmer_ros.types import VideoFrame
import numpy as np
from sensor_msgs.msg import Image

from ..fixtures.cast import pictures
from ..fixtures.ros import eventually, InStep, running

try:
    PEOPLE = load_type('mmer_msgs/msg/People')
except MissingType:
    pytest.skip('mmer_msgs is older than this checkout (make env)', allow_module_level=True)


def as_message(stamp: float) -> Image:
    """Return a picture of a person as the camera sends it."""
    image = pictures(0)[round((stamp - 100) * 5) % 6]
    height, width = image.shape[:2]
    message = Image(encoding='rgb8', height=height, width=width, step=3 * width)
    message.header.stamp, message.header.frame_id = to_time(stamp), 'camera'
    message.data = image.tobytes()
    return message


def test_who_does_not_speak_is_on_people_as_offline_to_the_bit_and_not_on_emotion() -> None:
    stamps = [100 + i / 5 for i in range(12)]
    received: list[Any] = []
    with running(Image, image_transport='raw', image_reliability='reliable', use_sim_time=True,
                 people_rate=1.0) as rig:
        rig.talker.node.create_subscription(PEOPLE, 'emotion/people', received.append, 10)
        assert eventually(lambda: rig.node.count_subscribers('/emotion/people') == 1)
        step = InStep(rig.talker, rig.node)
        step.play(rig.talker, [(stamp, 'image', as_message(stamp)) for stamp in stamps])
        assert eventually(lambda: len(received) >= 3)
        assert rig.talker.estimates == []
    told: list[Seen] = []
    pipeline = Pipeline(Recognizer.load('compact'), people_rate=1.0, on_people=told.append)
    for stamp in stamps:
        pipeline.push_frame(VideoFrame(stamp, pictures(0)[round((stamp - 100) * 5) % 6]))
    assert [message.header.stamp for message in received] == [to_time(p.stamp) for p in told]
    for message, people in zip(received, told):
        one, = message.people
        np.testing.assert_array_equal(one.probabilities, people.people[0].estimate.probabilities)
        assert (one.face_id, one.person_id, one.speaking) == (
            'face1', people.people[0].person_id, False)
        assert message.header.frame_id == 'camera'
        assert len(message.bundle_hash) == 64
    assert received[-1].people[0].person_id == 'person1'
