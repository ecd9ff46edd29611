# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Face encoder: any vision model of the Hugging Face hub, then a GRU."""

from __future__ import annotations

from mmer_ros.networks.encoder import Encoder
from mmer_ros.networks.face_encoder import FaceEncoder
from mmer_ros.networks.hub_configs import HubFaceConfig
from mmer_ros.networks.hub_network import make_network, make_settings
from mmer_ros.types import Modality
import torch
from torch import nn, Tensor

__all__ = ['HubFaceConfig', 'HubFaceEncoder']

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class HubFaceEncoder(FaceEncoder):
    """
    As FaceEncoder, with a vision model in place of FaceNet.

    The embedding of an image is the state of the class token, or the mean over the image where
    the network has none.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: HubFaceConfig, n_classes: int) -> None:
        Encoder.__init__(self)
        self.config = config
        self.width = config.hidden
        settings = make_settings(config.architecture)
        self.side = config.image_size or 224
        self.facenet = make_network(settings, Modality.FACE)
        self.has_class_token = any(
            name.endswith(('cls_token', 'class_embedding'))
            for name, _ in self.facenet.named_parameters())
        sizes = getattr(settings, 'hidden_sizes', None)
        self.embedding_size = int(sizes[-1] if sizes else settings.hidden_size)
        self.register_buffer('mean', torch.tensor(config.mean or IMAGENET_MEAN)[:, None, None],
                             persistent=False)
        self.register_buffer('std', torch.tensor(config.std or IMAGENET_STD)[:, None, None],
                             persistent=False)
        self.gru = nn.GRU(self.embedding_size, config.hidden, batch_first=True)
        self.classifier = nn.Linear(config.hidden, n_classes)

    def embed(self, crops: Tensor) -> Tensor:
        """
        Return the embeddings.

        :param crops: (n, 160, 160, 3) uint8 RGB.
        :return: (n, embedding_size).
        """
        images = crops.permute(0, 3, 1, 2).float() / 255                      # (n, 3, 160, 160)
        images = nn.functional.interpolate(images, (self.side, self.side), mode='bilinear',
                                           align_corners=False)
        found = self.facenet(pixel_values=(images - self.mean) / self.std).last_hidden_state
        if found.dim() == 4:                                                  # (n, d, h, w)
            pooled: Tensor = found.mean(dim=(2, 3))
        else:                                                                 # (n, patches, d)
            pooled = found[:, 0] if self.has_class_token else found.mean(dim=1)
        return pooled
