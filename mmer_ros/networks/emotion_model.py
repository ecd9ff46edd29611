"""The whole model: three encoders, crossmodal fusion, EmbraceNet and classifier (section 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mmer_ros.networks.audio_encoder import AudioEncoder, AudioEncoderConfig
from mmer_ros.networks.crossmodal import CrossmodalFusion, FusionConfig
from mmer_ros.networks.embracenet import EmbraceNet, selection_probabilities
from mmer_ros.networks.face_encoder import FaceEncoder, FaceEncoderConfig
from mmer_ros.networks.late_fusion import OwnAnswers
from mmer_ros.networks.text_encoder import TextEncoder, TextEncoderConfig
from mmer_ros.types import EMOTIONS, MODALITIES, Modality
from pydantic import BaseModel, ConfigDict
import torch
from torch import nn, Tensor

Features = Mapping[Modality, tuple[Tensor, Tensor]]


class ModelConfig(BaseModel):
    """Sizes of all parts; the defaults are the paper's."""

    model_config = ConfigDict(frozen=True, extra='forbid')

    text: TextEncoderConfig = TextEncoderConfig()
    audio: AudioEncoderConfig = AudioEncoderConfig()
    face: FaceEncoderConfig = FaceEncoderConfig()
    fusion: FusionConfig = FusionConfig()


class FusionOutput(NamedTuple):
    """
    What the fusion says of a batch.

    logits: (B, 7); weights: (B, 3) of text, audio and face in the embracement, sum 1;
    embedding: (B, embracement_size), the fused vector.
    """

    logits: Tensor
    weights: Tensor
    embedding: Tensor


class FusionNetwork(nn.Module):
    """Crossmodal blocks, EmbraceNet and classifier: all that is trained once encoders are."""

    def __init__(self, sizes: Mapping[Modality, int], config: FusionConfig,
                 classifiers: Mapping[Modality, nn.Module] | None = None) -> None:
        """
        Build the network with random weights.

        :param sizes: width of each modality's features.
        :param classifiers: the encoders' own, which `config.own_answers` needs.
        :raises ValueError: if it needs them and they are not given.
        """
        super().__init__()
        self.crossmodal = CrossmodalFusion(dict(sizes), config)
        self.embracenet = EmbraceNet([config.width] * len(MODALITIES), config.embracement_size)
        self.classifier = nn.Linear(config.embracement_size, len(EMOTIONS))
        self.own_answers: OwnAnswers | None = None
        if config.own_answers:
            if not classifiers:
                raise ValueError("own_answers: the fusion needs the encoders' own classifiers")
            self.own_answers = OwnAnswers(sizes, classifiers)
            nn.init.zeros_(self.classifier.weight)  # at first the encoders' answers stand
            nn.init.zeros_(self.classifier.bias)

    def forward(self, features: Features, trust: Tensor, *, sample: bool | None = None,
                generator: torch.Generator | None = None) -> FusionOutput:
        """
        Fuse the features of a batch.

        :param features: for each modality at hand (B, T, width) and mask (B, T); a row without a
            valid step lacks that modality.
        :param trust: (3,) relative weights > 0 of text, audio, face where they are available.
        :param sample: as in EmbraceNet.forward.
        :raises ValueError: if a row has no modality at all.
        """
        if not features:
            raise ValueError('an utterance has no modality; nothing can be estimated')
        pooled = self.crossmodal(features)
        some = next(iter(pooled.values()))
        missing = torch.zeros_like(some)
        present = available(features)
        weights = selection_probabilities(present * trust.to(some))
        embedding = self.embracenet([pooled.get(m, missing) for m in MODALITIES], weights,
                                    sample=sample, generator=generator)
        logits = self.classifier(embedding)
        if self.own_answers is not None:
            logits = logits + self.own_answers(features, present)
        return FusionOutput(logits, weights, embedding)


def available(features: Features) -> Tensor:
    """Return which of text, audio and face each row has, (B, 3) bool."""
    some = next(iter(features.values()))[1]
    none = torch.zeros(len(some), dtype=torch.bool, device=some.device)
    return torch.stack([features[m][1].any(dim=1) if m in features else none
                        for m in MODALITIES], dim=1)


class EmotionModel(nn.Module):
    """Encoders side by side, and the fusion of what they give."""

    def __init__(self, config: ModelConfig) -> None:
        """Build the model with random weights."""
        super().__init__()
        self.config = config
        n = len(EMOTIONS)
        self.text = TextEncoder(config.text, n)
        self.audio = AudioEncoder(config.audio, n)
        self.face = FaceEncoder(config.face, n)
        sizes = {Modality.TEXT: self.text.width, Modality.AUDIO: self.audio.width,
                 Modality.FACE: self.face.width}
        classifiers = {Modality.TEXT: self.text.classifier, Modality.AUDIO: self.audio.classifier,
                       Modality.FACE: self.face.classifier}
        self.fusion = FusionNetwork(sizes, config.fusion, classifiers)

    def fuse(self, features: Features, trust: Tensor, *, sample: bool | None = None,
             generator: torch.Generator | None = None) -> FusionOutput:
        """Fuse the features of a batch, as FusionNetwork.forward."""
        output: FusionOutput = self.fusion(features, trust, sample=sample, generator=generator)
        return output
