# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A dialogue becomes a rosbag2 recording with its labels beside; complete, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path
import shutil
from typing import Any

from mmer_ros.recordings.meld.clip import read_clip
from mmer_ros.recordings.meld.corpus import MeldClip, MeldDialogue
from mmer_ros.recordings.meld.settings import BagSettings
from mmer_ros.recordings.meld.timeline import TimeLine
from mmer_ros.recordings.sensor_bag import Message, SensorBag, TEXT_TOPIC, TOPICS
from mmer_ros.recordings.tables import safe_cell
from mmer_ros.types import EMOTIONS, InvalidInput

VERSION = 2  # raised when the same clips begin to give other recordings
LABELS, FACTS = 'labels.csv', 'meld2bag.json'
COLUMNS = ('start', 'end', 'speaker', 'emotion', 'text', 'clip')


@dataclass(frozen=True)
class Written:
    """
    What became of a dialogue.

    :param folder: the recording; None if there is none.
    :param clips: that are in it.
    :param seconds: of the recording.
    :param problems: what was left out and why, a sentence each.
    :param kept: it was there already.
    """

    name: str
    folder: Path | None
    clips: int = 0
    seconds: float = 0.0
    problems: tuple[str, ...] = ()
    kept: bool = False


def write_dialogue(dialogue: MeldDialogue, output: Path, settings: BagSettings, *,
                   resume: bool = False) -> Written:
    """
    Write a recording `output/NAME`; clips that cannot be used are left out.

    :param resume: keep what is there, unless clips or settings changed.
    :raises InvalidInput: if something else is in its place.
    """
    folder, known = output / dialogue.name, fingerprint(dialogue, settings)
    facts = read_facts(folder)
    if folder.exists() and (not facts or not _holds_only_ours(folder)):
        raise InvalidInput(f'{folder}: it is there and holds what is not from mmer meld2bag; it '
                           'is left as it is. Give another --output')
    if resume and facts.get('fingerprint') == known:
        return Written(dialogue.name, folder, facts['clips'], facts['seconds'],
                       tuple(facts['problems']), kept=True)
    partial = output / f'.{dialogue.name}.partial'
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        written = _Bag(dialogue, partial / dialogue.name, settings).write(known)
        shutil.rmtree(folder, ignore_errors=True)
        if not written.clips:
            return Written(dialogue.name, None, problems=written.problems)
        (partial / dialogue.name).replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Written(dialogue.name, folder, written.clips, written.seconds, written.problems)


def _holds_only_ours(folder: Path) -> bool:
    names = {LABELS, FACTS, 'metadata.yaml', f'{folder.name}.mcap', f'{folder.name}.db3'}
    return all(path.name in names for path in folder.iterdir())


def read_facts(folder: Path) -> dict[str, Any]:
    """Return how a recording was made, as its meld2bag.json has it; empty if there is none."""
    try:
        facts = json.loads((folder / FACTS).read_text(encoding='utf-8'))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def clip_names(folder: Path) -> list[str]:
    """
    Return the names of the clips of a recording, in the order of its labels.

    :raises InvalidInput: if `mmer meld2bag` did not write it.
    """
    try:
        with (folder / LABELS).open(newline='', encoding='utf-8') as file:
            return [row['clip'] for row in csv.DictReader(file)]
    except (OSError, KeyError) as error:
        raise InvalidInput(f'{folder}: its {LABELS} names no clips ({error!r}); make the '
                           'recording with `mmer meld2bag`') from error


def fingerprint(dialogue: MeldDialogue, settings: BagSettings) -> str:
    """Return what is the same if nothing changed that the recording depends on."""
    stats = [(clip.path.stat().st_size, clip.path.stat().st_mtime_ns)
             if clip.path.is_file() else None for clip in dialogue.clips]
    rows = [asdict(clip) | {'path': clip.path.name} for clip in dialogue.clips]
    known = (VERSION, settings.model_dump(), dialogue.problems, rows, stats)
    return hashlib.sha256(repr(known).encode()).hexdigest()


class _Bag:
    """A recording while it is written."""

    def __init__(self, dialogue: MeldDialogue, folder: Path, settings: BagSettings) -> None:
        self._dialogue, self._folder, self._settings = dialogue, folder, settings
        self._problems = list(dialogue.problems)
        self._labels: list[dict[str, Any]] = []  # rows of labels.csv

    def write(self, known: str) -> Written:
        """Write messages, labels and facts."""
        settings, dialogue = self._settings, self._dialogue
        line = TimeLine(settings, seed=dialogue.number)
        begin = line.now_ns
        topics = [topic for topic in TOPICS if topic != TEXT_TOPIC or settings.transcripts]
        with SensorBag(self._folder, topics=topics, storage=settings.storage) as bag:
            for clip in dialogue.clips:
                self._add(clip, line, bag)
            _put(line.pause(), bag)
        seconds = (line.now_ns - begin) / 1e9
        self._write_labels()
        (self._folder / FACTS).write_text(json.dumps({
            'fingerprint': known, 'split': dialogue.split, 'dialogue': dialogue.number,
            'clips': len(self._labels), 'seconds': seconds, 'problems': self._problems,
            'settings': settings.model_dump()}, indent=1), encoding='utf-8')
        return Written(dialogue.name, self._folder, len(self._labels), seconds,
                       tuple(self._problems))

    def _add(self, clip: MeldClip, line: TimeLine, bag: SensorBag) -> None:
        """Add a clip to the recording, or a problem to the list."""
        try:
            media = read_clip(clip.path, self._settings, clip.seconds)
        except InvalidInput as error:
            self._problems.append(f'{error}; it is left out')
            return
        except Exception as error:  # decoders fail in many ways, and one clip must not end the run
            self._problems.append(f'{clip.name}: {type(error).__name__}: {error}; it is left out')
            return
        if media.seconds <= 0:
            self._problems.append(f'{clip.name}: it has no length; it is left out')
            return
        self._problems += media.problems
        _put(line.pause(media), bag)
        start = round(line.now_ns / 1e9, 6)
        emotion = '' if clip.emotion is None else EMOTIONS[clip.emotion]
        self._labels.append({
            'start': start, 'end': round(start + media.seconds, 6), 'speaker': clip.speaker,
            'emotion': emotion, 'text': clip.text, 'clip': clip.name})
        _put(line.clip(media, clip.text if self._settings.transcripts else ''), bag)

    def _write_labels(self) -> None:
        with (self._folder / LABELS).open('w', newline='', encoding='utf-8') as file:
            table = csv.DictWriter(file, COLUMNS, lineterminator='\n')
            table.writeheader()
            table.writerows({name: safe_cell(cell) for name, cell in row.items()}
                            for row in self._labels)


def _put(messages: Sequence[Message], bag: SensorBag) -> None:
    for message in messages:
        bag.write(message)
