# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Stamps that stand still: found where time goes on, never where messages come in a burst."""

from __future__ import annotations

from mmer_ros.sensing.frozen_stamps import FrozenStamps


def test_a_stamp_that_stands_still_is_found_and_forgotten_when_it_moves() -> None:
    stamps = FrozenStamps()
    found = [stamps.is_frozen('image', 7.0, i / 10) for i in range(10)]
    assert found == [False] * 5 + [True] * 5
    assert not stamps.is_frozen('image', 7.1, 1.0)
    assert not stamps.is_frozen('image', 7.1, 1.1)


def test_messages_of_one_stamp_in_a_burst_are_believed() -> None:
    stamps = FrozenStamps()
    assert not any(stamps.is_frozen('audio', 7.0, i / 1000) for i in range(100))


def test_sources_are_apart() -> None:
    stamps = FrozenStamps()
    assert not any(stamps.is_frozen(f'camera{i % 2}', 7.0 + i % 2, i / 10) for i in range(10))
    assert stamps.is_frozen('camera0', 7.0, 1.0)
