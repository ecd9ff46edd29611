# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Recordings as other recorders write them, and those that hold more than they may."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
import shutil
import struct
from types import SimpleNamespace

from backports import zstd
from mmer_ros.recordings import bounded
from mmer_ros.recordings.bounded import TooLarge, unzstd
from mmer_ros.recordings.recording import Recording
from mmer_ros.recordings.sensor_bag import AUDIO_TOPIC, Message, SensorBag, TEXT_TOPIC
from mmer_ros.types import InvalidInput
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin

from ..fixtures.replay import rewrite

MAGIC = b'\x89MCAP0\r\n'
DATA_END, FOOTER = 0x0f, 0x02
SCHEMA, CHANNEL, CHUNK_INDEX, STATISTICS, OFFSET = 0x03, 0x04, 0x08, 0x0b, 0x0e


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rewrite(tmp_path_factory.mktemp('bags') / 'talk', until_s=2.0)


def records(data: bytes) -> list[tuple[int, bytes]]:
    found, place = [], len(MAGIC)
    while place < len(data) - len(MAGIC):
        opcode, length = struct.unpack_from('<BQ', data, place)
        found.append((opcode, data[place + 9:place + 9 + length]))
        place += 9 + length
    return found


def mcap(source: Path, target: Path, without: set[int] = frozenset(),  # type: ignore[assignment]
         profile: bytes = b'ros2') -> Path:
    """Write an mcap file anew, without some of the records of its summary."""
    parts, in_summary = [MAGIC], False
    summary = 0
    for opcode, content in records(source.read_bytes()):
        if opcode == 0x01:
            library = content[4 + struct.unpack_from('<I', content)[0]:]
            content = struct.pack('<I', len(profile)) + profile + library
        if in_summary and opcode in {*without, OFFSET}:
            continue
        if opcode == FOOTER:
            has_summary = sum(map(len, parts)) > summary
            content = struct.pack('<QQI', summary if has_summary else 0, 0, 0)
        parts.append(struct.pack('<BQ', opcode, len(content)) + content)
        if opcode == DATA_END:
            in_summary, summary = True, sum(map(len, parts))
    target.write_bytes(b''.join([*parts, MAGIC]))
    return target


def content(path: Path, **how: bool) -> list[tuple[str, str, int, bytes]]:
    with Recording(path, **how) as recording:
        found = [(m.topic, m.msgtype, m.time_ns, m.data) for m in recording.messages()]
        for message in recording.messages():
            recording.decode(message)
        assert recording.counts == Counter(topic for topic, *_ in found)
        assert recording.faults == []
    return found


@pytest.mark.parametrize('salvage', [True, False])
@pytest.mark.parametrize('without', [
    {SCHEMA}, {CHANNEL}, {SCHEMA, CHANNEL}, {STATISTICS}, {SCHEMA, CHANNEL, STATISTICS},
    {CHUNK_INDEX}, {SCHEMA, CHANNEL, CHUNK_INDEX, STATISTICS, 0x0d}], ids=str)
def test_a_summary_need_not_repeat_channels_and_schemas(
        bag: Path, tmp_path: Path, without: set[int], salvage: bool) -> None:
    whole = content(bag)
    assert len(whole) > 40
    path = mcap(bag / 'talk.mcap', tmp_path / 'talk.mcap', without)
    assert content(path, salvage=salvage) == whole


@pytest.mark.parametrize('plugin', [StoragePlugin.MCAP, StoragePlugin.SQLITE3])
def test_messages_compressed_one_by_one_need_no_metadata(
        bag: Path, tmp_path: Path, plugin: StoragePlugin) -> None:
    packed = rewrite(tmp_path / 'packed', until_s=2.0, plugin=plugin,
                     mode=CompressionMode.MESSAGE)
    assert content(packed, salvage=True) == content(bag)
    file = next(path for path in packed.iterdir() if path.suffix != '.yaml')
    alone = tmp_path / f'alone{file.suffix}'
    shutil.copy(file, alone)
    assert content(alone, salvage=True) == content(alone) == content(bag)


