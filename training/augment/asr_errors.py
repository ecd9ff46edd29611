# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Simulated transcripts of a speech recogniser: no case, no punctuation, some errors."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
import re

import numpy as np
from pydantic import Field
from training.engine.config import Settings

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
FILLERS = ('uh', 'um', 'er', 'hm', 'like', 'and', 'the', 'a')
MIN_COUNT = 3  # texts in which a word occurs before it replaces another
MAX_ALIKE = 12  # words of one sound that replace each other, the most frequent ones

# Letters that sound alike; vowels and soft letters count at the beginning of a word only.
SOUNDS = str.maketrans({
    'b': 'p', 'v': 'f', 'd': 't', 'g': 'k', 'c': 'k', 'q': 'k', 'j': 'k', 'z': 's', 'x': 's',
    'n': 'm', **dict.fromkeys('aeiouyhw', 'a')})


class AsrConfig(Settings):
    """
    How often training texts become simulated transcripts.

    :param share: of the texts that are transcripts; the others stay as written.
    :param error_rate: largest word error rate; each text draws its own between 0 and this.
    """

    share: float = Field(0.0, ge=0, le=1)
    error_rate: float = Field(0.2, ge=0, le=1)


class AsrSimulator:
    """
    A speech recogniser with errors.

    Half of the errors replace a word by one that sounds alike, three in ten delete it, and two in
    ten insert a filler or repeat it, about as reported for recognisers of conversation.

    :param texts: whose words it knows.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        counts = Counter(word for text in texts for word in dict.fromkeys(_words(text)))
        known = [word for word, count in counts.most_common() if count >= MIN_COUNT]
        groups: dict[str, list[str]] = defaultdict(list)
        for word in known:
            group = groups[sound_key(word)]
            if len(group) <= MAX_ALIKE:
                group.append(word)
        self.alike: Mapping[str, Sequence[str]] = groups
        self.frequent = known[:200] or list(FILLERS)

    def transcribe(self, text: str, error_rate: float, random: np.random.Generator) -> str:
        """
        Return the words of a text in lower case, without punctuation, with errors.

        :param error_rate: errors per word on average, 0..1.
        :return: at least one word; a text without words is returned as it is.
        """
        words = _words(text)
        if not words:
            return text
        result: list[str] = []
        for word, luck in zip(words, random.random((len(words), 2)).tolist()):
            if luck[0] >= error_rate:
                result.append(word)
            elif luck[1] < 0.5:
                result.append(self._similar(word, random))
            elif luck[1] >= 0.8:
                result += [word, word if luck[1] > 0.95 else _any(FILLERS, random)]
        return ' '.join(result or [words[int(random.integers(len(words)))]])

    def _similar(self, word: str, random: np.random.Generator) -> str:
        """Return another word that sounds alike, otherwise a frequent one."""
        others = [other for other in self.alike.get(sound_key(word), ()) if other != word]
        return _any(others or self.frequent, random)


def sound_key(word: str) -> str:
    """
    Return a key that words share if they sound alike.

    >>> sound_key('night') == sound_key('knit'), sound_key('bat') == sound_key('pad')
    (False, True)
    """
    letters = word.lower().replace('ph', 'f').replace('ck', 'k').translate(SOUNDS)
    letters = re.sub(r"['’]", '', letters)
    return letters[:1] + re.sub(r'(.)\1+', r'\1', letters[1:].replace('a', ''))


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def _any(words: Sequence[str], random: np.random.Generator) -> str:
    return words[int(random.integers(len(words)))]
