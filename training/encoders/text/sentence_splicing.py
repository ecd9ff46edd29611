# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Spliced sentences: two corpus sentences joined at a shared word, as unlabelled text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
import re

import numpy as np
from training.corpora.examples import Example, TRAIN

TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]+|\s+")
MAX_CHARACTERS = 140
TRIES = 20  # per sentence

Tokens = list[str]


def spliced(main: Sequence[Example], extra: Sequence[Sequence[Example]], count: int, seed: int = 0
            ) -> list[Example]:
    """
    Return new unlabelled sentences for distillation.

    Each begins like one sentence up to a word and ends like another one from that word: 'I saw
    the red car' and 'Give me the key!' give 'I saw the key!'.

    :param main: at least every other sentence begins like one of this corpus.
    :param count: small corpora give fewer.
    """
    random = np.random.default_rng(seed)
    used = [[e.text for e in corpus if e.split == TRAIN and e.text] for corpus in (main, *extra)]
    sentences = [TOKEN.findall(text) for corpus in used for text in corpus]
    places: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, tokens in enumerate(sentences):
        for place, token in enumerate(tokens):
            if not token.isspace():
                places[token.lower()].append((number, place))
    found: dict[str, None] = {}
    known = {''.join(tokens) for tokens in sentences}
    for _ in range(TRIES * count):
        if len(found) == count:
            break
        among = len(used[0]) if random.random() < 0.5 else len(sentences)
        text = _splice(sentences[int(random.integers(among))], sentences, places, random)
        if text and text not in known:
            found.setdefault(text)
    return [Example(f'splice{i}', TRAIN, text) for i, text in enumerate(found)]


def _splice(first: Tokens, sentences: Sequence[Tokens], places: dict[str, list[tuple[int, int]]],
            random: np.random.Generator) -> str:
    """Return `first` up to one of its words and another sentence from there; '' if too long."""
    words = [i for i, token in enumerate(first) if not token.isspace()]
    if not words:
        return ''
    cut = words[random.integers(len(words))]
    others = places[first[cut].lower()]
    number, place = others[random.integers(len(others))]
    text = ''.join(first[:cut] + sentences[number][place:]).strip()
    return text if len(text) <= MAX_CHARACTERS else ''