def test_a_recording_of_ros_1_is_answered_with_how_to_convert_it(
        bag: Path, tmp_path: Path) -> None:
    path = mcap(bag / 'talk.mcap', tmp_path / 'old.mcap', profile=b'ros1')
    for salvage in (True, False):
        with pytest.raises(InvalidInput, match='those of ROS 1; .*rosbags-convert --src FILE.bag'):
            content(path, salvage=salvage)
    (tmp_path / 'old.bag').write_bytes(b'#ROSBAG V2.0\n')
    with pytest.raises(InvalidInput, match='rosbags-convert --src old.bag --dst old'):
        content(tmp_path / 'old.bag', salvage=True)
    path.rename(tmp_path / 'new.bag')
    with pytest.raises(InvalidInput, match='it holds MCAP; rename it to new.mcap'):
        content(tmp_path / 'new.bag', salvage=True)


@pytest.mark.parametrize('text', ['[' * 50_000, 'a: &a [*a]\n', '{a: ' * 20_000, '\x00', 'x: 1\n'])
def test_metadata_of_any_form_is_no_traceback(bag: Path, tmp_path: Path, text: str) -> None:
    folder = tmp_path / 'talk'
    shutil.copytree(bag, folder)
    (folder / 'metadata.yaml').write_text(text)
    with pytest.raises(InvalidInput, match='metadata.yaml cannot be read'):
        content(folder)
    with Recording(folder, salvage=True) as recording:
        fault, = recording.faults
        assert 'metadata.yaml cannot be read' in fault
        assert len(list(recording.messages())) == len(content(bag))


def test_what_a_reader_says_of_a_file_stays_one_line(bag: Path, tmp_path: Path) -> None:
    """The reader takes the quality of service as YAML, whose errors take several lines."""
    data = (bag / 'talk.mcap').read_bytes().replace(b'- depth: ', b', depth: ')
    data = data.replace(b'- avoid', b', avoid').replace(b'- deadline', b', deadline')
    (tmp_path / 'talk.mcap').write_bytes(data)
    try:
        with Recording(tmp_path / 'talk.mcap', salvage=True) as recording:
            list(recording.messages())
            said = recording.faults
    except InvalidInput as error:
        said = [str(error)]
    assert said and all('\n' not in text for text in said)


@pytest.fixture(scope='module')
def chunks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an mcap file of several chunks."""
    folder = tmp_path_factory.mktemp('chunks') / 'long'
    with SensorBag(folder, topics=(AUDIO_TOPIC, TEXT_TOPIC), compress=True) as bag:
        for tenth in range(600):
            now = (10_000 + tenth) * 100_000_000
            noise = np.random.default_rng(tenth).integers(-9999, 9999, 4000).astype(np.int16)
            bag.write(Message(now, now, AUDIO_TOPIC, noise))
            bag.write(Message(now + 1000, now, TEXT_TOPIC, str(tenth)))
    return folder / 'long.mcap'


def chunk_places(data: bytes) -> list[tuple[int, int]]:
    """Return where the chunks of a file begin, and how long they are."""
    found, place = [], len(MAGIC)
    for opcode, content in records(data):
        if opcode == 0x06:
            found.append((place, 9 + len(content)))
        place += 9 + len(content)
    return found


def all_of(path: Path) -> tuple[list[tuple[str, int]], list[str]]:
    with Recording(path, salvage=True) as recording:
        found = [(m.topic, m.time_ns) for m in recording.messages()]
        return found, recording.faults


@pytest.mark.parametrize(('number', 'cut_off'), [
    (0, False), (1, False), (-1, False), (1, True), (-1, True)])  # the first defines the types
def test_a_damaged_chunk_costs_only_itself(
        chunks: Path, tmp_path: Path, number: int, cut_off: bool) -> None:
    whole, _ = all_of(chunks)
    data = bytearray(chunks.read_bytes())
    places = chunk_places(bytes(data))
    assert len(places) >= 4
    first, last = struct.unpack_from('<QQ', data, places[number][0] + 9)
    middle = places[number][0] + places[number][1] // 2
    data[middle:middle + 100] = b'?' * 100
    if cut_off:
        del data[places[-1][0] + places[-1][1]:]
    path = tmp_path / 'damaged.mcap'
    path.write_bytes(data)
    found, faults = all_of(path)
    lost = [message for message in whole if message not in found]
    assert lost and all(first <= stamp <= last for _, stamp in lost)
    assert found == [message for message in whole if message not in lost]
    assert any('a chunk of it cannot be read' in fault for fault in faults)
    with pytest.raises(InvalidInput), Recording(path) as recording:
        list(recording.messages())


# ------------------------------------------------------------------------------------ bombs

def test_a_compressed_file_is_read_up_to_its_limit(
        bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written to the temporary folder is never more, and the rest is named."""
    packed = rewrite(tmp_path / 'packed', until_s=2.0, mode=CompressionMode.FILE)
    file = packed / 'packed.mcap.zstd'
    bomb = file.read_bytes() + zstd.compress(bytes(64 << 20))
    file.write_bytes(bomb)
    monkeypatch.setattr(bounded, 'MIN_ALLOWED', 8 << 20)
    monkeypatch.setattr(bounded, 'MAX_RATIO', 2)
    monkeypatch.setenv('TMPDIR', str(tmp_path))
    with Recording(packed, salvage=True) as recording:
        assert any('it holds more than 8 MB, 2 times its size; set MMER_MAX_UNPACKED_MB' in fault
                   for fault in recording.faults)
        assert len(list(recording.messages())) == len(content(bag))
        assert sum(path.stat().st_size for path in tmp_path.glob('*/*.mcap')) <= 8 << 20


