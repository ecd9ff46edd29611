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
from mmer_ros.networks.emotion_model import EmotionModel
from mmer_ros.networks.fusion import available
from mmer_ros.networks.onnx_networks import Fused
from mmer_ros.onnx_graphs import apply_threads_to_torch
from mmer_ros.types import Modality
import torch


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
