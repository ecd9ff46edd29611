# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Stage `train face`: FaceNet embeddings, a GRU, its classifier (section 4.1.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.face_encoder import FaceEncoder, FaceEncoderConfig, sample_evenly
from mmer_ros.networks.hub_configs import HubFaceConfig
from mmer_ros.networks.pretrained import load_facenet
from mmer_ros.types import EMOTIONS, Modality, UInt8
import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator, SerializeAsAny
import torch
from torch import nn, Tensor
from training.corpora.examples import Example
from training.encoders.face.embeddings import Embeddings
from training.encoders.signal_stage import SignalConfig, SignalData, SignalItem, train_signal
from training.encoders.trained_encoder import TrainedEncoder
from training.encoders.tuning import (
    check_tuning,
    merge,
    parse_model,
    prepare,
    start_hub_encoder,
    TuningConfig,
)
from training.engine.config import Settings
from training.engine.fit import Batch, StepOutput
from training.engine.losses import EmotionLoss, target_of
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.preparation.clip_cache import ClipCache
from typing_extensions import Self


class FaceDataConfig(Settings):
    """
    Sampling and augmentation of the images.

    :param train_images: images per utterance in training, drawn in order; all in evaluation.
    :param flip: mirror half of the utterances.
    :param light: range of a random gain and offset of the brightness, 0..1.
    """

    train_images: int = Field(8, ge=1)
    flip: bool = True
    light: float = Field(0.2, ge=0, lt=1)


class FaceConfig(SignalConfig):
    """
    Recipe of a face encoder.

    `init` names the published FaceNet to start from: 'vggface2', 'casia-webface', or a file; with
    `model.backbone: huggingface` any published vision model, by name or folder.

    :param freeze: train the GRU alone, as in the paper; each image is embedded once for all
        epochs. `tuning.method: frozen` is the same.
    """

    model: SerializeAsAny[FaceEncoderConfig | HubFaceConfig] = FaceEncoderConfig()
    freeze: bool = False
    tuning: TuningConfig = TuningConfig()
    data: FaceDataConfig = FaceDataConfig()

    @field_validator('model', mode='before')
    @classmethod
    def _model(cls, values: Any) -> Any:
        return parse_model(Modality.FACE, values)

    @property
    def frozen(self) -> bool:
        """Whether the GRU alone is trained."""
        return self.freeze or self.tuning.method == 'frozen'

    @model_validator(mode='after')
    def _check(self) -> Self:
        check_tuning(self.model, self.init, self.tuning)
        if self.frozen and self.data.light:
            raise ValueError('freeze: images are embedded once, so their light cannot be changed; '
                             'set data.light=0')
        return self


class ImageChoice(NamedTuple):
    """Rows of the chosen images of an utterance, in order, and whether they are mirrored."""

    rows: NDArray[np.int64]
    mirrored: bool

    @classmethod
    def draw(cls, count: int, limit: int, flip: bool, random: np.random.Generator
             ) -> ImageChoice:
        """Return a random choice of up to `limit` images."""
        rows = np.sort(random.permutation(count)[:limit])
        return cls(rows, bool(flip and random.random() < 0.5))

    @classmethod
    def even(cls, count: int, limit: int) -> ImageChoice:
        """Return the images of an evaluation, sampled evenly as on the robot."""
        return cls(np.array(sample_evenly(range(count), limit), np.int64), False)


