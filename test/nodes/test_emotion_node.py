# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The node over real DDS: messages in, estimates out."""

from __future__ import annotations

import time

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from lifecycle_msgs.msg import State
from mmer_msgs.msg import AudioChunk, EmotionEstimate
from mmer_ros.nodes.conversions import to_seconds, to_time
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import String

from ..fixtures.ros import eventually, in_one_process, InStep, play, recorded, running

FIRST_TWO_S = 8.2  # of the sample: two utterances with face and words
FAILURE = TransitionCallbackReturn.FAILURE
SUCCESS = TransitionCallbackReturn.SUCCESS


def test_live_estimates_equal_offline_ones_to_the_bit():
    messages = recorded(FIRST_TWO_S)
    with running(CompressedImage, image_transport='compressed', image_reliability='reliable',
                 audio_reliability='reliable', publish_transcript=True, use_sim_time=True) as rig:
        InStep(rig.talker, rig.node).play(rig.talker, messages)
        assert eventually(lambda: len(rig.talker.estimates) >= 2)
        live = rig.talker.estimates
        assert rig.counts() == {}
    expected = in_one_process(messages)
    assert len(live) == len(expected) == 2
    for message, estimate in zip(live, expected):
        np.testing.assert_array_equal(message.probabilities, estimate.probabilities)
        assert message.label == estimate.label
        assert message.transcript == estimate.transcript != ''
        assert message.modalities == int(estimate.modalities) == 7
        assert message.header.stamp == to_time(estimate.stamp)
        assert (message.start, message.end) == (to_time(estimate.start), to_time(estimate.end))
        assert message.header.frame_id == 'camera'
        assert message.final and message.revision == 0 and not message.trained
        assert len(message.bundle_hash) == 64


def test_stamps_far_from_the_clock_of_the_node_are_used_and_told() -> None:
    messages = [m for m in recorded(4.5) if m[1] == 'audio']
    with running(**{'segmenter.stall_s': 30.0}) as rig:
        play(rig.talker, messages, rate=2.0)
        assert eventually(lambda: 'clock_apart' in rig.node._events.current)
        assert eventually(lambda: len(rig.talker.estimates) == 1)
        assert to_seconds(rig.talker.estimates[0].header.stamp) < messages[-1][0]


def chunk(samples: np.ndarray, stamp: float, **fields: int) -> AudioChunk:
    message = AudioChunk(sample_rate=16_000, channels=1)
    message.header.stamp = to_time(stamp)
    message.samples = samples.astype(np.int16)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def image(encoding: str = 'rgb8', width: int = 4, height: int = 4, size: int = 48,
          stamp: float = 0.0) -> Image:
    message = Image(encoding=encoding, width=width, height=height, step=3 * width)
    message.header.stamp = to_time(stamp)
    message.data = bytes(size)
    return message


def sent(rig, kind: str, message: object, fault: str) -> bool:
    """Publish until the fault is noticed."""
    def noticed() -> bool:
        rig.talker.publishers[kind].publish(message)
        time.sleep(0.02)
        return rig.counts().get(fault, 0) > 0
    return eventually(noticed)


def test_bad_input_is_told_and_what_came_before_and_after_still_counts():
    messages = [m for m in recorded(FIRST_TWO_S) if m[1] != 'image']
    half = len(messages) // 4  # in the middle of the first utterance
    with running(image_queue=100, audio_reliability='reliable', image_reliability='reliable',
                 use_sim_time=True) as rig:
        step = InStep(rig.talker, rig.node)
        step.play(rig.talker, messages[:half])
        now = messages[half][0]
        bad = [image('32FC2', stamp=now), image(size=7, stamp=now + 0.3),
               image(width=0, stamp=now + 0.6), image('nonsense', stamp=now + 0.9)]
        for message in bad:
            step.publish(rig.talker.publishers['image'], message)
        for broken in (chunk(np.zeros(10), now, channels=3), chunk(np.zeros(10), now, channels=0),
                       chunk(np.zeros(10), now, sample_rate=1)):
            step.publish(rig.talker.publishers['audio'], broken)
        step.publish(rig.talker.publishers['transcript'], String(data='   '))
        step.play(rig.talker, messages[half:])
        assert eventually(lambda: len(rig.talker.estimates) >= 2)
        counts = rig.counts()
        assert counts['image'] == 4 and counts['audio'] == 3 and counts['transcript_empty'] == 1
        untouched = in_one_process(messages)
        for message, estimate in zip(rig.talker.estimates, untouched):
            np.testing.assert_allclose(
                message.probabilities, estimate.probabilities, atol=1e-6)


