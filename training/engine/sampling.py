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


def padded_batches(order: NDArray[np.int64], sizes: NDArray[np.int64], count: int,
                   total: int = 0) -> list[NDArray[np.int64]]:
    """
    Cut an order of rows, shortest first, into batches.

    :param sizes: of all rows.
    :param count: largest number of rows of a batch.
    :param total: largest size of a padded batch, its rows times the longest of them; a longer row
        is a batch by itself. 0: no limit.

    >>> sizes = np.array([1, 2, 2, 9])
    >>> [batch.tolist() for batch in padded_batches(np.arange(4), sizes, 3, 4)]
    [[0, 1], [2], [3]]
    """
    batches: list[NDArray[np.int64]] = []
    begin = 0
    for end in range(1, len(order) + 1):
        full = end == len(order) or end - begin == count
        if full or total and (end - begin + 1) * sizes[order[end]] > total:
            batches.append(order[begin:end])
            begin = end
    return batches


class BucketBatches(Sampler[list[Draw]]):
    """
    Shuffled batches of examples of similar size, as many in each epoch.

    :param sizes: of the examples, e.g. in tokens.
    :param total: largest size of a padded batch, as of `padded_batches`. Examples of which a
        whole batch would be larger always share a batch with the same others.
    """

    def __init__(self, sizes: Sequence[int], batch_size: int, seed: int = 0, total: int = 0
                 ) -> None:
        self.sizes = np.asarray(sizes)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        long = self.sizes * batch_size > total if total else np.zeros(len(self.sizes), bool)
        order = np.argsort(self.sizes, kind='stable')
        self.usual = np.flatnonzero(~long)
        self.long = padded_batches(order[long[order]], self.sizes, batch_size, total)

    def set_epoch(self, epoch: int) -> None:
        """Select the epoch."""
        self.epoch = epoch

    def largest(self) -> list[Draw]:
        """Return the batch of the first epoch that is the largest one when it is padded."""
        return max((self.draws(rows, 0) for rows in self._batches(0)),
                   key=lambda draws: len(draws) * max(int(self.sizes[d.row]) for d in draws))

    def draws(self, rows: NDArray[np.int64], epoch: int) -> list[Draw]:
        """Return the draws of rows in an epoch."""
        return [Draw(int(row), epoch, self.seed) for row in rows]

    def __len__(self) -> int:
        return -(-len(self.usual) // self.batch_size) + len(self.long)

    def __iter__(self) -> Iterator[list[Draw]]:
        for rows in self._batches(self.epoch):
            yield self.draws(rows, self.epoch)

    def _batches(self, epoch: int) -> Iterator[NDArray[np.int64]]:
        random = np.random.default_rng([self.seed, epoch])
        n = len(self.usual)
        order = self.usual[random.permutation(n)]
        bucket = BUCKET_BATCHES * self.batch_size
        batches: list[NDArray[np.int64]] = []
        for start in range(0, n, bucket):
            rows = order[start:start + bucket]
            rows = rows[np.argsort(self.sizes[rows], kind='stable')]
            batches += padded_batches(rows, self.sizes, self.batch_size)
        batches += self.long
        for i in random.permutation(len(batches)):
            yield batches[i]


class OrderedBatches(Sampler[list[Draw]]):
    """
    All examples once, shortest first, for evaluation.

    :param total: largest size of a padded batch, as of `padded_batches`.
    """

    def __init__(self, sizes: Sequence[int], batch_size: int, total: int = 0) -> None:
        self.batch_size = batch_size  # accelerate asks for it
        lengths = np.asarray(sizes)
        self.batches = padded_batches(np.argsort(lengths, kind='stable'), lengths, batch_size,
                                      total)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Draw]]:
        for rows in self.batches:
            yield [Draw(int(i), 0, 0) for i in rows]
