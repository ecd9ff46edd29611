# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What is left of a damaged recording: cut off, without metadata, or with a file missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
import struct
from tempfile import TemporaryDirectory
from typing import Any

from mmer_ros.recordings.bounded import TooLarge, unzstd, unzstd_file, ZSTD_MAGIC, ZstdError
from mmer_ros.recordings.scanned_mcap import MCAP_MAGIC, ScannedMcap
from mmer_ros.recordings.source import Raw, Source
from mmer_ros.text_repair import one_line
from mmer_ros.types import InvalidInput
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
from rosbags.rosbag2.storage_mcap import McapReader
import yaml

MAX_METADATA = 64 << 20  # bytes
SCHEMALESS = '__schemaless__'  # what rosbags calls a type that it has not seen
ROS_1 = ('convert the bag that it comes from: pip install rosbags; rosbags-convert --src FILE.bag '
         '--dst FOLDER, and give the folder')


@dataclass
class Salvaged:
    """
    The readable files of a recording.

    :param expected: topic -> number of messages, if metadata.yaml has it.
    :param faults: one sentence for each thing that cannot be read.
    """

    sources: list[Source] = field(default_factory=list)
    expected: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def salvage(path: Path, stack: ExitStack) -> Salvaged:
    """
    Open each file of a recording by itself, intact or not.

    :param stack: closes the files.
    :raises InvalidInput: if there is nothing to read.
    """
    if path.suffix == '.bag':
        with path.open('rb') as bag:
            if bag.read(len(MCAP_MAGIC)) == MCAP_MAGIC:
                raise InvalidInput(f'recording {path}: it holds MCAP; rename it to '
                                   f'{path.stem}.mcap')
        raise InvalidInput(f'recording {path}: a bag of ROS 1; convert it: pip install rosbags; '
                           f'rosbags-convert --src {path.name} --dst {path.stem}, and give the '
                           'folder that it writes')
    found = Salvaged()
    metadata = _metadata(path, found.faults) if path.is_dir() else {}
    _expect(metadata, found.expected)
    reasons = []
    for file in _files(path, metadata):
        try:
            source = _open(file, stack, found.faults)
        except Exception as error:  # a damaged file can fail in any way
            reason = sentence(error)
            reasons.append(f'{file.name}: {reason}')
            found.faults.append(f'{file}: it cannot be read ({reason})')
        else:
            found.sources.append(_with_hashes(source, metadata))
    if not found.sources:
        raise InvalidInput(
            f'recording {path}: it cannot be read ({"; ".join(reasons) or "it holds no file"}); '
            'expected a rosbag2 folder, or an .mcap or .db3 file')
    if not metadata:
        found.sources.sort(key=lambda source: source.start_ns)
    return found


def _metadata(folder: Path, faults: list[str]) -> dict[str, Any]:
    path = folder / 'metadata.yaml'
    try:
        if path.stat().st_size > MAX_METADATA:
            raise ValueError('it is too large')
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        information = content['rosbag2_bagfile_information']
        if not isinstance(information, dict):
            raise ValueError('it is no description of a recording')
        return information
    except FileNotFoundError:
        faults.append(f'{path} is missing, as after a recorder that was killed; the files beside '
                      'it are read in the order of their times. `ros2 bag reindex` writes it')
    except (OSError, ValueError, KeyError, TypeError, RecursionError, yaml.YAMLError) as error:
        faults.append(f'{path} cannot be read ({type(error).__name__}); the files beside it are '
                      'read in the order of their times')
    return {}


def _expect(metadata: Mapping[str, Any], expected: dict[str, int]) -> None:
    with suppress(KeyError, TypeError, ValueError):
        for entry in metadata.get('topics_with_message_count', ()):
            topic = str(entry['topic_metadata']['name'])
            expected[topic] = expected.get(topic, 0) + int(entry['message_count'])


def _with_hashes(source: Source, metadata: Mapping[str, Any]) -> Source:
    """Add the hashes of the types, which only metadata.yaml holds."""
    hashes: dict[str, str] = {}
    with suppress(KeyError, TypeError, AttributeError):
        for entry in metadata.get('topics_with_message_count', ()):
            topic = entry['topic_metadata']
            hashes[topic['name']] = str(topic.get('type_description_hash') or '')
    return replace(source, connections=[
        c._replace(digest=c.digest or hashes.get(c.topic, '')) for c in source.connections])


def _files(path: Path, metadata: Mapping[str, Any]) -> list[Path]:
    if path.is_file():
        return [path]
    named = metadata.get('relative_file_paths')
    if isinstance(named, list) and named:
        return [path / PurePath(str(name)).name for name in named]
    return sorted(file for pattern in ('*.mcap', '*.db3', '*.mcap.zstd', '*.db3.zstd')
                  for file in path.glob(pattern))


