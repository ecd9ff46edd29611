# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""First phase: the CNN, with a cosine classifier that is dropped afterwards."""

from __future__ import annotations

from mmer_ros.networks.compact_facenet import CompactFaceNet, EMBEDDING_SIZE
from mmer_ros.types import EMOTIONS
import torch
from torch import nn, Tensor
from training.engine.fit import Batch, StepOutput
from training.engine.losses import EmotionLoss

INITIAL_SCALE = 8.0  # of the cosines; it is trained


class StillClassifier(nn.Module):
    """A CompactFaceNet and a cosine classifier: a direction for each emotion, and a scale."""

    def __init__(self, network: CompactFaceNet, emotion_loss: EmotionLoss) -> None:
        super().__init__()
        self.network, self.emotion_loss = network, emotion_loss
        self.directions = nn.Parameter(torch.randn(len(EMOTIONS), EMBEDDING_SIZE))
        self.scale = nn.Parameter(torch.tensor(INITIAL_SCALE))

    def forward(self, batch: Batch) -> StepOutput:
        embeddings = self.network.embed_grey(standardised(batch['values']))  # (B, 512)
        logits = self.classify(embeddings.float())
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})

    def classify(self, embeddings: Tensor) -> Tensor:
        """Return logits (B, 7) of embeddings (B, 512)."""
        logits: Tensor = self.scale * (
            embeddings @ nn.functional.normalize(self.directions, dim=1).T)
        return logits


def standardised(pictures: Tensor) -> Tensor:
    """Return grey levels 0..255 as the encoder standardises its crops."""
    return (pictures.float() - 127.5) / 128.0
