# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Sources of clips: examples with their audio and faces by key, and selections of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from mmer_ros.types import Int16, UInt8
from training.corpora.examples import DEV, Example, TRAIN


class Clips(Protocol):
    """Examples with their audio and faces; a ClipCache is one."""

    @property
    def examples(self) -> Sequence[Example]:
        """Examples of all splits."""

    @property
    def digest(self) -> str:
        """Fingerprint of what audio and faces depend on besides the key."""

    def audio(self, key: str) -> Int16 | None:
        """Return the audio of an example, (n,) int16, 16 kHz mono."""

    def faces(self, key: str) -> UInt8 | None:
        """Return the crops of an example by time, (n, 160, 160, 3) uint8 RGB."""


@dataclass(frozen=True)
class TextOnly:
    """Examples without sound and faces, as Clips."""

    examples: Sequence[Example]
    digest: str = ''

    def audio(self, key: str) -> None:
        return None

    def faces(self, key: str) -> None:
        return None


class ClipsWrapper:
    """
    Clips with other examples; everything else is that of the wrapped ones.

    :param clips: a ClipCache, pictures of FER2013, or another wrapper.
    :param digest: of what differs from them.
    """

    def __init__(self, clips: Any, examples: Iterable[Example], digest: str) -> None:
        self._clips = clips
        self.examples = list(examples)
        self.digest = f'{clips.digest} {digest}'.strip()

    def __getattr__(self, name: str) -> Any:
        if name.startswith('_'):  # not set yet, e.g. while it is copied to another process
            raise AttributeError(name)
        return getattr(self._clips, name)


def every_nth(clips: Any, split: str, n: int, first: int = 0) -> Any:
    """Return clips with each n-th example of a split and all examples of the others."""
    kept = {e.key for e in [e for e in clips.examples if e.split == split][first::n]}
    return ClipsWrapper(clips, [e for e in clips.examples if e.split != split or e.key in kept],
                        f'every {n} from {first} of {split}')


def with_dev_in_train(clips: Any) -> Any:
    """Return clips whose held-out examples are in the train split, too."""
    known = [e for e in clips.examples if e.split in (TRAIN, DEV)]
    return ClipsWrapper(clips, [*(replace(e, split=TRAIN) for e in known),
                                *(e for e in known if e.split == DEV)], 'dev in train')
