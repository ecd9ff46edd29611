# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Messages of all types that the node takes, over real DDS, and what is told of others."""

from __future__ import annotations

from collections.abc import Callable
import sys
import time
from typing import Any

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import AudioChunk
from mmer_ros.nodes.inputs.message_types import load_type, MissingType
from mmer_ros.runtime.inbox import Item
from mmer_ros.types import Transcript
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import (
    Bool,
    Float32,
    Int16MultiArray,
    MultiArrayDimension,
    String,
)

from ..fixtures.inputs import listening, POLL_PERIOD_S, stamped
from ..fixtures.message_packages import use

SAMPLES = np.arange(-800, 800, dtype=np.int16)  # 0.1 s
BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture(scope='module', autouse=True)
def packages() -> None:
    """Make the messages of other packages importable."""
    for package in ('ros_drivers', 'ros4hri', 'whisper_ros'):
        use(package)


def audio_data(samples: np.ndarray = SAMPLES, dtype: str = '<i2') -> Any:
    from audio_common_msgs.msg import AudioData
    return AudioData(data=samples.astype(dtype).tobytes())


def audio_data_stamped(stamp: float) -> Any:
    from audio_common_msgs.msg import AudioDataStamped
    return stamped(AudioDataStamped(audio=audio_data()), stamp)


def audio_chunk(stamp: float) -> Any:
    return stamped(AudioChunk(sample_rate=16_000, channels=1, samples=SAMPLES), stamp)


@pytest.mark.parametrize('make', [audio_chunk, audio_data_stamped])
def test_stamped_audio_of_whoever_comes_late(make: Callable[[float], Any]) -> None:
    with listening() as ear:
        now = round(time.time(), 3)
        message = make(now)
        item = ear.take(ear.publisher(type(message), 'audio'), message)
        assert item.kind == 'audio'
        assert item.stamp == pytest.approx(now, abs=1e-5) == item.message.stamp
        assert item.order == pytest.approx(now + 0.1, abs=1e-5)  # when its last sample came
        assert item.message.sample_rate == 16_000
        np.testing.assert_array_equal(item.message.samples[:, 0], SAMPLES)
        assert ear.frames == {'audio': 'sensor'} and not ear.told


def multi_array(samples: np.ndarray = SAMPLES) -> Int16MultiArray:
    return Int16MultiArray(data=samples.tolist())


@pytest.mark.parametrize('make', [audio_data, multi_array])
def test_audio_without_stamps_is_told_and_runs_on_without_gaps(make: Callable[[], Any]) -> None:
    with listening() as ear:
        publisher = ear.publisher(type(make()), 'audio')
        items = []
        for now in (100.0, 100.15, 100.31):  # irregularly, as messages arrive
            ear.now = lambda now=now: now
            items.append(ear.take(publisher, make()))
        assert abs(items[0].order - 100.0) < 0.2
        gaps = [b.stamp - a.order for a, b in zip(items, items[1:])]
        assert max(map(abs, gaps)) < 0.02
        assert 'no stamp' in ear.said('audio_unstamped')
        assert 'audio_stamped of ros-drivers' in ear.said('audio_unstamped')


def test_raw_audio_is_read_as_the_parameters_say() -> None:
    stereo = np.stack([SAMPLES, -SAMPLES], axis=1).astype(np.float32) / 32_768
    with listening(audio_rate=48_000, audio_channels=2, audio_format='F32BE') as ear:
        publisher = ear.publisher(type(audio_data()), 'audio')
        block = ear.take(publisher, audio_data(stereo, '>f4')).message
        assert block.sample_rate == 48_000
        np.testing.assert_array_equal(block.samples, stereo)


def test_a_latched_audio_info_of_before_says_how_raw_audio_is_read() -> None:
    from audio_common_msgs.msg import AudioInfo
    with listening(audio_rate=48_000) as ear:
        info = ear.talker.create_publisher(AudioInfo, 'audio_info', LATCHED)
        info.publish(AudioInfo(channels=2, sample_rate=44_100, sample_format='S32LE',
                               coding_format='wave'))
        publisher = ear.publisher(type(audio_data()), 'audio')
        assert ear.eventually(lambda: ear.inputs.topics[2].received == 1)
        block = ear.take(publisher, audio_data(SAMPLES.astype(np.int32) << 16, '<i4')).message
        assert block.sample_rate == 44_100 and block.samples.dtype == np.int32
        np.testing.assert_array_equal(block.samples >> 16, SAMPLES.reshape(-1, 2))


