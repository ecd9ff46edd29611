# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Second phase: the GRU, over sequences of embeddings that are composed of single pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.face_encoder import FaceEncoder
from mmer_ros.types import EMOTIONS, Float32, Modality, UInt8
import numpy as np
from pydantic import Field
import torch
from torch import Tensor
from training.augment.faces import augmented
from training.augment.out_of_domain import no_face
from training.corpora.examples import Example, TRAIN
from training.corpora.fer import Stills
from training.encoders.face.classifier import standardised, StillClassifier
from training.encoders.face.stills import StillDataConfig
from training.encoders.signal_stage import SignalItem
from training.engine.config import Settings
from training.engine.fit import Batch, DrawnDataset, EngineConfig, StepOutput
from training.engine.losses import EmotionLoss, target_of, UNIFORM
from training.engine.progress import Reporter
from training.engine.sampling import Draw
from training.engine.tensor_store import make_store, TensorStore

NEUTRAL = (EMOTIONS.index('neutral'),)
CLEAR = 0.7  # least share of votes for neutral in the face from which an expression rises
NO_FACE = 'no-face/'  # before the key of a picture


class SequenceConfig(Settings):
    """
    How sequences are composed, for FER2013 has none.

    A sequence is a person who keeps an expression: augmented views of one picture, or of two
    pictures of the same emotion. Or it is an expression that rises from a neutral face and may
    fall again: the embeddings between views of two pictures, one of them neutral.

    :param views: augmented views of each picture, beside itself and its mirror image; a network
        that is `mirrored` has one embedding for these two.
    :param longest: steps of a sequence.
    :param single: share of sequences of one step.
    :param two: share of the longer ones that are made of two pictures.
    :param rising: share of the longer ones of an emotion in which it rises and may fall.
    :param neutral_weight: how much a step that shows the neutral face counts in the target of
        these, relative to one that shows the expression. The target is the weighted mean of the
        targets of both pictures.
    :param lost: share of the steps of longer ones without a readable face.
    :param no_face: share of sequences without any; their target is uniform.
    :param self_distillation: share of the CNN's own mean prediction for a picture in the target.
    """

    views: int = Field(6, ge=1)
    longest: int = Field(16, ge=1)
    single: float = Field(0.5, ge=0, le=1)
    two: float = Field(0.2, ge=0, le=1)
    rising: float = Field(0.0, ge=0, le=1)
    neutral_weight: float = Field(0.25, ge=0, le=1)
    lost: float = Field(0.05, ge=0, lt=1)
    no_face: float = Field(0.03, ge=0, lt=1)
    self_distillation: float = Field(0.5, ge=0, le=1)
    engine: EngineConfig = EngineConfig()


@dataclass(frozen=True)
class EmbeddedViews:
    """
    Embeddings (n, 512) of the views of each picture: itself, its mirror image, augmented ones.

    :param store: by the key of the picture.
    :param classifier: of the first phase.
    :param no_face: keys of views without a face.
    """

    store: TensorStore
    classifier: StillClassifier
    no_face: Sequence[str]

    @classmethod
    def make(cls, classifier: StillClassifier, stills: Stills,
             splits: Mapping[str, Sequence[Example]], data: StillDataConfig,
             config: SequenceConfig, folder: Path, reporter: Reporter) -> EmbeddedViews:
        """Embed all views, except for those that are on disk already."""
        keys = [e.key for members in splits.values() for e in members]
        without = [f'{NO_FACE}{e.key}' for e in splits[TRAIN][::16]]
        store = make_store(folder, [*keys, *without],
                           partial(_embed, classifier.eval(), stills, data, config),
                           title='embeddings of views', console=reporter.console)
        return cls(store, classifier, without)

    def get(self, key: str) -> Tensor:
        """Return the embeddings of a picture's views."""
        return self.store.get(key).float()

    @torch.inference_mode()
    def predict(self, key: str) -> Tensor:
        """Return the mean prediction (7,) of the CNN over all views of a picture."""
        return torch.softmax(self.classifier.classify(self.get(key)), dim=1).mean(dim=0)


@torch.inference_mode()
def _embed(classifier: StillClassifier, stills: Stills, data: StillDataConfig,
           config: SequenceConfig, keys: Sequence[str]) -> dict[str, Tensor]:
    """Return the embeddings of all views of some pictures, float16."""
    first = 1 if classifier.network.mirrored else 2
    pictures = np.stack([view for key in keys
                         for view in _views(key, stills, data, config, first)])
    half = config.engine.precision == 'bf16'
    with torch.autocast('cpu', torch.bfloat16, enabled=half):
        found = classifier.network.embed_grey(standardised(torch.from_numpy(pictures)[:, None]))
    return {key: part.contiguous() for key, part in zip(
        keys, found.half().split(first + config.views), strict=True)}


def _views(key: str, stills: Stills, data: StillDataConfig, config: SequenceConfig,
           first: int) -> list[UInt8]:
    """Return the views of a picture; the `first` of them are not augmented."""
    picture = stills.grey(key.removeprefix(NO_FACE))
    random = np.random.default_rng([config.engine.seed, *key.encode()])
    if key.startswith(NO_FACE):
        bases = [no_face(picture, random) for _ in range(first + config.views)]
        return [augmented(base, data.augment, random) for base in bases]
    return [*(picture, np.ascontiguousarray(picture[:, ::-1]))[:first],
            *(augmented(picture, data.augment, random) for _ in range(config.views))]


