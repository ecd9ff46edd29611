"""Face encoder: FaceNet embeddings of the crops and a GRU over them (section 4.1.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from facenet_pytorch import InceptionResnetV1
from facenet_pytorch.models.mtcnn import fixed_image_standardization
from mmer_ros.networks.compact_facenet import CompactFaceNet, EMBEDDING_SIZE
from pydantic import BaseModel, ConfigDict, Field, model_validator
import torch
from torch import nn, Tensor
from typing_extensions import Self


class FaceEncoderConfig(BaseModel):
    """
    Sizes of the face encoder.

    :param backbone: the paper's InceptionResnetV1, or a small CNN with the same interface.
    :param width: channels of the small CNN's first stage; see CompactFaceNet.
    :param mirrored: the small CNN looks at each image and its mirror image.
    :param max_images: longer sequences are sampled evenly down to this (50 in the paper).
    :param hidden: width of the GRU.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    backbone: Literal['inception_resnet_v1', 'compact'] = 'inception_resnet_v1'
    width: int = 32
    mirrored: bool = False
    max_images: int = Field(50, ge=2)
    hidden: int = 256

    @model_validator(mode='after')
    def _check(self) -> Self:
        if self.mirrored and self.backbone != 'compact':
            raise ValueError(f'mirrored: {self.backbone} looks at the image alone; set '
                             'mirrored=false or backbone=compact')
        return self


@dataclass
class FaceState:
    """Embeddings of the utterance's crops so far, each (512,)."""

    embeddings: list[Tensor] = field(default_factory=list)


class FaceEncoder(nn.Module):
    """
    FaceNet, then a GRU whose outputs go to the fusion.

    `forward` takes whole batches, `start` and `stream` take an utterance part by part.
    Embeddings are computed as crops come; the GRU is run at the end, over at most `max_images`
    of them (batching.encode_faces), so that both ways give the same.
    """

    def __init__(self, config: FaceEncoderConfig, n_classes: int) -> None:
        """Build the network with random weights."""
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
        images = fixed_image_standardization(crops.permute(0, 3, 1, 2).float())
        embeddings: Tensor = self.facenet(images)
        return embeddings

    def forward(self, embeddings: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        Encode whole sequences.

        :param embeddings: (B, T, 512), zero after each one's length; T <= max_images.
        :param lengths: (B,) images, each 1..T.
        :return: GRU outputs (B, T, hidden) and their mask (B, T), True where there is an image.
        """
        outputs, _ = self.gru(embeddings)
        steps = torch.arange(embeddings.shape[1], device=embeddings.device)
        mask = steps < lengths[:, None]
        return outputs * mask[..., None], mask

    def last_hidden(self, outputs: Tensor, lengths: Tensor) -> Tensor:
        """Return the GRU's last valid output, (B, hidden), which the classifier takes."""
        rows = torch.arange(outputs.shape[0], device=outputs.device)
        return outputs[rows, lengths - 1]

    def start(self) -> FaceState:
        """Return the state before the first crop."""
        return FaceState()

    def stream(self, state: FaceState, crops: Tensor) -> None:
        """
        Take the next crops of the utterance.

        :param crops: (n, 160, 160, 3) uint8 RGB; one by one, so that the answer does not
            depend on how crops are spread over parts.
        """
        for crop in crops:
            state.embeddings.append(self.embed(crop[None])[0])


def sample_evenly(items: Any, count: int) -> list[Any]:
    """Return at most `count` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
