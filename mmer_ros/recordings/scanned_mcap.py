# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A reader of mcap files whose end is missing or whose chunks are damaged."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
import io
from itertools import accumulate
import struct
from typing import Any, BinaryIO

from rosbags.rosbag2 import ReaderError
from rosbags.rosbag2.storage_mcap import ChunkInfo, decompress, McapReader, read_string

MCAP_MAGIC = b'\x89MCAP0\r\n'
RECORD = struct.Struct('<BQ')  # opcode and length of what follows
CHUNK_HEAD = struct.Struct('<QQQI')  # first and last time, size, checksum
CHUNK, DATA_END = 0x06, 0x0f
IN_CHUNK = (0x03, 0x04, 0x05)  # schemas, channels, messages


class ScannedMcap(McapReader):
    """
    An mcap file without its index, which comes last: the whole chunks before its end.

    Damaged chunks among them are left out; `damaged` counts them.

    The layout is that of https://mcap.dev/spec: records of opcode, length and content, where a
    chunk holds the messages of about a megabyte.
    """

    damaged = 0

    def _open(self) -> None:
        file = self.bio
        assert file is not None
        if file.read(len(MCAP_MAGIC)) != MCAP_MAGIC:
            raise ReaderError('File magic is invalid.')
        place = self.data_start = file.tell()
        size = file.seek(0, io.SEEK_END)
        chunks, whole, left = [], [(0, place)], place  # `whole`: pieces of the file, by start
        while (record := _record(file, place, size)) is not None and record[0] != DATA_END:
            length = RECORD.size + record[1]
            chunk = _chunk(file, place, left, record[1]) if record[0] == CHUNK else None
            if chunk is None and record[0] == CHUNK:
                self.damaged += 1
            else:
                chunks += [chunk] if chunk is not None else []
                whole.append((place, length))
                left += length
            place += length
        self.data_end = left
        self.bio = io.BufferedReader(Pieces(file, whole))
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


def _check_records(content: bytes) -> None:
    """
    Check that a chunk holds whole records, for a checksum may be missing.

    :raises ValueError: if it does not.
    """
    place = 0
    while place < len(content):
        opcode, length = RECORD.unpack_from(content, place)
        place += RECORD.size + length
        if opcode not in IN_CHUNK or place > len(content):
            raise ValueError('its records are damaged')


class Pieces(io.RawIOBase):
    """
    A file without the parts between its pieces.

    :param pieces: start and length of each, ascending, bytes.
    """

    def __init__(self, file: BinaryIO, pieces: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self._file = file
        self._pieces = pieces
        self._begins = [0, *accumulate(length for _, length in pieces)]
        self._place = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._begins[-1]}
        self._place = max(origin[whence] + offset, 0)
        return self._place

    def readinto(self, buffer: Any) -> int:
        """Read up to the end of a piece; return how many bytes."""
        if self._place >= self._begins[-1]:
            return 0
        number = bisect_right(self._begins, self._place) - 1
        start, length = self._pieces[number]
        inside = self._place - self._begins[number]
        self._file.seek(start + inside)
        data = self._file.read(min(len(buffer), length - inside))
        buffer[:len(data)] = data
        self._place += len(data)
        return len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def _record(file: BinaryIO, start: int, size: int) -> tuple[int, int] | None:
    """Return opcode and length of the record at `start`; None if it is not whole."""
    file.seek(start)
    head = file.read(RECORD.size)
    if len(head) < RECORD.size:
        return None
    opcode, length = RECORD.unpack(head)
    return (opcode, length) if start + RECORD.size + length <= size else None


def _chunk(file: BinaryIO, start: int, left: int, length: int) -> ChunkInfo | None:
    """
    Return where a chunk lies; None if it is damaged.

    :param start: of it in the file; `left` without what is left out before it.
    """
    file.seek(start + RECORD.size)
    content = io.BytesIO(file.read(length))
    try:
        first, last, size, checksum = CHUNK_HEAD.unpack(content.read(CHUNK_HEAD.size))
        compression = read_string(content)
        packed_size, = struct.unpack('<Q', content.read(8))
        _check_records(decompress(content.read(packed_size), compression, size, checksum))
    except Exception:  # whatever is wrong with it
        return None
    return ChunkInfo(first, last, left, RECORD.size + length, {}, 0, compression, packed_size,
                     size, {})