class SequenceData(DrawnDataset[SignalItem]):
    """
    A sequence of embeddings for each picture; in evaluation the picture alone, one step.

    :param training: compose sequences as SequenceConfig says.
    """

    def __init__(self, views: EmbeddedViews, examples: Sequence[Example], config: SequenceConfig,
                 training: bool) -> None:
        self.views, self.examples, self.config = views, examples, config
        self.training = training
        self.sizes = [1] * len(examples)
        self._alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for example in examples:
            self._alike[example.labels].append(example.key)
        self._neutral = [e for e in examples if shows_neutral(e)]

    def __getitem__(self, draw: Draw) -> SignalItem:
        example = self.examples[draw.row]
        if not self.training:
            return SignalItem(example.key, self.views.get(example.key)[:1],
                              target_of(example.target))
        config, random = self.config, draw.generator()
        steps = 1 if random.random() < config.single else int(
            random.integers(2, config.longest + 1)) if config.longest > 1 else 1
        if random.random() < config.no_face:
            return SignalItem(example.key, self._without_face(steps, random), UNIFORM)
        values, target = self._steps(example, steps, random)
        lost = random.random(steps) < (config.lost if steps > 1 else 0)
        if lost.any() and not lost.all():
            values[torch.from_numpy(lost)] = self._without_face(int(lost.sum()), random)
        return SignalItem(example.key, values, target)

    def _steps(self, example: Example, steps: int, random: np.random.Generator
               ) -> tuple[Tensor, Tensor]:
        """Return views of the picture, perhaps followed by another one, and the target."""
        config = self.config
        values = _sample(self.views.get(example.key), steps, random)
        if config.rising and steps > 1 and self._neutral and example.labels != NEUTRAL and (
                random.random() < config.rising):
            return self._rising(example, values, random)
        if steps > 1 and random.random() < config.two:
            alike = self._alike[example.labels]
            other = self.views.get(alike[int(random.integers(len(alike)))])
            cut = int(random.integers(1, steps))
            values[cut:] = _sample(other, steps - cut, random)
        return values, self._target(example)

    def _rising(self, example: Example, values: Tensor, random: np.random.Generator
                ) -> tuple[Tensor, Tensor]:
        """Return the picture's views between neutral ones of another, and the mean target."""
        neutral = self._neutral[int(random.integers(len(self._neutral)))]
        shares = torch.from_numpy(rise_and_fall(len(values), random))
        between = _sample(self.views.get(neutral.key), len(values), random)
        weights = shares + (1 - shares) * self.config.neutral_weight
        shown = float((weights * shares).sum() / weights.sum())
        return blended(values, between, shares), (
            shown * self._target(example) + (1 - shown) * self._target(neutral))

    def _target(self, example: Example) -> Tensor:
        share = self.config.self_distillation
        return (1 - share) * target_of(example.target) + share * self.views.predict(example.key)

    def _without_face(self, steps: int, random: np.random.Generator) -> Tensor:
        keys = self.views.no_face
        return _sample(self.views.get(keys[int(random.integers(len(keys)))]), steps, random)


def shows_neutral(example: Example) -> bool:
    """Return whether a picture can be the face from which an expression rises."""
    return example.labels == NEUTRAL and (not example.soft or example.soft[0] >= CLEAR)


def rise_and_fall(steps: int, random: np.random.Generator) -> Float32:
    """
    Return how much of an expression each step shows, 0..1, (steps,); at least one shows all.

    It rises and falls within a third of the steps, and often begins or ends risen.
    """
    rise, fall = random.uniform(1, max(2.0, steps / 3), size=2)
    begin, hold = int(random.integers(steps)), random.uniform(0, steps)
    time = np.arange(steps)
    curve = np.minimum((time - begin) / rise, (begin + hold - time) / fall) + 1
    curve[begin] = 1
    return np.asarray(np.clip(curve, 0, 1), np.float32)


def blended(values: Tensor, others: Tensor, shares: Tensor) -> Tensor:
    """
    Return embeddings of unit length between two sequences of them.

    :param values, others: (T, 512) of unit length.
    :param shares: (T,) of `values`, 0..1.
    """
    mixed = shares[:, None] * values + (1 - shares[:, None]) * others
    return torch.nn.functional.normalize(mixed, dim=1)


def _sample(views: Tensor, steps: int, random: np.random.Generator) -> Tensor:
    """Return random views, drawn with replacement."""
    return views[torch.from_numpy(random.integers(len(views), size=steps))]


class SequenceModule(torch.nn.Module):
    """GRU and classifier of a FaceEncoder, whose CNN is frozen."""

    def __init__(self, encoder: FaceEncoder, emotion_loss: EmotionLoss) -> None:
        super().__init__()
        self.encoder, self.emotion_loss = encoder, emotion_loss
        encoder.facenet.requires_grad_(False)
        with torch.no_grad():
            # The initial weights suit inputs of about 1; those of an embedding are 1/sqrt(512).
            encoder.gru.get_parameter('weight_ih_l0').mul_(encoder.gru.input_size ** 0.5)

    def train(self, mode: bool = True) -> SequenceModule:
        super().train(mode)
        self.encoder.facenet.eval()  # keeps its statistics
        return self

    def forward(self, batch: Batch) -> StepOutput:
        values = batch['values']  # (B, T, 512)
        with torch.autocast(values.device.type, enabled=False):  # cheap enough in float32
            outputs, mask = self.encoder(values, batch['lengths'])
            logits = self.encoder.classifier(summary(Modality.FACE, outputs, mask))  # (B, 7)
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})
