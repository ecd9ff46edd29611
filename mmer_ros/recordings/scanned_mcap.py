# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A reader of mcap files whose end is missing."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO

from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.storage_mcap import ChunkInfo, decompress, McapReader, read_string

MCAP_MAGIC = b'\x89MCAP0\r\n'
RECORD = struct.Struct('<BQ')  # opcode and length of what follows
CHUNK_HEAD = struct.Struct('<QQQI')  # first and last time, size, checksum
CHUNK, DATA_END = 0x06, 0x0f


class ScannedMcap(McapReader):
    """
    An mcap file without its index, which comes last: the whole chunks that it begins with.

    The layout is that of https://mcap.dev/spec: records of opcode, length and content, where a
    chunk holds the messages of about a megabyte.
    """

    def _open(self) -> None:
        file = self.bio
        assert file is not None
        if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise ReaderError('File magic is invalid.')
        self.data_start = self.data_end = file.tell()
        size = file.seek(0, io.SEEK_END)
        chunks = []
        while (record := _record(file, self.data_end, size)) is not None:
            opcode, length = record
            if opcode == CHUNK:
                chunk = _chunk(file, self.data_end, length)
                if chunk is None:
                    break
                chunks.append(chunk)
            elif opcode == DATA_END:
                break
            self.data_end += RECORD.size + length
        self.meta_scan()
        found = self.statistics
        if found is None or not found.message_count:
            raise ReaderError('it is cut off before the first message')
        self.connections = [c._replace(msgcount=found.channel_message_counts[c.id])
                            for c in self.connections]
        everywhere = dict.fromkeys((c.id for c in self.connections), 1)
        self.chunks = [chunk._replace(channel_count=everywhere) for chunk in chunks]
        self.metadata = self.metadata._replace(
            start_time=found.start_time, end_time=found.end_time + 1,
            duration=found.end_time + 1 - found.start_time, message_count=found.message_count)


def _record(file: BinaryIO, start: int, size: int) -> tuple[int, int] | None:
    """Return opcode and length of the record at `start`; None if it is not whole."""
    file.seek(start)
    head = file.read(RECORD.size)
    if len(head) < RECORD.size:
        return None
    opcode, length = RECORD.unpack(head)
    return (opcode, length) if start + RECORD.size + length <= size else None


def _chunk(file: BinaryIO, start: int, length: int) -> ChunkInfo | None:
    """Return where the chunk at `start` lies, its length read already; None if damaged."""
    content = io.BytesIO(file.read(length))
    try:
        first, last, size, checksum = CHUNK_HEAD.unpack(content.read(CHUNK_HEAD.size))
        compression = read_string(content)
        packed_size, = struct.unpack('<Q', content.read(8))
        decompress(content.read(packed_size), compression, size, checksum)
    except Exception:  # whatever is wrong with it, it ends here
        return None
    return ChunkInfo(first, last, start, RECORD.size + length, {}, 0, compression, packed_size,
                     size, {})
