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
from mmer_ros.nodes.conversions import to_seconds
from mmer_ros.nodes.tools.player import Player
from mmer_ros.recordings.recording import Recording
from mmer_ros.report.replay_page import write_page
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Bool, String

from ..fixtures.replay import changing, Extra, IMAGES, replay, restamped, rewrite, SOUND, WORDS
from ..fixtures.ros import eventually, InStep, running
from ..fixtures.stream import BASE

PARTIAL_RATE = 2.0  # Hz
BUNDLES = {'onnx': 'starter', 'torch': 'compact'}  # with graphs, and without


def live(bag: Path, engine: str, *, more: tuple[str, ...] = (), finals: int = 2, **own: str
         ) -> tuple[list[EmotionEstimate], dict[str, int]]:
    """
    Play a recording, and its time on /clock, to a node in step.

    :param more: topics that are played beside the sensors and the words.
    :param finals: number of utterances in it.
    :param own: further parameters of the node.
    :return: what it publishes, and the faults that it counted.
    """
    topics = (IMAGES, SOUND, WORDS, *more)
    with running(activate=False, use_sim_time=True, image_transport='compressed',
                 image_topic='/camera/image', audio_topic=SOUND, transcript_topic=WORDS,
                 publish_transcript=True, image_reliability='reliable', engine=engine,
                 bundle=BUNDLES[engine],
                 audio_reliability='reliable', partial_rate=PARTIAL_RATE, **own) as rig, (
            Recording(bag)) as recording:
        rig.node.trigger_configure()
        rig.node.trigger_activate()
        publishers = Player(rig.talker.node, recording).publishers
        assert eventually(lambda: all(
            publishers[topic].get_subscription_count() for topic in topics))
        step = InStep(rig.talker, rig.node)
        for message in recording.messages(set(topics)):
            step.set_time(message.time)
            step.publish(publishers[message.topic], message.data)
        assert eventually(lambda: sum(e.final for e in rig.talker.estimates) >= finals)
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
    check(published, tmp_path / 'out' / 'talk_emotion')
    assert len(published) >= 6
    finals = [message for message in published if message.final]
    assert len(finals) == 2
    assert all(message.transcript and message.modalities == 7 for message in finals)


def check(published: list[EmotionEstimate], bag: Path) -> None:
    """Check that what a node published is what a replay wrote."""
    with Recording(bag) as recording:
        written = [deserialize_message(m.data, EmotionEstimate)
                   for m in recording.messages({'/emotion'})]
    assert len(published) == len(written)
    for heard, read in zip(published, written):
        one, other = fields(heard), fields(read)
        for name in ('probabilities', 'modality_weights'):
            assert one.pop(name).tolist() == other.pop(name).tolist()
        assert one == other
        assert heard.header.frame_id == 'camera'


SPEAKING, SAYS = '/robot/speaking', '/robot/says'


def test_a_robot_whose_voice_is_in_the_audio_recognises_the_person_alone(tmp_path: Path) -> None:
    """The first utterance of the sample is the robot's; it cuts into the second, too."""
    def told(at: float, speaks: bool) -> Extra:
        return Extra(at, SPEAKING, 'std_msgs/msg/Bool', '', serialize_message(Bool(data=speaks)))

    says = String(data='The office called me at nine.')
    bag = rewrite(tmp_path / 'talk', extras=[
        told(1.1, True), told(4.0, False), told(5.905, True), told(5.955, False),
        Extra(1.1, SAYS, 'std_msgs/msg/String', '', serialize_message(says))])
    published, counted = live(bag, 'onnx', more=(SPEAKING, SAYS), own_speaking_topic=SPEAKING,
                              own_speech_topic=SAYS, finals=2)
    assert counted == {'transcript_own_speech': 1}
    result = replay(bag, output=tmp_path / 'out', write_bag=True, publish_transcript=True,
                    partial_rate=PARTIAL_RATE, engine='onnx', bundle='starter',
                    topics={'own_speaking': SPEAKING, 'own_speech': SAYS})
    write_page(result)
    check(published, tmp_path / 'out' / 'talk_emotion')
    finals = [message for message in published if message.final]
    assert [round(to_seconds(message.start) - BASE, 2) for message in published[:1]] == [4.70]
    assert [round(to_seconds(message.end) - BASE, 2) for message in finals[:1]] == [5.92]
    assert to_seconds(finals[1].start) - BASE >= 6.27
    assert [message.transcript for message in finals] == ['', 'I got the job, I am so happy!']