@pytest.mark.parametrize('by_info', [True, False])
def test_mp3_is_refused_with_the_way_to_switch_the_capture_node(by_info: bool) -> None:
    from audio_common_msgs.msg import AudioData, AudioInfo
    frame = b'\xff\xfb\x90\x44' + bytes(413)  # 128 kbit/s at 44.1 kHz: 417 bytes
    with listening() as ear:
        if by_info:
            ear.publisher(AudioInfo, 'audio_info', LATCHED).publish(
                AudioInfo(sample_format='S16LE', coding_format='mp3'))
            assert ear.eventually(lambda: ear.inputs.topics[2].received == 1)
        publisher = ear.publisher(AudioData, 'audio')
        publisher.publish(AudioData(data=frame[10:] if by_info else frame))
        assert ear.eventually(lambda: ear.said('audio_coding'))
        assert 'coded as mp3' in ear.said('audio_coding')
        assert '-p format:=wave' in ear.said('audio_coding')
        assert ear.items == []


@pytest.mark.parametrize('planar', [True, False])
def test_the_layout_of_an_array_tells_its_channels(planar: bool) -> None:
    channels = np.stack([SAMPLES, -SAMPLES])
    array = multi_array((channels if planar else channels.T).ravel())
    sizes = [('channels', 2), ('samples', SAMPLES.size)]
    array.layout.dim = [MultiArrayDimension(label=label, size=size)
                        for label, size in (sizes if planar else reversed(sizes))]
    with listening(audio_rate=8_000) as ear:
        block = ear.take(ear.publisher(Int16MultiArray, 'audio'), array).message
        assert block.sample_rate == 8_000
        np.testing.assert_array_equal(block.samples, channels.T)


def camera(compressed: bool, stamp: float) -> Any:
    pixels = np.full((48, 64, 3), 200, np.uint8)
    if compressed:
        data = cv2.imencode('.jpg', pixels)[1].tobytes()
        return stamped(CompressedImage(format='jpeg', data=data), stamp, 'camera')
    return stamped(Image(encoding='rgb8', width=64, height=48, step=192, data=pixels.tobytes()),
                   stamp, 'camera')


@pytest.mark.parametrize(('compressed', 'topic'), [
    (False, 'image'), (True, 'image'), (True, 'image/compressed')])
def test_a_camera_of_either_type_is_found(compressed: bool, topic: str) -> None:
    with listening() as ear:
        message = camera(compressed, 100.01)
        publisher = ear.publisher(type(message), topic)
        assert ear.take(publisher, message).kind == 'image'
        late = ear.take(publisher, camera(compressed, 100.05))  # in the same fifth of a second
        assert (late.kind, late.message) == ('image_time', None)
        assert late.stamp == pytest.approx(100.05)


def test_a_camera_that_comes_back_as_another_type_is_taken() -> None:
    with listening() as ear:
        first = ear.publisher(Image, 'image')
        ear.take(first, camera(False, 100.0))
        ear.talker.destroy_publisher(first)
        assert ear.eventually(lambda: ear.node.count_publishers('image') == 0)
        second = ear.publisher(CompressedImage, 'image')
        assert ear.take(second, camera(True, 101.0)).kind == 'image'


def test_a_given_type_is_subscribed_to_before_anybody_publishes() -> None:
    with listening(audio_type='mmer_msgs/AudioChunk', image_transport='raw') as ear:
        types = {topic: ear.node.get_subscriptions_info_by_topic(topic)[0].topic_type
                 for topic in ('audio', 'image')}
        assert types == {'audio': 'mmer_msgs/msg/AudioChunk', 'image': 'sensor_msgs/msg/Image'}
        assert not ear.node.get_subscriptions_info_by_topic('transcript')


def test_words_of_any_message_with_a_string() -> None:
    from whisper_msgs.msg import Transcription
    for message in (String(data='Well done.'), Transcription(text='Well done.')):
        with listening() as ear:
            item = ear.take(ear.publisher(type(message), 'transcript'), message)
            assert item.kind == 'transcript'
            assert item.message == Transcript(item.stamp, 'Well done.')
            assert abs(item.stamp - time.time()) < 5


def test_live_speech_counts_when_it_is_final_and_by_its_stamp() -> None:
    from hri_msgs.msg import LiveSpeech
    spoken = round(time.time() - 2.0, 3)
    with listening() as ear:
        publisher = ear.publisher(LiveSpeech, 'transcript')
        publisher.publish(LiveSpeech(incremental='Well'))
        publisher.publish(LiveSpeech(incremental='Well do'))
        item = ear.take(publisher, stamped(LiveSpeech(final='Well done.', confidence=0.9), spoken))
        assert item.message == Transcript(item.stamp, 'Well done.')
        assert item.stamp == pytest.approx(spoken, abs=1e-5)
        odd = ear.take(publisher, stamped(LiveSpeech(final='By another clock.'), 12.0))
        assert abs(odd.stamp - time.time()) < 5
        assert ear.items == [item, odd]


