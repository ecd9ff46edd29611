# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The whole node on messages of other packages, over real DDS."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import time
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_ros.interfaces.images import chunk_to_block, compressed_to_rgb
from mmer_ros.nodes.conversions import to_seconds
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from sensor_msgs.msg import Image
from std_msgs.msg import Bool
import torch

from ..fixtures.message_packages import in_own_process, use
from ..fixtures.ros import eventually, InStep, recorded, Rig, running

FIRST_S = 4.5  # of the sample: one utterance
SPOKEN = (1.5, 2.7)  # part of it, as somebody else's voice activity tells


@contextmanager
def listening(types: dict[str, type], **parameters: object) -> Iterator[tuple[Rig, dict]]:
    """Run the node with publishers of these types: topic -> type."""
    with running(activate=False, **parameters) as rig:
        assert rig.node.trigger_configure().name == 'SUCCESS'
        publishers = {topic: rig.talker.node.create_publisher(message_type, topic, 50)
                      for topic, message_type in types.items()}
        assert rig.node.trigger_activate().name == 'SUCCESS'
        yield rig, publishers


def subscribed(publishers: dict[str, Any]) -> bool:
    return eventually(lambda: all(p.get_subscription_count() for p in publishers.values()))


def play(steps: list[tuple[float, Callable[[], object]]], rate: float = 1.0) -> None:
    """Do steps at their times, divided by the rate."""
    begin = time.monotonic()
    for moment, step in sorted(steps, key=lambda pair: pair[0]):
        time.sleep(max(0.0, (moment - steps[0][0]) / rate - (time.monotonic() - begin)))
        step()


def to_audio_stamped(message: Any) -> Any:
    """Return an AudioChunk as a mgonzs13 AudioStamped of float samples."""
    from audio_common_msgs.msg import AudioStamped
    result = AudioStamped(header=message.header)
    result.audio.info.format, result.audio.info.channels = 1, message.channels
    result.audio.info.rate = message.sample_rate
    samples = np.asarray(message.samples, np.float32) / 32_768
    result.audio.audio_data.float32_data = samples.tolist()
    return result


def hear_typed_audio() -> tuple[list[np.ndarray], dict[str, int]]:
    """Return the estimates from AudioStamped, and the faults; in a process of its own."""
    use('mgonzs13')
    from audio_common_msgs.msg import AudioStamped
    messages = [m for m in recorded(FIRST_S) if m[1] == 'audio']
    with listening({'microphone': AudioStamped}, audio_topic='microphone', image_topic='',
                   transcript_topic='', **{'segmenter.stall_s': 30.0}) as (rig, publishers):
        assert subscribed(publishers)
        converted = [(moment, to_audio_stamped(message)) for moment, _, message in messages]
        play([(moment, lambda m=m: publishers['microphone'].publish(m))
              for moment, m in converted], rate=2.0)
        assert eventually(lambda: len(rig.talker.estimates) == 1)
        return [np.array(e.probabilities) for e in rig.talker.estimates], dict(rig.counts())


def test_audio_of_the_other_package_of_that_name_gives_the_same_to_the_bit() -> None:
    estimates, faults = in_own_process(hear_typed_audio)
    assert set(faults) <= {'clock_apart'}  # an old recording
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as the node does by default
    pipeline = Pipeline(Recognizer.load('compact'))
    expected = [estimate for _, kind, message in recorded(FIRST_S) if kind == 'audio'
                for estimate in pipeline.push_audio(
                    chunk_to_block(message, to_seconds(message.header.stamp)))]
    expected += pipeline.flush()
    torch.set_num_threads(threads)
    np.testing.assert_array_equal(estimates, [e.probabilities for e in expected])


def to_crop(message: Any) -> Image:
    """Return the middle of a camera image as a cropped face of 128x128."""
    image = compressed_to_rgb(message)
    top, left = (image.shape[0] - 128) // 2, (image.shape[1] - 128) // 2
    crop = np.ascontiguousarray(image[top:top + 128, left:left + 128])
    return Image(header=message.header, encoding='rgb8', width=128, height=128, step=384,
                 data=crop.tobytes())


def test_ros4hri_faces_and_voices_take_the_place_of_detection_and_voice_activity() -> None:
    use('ros_drivers')
    use('ros4hri')
    from audio_common_msgs.msg import AudioData, AudioDataStamped
    from hri_msgs.msg import IdsList, LiveSpeech
    face, voice = '/humans/faces/anne', '/humans/voices/v1'
    types = {'/humans/faces/tracked': IdsList, '/humans/voices/tracked': IdsList,
             f'{face}/cropped': Image, f'{voice}/audio': AudioDataStamped,
             f'{voice}/is_speaking': Bool, f'{voice}/speech': LiveSpeech}
    messages = recorded(FIRST_S)
    origin = messages[0][0]
    with listening(types, ros4hri=True, publish_transcript=True, use_sim_time=True,
                   image_reliability='reliable', audio_reliability='reliable',
                   ) as (rig, publishers):
        publishers['/humans/faces/tracked'].publish(IdsList(ids=['anne']))
        publishers['/humans/voices/tracked'].publish(IdsList(ids=['v1']))
        assert subscribed(publishers)
        steps: list[tuple[float, str, Any]] = [
            (origin + SPOKEN[0], f'{voice}/is_speaking', Bool(data=True)),
            (origin + SPOKEN[1], f'{voice}/is_speaking', Bool(data=False)),
            (origin + 2.0, f'{voice}/speech', LiveSpeech(incremental='How')),
            (origin + 2.8, f'{voice}/speech', LiveSpeech(final='How nice!'))]
        for moment, kind, message in messages:
            if kind == 'audio':
                data = AudioData(data=np.asarray(message.samples, '<i2').tobytes())
                sound = AudioDataStamped(header=message.header, audio=data)
                steps.append((moment, f'{voice}/audio', sound))
            elif kind == 'image':
                steps.append((moment, f'{face}/cropped', to_crop(message)))
        step = InStep(rig.talker, rig.node)
        for moment, topic, message in sorted(steps, key=lambda one: one[0]):
            step.set_time(moment)
            step.publish(publishers[topic], message)
        assert eventually(lambda: len(rig.talker.estimates) >= 1)
        estimate = rig.talker.estimates[-1]
        assert rig.counts() == {}
    assert estimate.modalities == 7 and estimate.face_id == 'anne'
    assert estimate.transcript == 'How nice!'
    start, end = (to_seconds(time) - origin for time in (estimate.start, estimate.end))
    assert abs(start - (SPOKEN[0] - 0.256)) < 0.3  # its pre-roll
    assert abs(end - SPOKEN[1]) < 0.4
