"""Second phase: the GRU, over sequences of embeddings that are made of single pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer_ros.networks.crossmodal import summary
from mmer_ros.networks.face_encoder import FaceEncoder
from mmer_ros.types import Modality, UInt8
import numpy as np
from pydantic import Field
import torch
from torch import Tensor
from torch.utils.data import Dataset
from training.augment.faceless import faceless
from training.augment.faces import changed
from training.corpora.examples import Example
from training.corpora.fer import Stills
from training.encoders.face.classifier import standardised, StillClassifier
from training.encoders.face.stills import StillDataConfig, UNKNOWN
from training.encoders.signal_stage import collate_sequences, SignalItem
from training.engine.config import Settings
from training.engine.fit import Batch, EngineConfig, StepOutput, Task
from training.engine.losses import EmotionLoss, target_of
from training.engine.progress import Reporter
from training.engine.sampling import Draw
from training.engine.tensor_store import make_store, TensorStore


class SequenceConfig(Settings):
    """
    How sequences are made; there are none of FER2013.

    A sequence is a person who keeps a face: several views of a picture, each changed as the CNN
    saw it, or of two pictures of the same emotion.

    :param views: changed views of each picture that are embedded, beside itself and its mirror
        image.
    :param longest: steps of a sequence.
    :param single: share of sequences of one step.
    :param two: share of the longer ones that are made of two pictures.
    :param lost: share of steps in the longer ones that show no readable face.
    :param faceless: share of sequences that show none at all, to be answered by equal shares.
    :param own: share of the CNN's own mean answer over a picture's views in the target.
    """

    views: int = Field(6, ge=1)
    longest: int = Field(16, ge=1)
    single: float = Field(0.5, ge=0, le=1)
    two: float = Field(0.2, ge=0, le=1)
    lost: float = Field(0.05, ge=0, lt=1)
    faceless: float = Field(0.03, ge=0, lt=1)
    own: float = Field(0.5, ge=0, le=1)
    engine: EngineConfig = EngineConfig()


@dataclass(frozen=True)
class Views:
    """
    Embeddings (n, 512) of each picture's views: itself, its mirror image, changed ones.

    :param store: by the key of the picture; those without a face at FACELESS keys.
    :param classifier: of the first phase.
    """

    store: TensorStore
    classifier: StillClassifier
    faceless: Sequence[str]

    @classmethod
    def make(cls, classifier: StillClassifier, stills: Stills, parts: dict[str, list[Example]],
             data: StillDataConfig, config: SequenceConfig, folder: Path, reporter: Reporter
             ) -> Views:
        """Embed the views, or what is missing of them."""
        keys = [e.key for part in parts.values() for e in part]
        train = [e.key for e in parts['train']]
        without = [f'faceless/{key}' for key in train[::16]]
        worker = _Worker(classifier, stills, data, config)
        store = make_store(folder, [*keys, *without], worker.embed, title='embeddings of views',
                           console=reporter.console)
        return cls(store, classifier, without)

    def get(self, key: str) -> Tensor:
        """Return the embeddings of a picture's views."""
        return self.store.get(key).float()

    @torch.inference_mode()
    def answer(self, key: str) -> Tensor:
        """Return what the CNN itself says, (7,), the mean over all views."""
        directions = torch.nn.functional.normalize(self.classifier.directions, dim=1)
        logits = self.classifier.scale * (self.get(key) @ directions.T)
        return torch.softmax(logits, dim=1).mean(dim=0)


class _Worker:
    """Embeds pictures."""

    def __init__(self, classifier: StillClassifier, stills: Stills, data: StillDataConfig,
                 config: SequenceConfig) -> None:
        self.network, self.stills, self.data, self.config = (
            classifier.network.eval(), stills, data, config)

    @torch.inference_mode()
    def embed(self, keys: Sequence[str]) -> dict[str, Tensor]:
        """Return the embeddings of all views of some pictures, float16."""
        pictures = np.stack([view for key in keys for view in self._views(key)])
        half = self.config.engine.precision == 'bf16'
        with torch.autocast('cpu', torch.bfloat16, enabled=half):
            found = self.network.embed_grey(standardised(torch.from_numpy(pictures)[:, None]))
        return {key: part.contiguous() for key, part in zip(
            keys, found.half().split(self.config.views + 2), strict=True)}

    def _views(self, key: str) -> list[UInt8]:
        bare = key.removeprefix('faceless/')
        picture = self.stills.grey(bare)
        random = np.random.default_rng([self.config.engine.seed, *key.encode()])
        if bare != key:
            bases = [faceless(picture, random) for _ in range(self.config.views + 2)]
            return [changed(base, self.data.augment, random) for base in bases]
        return [picture, np.ascontiguousarray(picture[:, ::-1]),
                *(changed(picture, self.data.augment, random) for _ in range(self.config.views))]


