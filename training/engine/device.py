# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Devices of networks outside of the training loop; between uses they stay on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

CPU = torch.device('cpu')


def default_device() -> torch.device:
    """Return the accelerator if there is one, otherwise the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or CPU


@contextmanager
def placed(network: nn.Module, device: torch.device | None = None) -> Iterator[torch.device]:
    """
    Move a network to a device, yield the device, and move it back to the CPU.

    Enter it outside of inference mode, whose tensors cannot be trained.

    :param device: None: the default one.
    """
    device = device or default_device()
    network.to(device)
    try:
        yield device
    finally:
        network.to(CPU)
