"""The interface of all sources of clips: examples, their sound and their faces by key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from mmer_ros.types import Int16, UInt8
from training.corpora.examples import Example


class Clips(Protocol):
    """Examples with their sound and faces; a ClipCache is one."""

    @property
    def examples(self) -> Sequence[Example]:
        """Examples of all splits."""

    def audio(self, key: str) -> Int16 | None:
        """Return the sound of an example, (n,) int16, 16 kHz mono."""

    def faces(self, key: str) -> UInt8 | None:
        """Return the crops of an example by time, (n, 160, 160, 3) uint8 RGB."""


@dataclass(frozen=True)
class TextOnly:
    """Examples without sound and faces, as Clips."""

    examples: Sequence[Example]

    def audio(self, key: str) -> None:
        return None

    def faces(self, key: str) -> None:
        return None
