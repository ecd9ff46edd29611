# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The assignment of least costs, against scipy's."""

from __future__ import annotations

from mmer_ros.sensing.assignment import assign
import numpy as np
import pytest


@pytest.mark.parametrize('ties', [False, True])
def test_the_pairs_are_those_of_scipy_ties_included(ties: bool) -> None:
    optimize = pytest.importorskip('scipy.optimize')
    rng = np.random.default_rng(0)
    for _ in range(300):
        costs = rng.normal(size=rng.integers(1, 9, 2))
        if ties:
            costs = np.round(costs)
        rows, columns = optimize.linear_sum_assignment(costs)
        assert assign(costs) == list(zip(rows.tolist(), columns.tolist()))


def test_an_empty_matrix_has_no_pairs() -> None:
    assert assign(np.zeros((0, 3))) == assign(np.zeros((3, 0))) == []


def test_pairs_that_are_out_of_the_question_are_left_to_the_end() -> None:
    assert assign(np.array([[1e3, 0.5], [0.2, 1e3], [1e3, 1e3]])) == [(0, 1), (1, 0)]
