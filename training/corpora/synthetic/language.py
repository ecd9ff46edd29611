# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Sentences of a dialogue: a small grammar over the words of `lexicon.py`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from training.corpora.synthetic.lexicon import (
    CUES,
    EXCLAMATIONS,
    FACTS,
    FRAMES,
    IDIOMS,
    OPENERS,
    PLACES,
    REACTIONS,
    TAILS,
    TIMES,
    TOPICS,
)

CONTRACTIONS = {'I am ': 'I’m ', 'It is ': 'It’s ', 'cannot ': 'can’t ', 'did not ': 'didn’t ',
                'Do not ': 'Don’t ', 'would not ': 'wouldn’t '}
QUESTIONS = ('are you', 'could you', 'who would', 'what if', 'can we')


def write_sentence(emotion: str, topic: str, rng: np.random.Generator,
                   reaction: str | None = None) -> str:
    """
    Write a sentence that shows an emotion.

    :param emotion: that is shown; 'neutral' shows none.
    :param topic: of the dialogue, one of TOPICS.
    :param reaction: the emotion of the speaker before, if it is remarked upon.
    """
    body = _plain(topic, rng) if emotion == 'neutral' else _emotional(emotion, topic, rng)
    sentence = _capital(body) + _end(body, emotion, rng)
    if reaction is not None:
        first = _common(REACTIONS[reaction], rng)
        sentence = f'{first if first.endswith("?") else first + "."} {sentence}'
    for long, short in CONTRACTIONS.items():
        sentence = sentence.replace(long, short)
    return sentence


def draw_topic(rng: np.random.Generator) -> str:
    """Draw the topic of a dialogue."""
    return TOPICS[int(rng.integers(len(TOPICS)))]


def _common(choices: Sequence[str], rng: np.random.Generator) -> str:
    """Choose; the first are more common, as words are (Zipf)."""
    weights = 1 / (np.arange(len(choices)) + 1)
    return choices[int(rng.choice(len(choices), p=weights / weights.sum()))]


def _fill(template: str, topic: str, rng: np.random.Generator, cue: str = '') -> str:
    return template.format(
        topic=topic, Topic=_capital(topic), cue=cue, time=TIMES[int(rng.integers(len(TIMES)))],
        place=PLACES[int(rng.integers(len(PLACES)))])


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    """Return a sentence as the continuation of another."""
    return text if text.startswith(('I ', 'I’')) else text[:1].lower() + text[1:]


def _end(body: str, emotion: str, rng: np.random.Generator) -> str:
    if any(phrase in body.lower() for phrase in QUESTIONS):
        return '?'
    ends = '.' if emotion in ('neutral', 'sadness', 'disgust') else '.!'
    return ends[int(rng.integers(len(ends)))]


def _plain(topic: str, rng: np.random.Generator) -> str:
    if rng.random() < .4:
        body = _fill(_common(FRAMES, rng), topic, rng, _common(CUES['neutral'], rng))
    else:
        body = _fill(_common(FACTS, rng), topic, rng)
    return _dress(body, rng)


def _emotional(emotion: str, topic: str, rng: np.random.Generator) -> str:
    """Use a cue in a frame that fits every emotion, or an idiom; often with an exclamation."""
    if rng.random() < .5:
        body = _fill(_common(FRAMES, rng), topic, rng, _common(CUES[emotion], rng))
    else:
        body = _fill(_common(IDIOMS[emotion], rng), topic, rng)
    if rng.random() < .6:
        return f'{_common(EXCLAMATIONS[emotion], rng)}, {_lower(body)}'
    return _dress(body, rng)


def _dress(body: str, rng: np.random.Generator) -> str:
    """Add words without meaning."""
    if rng.random() < .35:
        body = f'{_common(OPENERS, rng)}, {_lower(body)}'
    if rng.random() < .25:
        body = f'{body}, {_common(TAILS, rng)}'
    return body
