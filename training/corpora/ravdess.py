# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""RAVDESS speech: two sentences acted in eight emotions; split by actor, never by clip."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
import re

from mmer_ros.types import EMOTIONS, InvalidInput
from training.corpora.corpus import Corpus
from training.corpora.examples import Example

# Modality 03 is sound alone, channel 01 speech; others are videos, or songs.
NAME = re.compile(r'03-01-(\d\d)-\d\d-\d\d-\d\d-(\d\d)')
# The third number of a name; calm counts as neutral, for no other corpus knows it.
EMOTION_OF = {1: 'neutral', 2: 'neutral', 3: 'joy', 4: 'sadness', 5: 'anger', 6: 'fear',
              7: 'disgust', 8: 'surprise'}
DEV_ACTORS = (17, 18, 19, 20)


def read_ravdess(folder: Path, dev: Collection[int] = DEV_ACTORS) -> Corpus:
    """
    Read the speech clips of a folder: Actor_01/03-01-EE-II-SS-RR-AA.wav or .flac, and so on.

    Examples have no text, since every actor speaks the same two sentences in all emotions.
    Speakers are named 'actor01' ...; odd numbers are men, even ones women.

    :param dev: actors of the dev split; all others are learnt from.
    :raises InvalidInput: if there is no clip, or none for one of the splits.
    """
    corpus = Corpus()
    files = sorted(p for p in folder.glob('Actor_*/*') if p.suffix in ('.wav', '.flac'))
    if not files:
        raise InvalidInput(f'RAVDESS {folder}: no Actor_NN/*.wav or *.flac was found; give the '
                           'folder of the unpacked speech clips')
    for path in files:
        found = NAME.fullmatch(path.stem)
        emotion = EMOTION_OF.get(int(found[1])) if found else None
        if found is None or emotion is None:
            corpus.report('bad row', str(path), f'{path.stem!r} is no name of RAVDESS speech, '
                          '03-01-EE-II-SS-RR-AA with EE of 01..08; the clip is left out')
            continue
        actor = int(found[2])
        if path.parent.name != f'Actor_{actor:02d}':
            corpus.report('bad row', str(path), f'the file is of actor {actor:02d}, the folder '
                          f'is {path.parent.name}; the clip is left out')
            continue
        split = 'dev' if actor in dev else 'train'
        key = f'{split}/{path.stem}'
        corpus.add(Example(key, split, '', (EMOTIONS.index(emotion),), f'actor{actor:02d}',
                           key, 0, audio=path), str(path))
    _check(corpus, folder, dev)
    return corpus


def _check(corpus: Corpus, folder: Path, dev: Collection[int]) -> None:
    """Refuse a corpus without one of the splits."""
    there = {e.split for e in corpus.examples}
    actors = ', '.join(f'{actor:02d}' for actor in sorted(dev))
    for split, whose in (('train', f'actors other than {actors}'), ('dev', f'actors {actors}')):
        if split not in there:
            raise InvalidInput(f'RAVDESS {folder}: no clip for the {split} split, which takes '
                               f'{whose}; give the folder of all speech clips, or other actors '
                               'for dev')


def actor_of(example: Example) -> int:
    """Return the number of the actor of an example."""
    return int(example.speaker.removeprefix('actor'))


def is_woman(actor: int) -> bool:
    """Return whether an actor is a woman: RAVDESS gives women even numbers."""
    return actor % 2 == 0