def test_words_from_a_publisher_that_does_not_fit_are_told_with_the_remedy() -> None:
    with listening() as ear:
        ear.talker.create_publisher(String, 'transcript', BEST_EFFORT)
        assert ear.eventually(lambda: ear.said('transcript_qos'))
        text = ear.said('transcript_qos')
        assert '/talker publishes with best effort' in text and '/transcript' in text
        assert 'Set transcript_reliability to best_effort' in text
    with listening(transcript_reliability='best_effort', transcript_depth=3) as ear:
        publisher = ear.publisher(String, 'transcript', BEST_EFFORT)
        ear.take(publisher, String(data='Heard.'))
        assert not ear.told
        profile = ear.node.get_subscriptions_info_by_topic('transcript')[0].qos_profile
        assert profile.reliability == ReliabilityPolicy.BEST_EFFORT


def test_sensors_are_subscribed_to_with_best_effort() -> None:
    with listening() as ear:
        ear.publisher(Image, 'image', BEST_EFFORT)
        ear.publisher(AudioChunk, 'audio', BEST_EFFORT)
        assert not ear.told


def test_a_missing_package_is_told_once_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    from hri_msgs.msg import LiveSpeech
    with listening() as ear:
        monkeypatch.setitem(sys.modules, 'hri_msgs.msg', None)  # as if it was not installed
        monkeypatch.setenv('ROS_DISTRO', 'kilted')
        ear.talker.create_publisher(LiveSpeech, 'transcript', 10)
        assert ear.eventually(lambda: ear.said('transcript_type'))
        text = ear.said('transcript_type')
        assert 'hri_msgs is not installed' in text and 'ros-kilted-hri-msgs' in text
        time.sleep(6 * POLL_PERIOD_S)  # publishers are looked for meanwhile
        assert ear.faults() == {'transcript_type': 1}


def test_of_two_packages_of_one_name_the_other_is_told() -> None:
    assert load_type('audio_common_msgs/AudioData') is load_type('audio_common_msgs/msg/AudioData')
    with pytest.raises(MissingType, match='without AudioStamped: two packages have this name'):
        load_type('audio_common_msgs/msg/AudioStamped')


def test_a_type_that_means_something_else_is_told() -> None:
    with listening() as ear:
        ear.talker.create_publisher(Float32, 'audio', 10)
        assert ear.eventually(lambda: ear.said('audio_type'))
        assert 'std_msgs/msg/Float32 is not supported' in ear.said('audio_type')
        assert 'AudioStamped' in ear.said('audio_type')


def test_a_message_that_cannot_be_used_is_told_and_the_next_is_taken() -> None:
    with listening() as ear:
        publisher = ear.publisher(AudioChunk, 'audio')
        publisher.publish(stamped(AudioChunk(sample_rate=1, channels=1), 10.0))
        ear.take(publisher, audio_chunk(10.0))
        assert ear.faults() == {'audio': 1}
        assert 'sample rate 1 Hz' in ear.said('audio')


def test_nothing_is_received_after_the_stop() -> None:
    with listening() as ear:
        publisher = ear.publisher(String, 'transcript')
        ear.inputs.stop()
        assert ear.eventually(lambda: publisher.get_subscription_count() == 0)
        time.sleep(6 * POLL_PERIOD_S)  # it would have looked for publishers again
        assert publisher.get_subscription_count() == 0


# ------------------------------------------------------------------- the robot's own voice


def test_a_latched_message_of_before_says_that_the_robot_speaks() -> None:
    with listening(own_speaking_topic='speaking', own_speech_topic='says') as ear:
        ear.now = lambda: 100.0
        publisher = ear.talker.create_publisher(Bool, 'speaking', LATCHED)
        publisher.publish(Bool(data=True))
        assert ear.eventually(lambda: len(ear.items) == 1)
        assert ear.items[0] == Item('own_speaking', 100.0, 100.0, True)
        ear.now = lambda: 102.5
        assert ear.take(publisher, Bool(data=False)) == Item('own_speaking', 102.5, 102.5, False)
        item = ear.take(ear.publisher(String, 'says'), String(data='Good morning!'))
        assert (item.kind, item.stamp, item.message.text) == ('own_speech', 102.5, 'Good morning!')
        assert not ear.told


def test_without_their_names_nothing_of_the_robot_is_subscribed_to() -> None:
    with listening() as ear:
        assert {topic.spec.kind for topic in ear.inputs.topics} == {
            'image', 'audio', 'audio_info', 'transcript'}


def test_another_type_does_not_say_whether_the_robot_speaks() -> None:
    with listening(own_speaking_topic='speaking') as ear:
        ear.talker.create_publisher(String, 'speaking', 10)
        assert ear.eventually(lambda: 'own_speaking_type' in ear.faults())
        assert 'expected std_msgs/msg/Bool' in ear.said('own_speaking_type')
