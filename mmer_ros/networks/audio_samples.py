# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Samples as the networks take them."""

from __future__ import annotations

from mmer_ros.types import InvalidInput
import numpy as np
from numpy.typing import NDArray


def as_float(audio: NDArray[np.generic]) -> NDArray[np.float32]:
    """
    Return 16 kHz mono audio, (n,) int16 or float, as float32 in [-1, 1].

    :raises InvalidInput: if it is of another type or not finite.
    """
    if audio.dtype == np.int16:
        return audio.astype(np.float32) / 32_768.0
    if audio.dtype.kind != 'f' or not np.isfinite(audio).all():
        raise InvalidInput(f'utterance audio of type {audio.dtype} or with NaN; '
                           'expected int16, or finite float in [-1, 1]')
    return audio.astype(np.float32)
