# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""One file of a recording, whoever reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader

Raw = tuple[Connection, int, bytes]


@dataclass(frozen=True)
class Source:
    """
    A file that is open.

    :param start_ns: time of its first message.
    :param end_ns: time of its last message.
    :param count: number of its messages.
    :param messages: yields those of some of its connections, by time.
    :param damaged: number of its chunks that are left out.
    :param mend: returns the file without its damaged chunks; None if it has no chunks.
    """

    path: Path
    connections: Sequence[Connection]
    start_ns: int
    end_ns: int
    count: int
    messages: Callable[[Sequence[Connection]], Iterator[Raw]]
    damaged: int = 0
    mend: Callable[[], Source] | None = None

    @classmethod
    def of(cls, path: Path, reader: Reader) -> Source:
        """Return what rosbags reads; its end is one nanosecond after the last message."""
        return cls(path, list(reader.connections), reader.start_time, reader.end_time - 1,
                   reader.message_count, reader.messages)
