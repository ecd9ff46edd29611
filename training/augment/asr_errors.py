"""Words as a speech recogniser gives them: without case and marks, some wrong, lost or added."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
import re

import numpy as np
from pydantic import Field
from training.engine.config import Settings

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
FILLERS = ('uh', 'um', 'er', 'hm', 'like', 'and', 'the', 'a')
LEAST_COUNT = 3  # texts in which a word must occur to be heard in the place of another
MOST_ALIKE = 12  # words that are taken for alike, the frequent ones

# Letters that sound alike; vowels and what is mute or soft count at the beginning only.
SOUNDS = str.maketrans({
    'b': 'p', 'v': 'f', 'd': 't', 'g': 'k', 'c': 'k', 'q': 'k', 'j': 'k', 'z': 's', 'x': 's',
    'n': 'm', **dict.fromkeys('aeiouyhw', 'a')})

Alike = Mapping[str, Sequence[str]]


class WordsConfig(Settings):
    """
    How often and how badly words are heard in training.

    :param share: of the texts that are as a recogniser gives them; the others are as written.
    :param error_rate: of words in these at most; each text draws its rate from 0 up to it.
    """

    share: float = Field(0.0, ge=0, le=1)
    error_rate: float = Field(0.2, ge=0, le=1)


class Recogniser:
    """
    A recogniser of bad hearing.

    Of its errors half take a word for one that sounds alike, three in ten lose it, and two in ten
    add a filler or say it twice: about what is told of recognisers of conversation.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        """Learn which words there are and which sound alike."""
        counts = Counter(word for text in texts for word in set(_words(text)))
        known = [word for word, count in counts.most_common() if count >= LEAST_COUNT]
        groups: dict[str, list[str]] = defaultdict(list)
        for word in known:
            group = groups[sound_of(word)]
            if len(group) <= MOST_ALIKE:
                group.append(word)
        self.alike: Alike = groups
        self.frequent = known[:200] or list(FILLERS)

    def hear(self, text: str, error_rate: float, random: np.random.Generator) -> str:
        """
        Return the words of a text in lower case, without marks, with errors.

        :param error_rate: errors a word on average, 0..1.
        :return: at least one word if the text has one; a text without any stays as it is.
        """
        words = _words(text)
        if not words:
            return text
        heard: list[str] = []
        for word, luck in zip(words, random.random((len(words), 2)).tolist()):
            if luck[0] >= error_rate:
                heard.append(word)
            elif luck[1] < 0.5:
                heard.append(self._mistaken(word, random))
            elif luck[1] >= 0.8:
                heard += [word, word if luck[1] > 0.95 else _any(FILLERS, random)]
        return ' '.join(heard or [words[int(random.integers(len(words)))]])

    def _mistaken(self, word: str, random: np.random.Generator) -> str:
        """Return another word that sounds alike, else a frequent one."""
        others = [other for other in self.alike.get(sound_of(word), ()) if other != word]
        return _any(others or self.frequent, random)


def sound_of(word: str) -> str:
    """Return what words that sound alike have in common: consonants by kind, and the beginning."""
    letters = word.lower().replace('ph', 'f').replace('ck', 'k').translate(SOUNDS)
    letters = re.sub(r"['’]", '', letters)
    return letters[:1] + re.sub(r'(.)\1+', r'\1', letters[1:].replace('a', ''))


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def _any(words: Sequence[str], random: np.random.Generator) -> str:
    return words[int(random.integers(len(words)))]
