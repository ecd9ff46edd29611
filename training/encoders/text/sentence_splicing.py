"""Sentences spliced from those of a corpus at a common word: more text for a teacher to answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
import re

import numpy as np
from training.corpora.examples import Example

TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]+|\s+")
MAX_CHARACTERS = 140
TRIES = 20  # for each sentence that is wanted

Tokens = list[str]


@dataclass(frozen=True)
class Splice:
    """
    A sentence without a label.

    :param groups: of the two examples that it comes from, so that it can be left out with them.
    """

    example: Example
    groups: tuple[str, str]


def spliced(main: Sequence[Example], extra: Sequence[Sequence[Example]], count: int, seed: int = 0
            ) -> list[Splice]:
    """
    Return new sentences: the beginning of one up to a word, the end of another from that word.

    They read like speech from word to word, though seldom as a whole. They have no labels.

    :param main: every other splice begins with a sentence of this corpus at least.
    :param count: fewer are returned if the corpora are too small for so many.
    """
    random = np.random.default_rng(seed)
    used = [[e for e in corpus if e.split == 'train' and e.text] for corpus in (main, *extra)]
    groups = [e.group for corpus in used for e in corpus]
    sentences = [TOKEN.findall(e.text) for corpus in used for e in corpus]
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, tokens in enumerate(sentences):
        for place, token in enumerate(tokens):
            if not token.isspace():
                places[token.lower()].append((number, place))
    found: dict[str, tuple[str, str]] = {}
    known = {''.join(tokens) for tokens in sentences}
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        among = len(used[0]) if random.random() < 0.5 else len(sentences)
        first = int(random.integers(among))
        text, second = _splice(sentences[first], sentences, places, random)
        if text and text not in known:
            found.setdefault(text, (groups[first], groups[second]))
    return [Splice(Example(f'splice{i}', 'train', text), sources)
            for i, (text, sources) in enumerate(found.items())]


def _splice(first: Tokens, sentences: Sequence[Tokens], places: dict[str, list[tuple[int, int]]],
            random: np.random.Generator) -> tuple[str, int]:
    """
    Return `first` up to one of its words, and from there another sentence, with its number.

    The text is empty if it would be too long.
    """
    words = [i for i, token in enumerate(first) if not token.isspace()]
    if not words:
        return '', 0
    cut = words[random.integers(len(words))]
    others = places[first[cut].lower()]
    number, place = others[random.integers(len(others))]
    text = ''.join(first[:cut] + sentences[number][place:]).strip()
    return (text if len(text) <= MAX_CHARACTERS else ''), number