def _open(file: Path, stack: ExitStack, faults: list[str]) -> Source:
    """Open one file; if it is cut off, what comes before the cut."""
    plain = _decompressed(file, stack, faults) if file.suffix == '.zstd' else file
    if plain.suffix == '.mcap' and _profile(plain) == 'ros1':
        raise InvalidInput(f'its messages are those of ROS 1; {ROS_1}')
    try:
        reader = stack.enter_context(Reader(plain))
    except Exception as error:  # as above
        source = _truncated(file, plain, stack, error)
        faults.append(f'{file}: it was cut off ({sentence(error)}); {source.count} '
                      f'messages, {(source.end_ns - source.start_ns) / 1e9:.1f} s, can be read')
    else:
        source = _scanned(file, plain, stack) if _lacks_channels(reader) else (
            Source.of(file, reader))
        if plain.suffix == '.mcap' and not source.damaged:
            source = replace(source, mend=lambda: _uncompressing(
                _scanned(file, plain, stack, reader.storage)))
    if source.damaged:
        faults.append(damaged_text(source))
    return _uncompressing(source)


def _profile(file: Path) -> str:
    """Return what the header of an mcap file says that its messages are, '' if nothing."""
    with file.open('rb') as start:
        head = start.read(len(MCAP_MAGIC) + 9 + 4 + 64)
    if not head.startswith(MCAP_MAGIC) or len(head) < len(MCAP_MAGIC) + 13:
        return ''
    length, = struct.unpack_from('<I', head, len(MCAP_MAGIC) + 9)
    begin = len(MCAP_MAGIC) + 13
    return head[begin:begin + length].decode('utf-8', errors='replace')


def _lacks_channels(reader: Reader) -> bool:
    """Return whether the summary of an mcap file leaves out channels or types of its messages."""
    storage = reader.storage
    if not isinstance(storage, McapReader) or storage.statistics is None:
        return False
    known = {c.id for c in storage.connections if c.msgtype != SCHEMALESS}
    counts = storage.statistics.channel_message_counts
    has_messages = storage.statistics.message_count or storage.chunks
    return not counts.keys() <= known or bool(has_messages and not known)


def _truncated(file: Path, plain: Path, stack: ExitStack, error: Exception) -> Source:
    if plain.suffix == '.db3':
        raise InvalidInput(f'{sentence(error)}; sqlite3 may save a part of it: '
                           f"sqlite3 {file.name} '.recover' | sqlite3 saved.db3") from error
    if plain.suffix != '.mcap':
        raise error
    try:
        return _scanned(file, plain, stack)
    except Exception:  # the error of the reader of whole files says more
        raise error from None


def _scanned(file: Path, plain: Path, stack: ExitStack, summary: Any = None) -> Source:
    """
    Read an mcap file from its front, whatever its summary holds.

    :param summary: a reader that knows types from it; a damaged chunk may define them.
    """
    storage = ScannedMcap(plain)
    if isinstance(summary, McapReader):
        storage.schemas.update(summary.schemas)
        storage.channels.update(summary.channels)
        storage.connections += summary.connections
    storage.open()
    stack.callback(storage.close)
    found = storage.metadata
    return Source(file, storage.connections, found.start_time, found.end_time - 1,
                  found.message_count, storage.messages, storage.damaged)


def sentence(error: BaseException) -> str:
    """Return what a reader says of a file, in one line."""
    return one_line(str(error).rstrip('.')) or type(error).__name__


def damaged_text(source: Source) -> str:
    """Return a sentence about the chunks of a file that are left out."""
    chunks = 'a chunk' if source.damaged == 1 else f'{source.damaged} chunks'
    return f'{source.path}: {chunks} of it cannot be read; the messages in it are left out'


def _decompressed(file: Path, stack: ExitStack, faults: list[str]) -> Path:
    """Decompress a file into a temporary folder, as far as it goes and may."""
    folder = stack.enter_context(TemporaryDirectory(prefix='mmer-'))
    plain = Path(folder) / file.stem
    try:
        for _ in unzstd_file(file, plain):
            pass
    except TooLarge as error:
        faults.append(f'{file}: {error}; the rest is left out. Decompress it yourself: zstd -d '
                      f'{file.name}')
    except (EOFError, ZstdError) as error:
        faults.append(f'{file}: its compressed data are cut off or damaged ({sentence(error)})')
    return plain


def _uncompressing(source: Source) -> Source:
    """Decompress messages that were compressed one by one; plain CDR never begins so."""
    def messages(connections: Sequence[Connection]) -> Iterator[Raw]:
        for connection, time, data in source.messages(connections):
            packed = bytes(data[:len(ZSTD_MAGIC)]) == ZSTD_MAGIC
            yield connection, time, unzstd(bytes(data)) if packed else data

    return replace(source, messages=messages)
