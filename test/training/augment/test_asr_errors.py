# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Simulated transcripts: which words change, how often, and that a seed repeats them."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys

import numpy as np
import pytest
from training.augment.asr_errors import AsrSimulator, FILLERS, sound_key, WORD

from ...fixtures.stream import ROOT

TEXTS = ['Do they see the two of us?', 'They do, too!', 'To the sea; we see them.',
         "I don't know who's there...", 'The day they came, we were there.'] * 4


@pytest.fixture(scope='module')
def recogniser() -> AsrSimulator:
    return AsrSimulator(TEXTS)


def transcript(recogniser: AsrSimulator, text: str, rate: float, seed: int = 0) -> str:
    return recogniser.transcribe(text, rate, np.random.default_rng(seed))


def errors(truth: list[str], said: list[str]) -> int:
    """Words that are not in the longest common order, counted as recognisers are judged."""
    edits = difflib.SequenceMatcher(None, truth, said, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in edits if kind != 'equal')


def test_without_errors_only_case_and_punctuation_are_lost(recogniser: AsrSimulator) -> None:
    assert transcript(recogniser, "WHY?! I DON'T know... *who's* there-", 0) == \
        "why i don't know who's there"


@pytest.mark.parametrize('text', ['', '?!', '...', ' '])
def test_a_text_without_words_is_unchanged(recogniser: AsrSimulator, text: str) -> None:
    assert transcript(recogniser, text, 1.0) == text


def test_at_least_one_word_remains(recogniser: AsrSimulator) -> None:
    for seed in range(50):
        assert transcript(recogniser, 'Really?', 1.0, seed)


def test_the_same_seed_gives_the_same_transcript(recogniser: AsrSimulator) -> None:
    text = ' '.join(TEXTS)
    assert transcript(recogniser, text, 0.3, 1) == transcript(recogniser, text, 0.3, 1)
    assert transcript(recogniser, text, 0.3, 1) != transcript(recogniser, text, 0.3, 2)


@pytest.mark.parametrize('rate', [0.05, 0.1, 0.2, 0.3])
def test_the_word_error_rate_is_as_set(recogniser: AsrSimulator, rate: float) -> None:
    """Within what 2000 words and edits that fall together allow."""
    words = [f'word{i}' for i in range(2000)]  # all different, so that each edit can be told
    found = errors(words, transcript(recogniser, ' '.join(words), rate).split()) / len(words)
    assert found == pytest.approx(rate, abs=0.03)


def test_replaced_words_sound_alike(recogniser: AsrSimulator) -> None:
    assert sound_key('two') == sound_key('too') == sound_key('to') != sound_key('see')
    assert sound_key('see') == sound_key('sea')
    known = {word.lower() for text in TEXTS for word in WORD.findall(text)} | set(FILLERS)
    for seed in range(30):
        for word in transcript(recogniser, 'to', 1.0, seed).split():
            assert word in known
            assert word in FILLERS or sound_key(word) == sound_key('to')


def test_a_recogniser_without_known_words_still_works(recogniser: AsrSimulator) -> None:
    assert transcript(AsrSimulator([]), 'something else', 0.5)


def test_the_words_do_not_depend_on_the_hash_seed_of_the_process() -> None:
    """A resumed run must see the same transcripts: the order of words follows from the texts."""
    code = ('from training.augment.asr_errors import AsrSimulator; '
            f'print(AsrSimulator({TEXTS!r}).frequent)')
    found = {subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                            env={**os.environ, 'PYTHONHASHSEED': seed}, check=True).stdout
             for seed in '123'}
    assert len(found) == 1