class SequenceData(Dataset[SignalItem]):
    """
    Sequences of embeddings, a picture each; in evaluation the picture as it is, one step.

    :param training: composed as SequenceConfig says.
    """

    def __init__(self, views: Views, examples: Sequence[Example], config: SequenceConfig,
                 training: bool) -> None:
        """Take the examples."""
        self.views, self.examples, self.config = views, examples, config
        self.training = training
        self.sizes = [1] * len(examples)
        self._alike: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for example in examples:
            self._alike[example.labels].append(example.key)

    def __len__(self) -> int:
        """Return the number of pictures."""
        return len(self.examples)

    def __getitem__(self, draw: Draw) -> SignalItem:
        """Return a sequence as drawn."""
        example = self.examples[draw.row]
        if not self.training:
            return SignalItem(example.key, self.views.get(example.key)[:1],
                              target_of(example.labels))
        config, random = self.config, draw.generator()
        steps = 1 if random.random() < config.single else int(
            random.integers(2, config.longest + 1)) if config.longest > 1 else 1
        if random.random() < config.faceless:
            return SignalItem(example.key, self._lost(steps, random), UNKNOWN)
        values, target = self._steps(example, steps, random)
        away = random.random(steps) < (config.lost if steps > 1 else 0)
        if away.any() and not away.all():
            values[torch.from_numpy(away)] = self._lost(int(away.sum()), random)
        return SignalItem(example.key, values, target)

    def _steps(self, example: Example, steps: int, random: np.random.Generator
               ) -> tuple[Tensor, Tensor]:
        """Return views of the picture and, perhaps, after them of another one of its emotion."""
        config = self.config
        values = _some(self.views.get(example.key), steps, random)
        if steps > 1 and random.random() < config.two:
            alike = self._alike[example.labels]
            other = self.views.get(alike[int(random.integers(len(alike)))])
            cut = int(random.integers(1, steps))
            values[cut:] = _some(other, steps - cut, random)
        target = target_of(example.labels)
        return values, (1 - config.own) * target + config.own * self.views.answer(example.key)

    def _lost(self, steps: int, random: np.random.Generator) -> Tensor:
        keys = self.views.faceless
        return _some(self.views.get(keys[int(random.integers(len(keys)))]), steps, random)


def _some(views: Tensor, steps: int, random: np.random.Generator) -> Tensor:
    """Return views at random, some of them again if there are too few."""
    return views[torch.from_numpy(random.integers(len(views), size=steps))]


class SequenceModule(torch.nn.Module):
    """GRU and classifier of a FaceEncoder, whose CNN stays as it is."""

    def __init__(self, encoder: FaceEncoder, emotion_loss: EmotionLoss) -> None:
        """
        Take the encoder, and scale the GRU's first weights to embeddings of unit length.

        Each value of an embedding is about 1/sqrt(512), and the weights of the input are drawn for
        values of about 1.
        """
        super().__init__()
        self.encoder, self.emotion_loss = encoder, emotion_loss
        encoder.facenet.requires_grad_(False)
        with torch.no_grad():
            first = encoder.gru.get_parameter('weight_ih_l0')
            first.mul_(encoder.gru.input_size ** 0.5)

    def train(self, mode: bool = True) -> SequenceModule:
        """Keep the statistics of the CNN."""
        super().train(mode)
        self.encoder.facenet.eval()
        return self

    def forward(self, batch: Batch) -> StepOutput:
        """Return loss and logits of a batch of sequences."""
        values = batch['values']
        with torch.autocast(values.device.type, enabled=False):  # small, and the CNN's precision
            outputs, mask = self.encoder(values, batch['lengths'])
            logits = self.encoder.classifier(summary(Modality.FACE, outputs, mask))
        return StepOutput(self.emotion_loss(logits, batch['targets']), logits, {})


class SequenceTask(Task):
    """Sequences of train, single pictures of dev."""

    def __init__(self, encoder: FaceEncoder, emotion_loss: EmotionLoss, views: Views,
                 parts: dict[str, list[Example]], config: SequenceConfig) -> None:
        """Make the data of both splits."""
        self.module = SequenceModule(encoder, emotion_loss)
        learned = SequenceData(views, parts['train'], config, True)
        tried = SequenceData(views, parts['dev'], config, False)
        self.train_data, self.train_sizes = learned, learned.sizes
        self.dev_data, self.dev_sizes = tried, tried.sizes

    def collate(self, items: Sequence[SignalItem]) -> Batch:
        """Pad the sequences with zeros, which are masked."""
        return collate_sequences(items)
