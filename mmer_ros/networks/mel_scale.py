# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Slaney's mel scale: linear below 1 kHz, logarithmic above (Auditory Toolbox, 1998)."""

from __future__ import annotations

import math

LINEAR_HZ, BREAK_HZ = 200 / 3, 1000.0  # a mel below the break; where it is
BREAK_MEL = BREAK_HZ / LINEAR_HZ
LOG_STEP = math.log(6.4) / 27  # of the frequency's logarithm, a mel above the break


def to_mel(hertz: float) -> float:
    """
    Return a frequency in mel.

    >>> to_mel(1000)
    15.0
    """
    if hertz < BREAK_HZ:
        return hertz / LINEAR_HZ
    return BREAK_MEL + math.log(hertz / BREAK_HZ) / LOG_STEP


def to_hertz(mel: float) -> float:
    """Return the frequency of a mel."""
    if mel < BREAK_MEL:
        return LINEAR_HZ * mel
    return BREAK_HZ * math.exp(LOG_STEP * (mel - BREAK_MEL))
