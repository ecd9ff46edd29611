# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Batches: every example once, similar sizes together, and never larger than there is room for."""

from __future__ import annotations

import numpy as np
from training.engine.sampling import BucketBatches, Draw, OrderedBatches

LONG = [3, 1, 2, 500, 2, 3, 1, 300, 2, 4, 260, 1]  # e.g. seconds


def padded(batch: list[Draw], sizes: list[int]) -> int:
    return len(batch) * max(sizes[draw.row] for draw in batch)


def test_no_padded_batch_is_larger_than_the_limit_but_one_of_a_single_example() -> None:
    for batches in (OrderedBatches(LONG, 4, total=600), BucketBatches(LONG, 4, total=600)):
        found = list(batches)
        assert len(found) == len(batches)
        assert sorted(draw.row for batch in found for draw in batch) == list(range(len(LONG)))
        assert max(padded(batch, LONG) for batch in found) <= 600
        assert max(map(len, found)) == 4
    assert any(len(batch) == 2 for batch in OrderedBatches([300, 300], 4, total=600))
    assert [len(batch) for batch in OrderedBatches([700, 800], 4, total=600)] == [1, 1]


def test_each_epoch_has_as_many_batches() -> None:
    """The schedule of the learning rate counts on it."""
    batches = BucketBatches(LONG, 2, total=600)
    counts = set()
    for epoch in range(5):
        batches.set_epoch(epoch)
        counts.add(len(list(batches)))
    assert counts == {len(batches)}


def test_a_limit_that_no_batch_reaches_changes_nothing() -> None:
    sizes = np.random.default_rng(0).integers(1, 50, 300).tolist()
    assert list(BucketBatches(sizes, 8, 1, total=8 * 50)) == list(BucketBatches(sizes, 8, 1))


def test_the_largest_batch_is_one_of_the_first_epoch() -> None:
    batches = BucketBatches(LONG, 4, total=600)
    largest = batches.largest()
    assert largest in list(batches)
    assert padded(largest, LONG) == max(padded(batch, LONG) for batch in batches)
