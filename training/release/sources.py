"""The corpora that the starter bundle learns from, with and without what is held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from training.corpora.corpus import Corpus
from training.corpora.examples import DEV, Example, TRAIN
from training.corpora.fer import Stills
from training.preparation.clip_cache import ClipCache


@dataclass(frozen=True)
class Sources:
    """
    What is learnt from (split train) and held out (split dev).

    :param meld: utterances with dialogue and turn.
    :param clips: voices of RAVDESS.
    :param stills: faces of FER2013.
    """

    meld: Sequence[Example]
    goemotions: Corpus
    clips: ClipCache
    stills: Stills

    def everything(self) -> Sources:
        """
        Return the same, with what is held out also among what is learnt from.

        It stays in dev, too, for the loops of training to have something to score; that tells
        nothing then.
        """
        clips: Any = _Everything(self.clips)
        stills: Any = _Everything(self.stills)
        return Sources(_learnt(self.meld) + [
            replace(e, key=_seen(e.key), group=_seen(e.group)) for e in self.meld
            if e.split == DEV], self.goemotions, clips, stills)


class _Everything:
    """Clips or pictures, those of dev in train as well; all else is theirs."""

    def __init__(self, clips: Any) -> None:
        self._clips = clips
        held_out = [e for e in clips.examples if e.split == DEV]
        self.examples: list[Example] = _learnt(clips.examples) + held_out

    @property
    def digest(self) -> str:
        return f'{getattr(self._clips, "digest", "")} everything'

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clips, name)


def _learnt(examples: Sequence[Example]) -> list[Example]:
    return [replace(e, split=TRAIN) for e in examples if e.split in (TRAIN, DEV)]


def _seen(name: str) -> str:
    """Return another name: a dialogue must not have each of its turns twice."""
    return f'{name} (seen)'
