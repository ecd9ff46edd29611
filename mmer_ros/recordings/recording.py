# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Recordings: rosbag2 files, sqlite3 or mcap, read without ROS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer_ros.interfaces.definitions import AUDIO, AUDIO_DEFINITION, EMOTION, EMOTION_DEFINITION
from mmer_ros.recordings.salvage import damaged_text, salvage, sentence
from mmer_ros.recordings.source import Raw, Source
from mmer_ros.types import InvalidInput
from rosbags.interfaces import Connection
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

__all__ = ['AUDIO', 'AUDIO_DEFINITION', 'COMPRESSED_IMAGE', 'EMOTION', 'IMAGE', 'NANOSECONDS',
           'Recorded', 'Recording', 'TRANSCRIPT']

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
TRANSCRIPT = 'std_msgs/msg/String'
NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Recorded:
    """
    One message of a recording.

    :param time: when it was recorded, seconds.
    :param data: serialised in CDR, as it goes over DDS.
    :param time_ns: the same time, exactly.
    """

    topic: str
    msgtype: str
    time: float
    data: bytes
    time_ns: int = 0


class Recording:
    """
    A rosbag2 folder or file; use it as a context manager.

    :param salvage: read what can be read of a damaged recording; `faults` lists what cannot.
    :raises InvalidInput: if it cannot be read; with `salvage`, if nothing of it can.
    """

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        """Look for the recording."""
        if not path.exists():
            raise InvalidInput(f'recording {path}: there is no such file or folder')
        store = get_typestore(Stores.ROS2_JAZZY)
        store.register(get_types_from_msg(AUDIO_DEFINITION, AUDIO))
        store.register(get_types_from_msg(EMOTION_DEFINITION, EMOTION))
        self.path = path
        self.faults: list[str] = []
        self._salvage = salvage
        self._store = store
        self._stores: dict[str, Typestore | None] = {}
        self._stack = ExitStack()
        self._sources: list[Source] = []
        self._expected: dict[str, int] = {}  # topic -> messages, as in metadata.yaml

    def __enter__(self) -> Recording:
        """Open the recording."""
        try:
            found = salvage(self.path, self._stack)
            if found.faults and not self._salvage:
                raise unreadable(self.path, InvalidInput(found.faults[0]))
        except BaseException:
            self._stack.close()
            raise
        self._sources, self._expected = found.sources, found.expected
        self.faults += found.faults
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._sources = []
        self._stack.close()

    @property
    def start(self) -> float:
        """Time of the first message, seconds; 0 if there is none."""
        return min((s.start_ns for s in self._sources if s.count), default=0) / NANOSECONDS

    @property
    def end(self) -> float:
        """Time of the last message, seconds; 0 if there is none."""
        return max((s.end_ns for s in self._sources if s.count), default=0) / NANOSECONDS

    @property
    def topics(self) -> Mapping[str, str]:
        """Topic -> type of its messages."""
        return {c.topic: c.msgtype for c in self.connections}

    @property
    def counts(self) -> Mapping[str, int]:
        """Topic -> number of its messages that can be read."""
        counts = Counter(dict.fromkeys(self.topics, 0))
        for connection in self.connections:
            counts[connection.topic] += connection.msgcount
        return counts

    @property
    def connections(self) -> list[Connection]:
        """What rosbags knows of the topics, once for each file of the recording."""
        return [c for source in self._sources for c in source.connections]

    def topic_of(self, *types: str) -> str:
        """Return the first topic with messages of one of the types; '' if there is none."""
        for kind in types:
            for connection in self.connections:
                if connection.msgtype == kind and connection.msgcount:
                    return str(connection.topic)
        return ''

    def messages(self, topics: Collection[str] | None = None) -> Iterator[Recorded]:
        """
        Yield messages in the order of their recording, one file of the recording after the other.

        :param topics: only those; all if None.
        :raises InvalidInput: at the place where the recording is damaged; with `salvage`, the
            rest of that file is left out instead, and listed in `faults`.
        """
        read: Counter[str] = Counter()
        for source in self._sources:
            wanted = [c for c in source.connections if topics is None or c.topic in topics]
            try:
                for connection, time, data in self._each(source, wanted) if wanted else ():
                    read[connection.topic] += 1
                    yield Recorded(connection.topic, connection.msgtype, time / NANOSECONDS,
                                   bytes(data), time)
            except Exception as error:  # damaged data make the reader fail in any way
                if not self._salvage:
                    raise unreadable(source.path, error) from error
                self._fault(f'{source.path}: it is damaged after {read.total()} messages '
                            f'({sentence(error)}); the rest of this file is left out')
        self._compare(read, topics)

    def _each(self, source: Source, wanted: Sequence[Connection]) -> Iterator[Raw]:
        """Yield the messages of a file; with `salvage`, without its damaged chunks."""
        latest, seen = -1, set[str]()  # time of the last message, and topics at that time
        missing = sum(c.msgcount for c in wanted) if source.mend is not None else 0
        try:
            for raw in source.messages(wanted):
                missing -= 1
                seen = seen if raw[1] == latest else set()
                latest = raw[1]
                seen.add(raw[0].topic)
                yield raw
            if missing > 0:  # the reader passes over some kinds of damage
                raise InvalidInput(f'{missing} of its messages are missing')
        except Exception as error:  # damaged data make the reader fail in any way
            mended = _mended(source) if self._salvage else None
            if mended is None:
                raise error
            self._fault(damaged_text(mended))
            topics = {c.topic for c in wanted}
            rest = mended.messages([c for c in mended.connections if c.topic in topics])
            yield from (raw for raw in rest if raw[1] > latest or (
                raw[1] == latest and raw[0].topic not in seen))

    def _compare(self, read: Mapping[str, int], topics: Collection[str] | None) -> None:
        expected = {t: n for t, n in self._expected.items() if topics is None or t in topics}
        lost = {t: n - read.get(t, 0) for t, n in expected.items() if n > read.get(t, 0)}
        if lost:
            each = ', '.join(f'{topic} {count}' for topic, count in lost.items())
            self._fault(f'{self.path}: {sum(lost.values())} of {sum(expected.values())} messages '
                        f'that metadata.yaml names are not there ({each})')

    def _fault(self, text: str) -> None:
        if text not in self.faults:
            self.faults.append(text)

    def decode(self, recorded: Recorded) -> Any:
        """
        Return the message with its fields.

        :raises InvalidInput: if its type is not known or the data are damaged.
        """
        store = self.types_of(recorded.msgtype)
        if store is None:
            raise InvalidInput(f'{recorded.topic}: messages of type {recorded.msgtype}, which the '
                               'recording does not define; record it with a newer ros2 bag')
        try:
            return store.deserialize_cdr(recorded.data, recorded.msgtype)
        except Exception as error:  # as above
            raise InvalidInput(f'{recorded.topic}: a message of {len(recorded.data)} bytes is no '
                               f'{recorded.msgtype} ({sentence(error)})') from error

    @property
    def known_types(self) -> Typestore:
        """The messages of ROS 2 Jazzy and of this project."""
        return self._store

    def types_of(self, msgtype: str) -> Typestore | None:
        """Return what knows this type: as the recording defines it, else as ROS 2 Jazzy does."""
        if msgtype not in self._stores:
            self._stores[msgtype] = self._defined(msgtype) or (
                self._store if msgtype in self._store.fielddefs else None)
        return self._stores[msgtype]

    def _defined(self, msgtype: str) -> Typestore | None:
        texts = {c.msgdef.data for c in self.connections if c.msgtype == msgtype} - {''}
        for text in sorted(texts):
            try:
                is_idl = text.startswith('=' * 80)
                types = (_types_from_idl(text) if is_idl else get_types_from_msg(text, msgtype))
                store = get_typestore(Stores.EMPTY)
                store.register(types)
                store.hash_rihs01(msgtype)  # it and all that it is made of are known
            except Exception:  # one odd definition is no reason to read nothing
                continue
            return store
        return None


def _mended(source: Source) -> Source | None:
    try:
        mended = source.mend() if source.mend is not None else None
    except Exception:  # nothing is left of it
        return None
    return mended if mended is not None and mended.damaged else None


def _types_from_idl(text: str) -> Any:
    types: dict[str, Any] = {}
    separator = '=' * 80 + '\n'
    for part in text.split(separator):
        if part.startswith('IDL: '):
            types.update(get_types_from_idl(part.split('\n', 1)[1]))
    return types


def unreadable(path: Path, error: BaseException) -> InvalidInput:
    """Return the error for a recording that cannot be read."""
    return InvalidInput(f'recording {path}: it cannot be read ({sentence(error)}); expected a '
                        'rosbag2 folder with metadata.yaml, or an .mcap file')
