# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The replay of a recording against the live node that hears it over DDS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import EmotionEstimate
from mmer_ros.nodes.tools.player import Player
from mmer_ros.recordings.recording import Recording
from rclpy.serialization import deserialize_message

from ..fixtures.replay import changing, IMAGES, replay, restamped, rewrite, SOUND, WORDS
from ..fixtures.ros import eventually, InStep, running

PARTIAL_RATE = 2.0  # Hz
BUNDLES = {'onnx': 'starter', 'torch': 'compact'}  # with graphs, and without


def live(bag: Path, engine: str) -> tuple[list[EmotionEstimate], dict[str, int]]:
    """
    Play a recording of two utterances, and its time on /clock, to a node in step.

    :return: what it publishes, and the faults that it counted.
    """
    with running(activate=False, use_sim_time=True, image_transport='compressed',
                 image_topic='/camera/image', audio_topic=SOUND, transcript_topic=WORDS,
                 publish_transcript=True, image_reliability='reliable', engine=engine,
                 bundle=BUNDLES[engine],
                 audio_reliability='reliable', partial_rate=PARTIAL_RATE) as rig, (
            Recording(bag)) as recording:
        rig.node.trigger_configure()
        rig.node.trigger_activate()
        publishers = Player(rig.talker.node, recording).publishers
        assert eventually(lambda: all(
            publishers[topic].get_subscription_count() for topic in (IMAGES, SOUND, WORDS)))
        step = InStep(rig.talker, rig.node)
        for message in recording.messages({IMAGES, SOUND, WORDS}):
            step.set_time(message.time)
            step.publish(publishers[message.topic], message.data)
        assert eventually(lambda: sum(e.final for e in rig.talker.estimates) >= 2)
        return rig.talker.estimates, rig.counts()


def fields(message: Any) -> dict[str, Any]:
    """Return the fields but for the time that the node took to compute."""
    names = set(message.get_fields_and_field_types()) - {'latency'}
    return {name: getattr(message, name) for name in names}


@pytest.mark.parametrize(('topic', 'by', 'faults', 'engine'), [
    (IMAGES, 0.0, {}, 'onnx'), (IMAGES, 0.0, {}, 'torch'),
    (IMAGES, -37.0, {'image_clock': 1}, 'onnx'), (IMAGES, 1.2, {'image_clock': 1}, 'onnx'),
    (IMAGES, -1_699_999_987.63, {'image_clock': 1}, 'onnx'),
    (SOUND, -5.0, {'audio_clock': 1}, 'onnx')])
def test_the_replay_writes_what_the_live_node_publishes_to_the_bit(
        topic: str, by: float, faults: dict[str, int], engine: str, tmp_path: Path) -> None:
    """All fields of the messages, the floats to their last bit, though a clock is wrong."""
    bag = rewrite(tmp_path / 'talk', changing(topic, restamped(by)))
    published, counted = live(bag, engine)
    assert counted == faults
    replay(bag, output=tmp_path / 'out', write_bag=True, publish_transcript=True,
           partial_rate=PARTIAL_RATE, engine=engine, bundle=BUNDLES[engine])
    with Recording(tmp_path / 'out' / 'talk_emotion') as recording:
        written = [deserialize_message(m.data, EmotionEstimate)
                   for m in recording.messages({'/emotion'})]
    assert len(published) == len(written) >= 6
    assert sum(message.final for message in published) == 2
    for heard, read in zip(published, written):
        one, other = fields(heard), fields(read)
        for name in ('probabilities', 'modality_weights'):
            assert one.pop(name).tolist() == other.pop(name).tolist()
        assert one == other
        assert heard.header.frame_id == 'camera'
        assert not heard.final or (heard.transcript and heard.modalities == 7)
