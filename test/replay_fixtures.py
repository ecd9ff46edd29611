"""Recordings made of the sample, in every form that a recorder writes, whole and damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.recording import AUDIO, Recorded, Recording
from mmer_ros.replay import replay_bag, ReplayOptions, ReplayResult
import numpy as np
from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
import torch

from .stream_fixtures import SAMPLE

UNTIL_S = 7.6  # of the sample: two utterances with face and words
IMAGES, SOUND, WORDS = '/camera/image/compressed', '/audio', '/transcript'
NO_IMAGES = {'image': ''}  # face detection takes most of the time
MACHINE = Path(__file__).parents[1] / 'mmer_msgs' / 'msg'

Change = Callable[[Recorded], Iterable[Recorded]]


class Extra(NamedTuple):
    """A message to add: when (seconds of the recording), where, and what it is made of."""

    at: float
    topic: str
    msgtype: str
    definition: str  # of the message; '' if the store knows it
    data: bytes


def unchanged(recorded: Recorded) -> Iterable[Recorded]:
    """Keep a message as it is."""
    return [recorded]


def rewrite(target: Path, change: Change = unchanged, *, source: Path = SAMPLE,
            until_s: float = UNTIL_S, plugin: StoragePlugin = StoragePlugin.MCAP,
            mode: CompressionMode = CompressionMode.NONE, extras: Iterable[Extra] = (),
            renamed: dict[str, str] | None = None) -> Path:
    """Write the beginning of a recording anew."""
    writer = Writer(target, version=9, storage_plugin=plugin)
    if mode != CompressionMode.NONE:
        writer.set_compression(mode, CompressionFormat.ZSTD)
    with Recording(source) as recording, writer:
        start = recording.start
        connections: dict[str, Any] = {}
        for c in recording.connections:
            topic = (renamed or {}).get(c.topic, c.topic)
            connections[c.topic] = writer.add_connection(
                topic, c.msgtype, msgdef=c.msgdef.data, rihs01=c.digest,
                offered_qos_profiles=c.ext.offered_qos_profiles)
        rows = [(m.time_ns, connections[m.topic], m.data)
                for old in recording.messages() if old.time - start <= until_s
                for m in change(old)]
        for extra in extras:
            if extra.topic not in connections:
                connections[extra.topic] = _add(writer, extra)
            rows.append((round((start + extra.at) * 1e9), connections[extra.topic], extra.data))
        for time_ns, connection, data in sorted(rows, key=lambda row: row[0]):
            writer.write(connection, time_ns, data)
    return target


def _add(writer: Writer, extra: Extra) -> Any:
    if extra.definition:
        return writer.add_connection(extra.topic, extra.msgtype, msgdef=extra.definition,
                                     rihs01='RIHS01_' + 64 * '0')
    return writer.add_connection(extra.topic, extra.msgtype, typestore=types())


def types() -> Any:
    """Return a store of the messages of ROS 2 Jazzy and of this project, from their files."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name in ('AudioChunk', 'EmotionEstimate'):
        text = (MACHINE / f'{name}.msg').read_text(encoding='utf-8')
        store.register(get_types_from_msg(text, f'mmer_msgs/msg/{name}'))
    return store


def without(topic: str) -> Change:
    """Leave a topic out."""
    return lambda recorded: [] if recorded.topic == topic else [recorded]


def changing(topic: str, edit: Callable[[Any], None]) -> Change:
    """Change the fields of the messages of a topic."""
    store = types()

    def change(recorded: Recorded) -> Iterable[Recorded]:
        if recorded.topic != topic:
            return [recorded]
        message = store.deserialize_cdr(recorded.data, recorded.msgtype)
        edit(message)
        data = bytes(store.serialize_cdr(message, recorded.msgtype))
        return [Recorded(topic, recorded.msgtype, recorded.time, data, recorded.time_ns)]

    return change


def rechunked(sizes: list[int]) -> Change:
    """Cut the audio into messages of other sizes (samples), which come when they are full."""
    store = types()
    waiting = np.zeros(0, np.int16)
    begun = sent = 0
    origin: int | None = None

    def cut(recorded: Recorded) -> Iterator[Recorded]:
        nonlocal waiting, origin, begun, sent
        message = store.deserialize_cdr(recorded.data, AUDIO)
        stamp = message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
        origin = stamp if origin is None else origin
        waiting = np.concatenate([waiting, message.samples])
        while waiting.size >= (size := sizes[sent % len(sizes)]):
            at = origin + begun * 10**9 // 16_000
            message.header.stamp.sec, message.header.stamp.nanosec = divmod(at, 10**9)
            message.samples, waiting = waiting[:size], waiting[size:]
            data = bytes(store.serialize_cdr(message, AUDIO))
            sent, begun = sent + 1, begun + size
            time_ns = origin + begun * 10**9 // 16_000 + 3_000_000
            yield Recorded(SOUND, AUDIO, time_ns / 1e9, data, time_ns)

    return lambda recorded: cut(recorded) if recorded.topic == SOUND else [recorded]


@cache
def compact() -> Recognizer:
    """Return the bundle that all tests share."""
    return Recognizer.load('compact')


def replay(path: Path, **options: Any) -> ReplayResult:
    """Replay with one thread, as the node, and leave the process as it was; finals only."""
    options.setdefault('partial_rate', 0.0)
    threads = torch.get_num_threads()
    try:
        return replay_bag(path, ReplayOptions(**options), recognizer=compact())
    finally:
        torch.set_num_threads(threads)


def answers(result: ReplayResult) -> list[dict[str, Any]]:
    """Return the estimates without when they could be published, which depends on messages."""
    return [{k: v for k, v in row.items() if k not in ('published', 'latency')}
            for row in result.estimates]
