"""Words as a speech recogniser gives them: what changes, how often, the same for a seed."""

from __future__ import annotations

import difflib

import numpy as np
import pytest
from training.augment.asr_errors import FILLERS, Recogniser, sound_of, WORD

TEXTS = ['Do they see the two of us?', 'They do, too!', 'To the sea; we see them.',
         "I don't know who's there...", 'The day they came, we were there.'] * 4


@pytest.fixture(scope='module')
def recogniser() -> Recogniser:
    return Recogniser(TEXTS)


def heard(recogniser: Recogniser, text: str, rate: float, seed: int = 0) -> str:
    return recogniser.hear(text, rate, np.random.default_rng(seed))


def errors(truth: list[str], said: list[str]) -> int:
    """Words that are not in the longest common order, counted as recognisers are judged."""
    edits = difflib.SequenceMatcher(None, truth, said, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for kind, i1, i2, j1, j2 in edits if kind != 'equal')


def test_without_errors_case_and_marks_are_lost_and_nothing_else(recogniser: Recogniser) -> None:
    assert heard(recogniser, "WHY?! I DON'T know... *who's* there-", 0) == \
        "why i don't know who's there"


@pytest.mark.parametrize('text', ['', '?!', '...', ' '])
def test_a_text_without_words_stays_as_it_is(recogniser: Recogniser, text: str) -> None:
    assert heard(recogniser, text, 1.0) == text


def test_a_word_is_left_whatever_is_lost(recogniser: Recogniser) -> None:
    for seed in range(50):
        assert heard(recogniser, 'Really?', 1.0, seed)


def test_the_same_random_numbers_give_the_same_words(recogniser: Recogniser) -> None:
    text = ' '.join(TEXTS)
    assert heard(recogniser, text, 0.3, 1) == heard(recogniser, text, 0.3, 1)
    assert heard(recogniser, text, 0.3, 1) != heard(recogniser, text, 0.3, 2)


@pytest.mark.parametrize('rate', [0.05, 0.1, 0.2, 0.3])
def test_the_word_error_rate_is_what_was_asked_for(recogniser: Recogniser, rate: float) -> None:
    """Within what 2000 words and edits that fall together allow."""
    words = [f'word{i}' for i in range(2000)]  # all different, so that each edit can be told
    found = errors(words, heard(recogniser, ' '.join(words), rate).split()) / len(words)
    assert found == pytest.approx(rate, abs=0.03)


def test_what_is_heard_for_a_word_sounds_like_it(recogniser: Recogniser) -> None:
    assert sound_of('two') == sound_of('too') == sound_of('to') != sound_of('see')
    assert sound_of('see') == sound_of('sea')
    known = {word.lower() for text in TEXTS for word in WORD.findall(text)} | set(FILLERS)
    for seed in range(30):
        for word in heard(recogniser, 'to', 1.0, seed).split():
            assert word in known
            assert word in FILLERS or sound_of(word) == sound_of('to')


def test_a_recogniser_that_knows_no_words_still_hears(recogniser: Recogniser) -> None:
    assert heard(Recogniser([]), 'something else', 0.5)
