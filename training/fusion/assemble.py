# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Assembly of encoders and a fusion into a bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from mmer_ros.networks.emotion_model import EmotionModel, ModelConfig
from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.recognition.bundle import Bundle, BundleConfig
from mmer_ros.sensing.face_detector import FaceConfig
from mmer_ros.types import InvalidInput, MODALITIES, Modality
from torch import nn
from training.encoders.trained_encoder import TrainedEncoder


def assemble(name: str, encoders: Mapping[Modality, TrainedEncoder], fusion: FusionConfig,
             network: nn.Module, *, faces: FaceConfig,
             temperatures: Mapping[str, float] | None = None,
             priors: Mapping[str, Sequence[float]] | None = None,
             modality_weights: tuple[float, ...] = (1.0, 1.0, 1.0),
             training: Mapping[str, Any] | None = None, card: str = '', notice: str = '',
             weights: Literal['float32', 'float16'] = 'float32',
             voice_adaptation: bool = False,
             thresholds: Mapping[str, Sequence[float | None]] | None = None) -> Bundle:
    """
    Return a bundle.

    :param encoders: of text, audio and face.
    :param network: a trained fusion of the sizes in `fusion`.
    :param faces: face detection of the corpus, which the robot has to use, too.
    :param temperatures: by subset of modalities.
    :param priors: class shares (7,) under which each subset is calibrated.
    :param modality_weights: of EmbraceNet.
    :param training: facts for the bundle's config.
    :param notice: of the licences, shown when the bundle is loaded.
    :param weights: type of the stored matrices.
    :param voice_adaptation, thresholds: as of BundleConfig.
    """
    tokenizer = encoders[Modality.TEXT].tokenizer
    if tokenizer is None:
        raise InvalidInput('the text encoder has no tokenizer; train it with `train text`')
    sizes = {m.key: encoders[m].config for m in MODALITIES}
    config = BundleConfig(
        name=name, model=ModelConfig(**sizes, fusion=fusion), trained=True, faces=faces,
        calibrated=bool(temperatures), temperatures=dict(temperatures or {}),
        modality_weights=modality_weights,
        priors={subset: tuple(shares) for subset, shares in (priors or {}).items()},
        thresholds={subset: tuple(each) for subset, each in (thresholds or {}).items()},
        notice=notice, weights=weights, voice_adaptation=voice_adaptation,
        training=dict(training or {}))
    model = EmotionModel(config.model)
    for modality, trained in encoders.items():
        getattr(model, modality.key).load_state_dict(trained.encoder.state_dict())
    model.fusion.load_state_dict(network.state_dict())
    return Bundle.create(config, model.eval(), tokenizer, card)