def test_messages_without_stamps_are_used_as_they_arrive_and_told():
    messages = [m for m in recorded(4.5) if m[1] == 'audio']
    for _, _, message in messages:
        message.header.stamp = to_time(0.0)
    before = time.time()
    with running() as rig:
        play(rig.talker, messages)
        assert eventually(lambda: len(rig.talker.estimates) >= 1)
        assert rig.counts()['audio_unstamped'] >= len(messages) - 10  # the last may be on the way
        stamp = to_seconds(rig.talker.estimates[0].header.stamp)
        assert before < stamp < time.time()


def test_stamps_that_jump_back_as_when_a_bag_loops_give_the_same_again():
    messages = [m for m in recorded(4.5) if m[1] == 'audio']
    with running() as rig:
        play(rig.talker, messages, rate=2.0)
        assert eventually(lambda: len(rig.talker.estimates) == 1)
        play(rig.talker, messages, rate=2.0)
        assert eventually(lambda: len(rig.talker.estimates) == 2)
        first, second = rig.talker.estimates
        assert rig.counts()['audio_backwards'] == 1
        assert first.header.stamp == second.header.stamp
        np.testing.assert_array_equal(first.probabilities, second.probabilities)


def test_a_robot_without_microphone_gets_estimates_from_words_alone():
    with running() as rig:
        rig.talker.publishers['transcript'].publish(String(data='What a wonderful day!'))
        assert eventually(lambda: len(rig.talker.estimates) == 1)
        estimate = rig.talker.estimates[0]
        assert estimate.modalities == EmotionEstimate.MODALITY_TEXT
        assert estimate.transcript == ''  # not published unless asked for
        np.testing.assert_array_equal(estimate.modality_weights, [1, 0, 0])


def test_the_stamp_of_an_estimate_from_faces_is_that_of_the_last_image_used():
    messages = [m for m in recorded(4.2) if m[1] == 'image']
    stamps = [m[2].header.stamp for m in messages]
    with running(CompressedImage, image_transport='compressed') as rig:
        play(rig.talker, messages, rate=2.0)
        assert eventually(lambda: len(rig.talker.estimates) == 1)
        estimate = rig.talker.estimates[0]
        assert estimate.modalities == EmotionEstimate.MODALITY_FACE
        seconds = [round(to_seconds(s), 5) for s in stamps]
        assert round(to_seconds(estimate.header.stamp), 5) in seconds
        assert estimate.face_id == 'face1'


def state(rig) -> int:
    return rig.node._state_machine.current_state[0]


@pytest.mark.parametrize(('parameters', 'names'), [
    ({'bundle': 'no/such/bundle'}, 'no/such/bundle'),
    ({'device': 'cuda:9'}, 'cuda:9'),
    ({'image_transport': 'pigeon'}, 'pigeon'),
    ({'bundle_hash': 'feed'}, 'feed'),
    ({'image_topic': '', 'audio_topic': '', 'transcript_topic': ''}, 'empty'),
])
def test_what_cannot_be_configured_fails_and_is_told_and_the_node_lives(
        parameters, names, capfd):
    with running(activate=False, **parameters) as rig:
        assert rig.node.trigger_configure() == FAILURE
        assert state(rig) == State.PRIMARY_STATE_UNCONFIGURED
        assert names in capfd.readouterr().err
        good = [Parameter('bundle', value='compact'), Parameter('device', value='cpu'),
                Parameter('image_transport', value='raw'), Parameter('bundle_hash', value=''),
                Parameter('audio_topic', value='audio')]
        assert all(result.successful for result in rig.node.set_parameters(good))
        assert rig.node.trigger_configure() == SUCCESS


def test_transitions_subscribe_and_let_go():
    with running() as rig:
        assert state(rig) == State.PRIMARY_STATE_ACTIVE
        assert rig.node.trigger_deactivate() == SUCCESS
        assert eventually(lambda: not rig.talker.matched())
        refused = rig.node.set_parameters([Parameter('device', value='cuda')])[0]
        assert not refused.successful and 'clean it up' in refused.reason
        assert rig.node.set_parameters([Parameter('publish_transcript', value=True)])[0].successful
        assert rig.node.trigger_cleanup() == SUCCESS
        assert rig.node._pipeline is None
        assert rig.node.trigger_configure() == SUCCESS
        assert rig.node.trigger_activate() == SUCCESS
        assert eventually(rig.talker.matched)
        rig.talker.publishers['transcript'].publish(String(data='Still here?'))
        assert eventually(lambda: len(rig.talker.estimates) == 1)
        assert rig.talker.estimates[0].transcript == 'Still here?'


def test_out_of_range_parameters_are_refused():
    with running(activate=False) as rig:
        result = rig.node.set_parameters(
            [Parameter('segmenter.speech.pre_roll_s', value=0.01)])[0]
        assert not result.successful
