"""Encoders and a fusion together as a bundle, with what is known of how it was made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmer_ros.bundle import Bundle, BundleConfig
from mmer_ros.fusion import FusionConfig
from mmer_ros.model import EmotionModel, ModelConfig
from mmer_ros.types import InvalidInput
from torch import nn
from training.encoders import TrainedEncoder


def assemble(name: str, text: TrainedEncoder, audio: TrainedEncoder, face: TrainedEncoder,
             fusion: FusionConfig, *, network: nn.Module | None = None,
             temperatures: Mapping[str, float] | None = None,
             trust: tuple[float, float, float] = (1.0, 1.0, 1.0),
             training: Mapping[str, Any] | None = None, card: str = '') -> Bundle:
    """
    Return a bundle; without a network its fusion is untrained and serves for features only.

    :param network: a trained FusionNetwork of the sizes in `fusion`.
    :param temperatures: by subset of modalities, as fitted on the dev split.
    :param training: facts for the bundle's config.
    """
    if text.tokenizer is None:
        raise InvalidInput('the text encoder has no tokenizer; train it with `train text`')
    config = BundleConfig(
        name=name, model=ModelConfig(text=text.config, audio=audio.config, face=face.config,
                                     fusion=fusion),
        trained=network is not None, calibrated=bool(temperatures),
        temperatures=dict(temperatures or {}), trust=trust, training=dict(training or {}))
    model = EmotionModel(config.model)
    for modality, trained in (('text', text), ('audio', audio), ('face', face)):
        getattr(model, modality).load_state_dict(trained.encoder.state_dict())
    if network is not None:
        model.fusion.load_state_dict(network.state_dict())
    return Bundle.create(config, model.eval(), text.tokenizer, card)
