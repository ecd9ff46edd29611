"""First phase: the CNN, under a classifier of directions that is thrown away afterwards."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.networks.compact_facenet import CompactFaceNet, EMBEDDING_SIZE
from mmer_ros.types import EMOTIONS
import torch
from torch import nn, Tensor
from training.corpora.examples import Example
from training.corpora.fer import Stills
from training.encoders.face.stills import collate_stills, StillData, StillDataConfig
from training.engine.fit import Batch, StepOutput, Task
from training.engine.losses import EmotionLoss

FIRST_SCALE = 8.0  # of the cosines; learnt from there


class StillClassifier(nn.Module):
    """
    A CompactFaceNet, and a direction of the embedding for each emotion.

    The logits are the cosines between embedding and directions, times a scale that is learnt.
    """

    def __init__(self, network: CompactFaceNet, emotion_loss: EmotionLoss) -> None:
        """Begin with random directions."""
        super().__init__()
        self.network, self.emotion_loss = network, emotion_loss
        self.directions = nn.Parameter(torch.randn(len(EMOTIONS), EMBEDDING_SIZE))
        self.scale = nn.Parameter(torch.tensor(FIRST_SCALE))

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of a batch of pictures."""
        embeddings = self.network.embed_grey(standardised(batch['values']))
        directions = nn.functional.normalize(self.directions, dim=1)
        logits = self.scale * (embeddings.float() @ directions.T)
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})


def standardised(pictures: Tensor) -> Tensor:
    """Return grey levels 0..255 as the encoder standardises its crops."""
    return (pictures.float() - 127.5) / 128.0


class StillTask(Task):
    """Single pictures of train and dev."""

    def __init__(self, module: StillClassifier, stills: Stills, parts: dict[str, list[Example]],
                 config: StillDataConfig) -> None:
        """Make the data of both splits."""
        self.module = module
        learned = StillData(stills, parts['train'], config, True)
        tried = StillData(stills, parts['dev'], config, False)
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = tried, tried.sizes

    def collate(self, items: Sequence[object]) -> Batch:
        """Put pictures together."""
        return collate_stills(items)  # type: ignore[arg-type]
