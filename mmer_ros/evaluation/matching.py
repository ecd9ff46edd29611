# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Matching of estimated to labelled utterances, and the errors of segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmer_ros.sensing.assignment import assign
import numpy as np
from numpy.typing import NDArray

MIN_SHARE = 0.25  # of the shorter utterance; two overlap from this share on

Span = tuple[float, float]  # start, end; seconds


@dataclass(frozen=True)
class Pair:
    """
    A labelled utterance and its estimated one.

    :param label: index of the label.
    :param estimate: index of the estimate.
    :param iou: intersection over union of their times, 0..1.
    """

    label: int
    estimate: int
    iou: float


@dataclass(frozen=True)
class Matching:
    """
    Labelled against estimated utterances.

    :param pairs: one to one, by label.
    :param missed: labels that no estimate overlaps.
    :param spurious: estimates that overlap no label.
    :param split: labels that several estimates overlap.
    :param merged: estimates that overlap several labels.
    """

    pairs: tuple[Pair, ...]
    missed: tuple[int, ...]
    spurious: tuple[int, ...]
    split: tuple[int, ...]
    merged: tuple[int, ...]


def match(labels: Sequence[Span], estimates: Sequence[Span]) -> Matching:
    """
    Match utterances by time: one to one, with the largest sum of intersection over union.

    Two overlap if they have MIN_SHARE of the shorter one in common; the pre-roll of an utterance
    may reach into the one before.
    """
    rows, columns, ious = _overlaps(labels, estimates)
    per_label = np.bincount(rows, minlength=len(labels))
    per_estimate = np.bincount(columns, minlength=len(estimates))
    pairs = [Pair(int(r), int(c), float(iou)) for r, c, iou in _assign(rows, columns, ious)]
    return Matching(
        pairs=tuple(sorted(pairs, key=lambda pair: pair.label)),
        missed=_where(per_label == 0), spurious=_where(per_estimate == 0),
        split=_where(per_label > 1), merged=_where(per_estimate > 1))


def _where(mask: NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))


Edges = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def _overlaps(labels: Sequence[Span], estimates: Sequence[Span]) -> Edges:
    """Return label, estimate and intersection over union of all that overlap."""
    spans = np.array(estimates, np.float64).reshape(-1, 2)
    order = np.argsort(spans[:, 0], kind='stable')
    starts, latest = spans[order, 0], np.maximum.accumulate(spans[order, 1])
    found = []
    for row, (start, end) in enumerate(labels):
        for column in order[np.searchsorted(latest, start, 'right'):
                            np.searchsorted(starts, end, 'left')]:
            first, last = spans[column]
            common = min(end, last) - max(start, first)
            if common > 0 and common >= MIN_SHARE * min(end - start, last - first):
                union = max(end, last) - min(start, first)
                found.append((row, int(column), common / union))
    table = np.array(found, np.float64).reshape(-1, 3)
    return table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2]


def _assign(rows: NDArray[np.int64], columns: NDArray[np.int64], ious: NDArray[np.float64]
            ) -> list[tuple[int, int, float]]:
    """Solve the assignment in each connected group of utterances."""
    chosen = []
    for edges in _groups(rows, columns):
        names, i = np.unique(rows[edges], return_inverse=True)
        others, j = np.unique(columns[edges], return_inverse=True)
        gain = np.zeros((len(names), len(others)))
        gain[i, j] = ious[edges]
        chosen += [(int(names[a]), int(others[b]), float(gain[a, b]))
                   for a, b in assign(-gain) if gain[a, b] > 0]
    return chosen


def _groups(rows: NDArray[np.int64], columns: NDArray[np.int64]) -> list[list[int]]:
    """Return the edges of each group that shares no utterance with another."""
    parent: dict[tuple[str, int], tuple[str, int]] = {}

    def find(utterance: tuple[str, int]) -> tuple[str, int]:
        parent.setdefault(utterance, utterance)
        while parent[utterance] != utterance:
            parent[utterance] = utterance = parent[parent[utterance]]
        return utterance

    for row, column in zip(rows, columns):
        parent[find(('label', int(row)))] = find(('estimate', int(column)))
    groups: dict[tuple[str, int], list[int]] = {}
    for edge, row in enumerate(rows):
        groups.setdefault(find(('label', int(row))), []).append(edge)
    return list(groups.values())
