"""One example of a corpus: what was said, heard and seen in an utterance, and its emotion."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

SPLITS = ('train', 'dev', 'test')


@dataclass(frozen=True)
class Example:
    """
    An utterance of any corpus; each of text, audio and faces may be missing.

    :param key: unique in its corpus, e.g. 'train/dia3_utt7'.
    :param split: train, dev or test.
    :param labels: indices into EMOTIONS; several if the annotators named several, none if
        nothing is known (the text still serves the language model).
    :param group: dialogue that it belongs to; history and reply come from the same group.
    :param turn: place within the group.
    :param audio: file with a sound track, or None.
    :param faces: images of the face in order of time, already cropped; empty if there are none.
    :param video: clip in which the face is still to be found, or None; its sound track serves
        when `audio` is None.
    """

    key: str
    split: str
    text: str = ''
    labels: tuple[int, ...] = ()
    speaker: str = ''
    group: str = ''
    turn: int = 0
    audio: Path | None = None
    faces: tuple[Path, ...] = ()
    video: Path | None = None
