"""Where networks are run outside of the training loop."""

from __future__ import annotations

import torch


def default_device() -> torch.device:
    """Return the accelerator if there is one, else the CPU."""
    found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    return found or torch.device('cpu')
