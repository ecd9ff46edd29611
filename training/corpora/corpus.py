# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A corpus as its reader returns it: examples, and the problems of the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mmer_ros.types import EMOTIONS, InvalidInput
from training.corpora.examples import Example

ProblemKind = Literal['bad row', 'unknown label', 'wrong time', 'duplicate', 'missing split',
                      'missing file', 'unreadable clip', 'damaged clip', 'long clip', 'no audio',
                      'no face', 'crash']


@dataclass(frozen=True)
class Problem:
    """
    A non-fatal problem of a corpus; the rest of the corpus is used.

    :param where: file, and line if it has lines: 'train_sent_emo.csv:12'.
    :param text: one sentence: what is wrong and what was done about it.
    :param key: `Example.key` that it concerns; '' if there is none.
    """

    kind: ProblemKind
    where: str
    text: str
    key: str = ''


@dataclass
class Corpus:
    """Examples with unique keys, and the problems of rows that are incomplete or left out."""

    examples: list[Example] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set, repr=False)

    def add(self, example: Example, where: str) -> bool:
        """Add an example; a second one of the same key is reported and left out."""
        if example.key in self._keys:
            self.report('duplicate', where, f'{example.key} was there before; this one is left '
                        'out', example.key)
            return False
        self._keys.add(example.key)
        self.examples.append(example)
        return True

    def report(self, kind: ProblemKind, where: str, text: str, key: str = '') -> None:
        """Add a problem."""
        self.problems.append(Problem(kind, where, text, key))


SYNONYMS = {'happy': 'joy', 'happiness': 'joy', 'joyful': 'joy', 'sad': 'sadness',
            'angry': 'anger', 'mad': 'anger', 'surprised': 'surprise', 'fearful': 'fear',
            'scared': 'fear', 'afraid': 'fear', 'disgusted': 'disgust'}


def emotion_index(name: str) -> int:
    """
    Return the index of an emotion in EMOTIONS; case and white space around it do not matter.

    Common synonyms are understood: 'happy' is joy.

    :raises InvalidInput: if it is none of them.
    """
    try:
        known = name.strip().lower()
        return EMOTIONS.index(SYNONYMS.get(known, known))
    except ValueError:
        raise InvalidInput(
            f'label {name!r}: it is unknown; expected {", ".join(EMOTIONS)}') from None
