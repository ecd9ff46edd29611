"""How fast a stage is, and how much of its time the network waits for data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from time import monotonic
from typing import Any


@dataclass
class Speed:
    """
    Time of an epoch, of one process.

    :ivar examples: that were learnt from.
    :ivar waiting: seconds until the batches were there; decoding and augmentation, if the loader
        has no workers.
    :ivar seconds: of all.
    """

    examples: int = 0
    waiting: float = 0.0
    seconds: float = 0.0

    def watch(self, batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the batches, and take the time."""
        begun = asked = monotonic()
        for batch in batches:
            self.waiting += monotonic() - asked
            yield batch
            self.examples += len(batch['targets'])
            asked = monotonic()
            self.seconds = asked - begun

    @property
    def rate(self) -> float:
        """Examples a second."""
        return self.examples / max(self.seconds, 1e-9)

    @property
    def waiting_share(self) -> float:
        """Share of the time in which the network waited for data, 0..1."""
        return self.waiting / max(self.seconds, 1e-9)
