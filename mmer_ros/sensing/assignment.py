# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
The assignment problem: one to one with the least sum of costs.

scipy.optimize.linear_sum_assignment gives the same pairs, ties included; importing it would take
twice the time of everything else that a robot loads, and a fifth of the memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int64]


def assign(costs: NDArray[np.float64]) -> list[tuple[int, int]]:
    """
    Return pairs of row and column, by row, so that the sum of their costs is least.

    As many as the shorter side of the matrix has. Source: Crouse, On implementing 2D rectangular
    assignment algorithms, 2016.

    :param costs: (rows, columns), finite.
    """
    if costs.shape[0] > costs.shape[1]:
        return sorted((row, column) for column, row in assign(costs.T))
    rows, columns = costs.shape
    u, v = np.zeros(rows), np.zeros(columns)  # dual variables
    column_of, row_of = np.full(rows, -1), np.full(columns, -1)
    for row in range(rows):
        path, shortest, scanned, sink, least = _shortest_path(costs, row, u, v, row_of)
        others = [i for i in row_of[scanned] if i >= 0]
        u[row] += least
        u[others] += least - shortest[column_of[others]]
        v[scanned] -= least - shortest[scanned]
        column, i = sink, -1
        while i != row:  # turn the path round
            i = int(path[column])
            row_of[column] = i
            column_of[i], column = column, int(column_of[i])
    return [(row, int(column)) for row, column in enumerate(column_of)]


def _shortest_path(costs: NDArray[np.float64], row: int, u: NDArray[np.float64],
                   v: NDArray[np.float64], row_of: Index
                   ) -> tuple[Index, NDArray[np.float64], list[int], int, float]:
    """Return the way from a row to the nearest free column: path, its lengths, what was seen."""
    path, shortest = np.full(len(v), -1), np.full(len(v), np.inf)
    remaining = np.arange(len(v))[::-1].copy()
    scanned: list[int] = []
    least, i = 0.0, row
    while True:
        lengths = least + costs[i, remaining] - u[i] - v[remaining]
        nearer = lengths < shortest[remaining]
        shortest[remaining[nearer]] = lengths[nearer]
        path[remaining[nearer]] = i
        now = shortest[remaining]
        least = float(now.min())
        nearest = np.flatnonzero(now == least)
        free = nearest[row_of[remaining[nearest]] < 0]  # a free column ends the search
        at = int(free[-1]) if free.size else int(nearest[0])
        column = int(remaining[at])
        scanned.append(column)
        if row_of[column] < 0:
            return path, shortest, scanned, column, least
        i = int(row_of[column])
        remaining[at] = remaining[-1]
        remaining = remaining[:-1]
