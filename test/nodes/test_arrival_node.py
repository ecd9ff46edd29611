# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Messages that come late, in bursts or not at all, over real DDS."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
import signal
import threading
import time
from typing import Any

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import AudioChunk, EmotionEstimate
from mmer_ros.nodes.conversions import to_seconds, to_time
from mmer_ros.nodes.health.process_usage import resident_mb
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.playback import watching
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage
from tools.processes import node_process

from ..fixtures.inputs import listening, POLL_PERIOD_S
from ..fixtures.node import chunk, Health, tiny
from ..fixtures.ros import eventually, in_one_process, InStep, play, recorded, running
from ..fixtures.stream import sample_labels

UNTIL_S = 13.6  # of the sample: four utterances
SPEECH_S = 11.9  # within the fourth one

Message = tuple[float, str, Any]


def spans(rows: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(round(start, 3), round(end, 3)) for start, end in rows]


def late(messages: list[Message], start: float, length: float, kinds: tuple[str, ...]
         ) -> list[Message]:
    """Let what comes from `start` on come all at once, `length` later; seconds of the sample."""
    origin = messages[0][0]
    moved = [(origin + start + length if kind in kinds
              and start < moment - origin < start + length else moment, kind, message)
             for moment, kind, message in messages]
    return sorted(moved, key=lambda message: message[0])


@pytest.fixture(scope='module')
def expected() -> list[tuple[float, float]]:
    """Return when the utterances are, from the core alone."""
    found = in_one_process(recorded(UNTIL_S + 1))
    assert len(found) == 4
    return spans([(estimate.start, estimate.end) for estimate in found])


@pytest.mark.parametrize('length', [3.5, 8.0])
def test_images_that_are_withheld_and_sent_at_once_change_no_utterance(
        length: float, expected: list[tuple[float, float]]) -> None:
    messages = late(recorded(UNTIL_S + 1), 3.0, length, ('image',))
    with running(CompressedImage, image_transport='compressed', use_sim_time=True,
                 image_reliability='reliable', audio_reliability='reliable') as rig:
        InStep(rig.talker, rig.node).play(rig.talker, messages)
        assert eventually(lambda: len(rig.talker.estimates) >= 4)
        found = [(to(e.start), to(e.end)) for e in rig.talker.estimates]
        counts = rig.counts()
    assert spans(found) == expected
    assert set(counts) <= {'image_late'}


def fast_and_large(messages: list[Message], rate: int, height: int) -> list[Message]:
    """Show each image several times, as a camera of `rate` images a second and `height` does."""
    shown: list[Message] = []
    images = [(moment, message) for moment, kind, message in messages if kind == 'image']
    for (moment, image), (until, _) in pairwise(images):
        pixels = cv2.imdecode(np.frombuffer(image.data, np.uint8), cv2.IMREAD_COLOR)
        width = round(pixels.shape[1] * height / pixels.shape[0])
        data = cv2.imencode('.jpg', cv2.resize(pixels, (width, height)))[1].tobytes()
        for step in range(round((until - moment) * rate)):
            large = CompressedImage(format='jpeg')
            large.data.frombytes(data)
            large.header.stamp = to_time(to_seconds(image.header.stamp) + step / rate)
            shown.append((moment + step / rate, 'image', large))
    return sorted([*shown, *(m for m in messages if m[1] != 'image')], key=lambda m: m[0])


def test_a_camera_faster_than_faces_are_found_costs_neither_speech_nor_memory(
        expected: list[tuple[float, float]]) -> None:
    messages = fast_and_large(recorded(4.3), 120, 1080)
    with running(CompressedImage, image_transport='compressed',
                 audio_reliability='reliable') as rig:
        before = resident_mb()
        play(rig.talker, messages)
        assert eventually(lambda: len(rig.talker.estimates) >= 1)
        estimate = rig.talker.estimates[0]
        assert spans([(to(estimate.start), to(estimate.end))]) == expected[:1]
        assert estimate.modalities & EmotionEstimate.MODALITY_FACE
        assert resident_mb() < before + 150


def to(stamp: Any) -> float:
    return float(stamp.sec + stamp.nanosec / 1e9)


