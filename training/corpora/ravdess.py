"""RAVDESS speech: two sentences acted in eight emotions; split by actor, never by clip."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
import re

from mmer_ros.types import EMOTIONS, InvalidInput
from training.corpora.corpus import Corpus
from training.corpora.examples import Example

NAME = re.compile(r'(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)')
# The third number of a name; calm counts as neutral, for no other corpus knows it.
EMOTION_OF = {1: 'neutral', 2: 'neutral', 3: 'joy', 4: 'sadness', 5: 'anger', 6: 'fear',
              7: 'disgust', 8: 'surprise'}
DEV_ACTORS = (17, 18, 19, 20)


def read_ravdess(folder: Path, dev: Collection[int] = DEV_ACTORS) -> Corpus:
    """
    Read the speech clips of a folder: Actor_01/03-01-EE-II-SS-RR-AA.wav or .flac, and so on.

    Examples have no text, for both sentences are said in every emotion. Their speakers are
    'actor01' ...; odd ones are men, even ones women.

    :param dev: actors of the dev split; all others are learnt from.
    :raises InvalidInput: if there is no clip, or none for one of the splits.
    """
    corpus = Corpus()
    files = sorted(p for p in folder.glob('Actor_*/*') if p.suffix in ('.wav', '.flac'))
    if not files:
        raise InvalidInput(f'RAVDESS {folder}: no Actor_NN/*.wav or *.flac was found; give the '
                           'folder of the unpacked speech clips')
    for path in files:
        numbers = NAME.fullmatch(path.stem)
        fields = [int(n) for n in numbers.groups()] if numbers else [0] * 7
        emotion, actor = EMOTION_OF.get(fields[2]), fields[6]
        if emotion is None:
            corpus.report('bad row', str(path), f'{path.stem!r} is no name of RAVDESS with an '
                          'emotion of 01..08; the clip is left out')
            continue
        split = 'dev' if actor in dev else 'train'
        key = f'{split}/{path.stem}'
        corpus.add(Example(key, split, '', (EMOTIONS.index(emotion),), f'actor{actor:02d}',
                           key, 0, audio=path), str(path))
    return corpus


def actor_of(example: Example) -> int:
    """Return the number of the actor of an example."""
    return int(example.speaker.removeprefix('actor'))


def is_woman(actor: int) -> bool:
    """Tell the sex of an actor, which RAVDESS writes into the number."""
    return actor % 2 == 0
