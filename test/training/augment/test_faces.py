# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What happens to pictures of faces in training: each change is what its name says."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
import pytest
from training.augment.faces import (
    augmented,
    blurred,
    compressed,
    FacesConfig,
    framed,
    hidden,
    noisy,
    relit,
    ROBOT_HEIGHT,
    ROBOT_WIDTH,
    smaller,
)

from ...fixtures.clip import portrait

UInt8 = NDArray[np.uint8]
ALL = FacesConfig(flip=.5, robot_frame=.5, zoom=.1, shift=.05, turn=10, light=1, occlusion=1,
                  small=1, blur=1, noise=1, jpeg=1)


def face() -> UInt8:
    grey = cv2.cvtColor(portrait(96), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (48, 48), interpolation=cv2.INTER_AREA), np.uint8)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def distance(one: UInt8, other: UInt8) -> float:
    return float(np.abs(one.astype(float) - other).mean())


def sharpness(picture: UInt8) -> float:
    return float(np.abs(np.diff(picture.astype(float), axis=1)).mean())


def dot(row: int, column: int) -> UInt8:
    picture = np.zeros((48, 48), np.uint8)
    picture[row - 1:row + 2, column - 1:column + 2] = 255
    return picture


def middle(picture: UInt8) -> tuple[float, float]:
    """Return row and column of the centre of brightness, from the centre of the picture."""
    rows, columns = np.nonzero(picture > 60)
    weights = picture[rows, columns].astype(float)
    return tuple(np.average(v, weights=weights) - 23.5 for v in (rows, columns))


def test_nothing_is_done_by_default() -> None:
    assert np.array_equal(augmented(face(), FacesConfig(), rng()), face())


def test_the_same_draw_gives_the_same_picture() -> None:
    for seed in range(20):
        assert np.array_equal(augmented(face(), ALL, rng(seed)), augmented(face(), ALL, rng(seed)))
    assert len({augmented(face(), ALL, rng(seed)).tobytes() for seed in range(20)}) == 20


@pytest.mark.parametrize('name', [n for n in FacesConfig.model_fields if FacesConfig.model_fields[
    n].default == 0])
def test_every_setting_does_something_and_leaves_a_face(name: str) -> None:
    """Still nearer to the face than a flat picture is, in the mean."""
    amount = {'turn': 10, 'zoom': .1, 'shift': .05}.get(name, 1.0)
    config = FacesConfig(**{name: amount})
    results = [augmented(face(), config, rng(seed)) for seed in range(20)]
    assert all(r.dtype == np.uint8 and r.shape == (48, 48) for r in results)
    assert any(distance(r, face()) > 0.3 for r in results)
    likeness = [np.corrcoef((face()[:, ::-1] if name == 'flip' else face()).ravel(),
                            r.ravel())[0, 1] for r in results]
    assert np.mean(likeness) > 0.5


def test_flip_mirrors() -> None:
    assert np.array_equal(augmented(face(), FacesConfig(flip=1), rng()), face()[:, ::-1])


def test_a_frame_zooms_and_shifts() -> None:
    """What lies right of a frame of half the width lies twice as far to the right in it."""
    row, column = middle(framed(dot(24, 30), 0.5, 1.0))
    assert column == pytest.approx(2 * 6.5, abs=0.5) and row == pytest.approx(0.5, abs=0.3)
    _, column = middle(framed(dot(24, 30), 1.0, 1.0, shift=(0.125, 0)))
    assert column == pytest.approx(6.5 - 6, abs=0.3)


def test_a_frame_turns() -> None:
    row, column = middle(framed(dot(24, 36), 1.0, 1.0, turn=90))
    assert column == pytest.approx(0.5, abs=0.5) and row == pytest.approx(-12.5, abs=0.5)


def test_the_robots_frame_is_narrower_and_higher() -> None:
    row, column = middle(framed(dot(34, 34), ROBOT_WIDTH, ROBOT_HEIGHT))
    assert column == pytest.approx(10.5 / ROBOT_WIDTH, abs=0.5)
    assert row == pytest.approx(10.5 / ROBOT_HEIGHT, abs=0.5)


def test_beyond_the_picture_is_what_was_asked_for() -> None:
    out = framed(face(), 1.5, 1.5, border=cv2.BORDER_CONSTANT, level=77)
    assert (out[0] == 77).all() and (out[:, -1] == 77).all() and out.std() > 5


def test_gamma_and_gain_lighten_or_darken_and_a_slope_darkens_one_side() -> None:
    assert relit(face(), 0.6, 1, 0, 0).mean() > face().mean() > relit(face(), 1.6, 1, 0, 0).mean()
    assert relit(face(), 1, 2, 0, 0).max() == 255
    grey = np.full((48, 48), 128, np.uint8)
    sloped = relit(grey, 1, 1, 0.5, 0)
    assert sloped[:, 0].mean() > 1.5 * sloped[:, -1].mean() and np.ptp(sloped[:, 5]) == 0


def test_a_small_face_has_lost_its_detail_and_little_else() -> None:
    losses = [distance(smaller(face(), size), face()) for size in (40, 24, 12)]
    assert 0 < losses[0] < losses[1] < losses[2] < 25
    assert abs(float(smaller(face(), 12).mean()) - face().mean()) < 3


def test_blur_is_less_sharp_and_quality_is_what_it_says() -> None:
    assert sharpness(blurred(face(), 2)) < sharpness(blurred(face(), 0.7)) < sharpness(face())
    assert distance(compressed(face(), 95), face()) < distance(compressed(face(), 10), face())


def test_noise_has_the_deviation_that_was_asked_for() -> None:
    grey = np.full((48, 48), 128, np.uint8)
    assert noisy(grey, 9, rng()).astype(float).std() == pytest.approx(9, rel=0.1)
    assert np.array_equal(noisy(grey, 0, rng()), grey)


def test_occlusion_hides_a_part_and_leaves_the_rest() -> None:
    assert (hidden(face(), 10, 20, 5, 8, 3)[10:15, 20:28] == 3).all()
    config = FacesConfig(occlusion=1, hidden=0.5)
    shares = [np.mean(augmented(face(), config, rng(s)) != face()) for s in range(50)]
    assert max(shares) <= 0.25 and np.mean(shares) > 0.03