def test_a_process_that_stands_still_in_mid_speech_loses_nothing(
        expected: list[tuple[float, float]], tmp_path: Path) -> None:
    own_domain()
    rows: list[dict[str, Any]] = []
    messages = [m for m in recorded(UNTIL_S + 1) if m[1] != 'image' or int(15 * m[0]) % 3 == 0]
    settings = {'bundle': tiny(tmp_path), 'partial_rate': 0.0, 'audio_reliability': 'reliable',
                'image_reliability': 'reliable', 'image_transport': 'compressed',
                'image_depth': 1000, 'image_queue': 1000, 'audio_depth': 1000,
                'audio_queue': 1000}
    qos = QoSProfile(depth=1000, reliability=ReliabilityPolicy.RELIABLE)
    with watching('emotion', rows.append) as watcher, node_process(
            'emotion', settings, tmp_path / 'node.log') as process:
        publishers = {'image': watcher.create_publisher(CompressedImage, 'image/compressed', qos),
                      'audio': watcher.create_publisher(AudioChunk, 'audio', qos)}
        assert eventually(lambda: all(p.get_subscription_count() for p in publishers.values()))
        begin = time.monotonic()

        def stop() -> None:
            time.sleep(max(0.0, SPEECH_S - (time.monotonic() - begin)))
            process.send_signal(signal.SIGSTOP)
            time.sleep(5.0)
            process.send_signal(signal.SIGCONT)

        stopper = threading.Thread(target=stop)
        stopper.start()
        for moment, kind, message in messages:
            time.sleep(max(0.0, moment - messages[0][0] - (time.monotonic() - begin)))
            if kind in publishers:
                publishers[kind].publish(message)
        stopper.join()
        assert eventually(lambda: len(rows) >= 4), (tmp_path / 'node.log').read_text()
        found = spans([(row['start'], row['end']) for row in rows])
    assert found == expected, (tmp_path / 'node.log').read_text()
    log = (tmp_path / 'node.log').read_text()
    assert 'nothing for' not in log and 'time went back' not in log


def test_what_the_middleware_loses_is_counted_and_reported(tmp_path: Path) -> None:
    """More is sent with best effort than its buffers hold, while the process stands still."""
    own_domain()
    settings = {'bundle': tiny(tmp_path), 'image_topic': '', 'health.silent_warn_s': 0.0,
                'health.silent_error_s': 0.0}
    qos = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
    log = tmp_path / 'node.log'
    with watching('emotion', lambda row: None) as watcher, node_process(
            'emotion', settings, log) as process:
        health = Health(watcher)
        publisher = watcher.create_publisher(AudioChunk, 'audio', qos)
        assert eventually(lambda: publisher.get_subscription_count() > 0)
        for number in range(1000):
            if number == 20:
                process.send_signal(signal.SIGSTOP)
            publisher.publish(chunk(np.zeros(16_000, np.int16), 100.0 + number))
            time.sleep(0.02 if number <= 20 else 0.001)
        process.send_signal(signal.SIGCONT)

        def lost() -> int:
            publisher.publish(chunk(np.zeros(16_000, np.int16), 2000.0))
            return int(health.value('audio', 'lost on the way') or 0)

        assert eventually(lambda: lost() > 100), log.read_text()
        assert health.shows('audio', text='lost on the way: check the network')
        assert 'audio: the middleware has lost messages' in log.read_text()


def test_of_several_publishers_of_one_topic_all_are_named_once() -> None:
    with listening() as ear:
        first = ear.publisher(AudioChunk, 'audio')
        ear.take(first, chunk(np.zeros(1600, np.int16), 100.0))
        other = rclpy.create_node('second_microphone', context=ear.talker.context)
        other.create_publisher(AudioChunk, 'audio', 10)
        assert ear.eventually(lambda: bool(ear.said('audio_publishers')))
        time.sleep(6 * POLL_PERIOD_S)  # publishers are looked for meanwhile
        assert ear.faults()['audio_publishers'] == 1
        assert '/second_microphone and /talker publish on /audio' in ear.said('audio_publishers')
        other.destroy_node()


def test_the_labels_are_those_of_the_times_used_here() -> None:
    spoken = sample_labels()[3]
    origin = recorded(0.5)[0][0]
    assert spoken['start'] < origin + SPEECH_S < spoken['end']
