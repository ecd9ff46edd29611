"""Recordings: rosbag2 files, sqlite3 or mcap, read without ROS."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer_ros.types import InvalidInput
from rosbags.highlevel import AnyReader, AnyReaderError
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
AUDIO = 'mmer_msgs/msg/AudioChunk'
TRANSCRIPT = 'std_msgs/msg/String'

AUDIO_DEFINITION = """
std_msgs/Header header
uint32 sample_rate
uint8 channels
int16[] samples
"""


@dataclass(frozen=True)
class Recorded:
    """
    One message of a recording.

    :param time: when it was recorded, seconds.
    :param data: serialised in CDR, as it goes over DDS.
    """

    topic: str
    msgtype: str
    time: float
    data: bytes


class Recording:
    """
    A rosbag2 folder or file; use it as a context manager.

    :raises InvalidInput: if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        """Look for the recording."""
        if not path.exists():
            raise InvalidInput(f'recording {path}: there is no such file or folder')
        store = get_typestore(Stores.ROS2_JAZZY)
        store.register(get_types_from_msg(AUDIO_DEFINITION, AUDIO))
        self.path = path
        self._store = store
        self._reader: Any = None

    def __enter__(self) -> Recording:
        """Open the recording."""
        try:
            self._reader = AnyReader([self.path], default_typestore=self._store)
            self._reader.open()
        except (AnyReaderError, OSError, ValueError, AssertionError) as error:
            raise InvalidInput(f'recording {self.path}: it cannot be read ({error}); expected a '
                               'rosbag2 folder with metadata.yaml, or an .mcap file') from error
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._reader.close()

    @property
    def start(self) -> float:
        """Time of the first message, seconds."""
        return float(self._reader.start_time) / 1e9

    @property
    def end(self) -> float:
        """Time of the last message, seconds."""
        return float(self._reader.end_time) / 1e9

    @property
    def topics(self) -> Mapping[str, str]:
        """Topic -> type of its messages."""
        return {c.topic: c.msgtype for c in self._reader.connections}

    def topic_of(self, *types: str) -> str:
        """Return the first topic with messages of one of the types; '' if there is none."""
        for kind in types:
            for connection in self._reader.connections:
                if connection.msgtype == kind and connection.msgcount:
                    return str(connection.topic)
        return ''

    def messages(self) -> Iterator[Recorded]:
        """Yield all messages in the order of their recording."""
        for connection, time, data in self._reader.messages():
            yield Recorded(connection.topic, connection.msgtype, time / 1e9, bytes(data))

    def decode(self, recorded: Recorded) -> Any:
        """Return the message with its fields."""
        return self._reader.deserialize(recorded.data, recorded.msgtype)
