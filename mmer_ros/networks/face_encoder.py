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

from collections.abc import Mapping, Sequence

from facenet_pytorch import InceptionResnetV1
from facenet_pytorch.models.mtcnn import fixed_image_standardization
from mmer_ros.networks.batching import encode_padded, pad
from mmer_ros.networks.compact_facenet import CompactFaceNet, EMBEDDING_SIZE
from mmer_ros.networks.configs import FaceEncoderConfig
from mmer_ros.networks.encoder import Encoded, Encoder, Exported
from mmer_ros.networks.face_streaming import FaceState, FaceStreaming, sample_evenly
from mmer_ros.networks.hub_configs import HubFaceConfig
from mmer_ros.types import FACE_SIZE, UInt8
import torch
from torch import nn, Tensor

__all__ = ['FaceEncoder', 'FaceEncoderConfig', 'FaceState', 'sample_evenly']


class FaceEncoder(FaceStreaming, Encoder):
    """
    FaceNet, then a GRU whose outputs go to the fusion.

    `forward` encodes padded batches of embeddings. `stream` embeds crops as they come, and
    `finish` runs the GRU over at most `max_images` of them.
    """

    def __init__(self, config: FaceEncoderConfig, n_classes: int) -> None:
        super().__init__()
        self.config: FaceEncoderConfig | HubFaceConfig = config
        self.width = config.hidden
        self.facenet: nn.Module
        if config.backbone == 'compact':
            self.facenet = CompactFaceNet(config.width, config.mirrored)
        else:
            self.facenet = InceptionResnetV1(pretrained=None, classify=False)
        self.embedding_size = EMBEDDING_SIZE
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

    def embed_crops(self, crops: UInt8) -> Tensor:
        """Return the embeddings, as FaceStreaming.embed_crops."""
        return self.embed(torch.from_numpy(crops).to(self.device))

    def encode_embeddings(self, rows: Sequence[Sequence[Tensor]]) -> Encoded:
        """Run the GRU, as FaceStreaming.encode_embeddings."""
        some = next(row[0] for row in rows if row)
        stacked = [torch.stack(list(row)) if row else some.new_zeros(0, len(some))
                   for row in rows]
        encoded = encode_padded(self, [pad(stacked, 0)], [len(row) for row in rows])
        assert encoded is not None
        return encoded

    def exported(self) -> Mapping[str, Exported]:
        """Return `embed` and `forward`, as the graphs `face` and `face_sequence`."""
        crops = torch.zeros(2, FACE_SIZE, FACE_SIZE, 3, dtype=torch.uint8)
        batch, axes = {0: 'batch'}, {0: 'batch', 1: 'images'}
        return {
            'face': Exported(self.embed, {'crops': crops}, ('embeddings',),
                             {'crops': batch, 'embeddings': batch}),
            'face_sequence': Exported(
                self, {'embeddings': torch.zeros(2, 3, self.embedding_size),
                       'lengths': torch.tensor([3, 2])}, ('features', 'mask'),
                {'embeddings': axes, 'lengths': batch, 'features': axes, 'mask': axes})}
