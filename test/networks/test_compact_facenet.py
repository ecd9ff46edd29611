# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The small CNN: what it looks at, that light and colour matter little, and small faces."""

from __future__ import annotations

import cv2
from mmer_ros.networks.compact_facenet import area_weights, CompactFaceNet, equal_light, GREY_SIZE
from mmer_ros.sensing.faces import crop_face
from mmer_ros.types import FACE_SIZE
import numpy as np
from numpy.typing import NDArray
import pytest
import torch
from torch import Tensor

from ..fixtures.model import random_faces, seeded

UInt8 = NDArray[np.uint8]


def network(width: int = 8) -> CompactFaceNet:
    """Return a network whose embeddings tell pictures apart; its bias would hide them."""
    module: CompactFaceNet = seeded(CompactFaceNet, width)
    torch.nn.init.zeros_(module.embedding.bias)
    return module


def standardised(crops: UInt8) -> Tensor:
    return (torch.from_numpy(crops).permute(0, 3, 1, 2).float() - 127.5) / 128


def pictures(count: int = 6) -> UInt8:
    """Return grey pictures, smooth as those of a camera are: of neighbouring pixels 0.9 alike."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 12, 12)).astype(np.float32)
    return np.stack([cv2.resize(c, (GREY_SIZE, GREY_SIZE), interpolation=cv2.INTER_CUBIC)
                     for c in coarse]).clip(0, 255).astype(np.uint8)


def test_it_looks_at_the_grey_of_a_crop_reduced_by_area() -> None:
    crops = np.random.default_rng(0).integers(0, 256, (2, FACE_SIZE, FACE_SIZE, 3), np.uint8)
    seen = network().grey(standardised(crops))
    for crop, grey in zip(crops, seen):
        luma = cv2.cvtColor(crop.astype(np.float32), cv2.COLOR_RGB2GRAY)
        expected = cv2.resize(luma, (GREY_SIZE, GREY_SIZE), interpolation=cv2.INTER_AREA)
        np.testing.assert_allclose(grey[0] * 128 + 127.5, expected, atol=0.05)


@pytest.mark.parametrize(('before', 'after'), [(160, 48), (12, 4), (7, 5), (5, 5)])
def test_reducing_keeps_the_mean(before: int, after: int) -> None:
    weights = area_weights(before, after)
    torch.testing.assert_close(weights.sum(dim=1), torch.ones(after))
    torch.testing.assert_close(weights.sum(dim=0), torch.full((before,), after / before))


def test_reducing_by_a_whole_number_is_the_mean_of_each_block() -> None:
    row = torch.arange(12.0)
    torch.testing.assert_close(area_weights(12, 4) @ row, row.reshape(4, 3).mean(dim=1))


def test_pictures_of_48_pixels_may_skip_the_way_over_a_crop() -> None:
    """Training gives them directly, the robot enlarges them to a crop: the same embeddings."""
    small = pictures()
    crops = np.stack([crop_face(np.repeat(p[..., None], 3, 2), (0, 0, GREY_SIZE, GREY_SIZE), 0)
                      for p in small])
    net = network()
    over = net(standardised(crops))
    direct = net.embed_grey((torch.from_numpy(small)[:, None].float() - 127.5) / 128)
    assert (over * direct).sum(dim=1).min() > 0.99
    others = torch.cdist(direct, direct) + torch.eye(len(small)) * 9
    assert (over - direct).norm(dim=1).max() < others.min() / 3


def test_light_matters_little() -> None:
    """Half the contrast, and darker: that changes much less than another picture does."""
    crops = random_faces(2)
    net = network()
    plain = net(standardised(crops))
    dim = net(standardised((crops * 0.5 + 20).astype(np.uint8)))
    assert (plain - dim).norm(dim=1).max() < (plain[0] - plain[1]).norm() / 5


def test_noise_of_a_flat_picture_is_not_blown_up() -> None:
    """A grey level up or down stays a quarter of the contrast that counts as one."""
    noise = torch.from_numpy(np.random.default_rng(0).choice([-1.0, 1.0], (1, 1, 48, 48)) / 128)
    assert equal_light(noise).abs().max() < 0.25
    assert not equal_light(torch.full((1, 1, 48, 48), 0.3)).abs().gt(1e-4).any()
    faces = torch.from_numpy(pictures()[:, None].astype(np.float32) / 128)
    assert equal_light(faces).std(dim=(2, 3), correction=0).min() > 0.9


def test_one_is_answered_as_in_a_batch() -> None:
    net, images = network(), standardised(random_faces(3))
    torch.testing.assert_close(torch.cat([net(i[None]) for i in images]), net(images),
                               atol=1e-5, rtol=0)


def test_any_size_of_grey_picture_has_an_embedding() -> None:
    """Training begins with smaller ones."""
    net = network()
    for size in (16, 36, 37):
        assert net.embed_grey(torch.rand(2, 1, size, size)).shape == (2, 512)
