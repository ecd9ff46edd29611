# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Matching of utterances by time."""

from __future__ import annotations

from itertools import permutations

from mmer_ros.evaluation.matching import match, Pair, Span
import numpy as np
import pytest


def iou(a: Span, b: Span) -> float:
    common = max(0.0, min(a[1], b[1]) - max(a[0], b[0]))
    return common / (a[1] - a[0] + b[1] - b[0] - common)


def test_each_is_matched_to_its_own() -> None:
    labels = [(0.0, 2.0), (3.0, 5.0), (10.0, 12.0)]
    estimates = [(9.8, 12.1), (-0.2, 2.1), (2.8, 5.1)]
    found = match(labels, estimates)
    assert [(p.label, p.estimate) for p in found.pairs] == [(0, 1), (1, 2), (2, 0)]
    assert [p.iou for p in found.pairs] == pytest.approx(
        [iou(labels[p.label], estimates[p.estimate]) for p in found.pairs])
    assert found.missed == found.spurious == found.split == found.merged == ()


def test_what_has_no_partner_is_missed_or_spurious() -> None:
    found = match([(0, 1), (5, 6)], [(5, 6), (8, 9)])
    assert found.pairs == (Pair(1, 0, 1.0),)
    assert (found.missed, found.spurious) == ((0,), (1,))


def test_a_label_in_pieces_is_split_and_its_largest_piece_counts() -> None:
    found = match([(0, 10)], [(0, 3), (3.5, 8), (8.2, 10)])
    assert [(p.label, p.estimate) for p in found.pairs] == [(0, 1)]
    assert found.split == (0,) and found.merged == found.spurious == found.missed == ()


def test_labels_in_one_piece_are_merged() -> None:
    found = match([(0, 2), (2.1, 6)], [(0, 6)])
    assert [(p.label, p.estimate) for p in found.pairs] == [(1, 0)]
    assert found.merged == (0,) and found.split == found.missed == ()


def test_the_pre_roll_that_reaches_into_the_one_before_does_not_count() -> None:
    found = match([(0, 2), (2.05, 4)], [(0, 2.06), (1.8, 4)])
    assert [(p.label, p.estimate) for p in found.pairs] == [(0, 0), (1, 1)]
    assert found.split == found.merged == ()


@pytest.mark.parametrize('labels', [[], [(0.0, 1.0)]])
@pytest.mark.parametrize('estimates', [[], [(2.0, 3.0)]])
def test_nothing_can_be_matched(labels: list[Span], estimates: list[Span]) -> None:
    found = match(labels, estimates)
    assert found.pairs == ()
    assert found.missed == tuple(range(len(labels)))
    assert found.spurious == tuple(range(len(estimates)))


@pytest.mark.parametrize('seed', range(20))
def test_no_other_assignment_overlaps_more(seed: int) -> None:
    """Against all assignments of a few utterances that overlap at random."""
    rng = np.random.default_rng(seed)
    spans = [(float(s), float(s + d)) for s, d in zip(rng.uniform(0, 6, 9), rng.uniform(1, 3, 9))]
    labels, estimates = spans[:4], spans[4:]

    def gain(a: Span, b: Span) -> float:
        common = min(a[1], b[1]) - max(a[0], b[0])
        return iou(a, b) if common >= 0.25 * min(a[1] - a[0], b[1] - b[0]) else 0.0

    best = max(sum(gain(a, estimates[j]) for a, j in zip(labels, order))
               for order in permutations(range(5), 4))
    assert sum(p.iou for p in match(labels, estimates).pairs) == pytest.approx(best)
