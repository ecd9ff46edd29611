# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A small CNN with FaceNet's interface, for small grey faces in any light."""

from __future__ import annotations

from mmer_ros.types import FACE_SIZE
import torch
from torch import nn, Tensor

EMBEDDING_SIZE = 512
GREY_SIZE = 48  # pixels, height and width of what the network looks at
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as of cv2.COLOR_RGB2GRAY
LEAST_CONTRAST = 4 / 128  # of standardised images; noise of a flat picture is not blown up
DROPOUT = 0.1  # of the pooled features, in training


class CompactFaceNet(nn.Module):
    """
    A small residual CNN with FaceNet's interface.

    (B, 3, 160, 160) standardised -> (B, 512) of unit length, like InceptionResnetV1. Crops are
    reduced to grey images of GREY_SIZE pixels with equal brightness and contrast, so that colour
    and light matter little and faces small in the image are not much worse than large ones.

    :param width: channels of the first of three stages; each stage has twice those before it.
    :param mirrored: average the embeddings of image and mirror image, since emotions have no
        side; twice the time, never in training.
    """

    area: Tensor

    def __init__(self, width: int, mirrored: bool = False) -> None:
        super().__init__()
        self.mirrored = mirrored
        self.register_buffer('area', area_weights(FACE_SIZE, GREY_SIZE), persistent=False)
        stem = max(2, width // 2)
        layers: list[nn.Module] = [_convolution(1, stem), nn.ReLU(inplace=True)]
        for before, after in ((stem, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [_Residual(before, after, stride=2), _Residual(after, after, stride=1)]
        self.features = nn.Sequential(*layers)  # (B, 4 * width, 6, 6)
        # A training step on a CPU takes a fifth less time in this layout.
        self.features.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.dropout = nn.Dropout(DROPOUT)
        self.embedding = nn.Linear(4 * width, EMBEDDING_SIZE)

    def forward(self, images: Tensor) -> Tensor:
        """Return the embeddings."""
        return self.embed_grey(self.grey(images))

    def grey(self, images: Tensor) -> Tensor:
        """Return crops in grey and reduced, each pixel the mean of its area: (B, 1, 48, 48)."""
        luma = images.new_tensor(LUMA)
        grey = (images * luma[:, None, None]).sum(dim=1)  # (B, 160, 160)
        return (self.area @ grey @ self.area.T)[:, None]

    def embed_grey(self, grey: Tensor) -> Tensor:
        """
        Return the embeddings of what `grey` returns.

        :param grey: (B, 1, height, width), grey levels standardised as crops are.
        """
        x = equal_light(grey)
        if not self.mirrored or self.training:
            return self._embed(x)
        sides = self._embed(torch.cat([x, x.flip(3)])).unflatten(0, (2, -1))
        return nn.functional.normalize(sides.sum(dim=0), dim=1)

    def _embed(self, images: Tensor) -> Tensor:
        features = self.features(
            images.contiguous(memory_format=torch.channels_last))    # (B, 4 * width, 6, 6)
        embeddings = self.embedding(self.dropout(features.mean(dim=(2, 3))))      # (B, 512)
        return nn.functional.normalize(embeddings, dim=1)


def equal_light(grey: Tensor) -> Tensor:
    """Return images (B, 1, height, width) of mean 0 and, if they are not flat, deviation 1."""
    mean = grey.mean(dim=(2, 3), keepdim=True)
    deviation = grey.std(dim=(2, 3), keepdim=True, correction=0)
    return (grey - mean) / (deviation + LEAST_CONTRAST)


def area_weights(before: int, after: int) -> Tensor:
    """
    Return what reduces rows of pixels to the means of their areas.

    :param before: pixels of a row.
    :param after: pixels of the result.
    :return: (after, before), each row sums to 1.
    """
    edges = torch.linspace(0, before, after + 1, dtype=torch.float64)
    pixels = torch.arange(before, dtype=torch.float64)
    left = torch.maximum(edges[:-1, None], pixels)
    right = torch.minimum(edges[1:, None], pixels + 1)
    return ((right - left).clamp(min=0) * after / before).float()


def _convolution(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False),
                         nn.BatchNorm2d(after))


class _Residual(nn.Module):

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            _convolution(before, after, stride=stride), nn.ReLU(inplace=True),
            _convolution(after, after))
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.AvgPool2d(stride, ceil_mode=True),
                                          _convolution(before, after, kernel=1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.convolutions(x) + self.shortcut(x))
