# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A new recording: the original messages, and the estimates beside them."""

from __future__ import annotations

import math
from pathlib import Path
import re
import shutil
import tempfile
from typing import Any

from mmer_ros.recordings.recording import EMOTION, Recorded, Recording
from mmer_ros.replay.feed import Published
from mmer_ros.replay.folder import free_place, holds_only
from mmer_ros.types import Estimate
import numpy as np
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import CompressionFormat, CompressionMode, Reader, StoragePlugin, Writer
from rosbags.typesys.store import Typestore

MADE_BY = ('made_by', 'mmer replay')  # in metadata.yaml
IDL_HEAD = '=' * 80 + '\nIDL: '
COPIED = ('utterance_id', 'person_id', 'face_id', 'voice_id', 'speaker_by', 'speaker_margin',
          'final', 'provisional', 'revision', 'emotion', 'label', 'confidence',
          'calibrated', 'trained', 'valence', 'arousal', 'bundle_name',
          'bundle_hash')


class BagWriter:
    """
    Write an mcap recording that holds the definitions of its messages; a context manager.

    The folder appears when it is complete, in place of one of an earlier replay; if something
    else is there, it gets another name. `notices` lists that and topics that cannot be
    copied.

    :param folder: of the new recording.
    :param topic: of the estimates; if the recording has it already, `topic`_replay.
    """

    def __init__(self, folder: Path, recording: Recording, topic: str, *,
                 publish_transcript: bool) -> None:
        self.folder = free_place(folder, _is_ours)
        self.topic = f'{topic}_replay' if topic in recording.topics else topic
        self.notices: list[str] = []
        if self.folder != folder:
            self.notices.append(f'{folder.name} is there and mmer replay did not write it; the '
                                f'new recording is {self.folder.name}')
        self._recording = recording
        self._publish_transcript = publish_transcript
        self._connections: dict[tuple[str, str], Connection] = {}

    def __enter__(self) -> BagWriter:
        """Begin to write."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        self._partial = Path(tempfile.mkdtemp(dir=self.folder.parent, prefix='.mmer-'))
        self._writer = Writer(self._partial / self.folder.name, version=9,
                              storage_plugin=StoragePlugin.MCAP)
        self._writer.set_custom_data(*MADE_BY)
        self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        self._writer.open()
        for connection in self._recording.connections:
            self._copy_connection(connection)
        store = self._recording.known_types
        self._emotion = self._writer.add_connection(self.topic, EMOTION, typestore=store)
        return self

    def __exit__(self, *_: object) -> None:
        """Finish it, however the replay ended."""
        try:
            self._writer.close()
        except OSError:  # an mcap file without its end cannot be read by all programs
            shutil.rmtree(self._partial, ignore_errors=True)
            raise
        if self.folder.exists():
            shutil.rmtree(self.folder)
        (self._partial / self.folder.name).replace(self.folder)
        self._partial.rmdir()

    def copy(self, recorded: Recorded) -> None:
        """Write an original message."""
        connection = self._connections.get((recorded.topic, recorded.msgtype))
        if connection is not None:
            self._writer.write(connection, recorded.time_ns, recorded.data)

    def write(self, published: Published) -> None:
        """Write an estimate at the time at which it could be published."""
        store = self._recording.known_types
        message = to_message(published, store, publish_transcript=self._publish_transcript)
        self._writer.write(self._emotion, published.time_ns, store.serialize_cdr(message, EMOTION))

    def _copy_connection(self, connection: Connection) -> None:
        key = connection.topic, connection.msgtype
        if key in self._connections:
            return
        store = self._recording.types_of(connection.msgtype)
        if store is None:
            self.notices.append(f'{connection.topic}: {connection.msgtype} is not defined in the '
                                'recording; the new one does not hold it')
            return
        definition = connection.msgdef
        is_whole = definition.format == MessageDefinitionFormat.MSG or (
            definition.data.startswith(IDL_HEAD))
        self._connections[key] = self._writer.add_connection(
            *key, typestore=store, msgdef=definition.data if is_whole else None,
            rihs01=connection.digest or store.hash_rihs01(connection.msgtype),
            offered_qos_profiles=getattr(connection.ext, 'offered_qos_profiles', ()))


def _is_ours(folder: Path) -> bool:
    """Return whether a folder is a recording that a replay wrote, and nothing else."""
    names = re.compile(rf'metadata\.yaml|{re.escape(folder.name)}\.mcap')
    if not holds_only(folder, names):
        return False
    try:
        with Reader(folder) as reader:
            made_by = dict(reader.storage.metadata.custom or {})
    except Exception:  # whatever is wrong with it, it is not to be replaced
        return False
    return made_by.get(MADE_BY[0]) == MADE_BY[1]


def to_message(published: Published, store: Typestore, *, publish_transcript: bool) -> Any:
    """Return what the node would publish, without the time that it would compute."""
    estimate = published.estimate
    types = store.types
    header = types['std_msgs/msg/Header'](_time(store, estimate.stamp), published.frame_id)
    whole = math.floor(published.latency)
    return types[EMOTION](
        header=header, start=_time(store, estimate.start), end=_time(store, estimate.end),
        probabilities=np.asarray(estimate.probabilities, np.float32),
        modalities=int(estimate.modalities),
        modality_weights=np.array(estimate.modality_weights, np.float32),
        transcript=estimate.transcript if publish_transcript else '',
        latency=types['builtin_interfaces/msg/Duration'](
            whole, int((published.latency - whole) * 1e9)),
        **_copied(estimate))


def _copied(estimate: Estimate) -> dict[str, Any]:
    return {name: getattr(estimate, name) for name in COPIED}


def _time(store: Typestore, seconds: float) -> Any:
    """Return a stamp, rounded to the microsecond as the node's."""
    whole = math.floor(seconds)
    micros = round((seconds - whole) * 1_000_000)
    return store.types['builtin_interfaces/msg/Time'](
        whole + micros // 1_000_000, micros % 1_000_000 * 1000)
