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
