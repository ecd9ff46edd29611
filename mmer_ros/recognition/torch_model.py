# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The whole model as torch modules on a device, with the interface of exported graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.networks.backbones import Encoded, StreamingEncoder
from mmer_ros.networks.emotion_model import audio_gate, EmotionModel
from mmer_ros.networks.fusion import available
from mmer_ros.networks.onnx_networks import Fused
from mmer_ros.onnx_graphs import apply_threads_to_torch
from mmer_ros.types import Float32, Modality
import torch
from torch import nn, Tensor


class TorchModel:
    """An EmotionModel, as onnx_networks.OnnxModel."""

    def __init__(self, model: EmotionModel, device: str) -> None:
        apply_threads_to_torch()
        self.module = model.to(device).eval()
        self.encoders: Mapping[Modality, StreamingEncoder] = self.module.encoders
        self._device = device

    def inference(self) -> torch.inference_mode:
        """Return the context in which encoders and fusion run."""
        return torch.inference_mode()

    def fuse(self, features: Mapping[Modality, Encoded], weights: Sequence[float]) -> Fused:
        """Fuse the features of a batch, as OnnxModel.fuse."""
        output = self.module.fuse(features, torch.tensor(weights, device=self._device))
        return Fused(output.logits.float().cpu().numpy(), output.weights.float().cpu().numpy(),
                     available(features).cpu().numpy())

    def voice_classifier(self) -> TorchVoiceClassifier | None:
        """Return the classifier, as Model.voice_classifier."""
        audio = self.module.encoders[Modality.AUDIO]
        return TorchVoiceClassifier(audio.classifier, audio_gate(self.module)) if isinstance(
            audio.classifier, nn.Linear) else None


class TorchVoiceClassifier:
    """
    A classifier and a gate, as onnx_networks.VoiceClassifier.

    :param gate: (1, width) -> (1, 1); None: always open.
    """

    def __init__(self, classifier: nn.Linear, gate: nn.Module | None) -> None:
        self._classifier, self._gate = classifier, gate
        self.weight: Float32 = classifier.weight.detach().cpu().numpy()

    @torch.inference_mode()
    def classify(self, features: Tensor) -> tuple[Float32, float]:
        """Return logits and gate, as VoiceClassifier.classify."""
        mean = features.mean(dim=0, keepdim=True)
        gate = 1.0 if self._gate is None else self._gate(mean).item()
        return self._classifier(mean)[0].float().cpu().numpy(), gate

    def subtract(self, features: Tensor, shifts: Float32) -> Tensor:
        """Return the difference, as VoiceClassifier.subtract."""
        return features - torch.from_numpy(shifts).to(features)[:, None]


def find_device(device: str) -> str:
    """
    Return the device as torch writes it.

    :raises ValueError: naming the devices that there are, if it cannot be used here.
    """
    try:
        found = torch.device(device)
        torch.zeros(1, device=found).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        have = ['cpu', *(f'cuda:{i}' for i in range(torch.cuda.device_count()))]
        raise ValueError(', '.join(have)) from error
    return str(found)
