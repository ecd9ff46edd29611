"""The losses of a run, read from the device now and then instead of at every step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer_ros.types import InvalidInput
import torch
from torch import Tensor


class LossWatch:
    """
    Losses since the last look.

    Reading a loss waits for the device; so they are read together, before anything that is kept
    depends on them: log, scores, checkpoint.

    :param run: folder that messages name.
    """

    def __init__(self, run: Path) -> None:
        """Begin with none."""
        self.run = run
        self.last = float('nan')
        self._waiting: list[tuple[int, Sequence[str], Tensor]] = []

    def add(self, step: int, keys: Sequence[str], loss: Tensor) -> None:
        """Take the loss of a batch."""
        self._waiting.append((step, keys, loss.detach()))

    def read(self) -> float:
        """
        Return the last loss.

        :raises InvalidInput: if one of those since the last look is no number; the message names
            its step and examples.
        """
        if self._waiting:
            losses = torch.stack([loss for _, _, loss in self._waiting]).tolist()
            for (step, keys, _), loss in zip(self._waiting, losses, strict=True):
                self._check(step, keys, loss)
            self.last = losses[-1]
            self._waiting.clear()
        return self.last

    def _check(self, step: int, keys: Sequence[str], loss: float) -> None:
        if not abs(loss) < float('inf'):
            names = ', '.join(map(str, keys[:8])) or 'unknown'
            raise InvalidInput(
                f'run {self.run}: the loss is {loss} at step {step} (examples {names}); lower '
                'engine.lr or engine.clip_norm, or set engine.precision=no, in a new folder; '
                'checkpoints up to here are kept')
