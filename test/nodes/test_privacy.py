# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""No word that was not to be published appears in anything that the node writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

pytestmark = pytest.mark.ros
rclpy = pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from diagnostic_msgs.msg import DiagnosticArray
from mmer_msgs.msg import AudioChunk, EmotionEstimate
from mmer_ros.nodes.inputs.topic_input import TopicInput, TopicSpec
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.playback import spinning
from mmer_ros.runtime.inbox import Inbox, Item
from mmer_ros.runtime.internal_error import describe_error
from mmer_ros.runtime.worker import Worker
from mmer_ros.types import SAMPLE_RATE
import numpy as np
from rcl_interfaces.msg import Log
from std_msgs.msg import String

from ..fixtures.node import chunk, tiny
from ..fixtures.ros import eventually, recorded

SECRETS = ('xylophone', 'zebrafish', 'quokka', 'narwhal', 'okapi', 'wombat')
CHUNK = 1600  # samples
EVERY = {'/rosout': Log, '/diagnostics': DiagnosticArray, '/emotion': EmotionEstimate}


class Witness:
    """Publishes to the node, and keeps all that the node publishes."""

    def __init__(self, context: Any) -> None:
        self.node = rclpy.create_node('witness', context=context)
        self.seen: dict[str, list[str]] = {topic: [] for topic in EVERY}
        for topic, kind in EVERY.items():
            self.node.create_subscription(
                kind, topic, lambda message, topic=topic: self.seen[topic].append(str(message)),
                100)
        self.audio = self.node.create_publisher(AudioChunk, 'audio', 200)
        self.words = self.node.create_publisher(String, 'transcript', 50)

    def listened_to(self) -> bool:
        return bool(self.audio.get_subscription_count() and self.words.get_subscription_count())

    def saw(self, topic: str, text: str) -> bool:
        return any(text in message for message in self.seen[topic])


class Microphone:
    """Sends chunks of 0.1 s as they are captured."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._silence = np.random.default_rng(0).normal(0, 30, CHUNK)
        self._stamp = time.time()

    def sends(self, chunks: int, samples: Sequence[int] = ()) -> bool:
        """Send the first samples, or silence."""
        for i in range(chunks):
            new = np.asarray(samples[i * CHUNK:(i + 1) * CHUNK])
            self._stamp += CHUNK / SAMPLE_RATE
            time.sleep(max(self._stamp - time.time(), 0.0))
            self._witness.audio.publish(chunk(new if new.size else self._silence, self._stamp))
        return True


def speech() -> np.ndarray:
    """Return the first seconds of the sample in which somebody speaks."""
    return np.concatenate([m.samples for _, kind, m in recorded(6.0) if kind == 'audio'])[
        SAMPLE_RATE:]


@contextmanager
def witnessed(folder: Path, *parameters: str) -> Iterator[tuple[Witness, subprocess.Popen[bytes]]]:
    """Run the node as a process that logs everything below `folder`."""
    own_domain()
    command = [sys.executable, '-m', 'mmer_ros.nodes.executables', 'emotion', '--ros-args',
               '--log-level', 'emotion:=debug']
    for parameter in parameters:
        command += ['-p', parameter]
    context = rclpy.Context()
    context.init()
    witness = Witness(context)
    with (folder / 'stdout').open('wb') as out, (folder / 'stderr').open('wb') as err, \
            spinning(context, witness.node):
        process = subprocess.Popen(
            command, stdout=out, stderr=err,
            env={**os.environ, 'ROS_LOG_DIR': str(folder / 'log'), 'PYTHONUNBUFFERED': '1'})
        try:
            assert eventually(witness.listened_to), (folder / 'stderr').read_text()
            yield witness, process
            process.send_signal(signal.SIGTERM)
            assert process.wait(120) == 0
        finally:
            process.kill()


def found_in(folder: Path) -> dict[str, list[str]]:
    """Return which secrets are in which files."""
    texts = {str(path.relative_to(folder)): path.read_text(errors='replace')
             for path in folder.rglob('*') if path.is_file()}
    assert any(name.startswith('log/') and text for name, text in texts.items())
    return {name: [word for word in SECRETS if word in text.lower()]
            for name, text in texts.items()}


def test_words_are_in_no_log_topic_or_file_unless_they_are_published(tmp_path: Path) -> None:
    output = tmp_path / 'written'
    output.mkdir()
    odd = ('the xylophone', '[zebrafish]', 'quokka ' * 2000, '\x1b[31mnarwhal\n', ' ')
    with witnessed(output, f'bundle:={tiny(tmp_path)}', 'partial_rate:=2.0') as (witness, _):
        microphone = Microphone(witness)
        assert eventually(lambda: microphone.sends(4))  # nobody speaks
        for text in odd:
            witness.words.publish(String(data=text))
        assert eventually(lambda: microphone.sends(1) and witness.saw(
            '/rosout', 'words came without speech'))
        microphone.sends(20, speech())
        witness.words.publish(String(data='an okapi and a wombat'))
        assert eventually(lambda: microphone.sends(1) and witness.saw('/emotion', 'final=True'))
        assert eventually(lambda: witness.saw('/diagnostics', 'emotion: transcript'))
    hidden = {name: [] for name in found_in(output)}
    assert found_in(output) == hidden
    for topic, messages in witness.seen.items():
        for word in SECRETS:
            assert word not in ''.join(messages).lower(), (topic, word)


def test_an_unforeseen_error_is_told_by_its_place_and_without_what_was_said() -> None:
    told: list[tuple[str, str]] = []

    class Broken:

        def drain_events(self) -> list[Any]:
            return []

        def advance(self, now: float) -> list[Any]:
            return []

        def flush(self) -> list[Any]:
            raise KeyError('the okapi said')

    inbox = Inbox({'transcript': 10})
    inbox.enqueue(Item('transcript', 1.0, 1.0, 'okapi'))
    worker: Worker[Any] = Worker(
        Broken(), inbox, feed=lambda items: {}[items[0].message], now=lambda: 0.0,
        publish=lambda result: None, on_fault=lambda kind, text, _: told.append((kind, text)))
    worker.start()
    assert eventually(lambda: bool(told))
    worker.stop(finish=True)
    assert [kind for kind, _ in told] == ['KeyError', 'KeyError']
    assert 'okapi' not in str(told) and 'worker.py:' in told[0][1]

    def receive(message: String) -> None:
        raise TypeError(message.data)

    spec = TopicSpec('transcript', ('words',), '', bool)
    topic = TopicInput(None, spec, receive, lambda kind, text: told.append((kind, text)))
    topic._on_message(String(data='okapi'))
    assert told[-1][0] == 'TypeError' and 'okapi' not in told[-1][1]
    assert describe_error(OSError(28, 'No space left on device')).endswith(
        '[Errno 28] No space left on device')
