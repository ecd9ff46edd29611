# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The plan of a synthetic corpus: speakers, emotions, words, and which modality shows the emotion.

Every modality shows the true emotion of a clip with a probability of its own; otherwise it looks,
sounds or reads neutral, or, seldom, like another emotion. So one modality alone stays far below
the three together; `ceilings.py` computes how far. Emotions persist within a dialogue, and a turn
may remark on the emotion of the one before, so that the context carries information as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from mmer_ros.types import EMOTIONS
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator
from training.corpora.examples import SPLITS
from training.corpora.synthetic.language import draw_topic, write_sentence
from training.corpora.synthetic.people import make_people, Person
from training.corpora.synthetic.prosody import PROSODIES
from training.corpora.synthetic.voice import make_score, Score

NEUTRAL = EMOTIONS.index('neutral')
SHOWN_IN = ('text', 'audio', 'face')
MELD_COUNTS = (4710, 1205, 268, 683, 1743, 271, 1109)  # of EMOTIONS in MELD's training split
SYLLABLES = (5, 9)  # spoken in a clip; not as many as in its text: that would give it away
QUIRKS = ('corrupt', 'missing', 'no audio', 'no face')


class CorpusConfig(BaseModel):
    """
    Settings of the corpus.

    :param dialogues: how many in train, dev and test.
    :param turns: least and most clips of a dialogue.
    :param people: speakers; all splits have the same, as in MELD.
    :param classes: emotions equally often, or as often as in MELD.
    :param clear: probability that text, audio and face show the true emotion.
    :param conflict: probability that a modality shows one of the six others; what is left to 1
        looks neutral.
    :param persistence: probability that a turn keeps the emotion of the one before; else it is
        drawn from the prior.
    :param reaction: probability that a turn remarks on the emotion of the one before.
    :param width: of the video, pixels; so `height`.
    :param quirks: with defects like MELD's: a damaged clip, a missing one, one without sound,
        one without a face, bytes of cp1252 in a CSV, a stray file of macOS.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    seed: int = Field(0, ge=0)
    dialogues: tuple[int, int, int] = (50, 10, 10)
    turns: tuple[int, int] = (4, 8)
    people: int = Field(12, ge=2, le=24)
    classes: Literal['uniform', 'meld'] = 'uniform'
    clear: tuple[float, float, float] = (0.6, 0.6, 0.6)
    conflict: float = Field(0.05, ge=0, le=0.5)
    persistence: float = Field(0.3, ge=0, lt=1)
    reaction: float = Field(0.25, ge=0, le=1)
    width: int = Field(320, ge=160, le=1920, multiple_of=2)
    height: int = Field(240, ge=120, le=1080, multiple_of=2)
    fps: int = Field(12, ge=5, le=30)
    quirks: bool = False

    @model_validator(mode='after')
    def _check(self) -> CorpusConfig:
        if min(self.dialogues) < 1:
            raise ValueError(f'dialogues {self.dialogues}: each split needs at least 1')
        if not 1 <= self.turns[0] <= self.turns[1] <= 30:
            raise ValueError(f'turns {self.turns}: expected least <= most within 1..30')
        if not all(0 <= p <= 1 - self.conflict for p in self.clear):
            raise ValueError(f'clear {self.clear}: expected 0..{1 - self.conflict:g}, so that '
                             'with conflict there is no more than 1')
        return self

    @property
    def prior(self) -> NDArray[np.float64]:
        """(7,) how often each of EMOTIONS is, sum 1."""
        counts = np.array(MELD_COUNTS if self.classes == 'meld' else [1] * len(EMOTIONS))
        return np.asarray(counts / counts.sum(), np.float64)


SIZES = {  # about 48, 420 and 1800 clips
    'tiny': CorpusConfig(dialogues=(8, 2, 2), turns=(3, 5)),
    'small': CorpusConfig(dialogues=(50, 10, 10)),
    'full': CorpusConfig(dialogues=(234, 34, 34)),
}


@dataclass(frozen=True)
class Clip:
    """
    One utterance of the corpus.

    :param emotion: the true one, index into EMOTIONS.
    :param shown: the emotions that text, audio and face show.
    :param score: what its voice does; gives the clip its length.
    :param start: seconds since the start of the episode.
    :param quirk: one of QUIRKS, or empty.
    """

    split: str
    dialogue: int
    turn: int
    speaker: Person
    emotion: int
    shown: tuple[int, int, int]
    text: str
    score: Score
    sentiment: str
    season: int
    episode: int
    start: float
    quirk: str = ''

    @property
    def name(self) -> str:
        """As MELD names its clips, without the suffix."""
        return f'dia{self.dialogue}_utt{self.turn}'

    @property
    def key(self) -> str:
        """Unique in the corpus, as `Example.key`."""
        return f'{self.split}/{self.name}'

    @property
    def carries(self) -> tuple[str, ...]:
        """The modalities that show the true emotion."""
        gone = {'no audio': ('audio',), 'no face': ('face',), 'corrupt': ('audio', 'face'),
                'missing': ('audio', 'face')}.get(self.quirk, ())
        return tuple(name for name, shown in zip(SHOWN_IN, self.shown)
                     if shown == self.emotion and name not in gone)


def clip_rng(config: CorpusConfig, split: str, dialogue: int, *place: int
             ) -> np.random.Generator:
    """Return the random numbers of one part of one clip, whatever else is generated."""
    return np.random.default_rng([config.seed, SPLITS.index(split), dialogue, *place])


def plan(config: CorpusConfig) -> list[Clip]:
    """Lay out all clips, by split, dialogue and turn; nothing is drawn or synthesised."""
    people = make_people(config.seed, config.people)
    clips = [clip for split, count in zip(SPLITS, config.dialogues)
             for dialogue in range(count) for clip in _dialogue(config, people, split, dialogue)]
    return _with_quirks(clips) if config.quirks else clips


def draw_shown(config: CorpusConfig, emotion: int, rng: np.random.Generator
               ) -> tuple[int, int, int]:
    """Draw what text, audio and face show when the true emotion is `emotion`."""
    others = [i for i in range(len(EMOTIONS)) if i != emotion]
    shown = []
    for clear in config.clear:
        chance, other = rng.random(), others[int(rng.integers(len(others)))]
        shown.append(emotion if chance < clear else
                     other if chance < clear + config.conflict else NEUTRAL)
    return shown[0], shown[1], shown[2]


def _dialogue(config: CorpusConfig, people: tuple[Person, ...], split: str, dialogue: int
              ) -> list[Clip]:
    rng = clip_rng(config, split, dialogue)
    cast = rng.choice(len(people), min(int(rng.integers(2, 4)), len(people)), replace=False)
    turns = int(rng.integers(config.turns[0], config.turns[1] + 1))
    season, episode, topic = int(rng.integers(1, 11)), int(rng.integers(1, 25)), draw_topic(rng)
    time, emotion, speaker = float(rng.uniform(30, 1200)), -1, -1
    clips = []
    for turn in range(turns):
        before = emotion
        if turn == 0 or rng.random() >= config.persistence:
            emotion = int(rng.choice(len(EMOTIONS), p=config.prior))
        speaker = int(rng.choice([person for person in cast if person != speaker]))
        shown = draw_shown(config, emotion, rng)
        remarked = turn > 0 and rng.random() < config.reaction
        text = write_sentence(EMOTIONS[shown[0]], topic, rng,
                              EMOTIONS[before] if remarked else None)
        syllables = int(rng.integers(SYLLABLES[0], SYLLABLES[1] + 1))
        score = make_score(PROSODIES[EMOTIONS[shown[1]]], syllables,
                           clip_rng(config, split, dialogue, turn, 0))
        clips.append(Clip(split, dialogue, turn, people[speaker], emotion, shown, text, score,
                          _sentiment(emotion, rng), season, episode, round(time, 3)))
        time += score.duration + float(rng.uniform(.2, 1.5))
    return clips


def _sentiment(emotion: int, rng: np.random.Generator) -> str:
    """As MELD has it: surprise may be of either kind."""
    name = EMOTIONS[emotion]
    if name == 'surprise':
        return 'positive' if rng.random() < .5 else 'negative'
    return {'neutral': 'neutral', 'joy': 'positive'}.get(name, 'negative')


def _with_quirks(clips: list[Clip]) -> list[Clip]:
    """Give the defects to training clips, evenly spread, and one clip of dev is missing."""
    places = [i for i, clip in enumerate(clips) if clip.split == 'train']
    changed = list(clips)
    for number, quirk in enumerate(QUIRKS):
        place = places[(2 * number + 1) * len(places) // (2 * len(QUIRKS))]
        changed[place] = replace(clips[place], quirk=quirk)
    for place, start in zip(places, ('That’s it.', 'Here’s the thing.')):  # for cp1252
        changed[place] = replace(changed[place], text=f'{start} {changed[place].text}')
    last = next(i for i in reversed(range(len(clips))) if clips[i].split == 'dev')
    changed[last] = replace(clips[last], quirk='missing')
    return changed
