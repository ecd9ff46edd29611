# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Recordings that the project makes itself: camera, microphone and words as a rosbag2 folder.

    >>> with SensorBag(Path('meeting')) as bag:
    ...     bag.write(Message(stamp_ns + 50_000_000, stamp_ns, AUDIO_TOPIC, samples))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from mmer_ros.interfaces.definitions import (
    AUDIO,
    AUDIO_DEFINITION,
    LIVE_SPEECH,
    LIVE_SPEECH_DEFINITION,
)
from mmer_ros.recordings.recording import COMPRESSED_IMAGE, TRANSCRIPT
from mmer_ros.types import Int16, SAMPLE_RATE
import numpy as np
from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

IMAGE_TOPIC, AUDIO_TOPIC, TEXT_TOPIC = '/camera/image/compressed', '/audio', '/transcript'
SPEECH_TOPIC = '/speech'  # words with a stamp and a language
TYPES = {IMAGE_TOPIC: COMPRESSED_IMAGE, AUDIO_TOPIC: AUDIO, TEXT_TOPIC: TRANSCRIPT,
         SPEECH_TOPIC: LIVE_SPEECH}
TOPICS = (IMAGE_TOPIC, AUDIO_TOPIC, TEXT_TOPIC)
DEPTHS = {IMAGE_TOPIC: 10, AUDIO_TOPIC: 50, TEXT_TOPIC: 10, SPEECH_TOPIC: 10}  # of the QoS
FRAME_IDS = {IMAGE_TOPIC: 'camera', AUDIO_TOPIC: 'microphone', SPEECH_TOPIC: 'microphone'}
_FOREVER = QosTime(sec=9223372036, nsec=854775807)


@dataclass(frozen=True)
class Message:
    """
    What a recorder takes down.

    :param arrived_ns: time of recording.
    :param stamp_ns: capture time: of the first sample of audio, of the image, of the end of words
        on SPEECH_TOPIC; those on TEXT_TOPIC have none.
    :param topic: one of TYPES.
    :param content: (n,) int16 samples, mono; a JPEG image; or words.
    :param sample_rate: of audio, Hz.
    :param language: of words on SPEECH_TOPIC, e.g. 'en'; '' if not known.
    """

    arrived_ns: int
    stamp_ns: int
    topic: str
    content: Int16 | bytes | str
    sample_rate: int = SAMPLE_RATE
    language: str = ''


class SensorBag:
    """
    A new recording, complete when the block ends.

    :param folder: must not exist.
    :param topics: of TYPES; what the recording holds.
    :param compress: zstd within the mcap file, which every player reads by itself.
    :param made_by: the program, kept in metadata.yaml.
    """

    def __init__(self, folder: Path, *, topics: Sequence[str] = TOPICS,
                 storage: Literal['mcap', 'sqlite3'] = 'mcap', compress: bool = False,
                 made_by: str = '') -> None:
        self._store = get_typestore(Stores.ROS2_JAZZY)
        self._store.register(get_types_from_msg(AUDIO_DEFINITION, AUDIO))
        self._store.register(get_types_from_msg(LIVE_SPEECH_DEFINITION, LIVE_SPEECH))
        self._topics = topics
        self._writer = Writer(folder, version=9, storage_plugin=StoragePlugin[storage.upper()])
        if compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        if made_by:
            self._writer.set_custom_data('made_by', made_by)

    def __enter__(self) -> SensorBag:
        self._writer.open()
        self._connections = {
            topic: self._writer.add_connection(
                topic, TYPES[topic], typestore=self._store,
                offered_qos_profiles=[_reliable(DEPTHS[topic])]) for topic in self._topics}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self._writer.close()

    def write(self, message: Message) -> None:
        """Add a message; call it in the order of `arrived_ns`, all topics together."""
        connection = self._connections[message.topic]
        data = self._store.serialize_cdr(self._to_ros(message), connection.msgtype)
        self._writer.write(connection, message.arrived_ns, data)

    def _to_ros(self, message: Message) -> Any:
        types = self._store.types
        if message.topic == TEXT_TOPIC:
            return types[TRANSCRIPT](message.content)
        stamp = types['builtin_interfaces/msg/Time'](*divmod(message.stamp_ns, 10 ** 9))
        header = types['std_msgs/msg/Header'](stamp, FRAME_IDS[message.topic])
        if isinstance(message.content, str):
            return types[LIVE_SPEECH](header, '', message.content, 0.0, message.language)
        if isinstance(message.content, bytes):
            return types[COMPRESSED_IMAGE](
                header, 'jpeg', np.frombuffer(message.content, np.uint8))
        return types[AUDIO](header, message.sample_rate, 1, message.content)


def _reliable(depth: int) -> Qos:
    """Return a QoS that serves reliable and best-effort subscribers alike."""
    return Qos(QosHistory.KEEP_LAST, depth, QosReliability.RELIABLE, QosDurability.VOLATILE,
               _FOREVER, _FOREVER, QosLiveliness.AUTOMATIC, _FOREVER, False)
