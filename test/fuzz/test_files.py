# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Files of any content: recordings, transcripts, tables of MELD, bundles."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
import tempfile
from typing import Any

import cv2
from hypothesis import given
from hypothesis import strategies as st
from mmer_ros.recognition.bundle import Bundle, BundleError, CONFIG, TOKENIZER, WEIGHTS
from mmer_ros.recordings.meld.table import is_meld_table, read_table
from mmer_ros.recordings.recording import Recording
from mmer_ros.recordings.sensor_bag import (
    AUDIO_TOPIC,
    IMAGE_TOPIC,
    Message,
    SensorBag,
    TEXT_TOPIC,
)
from mmer_ros.recordings.transcripts import read_transcripts, READERS
import numpy as np
import pytest

from .common import mutated, NUMBERS, TEXTS, used_or_refused, VALUES
from ..fixtures.model import tiny_bundle

TABLE = (b'Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,'
         b'StartTime,EndTime\n'
         b'1,"Oh, hi.",Ross,joy,positive,0,0,3,4,"00:16:16,059","00:16:21,731"\n'
         b'2,Hi.,Monica,neutral,neutral,0,1,3,4,"00:16:21,940","00:16:23,442"\n')
TRANSCRIPTS = {
    '.srt': b'1\n00:00:01,000 --> 00:00:02,500\nHello there.\n\n2\n00:00:03,000 --> '
            b'00:00:04,000\nBye.\n',
    '.vtt': b'WEBVTT\n\n00:01.000 --> 00:02.500 align:start\n<v Ross>Hello</v>\n',
    '.json': b'{"language": "en", "segments": [{"start": 0.0, "end": 1.5, "text": " Hi.", '
             b'"words": [{"word": " Hi.", "start": 0.1, "end": 0.4}]}]}',
    '.tsv': b'start\tend\ttext\n0\t1500\tHello\n', '.csv': b'start,end,text\n0.0,1.5,Hello\n',
    '.txt': b'Hello there.\nBye.\n'}


@pytest.fixture(scope='module')
def place() -> Any:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


@given(st.data())
def test_transcripts_of_any_content_are_used_or_refused(place: Path, data: Any) -> None:
    suffix = data.draw(st.sampled_from(sorted(READERS)))
    content = data.draw(st.one_of(
        mutated(list(TRANSCRIPTS.values())), st.binary(max_size=80),
        st.lists(TEXTS, max_size=8).map(lambda lines: '\n'.join(lines).encode(
            errors='surrogatepass')), VALUES.map(lambda v: json.dumps(v).encode())))
    path = place / f'words{suffix}'
    path.write_bytes(content)
    found = used_or_refused(lambda: read_transcripts(path, data.draw(st.floats(0, 100))))
    for words in found.words if found else ():
        assert words.stamp >= 0 and (words.start is None or words.start <= words.stamp)


@given(st.one_of(mutated([TABLE]), st.binary(max_size=100)))
def test_tables_of_any_content_are_used_or_refused(place: Path, content: bytes) -> None:
    path = place / 'dev_sent_emo.csv'
    path.write_bytes(content)
    is_meld_table(path)
    table = used_or_refused(lambda: read_table(path))
    for row in table.rows if table else ():
        assert row.dialogue >= 0 and row.utterance >= 0 and row.text is not None
        assert row.start is None or row.start < row.end


