"""Sound files as clips, decoded once and kept in memory: a corpus of short recordings."""

from __future__ import annotations

from collections.abc import Sequence
import hashlib

from mmer_ros.recordings.clips import resampled
from mmer_ros.recordings.media import read_audio
from mmer_ros.types import Int16, InvalidInput
from training.corpora.examples import Example


class SoundFiles:
    """
    Examples with an audio file each, by the robot's own decoding; see fusion.features.Clips.

    :ivar examples: as given.
    """

    def __init__(self, examples: Sequence[Example]) -> None:
        """Read nothing yet."""
        self.examples = list(examples)
        self._files = {e.key: e.audio for e in examples}
        self._heard: dict[str, Int16] = {}

    def audio(self, key: str) -> Int16:
        """
        Return the sound of an example, (n,) 16 kHz.

        :raises InvalidInput: if there is none in its file.
        """
        if key not in self._heard:
            path = self._files[key]
            found = None if path is None else resampled(read_audio(path))
            if found is None:
                raise InvalidInput(f'{path or key}: there is no sound in it')
            self._heard[key] = found
        return self._heard[key]

    def faces(self, key: str) -> None:
        """Return nothing."""

    @property
    def digest(self) -> str:
        """Digest of names and sizes of the files."""
        told = [(e.key, e.split, e.labels, e.audio.stat().st_size if e.audio else 0)
                for e in self.examples]
        return hashlib.sha256(repr(told).encode()).hexdigest()[:16]
