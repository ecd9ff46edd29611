# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Losses of a run, read from the device in groups instead of after every step."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmer_ros.types import InvalidInput
import torch
from torch import Tensor


class LossWatch:
    """
    Losses since the last `read`.

    Reading a loss waits for the device, so they are read together, and always before something
    that depends on them is written: log lines, scores, checkpoints.

    :param run: folder that messages name.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self.last = float('nan')
        self._waiting: list[tuple[int, Sequence[str], Tensor]] = []

    def add(self, step: int, keys: Sequence[str], loss: Tensor) -> None:
        """Add the loss of a batch; `keys` are its examples."""
        self._waiting.append((step, keys, loss.detach()))

    def read(self) -> float:
        """
        Return the last loss.

        :raises InvalidInput: if any loss since the last call is NaN or infinite; the message
            names its step and examples.
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
                f'run {self.run}: the loss is {loss} at step {step} (examples {names}); start a '
                'new run with a lower engine.lr or engine.clip_norm, or engine.precision=no. '
                'Earlier checkpoints are kept')
