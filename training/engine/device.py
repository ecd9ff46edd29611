"""Where networks are run outside of the training loop: they live on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

CPU = torch.device('cpu')


def default_device() -> torch.device:
    """Return the accelerator if there is one, else the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or CPU


@contextmanager
def placed(network: nn.Module, device: torch.device | None = None) -> Iterator[torch.device]:
    """
    Have a network on a device for a while; afterwards it is on the CPU again.

    To be entered outside of inference mode, whose tensors cannot be trained on.

    :param device: None: the default one; it is returned.
    """
    device = device or default_device()
    network.to(device)
    try:
        yield device
    finally:
        network.to(CPU)
