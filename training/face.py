"""Stage `train face`: FaceNet embeddings, a GRU, its classifier (section 4.1.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmer_ros.face_encoder import EMBEDDING_SIZE, FaceEncoder, FaceEncoderConfig, sample_evenly
from mmer_ros.pretrained import load_facenet
from mmer_ros.types import EMOTIONS, FACE_SIZE, InvalidInput, Modality
import numpy as np
from numpy.typing import NDArray
from pydantic import Field
import torch
from torch import nn, Tensor
from torch.utils.data import Dataset
from training.corpora.examples import Example
from training.encoders import TrainedEncoder
from training.engine.config import Settings
from training.engine.fit import Batch, EngineConfig, fit, StepOutput, Task
from training.engine.losses import class_counts, EmotionLoss, LossConfig, target_of
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache


class FaceDataConfig(Settings):
    """
    What is done to the images.

    :param train_images: images of an utterance in training, drawn in order; all in evaluation.
    :param flip: mirror half of the utterances.
    :param light: range of a random gain and offset of the brightness, 0..1.
    """

    train_images: int = Field(8, ge=1)
    flip: bool = True
    light: float = Field(0.2, ge=0, lt=1)


class FaceConfig(Settings):
    """
    Recipe of a face encoder.

    :param init: published FaceNet to begin with ('vggface2', 'casia-webface', or a file);
        '': from scratch.
    :param freeze: keep the FaceNet as it is and train the GRU alone, as in the paper.
    """

    model: FaceEncoderConfig = FaceEncoderConfig()
    init: str = ''
    freeze: bool = False
    data: FaceDataConfig = FaceDataConfig()
    loss: LossConfig = LossConfig()
    engine: EngineConfig = EngineConfig()


class FaceItem(NamedTuple):
    """Faces of an utterance, (n, 160, 160, 3) uint8 RGB, and its emotion."""

    key: str
    crops: Tensor
    target: Tensor


class FaceData(Dataset[FaceItem]):
    """Utterances with a face."""

    def __init__(self, cache: ClipCache, examples: Sequence[Example], config: FaceDataConfig,
                 max_images: int, *, training: bool) -> None:
        """Take the examples; each has faces in the cache."""
        self.cache, self.examples, self.config = cache, examples, config
        self.training = training
        self.limit = config.train_images if training else max_images
        self.sizes = [min(self.limit, cache.sizes(e.key)[1]) for e in examples]

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.examples)

    def __getitem__(self, draw: Draw) -> FaceItem:
        """Return one utterance as drawn."""
        example = self.examples[draw.row]
        crops = self.cache.faces(example.key)
        assert crops is not None, example.key
        if self.training:
            crops = augmented(crops, self.limit, self.config, draw.generator())
        else:
            crops = np.stack(sample_evenly(list(crops), self.limit))
        return FaceItem(example.key, torch.from_numpy(crops), target_of(example.labels))


def augmented(crops: NDArray[np.uint8], limit: int, config: FaceDataConfig,
              random: np.random.Generator) -> NDArray[np.uint8]:
    """Return some of the images in order, perhaps mirrored, in another light."""
    chosen = np.sort(random.permutation(len(crops))[:limit])
    crops = crops[chosen]
    if config.flip and random.random() < 0.5:
        crops = crops[:, :, ::-1]
    gain, offset = 1 + random.uniform(-1, 1, 2) * config.light
    lit = crops.astype(np.float32) * gain + 255 * (offset - 1)
    result: NDArray[np.uint8] = np.clip(np.round(lit), 0, 255).astype(np.uint8)
    return result


class FaceModule(nn.Module):
    """FaceEncoder and its own classifier over the GRU's last output."""

    def __init__(self, encoder: FaceEncoder, emotion_loss: EmotionLoss, freeze: bool) -> None:
        """Take the encoder."""
        super().__init__()
        self.encoder, self.emotion_loss, self.frozen = encoder, emotion_loss, freeze
        if freeze:
            encoder.facenet.requires_grad_(False)

    def train(self, mode: bool = True) -> FaceModule:
        """Keep the statistics of a frozen FaceNet, too."""
        super().train(mode)
        if self.frozen:
            self.encoder.facenet.eval()
        return self

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of a batch."""
        crops, lengths = batch['crops'], batch['lengths']
        there = torch.arange(crops.shape[1], device=crops.device) < lengths[:, None]
        found = self.encoder.embed(crops[there])
        embeddings = found.new_zeros(*there.shape, EMBEDDING_SIZE)
        embeddings[there] = found
        outputs, _ = self.encoder(embeddings, lengths)
        logits = self.encoder.classifier(self.encoder.last_hidden(outputs, lengths))
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})


class FaceTask(Task):
    """The utterances of a cache that have a face."""

    def __init__(self, module: FaceModule, cache: ClipCache, config: FaceConfig) -> None:
        """Split the examples."""
        seen = [e for e in cache.examples if e.labels and cache.sizes(e.key)[1]]
        parts = {split: [e for e in seen if e.split == split] for split in ('train', 'dev')}
        for split, part in parts.items():
            if not part:
                raise InvalidInput(f'train face: no labelled face in the {split} split of '
                                   f'{cache.folder}; prepare a corpus that has some')
        self.module = module
        limit = config.model.max_images
        learned = FaceData(cache, parts['train'], config.data, limit, training=True)
        tried = FaceData(cache, parts['dev'], config.data, limit, training=False)
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = tried, tried.sizes

    def collate(self, items: Sequence[FaceItem]) -> Batch:
        """Pad the sequences with black images, which are masked."""
        longest = max(len(i.crops) for i in items)
        crops = torch.zeros(len(items), longest, FACE_SIZE, FACE_SIZE, 3, dtype=torch.uint8)
        for row, item in zip(crops, items):
            row[:len(item.crops)] = item.crops
        return {'keys': [i.key for i in items], 'crops': crops,
                'lengths': torch.tensor([len(i.crops) for i in items]),
                'targets': torch.stack([i.target for i in items])}


def train_face(config: FaceConfig, cache: ClipCache, folder: Path, reporter: Reporter
               ) -> TrainedEncoder:
    """Train, or go on training, a face encoder; the result is in `folder`/encoder."""
    run = RunFolder.take_up(folder, config)
    torch.manual_seed(config.engine.seed)
    encoder = FaceEncoder(config.model, len(EMOTIONS))
    if config.init:
        load_facenet(encoder, config.init)
    counts = class_counts([e.labels for e in cache.examples if e.split == 'train'])
    module = FaceModule(encoder, EmotionLoss(config.loss, counts), config.freeze)
    fit(FaceTask(module, cache, config), config.engine, run, reporter.named('face'))
    result = TrainedEncoder(Modality.FACE, config.model, encoder, run.facts())
    result.save(folder / 'encoder')
    return result
