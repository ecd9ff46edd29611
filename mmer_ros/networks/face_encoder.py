# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Face encoder: FaceNet embeddings of the crops and a GRU over them (section 4.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from facenet_pytorch import InceptionResnetV1
from facenet_pytorch.models.mtcnn import fixed_image_standardization
from mmer_ros.networks.batching import encode_padded, pad
from mmer_ros.networks.compact_facenet import CompactFaceNet, EMBEDDING_SIZE
from mmer_ros.networks.encoder import (
    DialogueContext,
    Encoded,
    Encoder,
    EncoderConfig,
    register_backbone,
)
from mmer_ros.types import Modality, UInt8
import numpy as np
from pydantic import Field, model_validator
import torch
from torch import nn, Tensor
from typing_extensions import Self


class FaceEncoderConfig(EncoderConfig):
    """
    Sizes of the face encoder.

    :param backbone: the paper's InceptionResnetV1, or a small CNN with the same interface.
    :param width: channels of the small CNN's first stage; see CompactFaceNet.
    :param mirrored: the small CNN embeds each image and its mirror image.
    :param max_images: longer sequences are sampled evenly down to this (50 in the paper).
    :param hidden: width of the GRU.
    """

    backbone: Literal['inception_resnet_v1', 'compact'] = 'inception_resnet_v1'
    width: int = 32
    mirrored: bool = False
    max_images: int = Field(50, ge=2)
    hidden: int = 256

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.mirrored and self.backbone != 'compact':
            raise ValueError(f'mirrored: {self.backbone} does not support it; set '
                             'mirrored=false or backbone=compact')
        return self


@dataclass
class FaceState:
    """Embeddings of the utterance's crops so far, each (512,)."""

    embeddings: list[Tensor] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is no crop yet."""
        return not self.embeddings


@register_backbone(Modality.FACE, 'inception_resnet_v1', 'compact', config=FaceEncoderConfig)
class FaceEncoder(Encoder):
    """
    FaceNet, then a GRU whose outputs go to the fusion.

    `forward` encodes padded batches of embeddings. `stream` embeds crops as they come, and
    `finish` runs the GRU over at most `max_images` of them.
    """

    def __init__(self, config: FaceEncoderConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.width = config.hidden
        self.facenet: nn.Module
        if config.backbone == 'compact':
            self.facenet = CompactFaceNet(config.width, config.mirrored)
        else:
            self.facenet = InceptionResnetV1(pretrained=None, classify=False)
        self.gru = nn.GRU(EMBEDDING_SIZE, config.hidden, batch_first=True)
        self.classifier = nn.Linear(config.hidden, n_classes)

    def embed(self, crops: Tensor) -> Tensor:
        """
        Return the FaceNet embeddings.

        :param crops: (n, 160, 160, 3) uint8 RGB.
        :return: (n, 512) of unit length.
        """
        images = fixed_image_standardization(
            crops.permute(0, 3, 1, 2).float())                               # (n, 3, 160, 160)
        embeddings: Tensor = self.facenet(images)                            # (n, 512)
        return embeddings

    def forward(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        Encode whole sequences.

        :param embeddings: (B, T, 512), zero after each one's length; T <= max_images.
        :param lengths: (B,) images, each 1..T.
        :return: GRU outputs (B, T, hidden) and their mask (B, T), True where there is an image.
        """
        outputs, _ = self.gru(embeddings)                                    # (B, T, hidden)
        steps = torch.arange(embeddings.shape[1], device=embeddings.device)
        mask = steps < lengths[:, None]                                      # (B, T)
        return outputs * mask[..., None], mask

    def start(self) -> FaceState:
        """Return the state before the first crop."""
        return FaceState()

    def stream(self, states: Sequence[FaceState], evidence: Sequence[UInt8]) -> None:
        """
        Embed crops, (n, 160, 160, 3) of each utterance.

        Those of one utterance are embedded one by one, so that the features do not depend on how
        they were cut into increments.
        """
        device = self.device
        crops = [torch.from_numpy(np.ascontiguousarray(images)).to(device) for images in evidence]
        if len(crops) == 1:
            for crop in crops[0]:
                states[0].embeddings.append(self.embed(crop[None])[0])
            return
        embeddings = self.embed(torch.cat(crops))
        for state, rows in zip(states, torch.split(embeddings, [len(c) for c in crops])):
            state.embeddings += list(rows)

    def finish(self, states: Sequence[FaceState], contexts: Sequence[DialogueContext] = ()
               ) -> Encoded | None:
        """Run the GRU over the embeddings so far."""
        some = next((state.embeddings[0] for state in states if not state.empty), None)
        if some is None:
            return None
        rows = [torch.stack(sample_evenly(state.embeddings, self.config.max_images))
                if not state.empty else some.new_zeros(0, len(some)) for state in states]
        return encode_padded(self, [pad(rows, 0)], [len(row) for row in rows])

    def select(self, evidence: UInt8) -> UInt8:
        """Return the crops that `finish` would choose, so that no others are embedded."""
        return np.stack(sample_evenly(list(evidence), self.config.max_images))


def sample_evenly(items: Any, count: int) -> list[Any]:
    """Return at most `count` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
