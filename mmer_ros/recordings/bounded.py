# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Decompression that stops at a limit: a few bytes can claim to be many gigabytes.

The environment variable MMER_MAX_UNPACKED_MB raises the limits, for recordings of one's own that
are larger.
"""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path
import shutil
import sys

from lz4.frame import LZ4FrameDecompressor
from mmer_ros.types import InvalidInput
from rosbags.rosbag2 import storage_mcap

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # what rosbags reads compressed recordings with

ZSTD_MAGIC = b'\x28\xb5\x2f\xfd'
BLOCK = 1 << 16  # bytes
MAX_MESSAGE = 256 << 20  # bytes of one message; a raw 4K image has 25 MB
MAX_CHUNK = 1 << 30  # bytes of an mcap chunk; rosbag2 writes less than a megabyte
MAX_RATIO = 100  # of a file; recordings of raw images and speech reach about 20
MIN_ALLOWED = 256 << 20  # bytes that a file may always have
SPARE = 64 << 20  # bytes that are left on the disk

RAISED = 'MMER_MAX_UNPACKED_MB'
REMEDY = f'set {RAISED} to allow more if you trust it'

ZstdError = zstd.ZstdError


class TooLarge(ValueError):
    """Compressed data that hold more than they may."""


def allowed(limit: int) -> int:
    """
    Return a limit, or what MMER_MAX_UNPACKED_MB raises it to; bytes.

    :raises InvalidInput: if that is no whole number.
    """
    value = os.environ.get(RAISED) or '0'
    if not value.isdecimal():
        raise InvalidInput(f'{RAISED}: {value!r}; expected a whole number of MB')
    return max(limit, int(value) << 20)


def unzstd(data: bytes, limit: int | None = None) -> bytes:
    """
    Return what is in one or several frames of zstd.

    :param limit: bytes; None: those of a message.
    :raises TooLarge: if that is more than `limit` bytes; no more are ever held.
    :raises ZstdError: if the data are damaged or cut off.
    """
    limit = allowed(MAX_MESSAGE) if limit is None else limit
    parts: list[bytes] = []
    left = limit
    while data:
        decompressor = zstd.ZstdDecompressor()
        part = decompressor.decompress(data, left + 1)
        if len(part) > left:
            raise TooLarge(f'{len(data)} bytes hold more than {limit >> 20} MB; {REMEDY}')
        if not decompressor.eof:
            raise ZstdError('it is cut off')
        parts.append(part)
        left -= len(part)
        data = decompressor.unused_data
    return b''.join(parts)


def unzstd_file(file: Path, target: Path) -> Iterator[int]:
    """
    Decompress a file beside others in a folder; yield the bytes written so far.

    :raises TooLarge: at the limit for its size, or where the disk would be full; what was
        written until then is kept.
    :raises ZstdError: where it is damaged or cut off; what was written is kept, too.
    """
    most = allowed(max(MAX_RATIO * file.stat().st_size, MIN_ALLOWED))
    room = shutil.disk_usage(target.parent).free - SPARE
    limit = min(most, room)
    written = 0
    with zstd.open(file, 'rb') as packed, target.open('wb') as output:
        while block := packed.read(BLOCK):
            if written + len(block) > limit:
                why = ('more than the disk has room for' if room < most else
                       f'more than {most >> 20} MB, {MAX_RATIO} times its size; {REMEDY}')
                raise TooLarge(f'it holds {why}')
            output.write(block)
            written += len(block)
            yield written


def _chunk_of_zstd(data: bytes, size: int) -> bytes:
    _check_chunk(size)
    return unzstd(data, size)


def _chunk_of_lz4(data: bytes, size: int) -> bytes:
    _check_chunk(size)
    return bytes(LZ4FrameDecompressor().decompress(data, max_length=size + 1))


def _check_chunk(size: int) -> None:
    if size > (most := allowed(MAX_CHUNK)):
        raise TooLarge(f'a chunk claims {size >> 20} MB; expected at most {most >> 20} MB; '
                       f'{REMEDY}')


# rosbags decompresses the chunks of mcap files without looking at the size that they claim.
storage_mcap.DECOMPRESSORS.update(zstd=_chunk_of_zstd, lz4=_chunk_of_lz4)
