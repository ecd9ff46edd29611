# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""MTCNN's networks and voice activity in torch, as functions of NumPy arrays."""

from __future__ import annotations

from typing import Any

from facenet_pytorch.models.mtcnn import ONet, PNet, RNet
from mmer_ros.sensing.mtcnn import Network
from mmer_ros.types import Float32, SAMPLE_RATE
import torch


def mtcnn_networks(device: str) -> list[Network]:
    """Return the three networks, whose weights ship in facenet-pytorch."""
    return [_Network(network.to(device).eval()) for network in (PNet(), RNet(), ONet())]


class _Network:

    def __init__(self, network: torch.nn.Module) -> None:
        # A fifth faster on a CPU; scores differ in the fifth place after the point.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._network = network
        self._device = next(network.parameters()).device

    def __call__(self, images: Float32) -> list[Float32]:
        with torch.inference_mode():
            given = torch.from_numpy(images).to(self._device)
            return [x.cpu().numpy() for x in self._network(given)]


class Silero:
    """The silero-vad network in torch, with carried state."""

    def __init__(self) -> None:
        threads = torch.get_num_threads()
        from silero_vad import load_silero_vad
        torch.set_num_threads(threads)  # importing silero_vad sets it to 1 for the whole process
        self._network: Any = load_silero_vad()

    def __call__(self, samples: Float32) -> float:
        """Return the probability of speech in a frame, (FRAME_SAMPLES,) in [-1, 1]."""
        with torch.inference_mode():
            return float(self._network(torch.from_numpy(samples), SAMPLE_RATE))

    def reset(self) -> None:
        """Forget the stream."""
        self._network.reset_states()
