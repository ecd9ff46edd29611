"""MELD as it is published: which clips make a dialogue, who says what in them and how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
import csv
from dataclasses import dataclass
from pathlib import Path

from mmer_ros.text_repair import repair_text
from mmer_ros.types import EMOTIONS, InvalidInput

SPLITS = ('train', 'dev', 'test')
CLIP_FOLDERS = {'train': 'train_splits', 'dev': 'dev_splits_complete',
                'test': 'output_repeated_splits_test'}
COLUMNS = ('Utterance', 'Speaker', 'Emotion', 'Dialogue_ID', 'Utterance_ID')
MAX_DEPTH = 3  # folders below the given one that are searched


@dataclass(frozen=True)
class MeldClip:
    """
    One utterance.

    :param name: of the clip, e.g. 'dia3_utt7'.
    :param turn: its place in the dialogue.
    :param path: the file, which may be missing.
    :param emotion: index into EMOTIONS, or None if it is not known.
    """

    name: str
    turn: int
    path: Path
    emotion: int | None
    speaker: str
    text: str


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
    Read the rows of a split (Poria et al. 2019), in whichever of its folders things lie.

    :return: the dialogues, and what was wrong with rows that are left out.
    :raises InvalidInput: if there is no such split, or it has no clips.
    """
    if not folder.is_dir():
        raise InvalidInput(f'{folder}: there is no such folder; give that of MELD, with '
                           f'{split}_sent_emo.csv and {CLIP_FOLDERS[split]}')
    table, clips = _find(folder, f'{split}_sent_emo.csv'), _find(folder, CLIP_FOLDERS[split])
    rows = _Rows(clips)
    rows.read(table)
    return [MeldDialogue(split, number, tuple(sorted(rows.clips[number], key=lambda c: c.turn)),
                         tuple(rows.problems[number]))
            for number in sorted(rows.clips)], rows.left_out


def _find(folder: Path, name: str) -> Path:
    """Return the least deep file or folder of that name."""
    for depth in range(MAX_DEPTH + 1):
        found = sorted(folder.glob('*/' * depth + name))
        if found:
            return found[0]
    raise InvalidInput(f'{folder}: {name} is neither in it nor in its folders; unpack MELD.Raw '
                       'there, or make a corpus with `python -m training synth`')


class _Rows:
    """The rows of a table by dialogue."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.clips: dict[int, list[MeldClip]] = defaultdict(list)
        self.problems: dict[int, list[str]] = defaultdict(list)
        self.left_out: list[str] = []

    def read(self, table: Path) -> None:
        """Read a CSV file of MELD."""
        # Bytes that are not UTF-8 become surrogates, which repair_text takes for Windows-1252.
        with table.open(newline='', encoding='utf-8-sig', errors='surrogateescape') as file:
            reader = csv.DictReader(file)
            missing = set(COLUMNS) - set(reader.fieldnames or ())
            if missing:
                raise InvalidInput(f'{table}: it lacks the columns {", ".join(sorted(missing))}; '
                                   'expected a CSV file of MELD')
            try:
                for row in reader:
                    self._take(row, f'{table.name}:{reader.line_num}')
            except csv.Error as error:
                raise InvalidInput(f'{table}:{reader.line_num}: it is no CSV ({error}); fetch it '
                                   'again') from error

    def _take(self, row: Mapping[str, str | None], where: str) -> None:
        """Add the clip of a row to its dialogue, or say what is wrong with it."""
        values = {column: row[column] or '' for column in COLUMNS}
        try:
            number, turn = int(values['Dialogue_ID']), int(values['Utterance_ID'])
        except ValueError:
            self.left_out.append(f'{where}: a column is missing or an ID is no number; the row '
                                 'is left out')
            return
        name, emotion = f'dia{number}_utt{turn}', values['Emotion'].strip().lower()
        clips, problems = self.clips[number], self.problems[number]
        if any(clip.turn == turn for clip in clips):
            problems.append(f'{where}: {name} was there before; this row is left out')
            return
        if emotion not in EMOTIONS:
            problems.append(f'{where}: emotion {emotion!r} is unknown; {name} has none')
        clips.append(MeldClip(
            name, turn, self._folder / f'{name}.mp4',
            EMOTIONS.index(emotion) if emotion in EMOTIONS else None,
            repair_text(values['Speaker']), repair_text(values['Utterance'])))
