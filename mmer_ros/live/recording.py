# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A recording of what the page sends, made only when asked: a rosbag2 that `mmer replay` reads."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from pathlib import Path

from mmer_ros.live.messages import Packet
from mmer_ros.recordings.disk import describe_os_error
from mmer_ros.recordings.sensor_bag import (
    AUDIO_TOPIC,
    IMAGE_TOPIC,
    Message,
    SensorBag,
    SPEECH_TOPIC,
)
from mmer_ros.types import InvalidInput, Transcript
import numpy as np

TOPICS = (IMAGE_TOPIC, AUDIO_TOPIC, SPEECH_TOPIC)
MADE_BY = 'mmer live'
NANOSECONDS = 1_000_000_000


def free_folder(folder: Path) -> Path:
    """Return the first of live-1, live-2, ... in a folder that is not there yet."""
    return next(path for number in count(1)
                if not (path := folder / f'live-{number}').exists())


class LiveRecording:
    """
    Writes packets and words in the order in which they arrive.

    :param folder: in which a new folder is made for the recording.
    :raises InvalidInput: if it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self.messages = 0
        self._stack = ExitStack()
        self._last_ns = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self.path = free_folder(folder)
            self._bag = self._stack.enter_context(
                SensorBag(self.path, topics=TOPICS, made_by=MADE_BY))
        except OSError as error:
            raise InvalidInput(f'recording: {describe_os_error(error)}') from error

    def add(self, packet: Packet) -> None:
        """
        Write audio or an image.

        :raises InvalidInput: if the disk refuses it; the recording ends with what it holds.
        """
        if packet.kind == 'audio':
            samples = np.frombuffer(packet.content, '<i2')
            self._write(Message(packet.sent_ns, packet.stamp_ns, AUDIO_TOPIC, samples,
                                packet.rate))
        else:
            self._write(Message(packet.sent_ns, packet.stamp_ns, IMAGE_TOPIC, packet.content))

    def add_words(self, words: Transcript, arrived: float) -> None:
        """
        Write words.

        :param arrived: when they came, seconds of the page's clock.
        :raises InvalidInput: as `add`.
        """
        self._write(Message(round(arrived * NANOSECONDS), round(words.stamp * NANOSECONDS),
                            SPEECH_TOPIC, words.text, language=words.language))

    def _write(self, message: Message) -> None:
        # Players want times that only go forward; two tabs or a corrected clock may not give them.
        self._last_ns = max(message.arrived_ns, self._last_ns)
        try:
            self._bag.write(Message(self._last_ns, message.stamp_ns, message.topic,
                                    message.content, message.sample_rate, message.language))
        except OSError as error:
            self.close()
            raise InvalidInput(f'recording: {describe_os_error(error)}; it has ended, and holds '
                               'what came before') from error
        self.messages += 1

    def close(self) -> None:
        """Complete the recording."""
        try:
            self._stack.close()
        except OSError as error:
            raise InvalidInput(f'recording: {describe_os_error(error)}') from error