def test_a_file_never_fills_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'a.zstd').write_bytes(zstd.compress(bytes(1 << 20)))
    room = SimpleNamespace(free=bounded.SPARE + (1 << 18))
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: room)
    with pytest.raises(TooLarge, match='more than the disk has room for'):
        list(bounded.unzstd_file(tmp_path / 'a.zstd', tmp_path / 'a'))
    assert (tmp_path / 'a').stat().st_size <= 1 << 18


@pytest.mark.parametrize('size', [0, 1, 1000, 1 << 20])
def test_a_message_is_decompressed_up_to_its_limit(size: int) -> None:
    data = zstd.compress(bytes(size))
    assert unzstd(data, size) == bytes(size)
    assert unzstd(2 * data, 2 * size) == bytes(2 * size)
    if size:
        with pytest.raises(TooLarge):
            unzstd(data, size - 1)
        with pytest.raises(zstd.ZstdError):
            unzstd(data[:-1], size)


def test_a_message_that_is_too_large_costs_only_what_follows(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = rewrite(tmp_path / 'packed', until_s=2.0, mode=CompressionMode.MESSAGE)
    monkeypatch.setattr(bounded, 'MAX_MESSAGE', 100)
    with Recording(packed, salvage=True) as recording:
        list(recording.messages())
        assert any('more than 0 MB' in fault for fault in recording.faults)


def test_limits_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    data = zstd.compress(bytes(3 << 20))
    monkeypatch.setattr(bounded, 'MAX_MESSAGE', 2 << 20)
    with pytest.raises(TooLarge, match='more than 2 MB; set MMER_MAX_UNPACKED_MB'):
        unzstd(data)
    monkeypatch.setenv(bounded.RAISED, '3')
    assert len(unzstd(data)) == 3 << 20
    monkeypatch.setenv(bounded.RAISED, 'much')
    with pytest.raises(InvalidInput, match="'much'; expected a whole number of MB"):
        unzstd(data)


def test_a_chunk_that_claims_too_much_is_refused(bag: Path, tmp_path: Path) -> None:
    """Before memory is taken, whether it says so or not."""
    parts = [MAGIC]
    for opcode, data in records((bag / 'talk.mcap').read_bytes()):
        if opcode == 0x06:
            head = struct.pack('<QQQI', 0, 1, 4 << 30, 0)
            packed = zstd.compress(bytes(1000))
            data = head + struct.pack('<I', 4) + b'zstd' + struct.pack('<Q', len(packed)) + packed
        parts.append(struct.pack('<BQ', opcode, len(data)) + data)
    path = tmp_path / 'bomb.mcap'
    path.write_bytes(b''.join(parts))
    with pytest.raises(InvalidInput, match='bomb.mcap'):
        content(path, salvage=True)
