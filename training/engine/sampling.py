"""Which examples make a batch: the same for the same seed and epoch, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

BUCKET_BATCHES = 30  # batches within which examples are sorted by size, to pad little


class Draw(NamedTuple):
    """
    An example as drawn in an epoch; all randomness of its augmentation comes from this.

    Datasets take draws, not bare indices, so that workers and resumed runs see the same data.
    """

    row: int
    epoch: int
    seed: int

    def generator(self) -> np.random.Generator:
        """Return the random numbers of this draw."""
        return np.random.default_rng([self.seed, self.epoch, self.row])


class BucketBatches(Sampler[list[Draw]]):
    """
    Shuffled batches of examples of similar size.

    :param sizes: of each example, e.g. its tokens.
    """

    def __init__(self, sizes: Sequence[int], batch_size: int, seed: int = 0) -> None:
        """Begin with epoch 0."""
        self.sizes = np.asarray(sizes)
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose batches are given out."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self.sizes) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield the batches of the epoch."""
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
    """All examples once, the short ones first, for evaluation."""

    def __init__(self, sizes: Sequence[int], batch_size: int) -> None:
        """Take the size of each example."""
        self.order = np.argsort(np.asarray(sizes), kind='stable')
        self.batch_size = batch_size

    def __len__(self) -> int:
        """Return the number of batches."""
        return -(-len(self.order) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield the batches."""
        for start in range(0, len(self.order), self.batch_size):
            yield [Draw(int(i), 0, 0) for i in self.order[start:start + self.batch_size]]
