# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The files of a replay: each appears when it is complete, row by row in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import csv
import json
from pathlib import Path
from typing import Any, TextIO

from mmer_ros.recordings.tables import safe_cell, table_columns, table_row
from mmer_ros.replay.folder import check_folder
from mmer_ros.types import FaceCrop, People, StreamEvent

ESTIMATES, TABLE, EVENTS, FACES = 'estimates.jsonl', 'estimates.csv', 'events.jsonl', 'faces.csv'
PEOPLE = 'people.jsonl'
SUMMARY, TRACKS, MATCHES, RUN = 'summary.json', 'tracks.json', 'matches.json', 'run.json'
PLAIN = ('utterance_id', 'start', 'end', 'stamp', 'published', 'latency', 'final', 'provisional',
         'revision', 'label', 'confidence', 'calibrated', 'trained', 'valence', 'arousal')
COLUMNS = table_columns(PLAIN)


class Outputs:
    """
    Write the rows of a replay; use it as a context manager.

    However it ends, what was written is kept.

    :param folder: made if it is not there; None: nothing is written.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._files: dict[str, TextIO] = {}

    def __enter__(self) -> Outputs:
        """
        Remove the results of an earlier run and begin new files.

        :raises InvalidInput: if a file is in the place of one of them.
        """
        if self._folder is None:
            return self
        check_folder(self._folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in (SUMMARY, TRACKS, MATCHES, RUN):
            (self._folder / name).unlink(missing_ok=True)
        for name in (ESTIMATES, TABLE, EVENTS, FACES, PEOPLE):
            self._files[name] = _partial(self._folder / name).open(
                'w', encoding='utf-8', newline='')
        self._row(TABLE, COLUMNS)
        self._row(FACES, ('stamp', 'face_id', 'left', 'top', 'right', 'bottom', 'score'))
        return self

    def __exit__(self, *_: object) -> None:
        """Let the files appear, as far as they could be written."""
        failed: OSError | None = None
        for file in self._files.values():
            try:
                file.close()
            except OSError as error:
                failed = error
        for name in self._files:
            assert self._folder is not None
            partial = _partial(self._folder / name)
            if failed is not None and not partial.stat().st_size:
                partial.unlink()
            else:
                partial.replace(self._folder / name)
        self._files = {}
        if failed is not None:
            raise failed

    def estimate(self, row: Mapping[str, Any]) -> None:
        """Write an estimate."""
        self._line(ESTIMATES, row)
        self._row(TABLE, table_row(row, PLAIN))

    def event(self, event: StreamEvent, time: float) -> None:
        """Write an event; `time` by the clock of the recording, seconds."""
        self._line(EVENTS, {'kind': event.kind, 'stamp': event.stamp, 'time': time,
                            'text': event.text})

    def people(self, people: People) -> None:
        """Write everybody in view."""
        self._line(PEOPLE, people.to_dict())

    def faces(self, stamp: float, crops: Sequence[FaceCrop]) -> None:
        """Write where the faces of an image are, pixels."""
        for crop in crops:
            self._row(FACES, (stamp, safe_cell(crop.face_id), *(round(x, 1) for x in crop.box),
                              round(crop.score, 4)))

    def _line(self, name: str, row: Mapping[str, Any]) -> None:
        if name in self._files:
            self._files[name].write(json.dumps(row) + '\n')

    def _row(self, name: str, row: tuple[Any, ...]) -> None:
        if name in self._files:
            csv.writer(self._files[name], lineterminator='\n').writerow(row)


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file; it appears complete or not at all."""
    replace_text(path, json.dumps(content, indent=2) + '\n')


def replace_text(path: Path, text: str) -> None:
    """Write a text file; it appears complete or not at all."""
    _partial(path).write_text(text, encoding='utf-8')
    _partial(path).replace(path)


def _partial(path: Path) -> Path:
    return path.with_name(path.name + '.partial')
