"""Clips seen and heard under other conditions, and clips that show nobody, for compositions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
import hashlib
from typing import Any
import zlib

from mmer_ros.networks.batching import as_float
from mmer_ros.types import Int16, Modality, SAMPLE_RATE, UInt8
import numpy as np
from training.augment import out_of_domain as nothing
from training.augment.speech import speech_span
from training.corpora.clips import Clips
from training.corpora.examples import Example, split_view_key, VIEW

ChangeSound = Callable[[Int16, np.random.Generator], Int16]
ChangeFaces = Callable[[UInt8, np.random.Generator], UInt8]
NOISY = 50  # number of the first view in noise
CUT = 98  # number of the view that is only cut to the speech
MARGIN_S = 0.3  # of what voice activity keeps around the speech, at most


class Views:
    """
    Clips, each of them several times: as it is, and changed; see fusion.features.Clips.

    :param numbers: views of the clips of a split, e.g. {'train': (1, 2), 'dev': (0,)}.
    :param sound, faces: how a view above 0 is changed; the random numbers follow from its key.
    :param digest: of what the changes depend on.
    """

    def __init__(self, clips: Clips, numbers: Mapping[str, Sequence[int]], *,
                 sound: ChangeSound | None = None, faces: ChangeFaces | None = None,
                 digest: str = '') -> None:
        """Give each view a number."""
        self._clips, self._sound, self._faces = clips, sound, faces
        self.digest = f'{getattr(clips, "digest", "")} {digest}'
        self.examples = [
            replace(e, key=f'{e.key}{VIEW}{n}', group=f'{e.group}{VIEW}{n}')
            for e in clips.examples for n in numbers.get(e.split, ())]

    def audio(self, key: str) -> Int16 | None:
        """Return the sound of a view."""
        name, number = split_view_key(key)
        heard = self._clips.audio(name)
        if heard is None or not number or self._sound is None:
            return heard
        return self._sound(heard, random_of(key))

    def faces(self, key: str) -> UInt8 | None:
        """Return the crops of a view."""
        name, number = split_view_key(key)
        seen = self._clips.faces(name)
        if seen is None or not number or self._faces is None:
            return seen
        return self._faces(seen, random_of(key))


def cut_to_speech(clips: Clips, numbers: Mapping[str, Sequence[int]]) -> Views:
    """Return views that are cut to the speech, as voice activity leaves them; 0 is as it is."""
    return Views(clips, numbers, sound=lambda samples, _: cut(samples), digest=f'cut {MARGIN_S}')


def cut(samples: Int16) -> Int16:
    """Return the speech with a little around it."""
    begin, end = speech_span(as_float(samples))
    margin = round(MARGIN_S * SAMPLE_RATE)
    return samples[max(0, begin - margin):end + margin]


class Every:
    """
    Clips of which every n-th of a split is there; all else is theirs.

    :param first: of them, from 0.
    """

    def __init__(self, clips: Any, split: str, every: int, first: int = 0) -> None:
        """Choose."""
        self._clips = clips
        chosen = {e.key for e in [e for e in clips.examples if e.split == split][first::every]}
        self.digest = f'{getattr(clips, "digest", "")} {every} {first}'
        self.examples = [e for e in clips.examples if e.split != split or e.key in chosen]

    def __getattr__(self, name: str) -> Any:
        """Return what the clips have under this name."""
        return getattr(self._clips, name)


class Nobody:
    """
    Clips in which nobody shows anything, as Clips; their examples have no label.

    :param modality: text, audio or face.
    :param faces: crops that are cut to pieces.
    """

    def __init__(self, modality: Modality, count: int, faces: Sequence[UInt8] = ()) -> None:
        """Name them."""
        self._crops = faces
        sounds = (*nothing.SOUNDS, *[nothing.OTHER] * len(nothing.SOUNDS))
        kinds = {Modality.AUDIO: sounds, Modality.FACE: nothing.PICTURES,
                 Modality.TEXT: ('letters',)}[modality]
        keys = [f'nobody/{kinds[i % len(kinds)]}/{i}' for i in range(count)]
        self._modality, self._kinds = modality, len(kinds)
        spoken = modality is Modality.TEXT
        self.examples = [Example(
            key, 'train', group=key if spoken else '',
            text=nothing.letters(random_of(key)) if spoken else '') for key in keys]

    @cached_property
    def digest(self) -> str:
        """Digest of a clip of each kind: features of others are not to be taken for these."""
        found = hashlib.sha256()
        for example in self.examples[:self._kinds]:
            if self._modality is Modality.AUDIO:
                found.update(self.audio(example.key).tobytes())
            elif self._modality is Modality.FACE:
                found.update(self.faces(example.key).tobytes())
            else:
                found.update(example.text.encode())
        return found.hexdigest()

    def audio(self, key: str) -> Int16:
        """Return a sound that nobody makes."""
        return nothing.sound(key.split('/')[1], random_of(key))

    def faces(self, key: str) -> UInt8:
        """Return pictures without a face."""
        return nothing.picture(key.split('/')[1], random_of(key), self._crops)


def random_of(key: str) -> np.random.Generator:
    """Return random numbers that are the same for the same key."""
    return np.random.default_rng(zlib.crc32(key.encode()))