def write(folder: Path, **how: Any) -> None:
    """Write a recording of 0.4 s with every kind of message."""
    picture = cv2.imencode('.jpg', np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    with SensorBag(folder, **how) as bag:
        for tenth in range(4):
            now = (1_000 + tenth) * 100_000_000
            for topic, content in ((AUDIO_TOPIC, np.zeros(160, np.int16)), (IMAGE_TOPIC, picture),
                                   (TEXT_TOPIC, 'hi')):
                bag.write(Message(now, now, topic, content))


class Hidden(dict[str, bytes]):
    """Files by name; hypothesis would print all of them."""

    def __repr__(self) -> str:
        return f'<{", ".join(self)}>'


@pytest.fixture(scope='module')
def recordings(place: Path) -> list[tuple[dict[str, bytes], str]]:
    """Return the files of small recordings, and the name of the one to be changed."""
    found: list[tuple[dict[str, bytes], str]] = []
    for number, how in enumerate(({}, {'compress': True}, {'storage': 'sqlite3'})):
        folder = place / f'bag{number}'
        write(folder, **how)
        files = Hidden({path.name: path.read_bytes() for path in folder.iterdir()})
        found += [(files, name) for name in sorted(files)]
    return found


def read(path: Path, *, salvage: bool) -> int:
    """Read everything in a recording."""
    with Recording(path, salvage=salvage) as recording:
        assert recording.start >= 0 and recording.end >= 0 and recording.counts is not None
        for fault in recording.faults:
            assert '\n' not in fault and len(fault) < 5000
        count = 0
        for recorded in recording.messages():
            assert recorded.time >= 0
            used_or_refused(lambda r=recorded: recording.decode(r))
            count += 1
        return count


@given(st.data(), st.booleans())
def test_recordings_of_any_content_are_used_or_refused(
        place: Path, recordings: Any, data: Any, salvage: bool) -> None:
    files, changed = data.draw(st.sampled_from(recordings))
    with tempfile.TemporaryDirectory(dir=place) as folder:
        for name, content in files.items():
            if name == changed:
                content = data.draw(mutated([content]))
            elif name == 'metadata.yaml' and data.draw(st.booleans()):
                continue
            (Path(folder) / name).write_bytes(content)
        used_or_refused(lambda: read(Path(folder), salvage=salvage))


@given(st.binary(max_size=200), st.sampled_from(('a.mcap', 'a.db3', 'metadata.yaml')))
def test_files_that_only_look_like_recordings_are_refused(
        place: Path, content: bytes, name: str) -> None:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        (Path(folder) / name).write_bytes(content)
        used_or_refused(lambda: read(Path(folder), salvage=True))


@pytest.fixture(scope='module')
def bundle(place: Path) -> dict[str, bytes]:
    tiny_bundle().save(place / 'tiny')
    return Hidden({path.name: path.read_bytes() for path in (place / 'tiny').iterdir()})


def load(folder: Path, files: dict[str, bytes], *, config: Any = None) -> None:
    """Write a bundle whose hashes fit, and load it."""
    for name, content in files.items():
        (folder / name).write_bytes(content)
    if config is None:
        config = json.loads(files[CONFIG])
        config['files'] = {name: hashlib.sha256(content).hexdigest()
                           for name, content in files.items() if name != CONFIG}
    (folder / CONFIG).write_text(json.dumps(config))
    try:
        Bundle.load(folder)
    except BundleError as error:
        assert str(error).isprintable() and len(str(error)) < 1000


@given(st.data())
def test_settings_of_bundles_of_any_content_are_used_or_refused(
        place: Path, bundle: dict[str, bytes], data: Any) -> None:
    config = json.loads(bundle[CONFIG])
    for _ in range(data.draw(st.integers(1, 3))):
        inner = config
        while isinstance(inner, dict) and inner:
            key = data.draw(st.sampled_from(sorted(inner)))
            if not isinstance(inner[key], dict) or not inner[key] or data.draw(st.booleans()):
                break
            inner = inner[key]
        kind = data.draw(st.sampled_from(('change', 'remove', 'add')))
        if kind == 'change':
            inner[key] = data.draw(st.one_of(NUMBERS, VALUES))
        elif kind == 'remove':
            del inner[key]
        else:
            inner[data.draw(TEXTS)] = data.draw(VALUES)
        if not config:
            break
    load(place / 'tiny', bundle, config=config)


@given(st.data())
def test_files_of_bundles_of_any_content_are_used_or_refused(
        place: Path, bundle: dict[str, bytes], data: Any) -> None:
    name = data.draw(st.sampled_from((CONFIG, TOKENIZER, WEIGHTS)))
    content = data.draw(mutated([bundle[name]]))
    if name != CONFIG:
        load(place / 'tiny', bundle | {name: content})
        return
    (place / 'tiny' / CONFIG).write_bytes(content)
    try:
        Bundle.load(place / 'tiny')
    except BundleError as error:
        assert str(error).isprintable() and len(str(error)) < 1000
