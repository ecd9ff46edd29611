# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Throughput of a stage, and the time spent waiting for data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any


@dataclass
class Speed:
    """
    Throughput of an epoch in one process.

    :ivar examples: examples seen.
    :ivar waiting: seconds spent waiting for batches, i.e. for decoding and augmentation if the
        loader has no workers.
    :ivar seconds: total time.
    :ivar network: seconds in forward and backward passes, as the CPU sees them: a GPU works on
        after a call has returned.
    """

    examples: int = 0
    waiting: float = 0.0
    seconds: float = 0.0
    network: float = 0.0

    def watch(self, batches: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Yield the batches and measure the time."""
        begun = asked = monotonic()
        for batch in batches:
            self.waiting += monotonic() - asked
            yield batch
            self.examples += len(batch['targets'])
            asked = monotonic()
            self.seconds = asked - begun

    @contextmanager
    def computing(self) -> Iterator[None]:
        """Measure a forward and backward pass."""
        begun = monotonic()
        yield
        self.network += monotonic() - begun

    @property
    def over_network(self) -> float:
        """How much longer the epoch took than its forward and backward passes: 0.2 is 20 %."""
        return self.seconds / max(self.network, 1e-9) - 1

    @property
    def rate(self) -> float:
        """Examples per second."""
        return self.examples / max(self.seconds, 1e-9)

    @property
    def waiting_share(self) -> float:
        """Share of the time spent waiting for data, 0..1."""
        return self.waiting / max(self.seconds, 1e-9)
