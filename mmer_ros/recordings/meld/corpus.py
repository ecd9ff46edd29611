# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The dialogues of MELD as it is published: clips with speaker, words and emotion."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from mmer_ros.recordings.meld.table import CLIP_FOLDERS, locate, MeldTable, read_table, TABLES
from mmer_ros.types import InvalidInput


@dataclass(frozen=True)
class MeldClip:
    """
    One utterance.

    :param name: of the clip, e.g. 'dia3_utt7'.
    :param turn: its place in the dialogue.
    :param path: the file, which may be missing.
    :param emotion: index into EMOTIONS, or None if it is not known.
    :param seconds: its length by StartTime and EndTime; None if they are not known.
    """

    name: str
    turn: int
    path: Path
    emotion: int | None
    speaker: str
    text: str
    seconds: float | None = None


@dataclass(frozen=True)
class MeldDialogue:
    """
    The utterances of one dialogue in their order.

    :param problems: what was wrong with rows that are left out or have no emotion.
    """

    split: str
    number: int
    clips: tuple[MeldClip, ...]
    problems: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Unique in the corpus, e.g. 'dev_dia3'; replay knows the dialogue by it."""
        return f'{self.split}_dia{self.number}'


def read_dialogues(folder: Path, split: str) -> tuple[list[MeldDialogue], list[str]]:
    """
    Read the rows of a split (Poria et al. 2019), wherever its files lie in the folder.

    :return: the dialogues, and what was wrong with rows that are left out.
    :raises InvalidInput: if there is no such split, or it has no clips.
    """
    if not folder.is_dir():
        raise InvalidInput(f'{folder}: there is no such folder; expected MELD, with '
                           f'{TABLES[split]} and {CLIP_FOLDERS[split]}')
    places = locate(folder, (TABLES[split], CLIP_FOLDERS[split]))
    for name in (TABLES[split], CLIP_FOLDERS[split]):
        if name not in places:
            raise InvalidInput(f'{folder}: {name} is neither in it nor in its folders; unpack '
                               'MELD.Raw there, or make a corpus with `python -m training synth`')
    table = read_table(places[TABLES[split]])
    clips, problems = _clips(table, places[CLIP_FOLDERS[split]])
    left_out = [f'{_short(row.where)}: {row.problem}; the row is left out'
                for row in table.bad_rows]
    return [MeldDialogue(split, number, tuple(sorted(clips[number], key=lambda c: c.turn)),
                         tuple(problems[number])) for number in sorted(clips)], left_out


def _clips(table: MeldTable, folder: Path) -> tuple[dict[int, list[MeldClip]],
                                                    dict[int, list[str]]]:
    """Return clips and problems of rows by the number of the dialogue."""
    clips: dict[int, list[MeldClip]] = defaultdict(list)
    problems: dict[int, list[str]] = defaultdict(list)
    for row in table.rows:
        where = _short(row.where)
        if any(clip.turn == row.utterance for clip in clips[row.dialogue]):
            problems[row.dialogue].append(
                f'{where}: {row.name} was there before; this row is left out')
            continue
        if row.emotion is None:
            problems[row.dialogue].append(
                f'{where}: emotion {row.label!r} is unknown; {row.name} has none')
        clips[row.dialogue].append(MeldClip(
            row.name, row.utterance, folder / f'{row.name}.mp4', row.emotion, row.speaker,
            row.text, None if row.start is None or row.end is None else row.end - row.start))
    return clips, problems


def _short(where: str) -> str:
    """Return file and line without the folder."""
    return Path(where).name