class FaceData(SignalData):
    """
    Faces of utterances, (n, 160, 160, 3) uint8 RGB; or their embeddings, (n, 512).

    :param embeddings: of a frozen FaceNet; None: use the images.
    """

    def __init__(self, cache: ClipCache, config: FaceConfig, embeddings: Embeddings | None,
                 examples: Sequence[Example], training: bool) -> None:
        self.cache, self.config, self.embeddings = cache, config.data, embeddings
        self.limit = config.data.train_images if training else config.model.max_images
        sizes = [min(self.limit, cache.sizes(e.key)[1]) for e in examples]
        super().__init__(examples, sizes, training)

    def __getitem__(self, draw: Draw) -> SignalItem:
        example = self.examples[draw.row]
        return SignalItem(example.key, self._values(example.key, draw), target_of(example.target))

    def _values(self, key: str, draw: Draw) -> Tensor:
        count, random = self.cache.sizes(key)[1], draw.generator()
        choice = (ImageChoice.draw(count, self.limit, self.config.flip, random) if self.training
                  else ImageChoice.even(count, self.limit))
        if self.embeddings is not None:
            return self.embeddings.get(key, choice.mirrored)[torch.from_numpy(choice.rows)]
        crops = self.cache.faces(key)
        assert crops is not None, key
        chosen = crops[choice.rows]
        chosen = chosen[:, :, ::-1] if choice.mirrored else chosen
        if self.training:
            chosen = relit(chosen, self.config.light, random)
        return torch.from_numpy(np.ascontiguousarray(chosen))


def relit(crops: UInt8, amount: float, random: np.random.Generator) -> UInt8:
    """Return the images with a random gain and offset of their brightness."""
    gain, offset = 1 + random.uniform(-1, 1, 2) * amount
    lit = crops.astype(np.float32) * gain + 255 * (offset - 1)
    result: UInt8 = np.clip(np.round(lit), 0, 255).astype(np.uint8)
    return result


class FaceModule(nn.Module):
    """FaceEncoder and its own classifier over the GRU's last output."""

    def __init__(self, encoder: FaceEncoder, freeze: bool, emotion_loss: EmotionLoss) -> None:
        super().__init__()
        self.encoder, self.emotion_loss, self.frozen = encoder, emotion_loss, freeze
        if freeze:
            encoder.facenet.requires_grad_(False)

    def train(self, mode: bool = True) -> FaceModule:
        super().train(mode)
        if self.frozen:
            self.encoder.facenet.eval()  # keeps its statistics
        return self

    def forward(self, batch: Batch) -> StepOutput:
        values, lengths = batch['values'], batch['lengths']  # (B, T, 160, 160, 3) or (B, T, 512)
        embeddings = values if values.dim() == 3 else self._embed(values, lengths)
        outputs, mask = self.encoder(embeddings, lengths)  # (B, T, hidden)
        logits = self.encoder.classifier(summary(Modality.FACE, outputs, mask))  # (B, 7)
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})

    def _embed(self, crops: Tensor, lengths: Tensor) -> Tensor:
        there = torch.arange(crops.shape[1], device=crops.device) < lengths[:, None]
        found = self.encoder.embed(crops[there])
        embeddings = found.new_zeros(*there.shape, self.encoder.embedding_size)
        embeddings[there] = found
        return embeddings


def train_face(config: FaceConfig, cache: ClipCache, folder: Path, reporter: Reporter
               ) -> TrainedEncoder:
    """Train, or resume training, a face encoder, and save it in `folder`/encoder."""
    run = RunFolder.start(folder, config)
    torch.manual_seed(config.engine.seed)
    encoder, finish = _encoder(config, run)
    embeddings = None
    if config.frozen and not run.finished:
        embeddings = Embeddings.make(encoder, cache, folder / 'embeddings', reporter,
                                     mirrored=config.data.flip)
    return train_signal(
        Modality.FACE, config, encoder, partial(FaceModule, encoder, config.frozen),
        partial(FaceData, cache, config, embeddings), cache, run, reporter, finish)


def _encoder(config: FaceConfig, run: RunFolder) -> tuple[FaceEncoder, Callable[[], None]]:
    """Return the encoder as training begins, and what has to be done at its end."""
    if isinstance(config.model, HubFaceConfig):
        hub = start_hub_encoder(config.model, config.init, Modality.FACE, run.path,
                                finished=run.finished)
        prepare(hub, Modality.FACE, config.tuning)
        return hub, partial(merge, hub, Modality.FACE, config.tuning)
    encoder = FaceEncoder(config.model, len(EMOTIONS))
    if config.init and not run.finished:
        load_facenet(encoder, config.init)
    return encoder, lambda: None
