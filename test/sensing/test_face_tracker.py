# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The tracker: people keep their ids while they cross, hide, come and go; the truth is known."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.sensing.face_tracker import Box, FaceTracker
from mmer_ros.types import Float32
import numpy as np
from numpy.typing import NDArray
import pytest

from ..fixtures.stream import BASE

PERIOD = 0.2  # seconds between images
SIDE = 70.0  # pixels


class People:
    """People whose looks differ as those of real faces do, seen by a detector with faults."""

    def __init__(self, count: int, seed: int = 0, *, missed: float = 0.0, jitter: float = 0.03
                 ) -> None:
        self.rng = np.random.default_rng(seed)
        self.missed, self.jitter = missed, jitter
        common = self.unit()
        self.looks = [self.normed(0.85 * common + 0.5 * self.unit()) for _ in range(count)]
        self.tracker = FaceTracker(1.0)
        self.names: list[set[str]] = [set() for _ in range(count)]

    def unit(self) -> NDArray[np.float64]:
        return self.normed(self.rng.normal(size=64))

    @staticmethod
    def normed(vector: NDArray[np.float64]) -> NDArray[np.float64]:
        return vector / np.linalg.norm(vector)

    def look(self, person: int) -> Float32:
        """Return how a person looks this time; 1 - correlation with the last time is 0.04."""
        return self.normed(self.looks[person] + 0.2 * self.unit()).astype(np.float32)

    def box(self, x: float, y: float) -> Box:
        x, y = (c + self.rng.normal(0, self.jitter * SIDE) for c in (x, y))
        half = SIDE / 2 * self.rng.uniform(0.95, 1.05)
        return x - half, y - half, x + half, y + half

    def show(self, step: int, places: dict[int, tuple[float, float]], looks: bool = True) -> None:
        """Show an image with people (person -> place), in any order, and note their ids."""
        seen = [p for p in places if self.rng.random() >= self.missed]
        self.rng.shuffle(seen)
        ids = self.tracker.update(BASE + step * PERIOD, [self.box(*places[p]) for p in seen],
                                  [self.look(p) for p in seen] if looks else ())
        assert len(set(ids)) == len(ids)
        for person, name in zip(seen, ids):
            self.names[person].add(name)

    def distinct(self) -> bool:
        """Return whether everybody has had one id, and each another."""
        return all(len(n) == 1 for n in self.names) and len(set.union(*self.names)) == len(
            self.names)


@pytest.mark.parametrize('seed', range(4))
def test_five_people_who_mill_about_keep_their_ids(seed: int) -> None:
    """Each on a path of its own, through the others; every tenth detection is missed."""
    people = People(5, seed, missed=0.1)
    for step in range(75):
        angle = 2 * np.pi * (step / 75 + np.arange(5) / 5)
        lanes = 320 + 230 * np.cos(angle * np.array([1, -1, 1, -1, 1]))
        places = {p: (lanes[p], 120.0 + 60 * p) for p in range(5)}
        people.show(step, places)
    assert people.distinct()


@pytest.mark.parametrize('turns', [False, True])
@pytest.mark.parametrize('hidden', [0, 1, 2, 3])
def test_two_who_meet_are_told_apart_whether_they_pass_or_turn_back(turns: bool, hidden: int
                                                                    ) -> None:
    """Motion cannot know: only looks tell who comes out on which side."""
    people = People(2, hidden)
    for step in range(-12, 13):
        distance = 15.0 * step
        way = -abs(distance) if turns else distance
        places = {0: (320 + way, 200.0), 1: (320 - way, 200.0)}
        if abs(step) < hidden / 2:
            del places[1]
        people.show(step + 12, places)
    assert people.distinct()


def test_without_looks_two_who_turn_back_are_confused() -> None:
    """So that the test above does test something."""
    people = People(2, jitter=0.0)
    for step in range(-12, 13):
        way = -abs(15.0 * step)
        people.show(step + 12, {0: (320 + way, 200.0), 1: (320 - way, 200.0)} if abs(step) > 1
                    else {0: (320 + way, 200.0)}, looks=False)
    assert not people.distinct()


def test_people_who_come_and_go_get_ids_of_their_own() -> None:
    people = People(4)
    for step in range(60):
        there = [p for p in range(4) if 10 * p <= step < 10 * p + 30]
        people.show(step, {p: (100.0 + 140 * p + 2 * step, 200.0) for p in there})
    assert people.distinct()


@pytest.mark.parametrize(('speed', 'unseen'), [(0.0, 4), (60.0, 4), (250.0, 2), (350.0, 1)])
def test_who_walks_behind_a_pillar_comes_out_the_same(speed: float, unseen: int) -> None:
    """
    At up to five widths of a face a second, though nobody could see the walker start.

    :param speed: pixels a second, from the image on at which the walker is hidden.
    """
    people = People(1)
    x = 100.0
    for step in range(16):
        x += speed * PERIOD if step >= 6 else 0.0
        people.show(step, {} if 6 <= step < 6 + unseen else {0: (x, 200.0)})
    assert people.distinct()


def test_a_look_that_is_not_known_does_no_harm() -> None:
    tracker = FaceTracker(1.0)
    flat: Sequence[Float32 | None] = [np.zeros(64, np.float32)]
    box = [(10.0, 10.0, 60.0, 60.0)]
    looks = [flat, [None], flat, (), [People(1).look(0)]]
    assert {tracker.update(BASE + i * PERIOD, box, look)[0] for i, look in enumerate(looks)} == {
        'face1'}


@pytest.mark.parametrize('ahead', [8.0, 3600.0, 3e8])
def test_an_image_from_the_future_moves_no_face_for_those_after_it(ahead: float) -> None:
    tracker = FaceTracker(1.0)
    box = (100.0, 100.0, 170.0, 170.0)
    name, = tracker.update(BASE, [box])
    tracker.update(BASE + ahead, [box])
    for step in range(1, 6):
        moves = tracker.moves(BASE + step * PERIOD)
        assert all(np.abs(move).max() < 1.0 for move in moves.values())
        assert len(tracker.update(BASE + step * PERIOD, [box])) == 1
    assert name
