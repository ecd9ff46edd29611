"""What is left of a damaged recording: cut off, without metadata, or with a file missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath
import sys
from tempfile import TemporaryDirectory
from typing import Any

from mmer_ros.recordings.source import Raw, Source
from mmer_ros.recordings.scanned_mcap import ScannedMcap
from mmer_ros.types import InvalidInput
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Reader
import yaml

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd  # what rosbags reads compressed recordings with

BLOCK = 1 << 12  # bytes


@dataclass
class Salvaged:
    """
    The readable files of a recording.

    :param expected: topic -> number of messages, if metadata.yaml tells.
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
        raise InvalidInput(f'recording {path}: a bag of ROS 1; convert it with rosbags-convert '
                           '(pip install rosbags) and give the folder that it writes')
    found = Salvaged()
    metadata = _metadata(path, found.faults) if path.is_dir() else {}
    _expect(metadata, found.expected)
    mode = str(metadata.get('compression_mode') or '').lower()
    reasons = []
    for file in _files(path, metadata):
        try:
            source = _open(file, mode, stack, found.faults)
        except Exception as error:  # a damaged file can fail in any way
            reason = str(error).rstrip('.') or type(error).__name__
            reasons.append(f'{file.name}: {reason}')
            found.faults.append(f'{file}: it cannot be read ({reason})')
        else:
            found.sources.append(source)
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
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
        information = content['rosbag2_bagfile_information']
        if not isinstance(information, dict):
            raise ValueError('it is no description of a recording')
        return information
    except FileNotFoundError:
        faults.append(f'{path} is missing, as after a recorder that was killed; the files beside '
                      'it are read in the order of their times. `ros2 bag reindex` writes it')
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        faults.append(f'{path} cannot be read ({type(error).__name__}); the files beside it are '
                      'read in the order of their times')
    return {}


def _expect(metadata: Mapping[str, Any], expected: dict[str, int]) -> None:
    with suppress(KeyError, TypeError, ValueError):
        for entry in metadata.get('topics_with_message_count', ()):
            topic = str(entry['topic_metadata']['name'])
            expected[topic] = expected.get(topic, 0) + int(entry['message_count'])


def _files(path: Path, metadata: Mapping[str, Any]) -> list[Path]:
    if path.is_file():
        return [path]
    named = metadata.get('relative_file_paths')
    if isinstance(named, list) and named:
        return [path / PurePath(str(name)).name for name in named]
    return sorted(file for pattern in ('*.mcap', '*.db3', '*.mcap.zstd', '*.db3.zstd')
                  for file in path.glob(pattern))


def _open(file: Path, mode: str, stack: ExitStack, faults: list[str]) -> Source:
    """Open one file; if it is cut off, what comes before the cut."""
    plain = _decompressed(file, stack, faults) if file.suffix == '.zstd' else file
    try:
        source = Source.of(file, stack.enter_context(Reader(plain)))
    except Exception as error:  # as above
        source = _truncated(file, plain, stack, error)
        faults.append(f'{file}: it was cut off ({str(error).rstrip(".")}); {source.count} '
                      f'messages, {(source.end_ns - source.start_ns) / 1e9:.1f} s, can be read')
    return _uncompressing(source) if mode == 'message' else source


def _truncated(file: Path, plain: Path, stack: ExitStack, error: Exception) -> Source:
    if plain.suffix == '.db3':
        raise InvalidInput(f'{error}; sqlite3 may save a part of it: '
                           f"sqlite3 {file.name} '.recover' | sqlite3 saved.db3") from error
    if plain.suffix != '.mcap':
        raise error
    storage = ScannedMcap(plain)
    try:
        storage.open()
    except Exception:  # what the reader of whole files said tells more
        raise error from None
    stack.callback(storage.close)
    found = storage.metadata
    return Source(file, storage.connections, found.start_time, found.end_time - 1,
                  found.message_count, storage.messages)


def _decompressed(file: Path, stack: ExitStack, faults: list[str]) -> Path:
    """Decompress a file into a temporary folder, as far as it goes."""
    folder = stack.enter_context(TemporaryDirectory(prefix='mmer-'))
    plain = Path(folder) / file.stem
    with plain.open('wb') as output:
        try:
            with zstd.open(file, 'rb') as packed:
                while block := packed.read(BLOCK):
                    output.write(block)
        except (EOFError, zstd.ZstdError) as error:
            faults.append(f'{file}: its compressed data are cut off or damaged ({error})')
    return plain


def _uncompressing(source: Source) -> Source:
    def messages(connections: Sequence[Connection]) -> Iterator[Raw]:
        for connection, time, data in source.messages(connections):
            yield connection, time, zstd.decompress(data)

    return Source(source.path, source.connections, source.start_ns, source.end_ns, source.count,
                  messages)
