"""Sentences spliced from those of a corpus at a common word: more text for a teacher to answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
import re

import numpy as np
from training.corpora.examples import Example

TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]+|\s+")
MAX_CHARACTERS = 140
TRIES = 20  # for each sentence that is wanted

Tokens = list[str]


def spliced(main: Sequence[Example], extra: Sequence[Sequence[Example]], count: int, seed: int = 0
            ) -> list[Example]:
    """
    Return new sentences: the beginning of one up to a word, the end of another from that word.

    They read like speech from word to word, though seldom as a whole. They have no labels.

    :param main: every other splice begins with a sentence of this corpus at least.
    :param count: fewer are returned if the corpora are too small for so many.
    """
    random = np.random.default_rng(seed)
    corpora = [[TOKEN.findall(e.text) for e in corpus if e.split == 'train' and e.text]
               for corpus in (main, *extra)]
    sentences = [tokens for corpus in corpora for tokens in corpus]
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, tokens in enumerate(sentences):
        for place, token in enumerate(tokens):
            if not token.isspace():
                places[token.lower()].append((number, place))
    found: dict[str, None] = {}  # a set that keeps its order
    known = {''.join(tokens) for tokens in sentences}
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        among = corpora[0] if random.random() < 0.5 else sentences
        text = _splice(among[random.integers(len(among))], sentences, places, random)
        if text and text not in known:
            found[text] = None
    return [Example(f'splice{i}', 'train', text) for i, text in enumerate(found)]


def _splice(first: Tokens, sentences: Sequence[Tokens], places: dict[str, list[tuple[int, int]]],
            random: np.random.Generator) -> str:
    """Return `first` up to one of its words, and from there another sentence; '' if too long."""
    words = [i for i, token in enumerate(first) if not token.isspace()]
    if not words:
        return ''
    cut = words[random.integers(len(words))]
    others = places[first[cut].lower()]
    number, place = others[random.integers(len(others))]
    text = ''.join(first[:cut] + sentences[number][place:]).strip()
    return text if len(text) <= MAX_CHARACTERS else ''
