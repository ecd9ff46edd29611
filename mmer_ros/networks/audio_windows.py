# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Encoders that look ahead, and so take sound in windows; without torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field

from mmer_ros.networks.audio_samples import as_float
from mmer_ros.networks.backbones import Array, StreamingEncoder
from mmer_ros.types import Float32
import numpy as np
from numpy.typing import NDArray


@dataclass
class WindowState:
    """
    Where an encoder stands within an utterance.

    :param samples: (n,) not encoded yet.
    :param windows: what came out of each complete window, (T, n) each.
    :param received: samples so far.
    """

    samples: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))
    windows: list[Array] = field(default_factory=list)
    received: int = 0

    @property
    def empty(self) -> bool:
        """Whether there is no sample yet."""
        return not self.received


class WindowStreaming(StreamingEncoder):
    """
    Encodes each window of sound once it is complete: a long utterance costs no more at its end.

    The last window takes up to half of one more, rather than leaving a scrap.
    """

    @property
    @abstractmethod
    def window(self) -> int:
        """Samples of a window."""

    @abstractmethod
    def states(self, samples: Float32) -> Array:
        """Return (T, n) of a window's samples, (n,) in [-1, 1]; at most one and a half windows."""

    def start(self) -> WindowState:
        """Return the state before the first sample."""
        return WindowState()

    def stream(self, states: Sequence[WindowState], evidence: Sequence[NDArray[np.generic]]
               ) -> None:
        """Take samples, (n,) each, and encode the windows that are complete."""
        for state, samples in zip(states, evidence):
            new = as_float(samples)
            state.received += len(new)
            state.samples = np.concatenate([state.samples, new])
            while len(state.samples) > self.window * 3 // 2:
                state.windows.append(self.states(state.samples[:self.window]))
                state.samples = state.samples[self.window:]

    def windows_of(self, state: WindowState) -> list[Array]:
        """Return what comes out of each window of a state that is not empty."""
        return [*state.windows, self.states(state.samples)]


def cut_windows(length: int, window: int) -> list[tuple[int, int]]:
    """
    Return begin and end of the windows of a whole utterance, as `stream` cuts them.

    >>> cut_windows(26, 10)
    [(0, 10), (10, 20), (20, 26)]
    >>> cut_windows(25, 10)
    [(0, 10), (10, 25)]
    """
    cuts, begin = [], 0
    while length - begin > window * 3 // 2:
        cuts.append((begin, begin + window))
        begin += window
    return [*cuts, (begin, length)]
