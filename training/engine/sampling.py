# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Batches of examples, determined by seed and epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple
import zlib

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

BUCKET_BATCHES = 30  # batches within which examples are sorted by size, for little padding


class Draw(NamedTuple):
    """
    An example drawn in an epoch; all randomness of its augmentation derives from it.

    Datasets are indexed by draws, so that workers and resumed runs see the same data.
    """

    row: int
    epoch: int
    seed: int

    def generator(self) -> np.random.Generator:
        """Return the random number generator of this draw."""
        return np.random.default_rng([self.seed, self.epoch, self.row])


def keyed_generator(key: str) -> np.random.Generator:
    """Return a random number generator that depends on a key alone."""
    return np.random.default_rng(zlib.crc32(key.encode()))


class BucketBatches(Sampler[list[Draw]]):
    """
    Shuffled batches of examples of similar size.

    :param sizes: of the examples, e.g. in tokens.
    """

    def __init__(self, sizes: Sequence[int], batch_size: int, seed: int = 0) -> None:
        self.sizes = np.asarray(sizes)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.sizes) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        random = np.random.default_rng([self.seed, self.epoch])
        n = len(self.sizes)
        order = random.permutation(n)
        bucket = BUCKET_BATCHES * self.batch_size
        batches: list[NDArray[np.int64]] = []
        for start in range(0, n, bucket):
            rows = order[start:start + bucket]
            rows = rows[np.argsort(self.sizes[rows], kind='stable')]
            batches += [rows[i:i + self.batch_size] for i in range(0, len(rows), self.batch_size)]
        for i in random.permutation(len(batches)):
            yield [Draw(int(row), self.epoch, self.seed) for row in batches[i]]


class OrderedBatches(Sampler[list[Draw]]):
    """All examples once, shortest first, for evaluation."""

    def __init__(self, sizes: Sequence[int], batch_size: int) -> None:
        self.order = np.argsort(np.asarray(sizes), kind='stable')
        self.batch_size = batch_size

    def __len__(self) -> int:
        return -(-len(self.order) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        for start in range(0, len(self.order), self.batch_size):
            yield [Draw(int(i), 0, 0) for i in self.order[start:start + self.batch_size]]
