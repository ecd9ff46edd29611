# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Whether there is anything in images and audio: a covered camera and a muted microphone send."""

from __future__ import annotations

from typing import Any

from mmer_ros.types import UInt8
import numpy as np
from numpy.typing import NDArray

BLACK = 'the images are black: check lens cover, light and exposure'
ONE_COLOUR = 'the images show a single colour: check the camera and its driver'
SILENT = ('the audio is silent to the last bit: check whether the microphone is muted or another '
          'device is recorded')
NOT_FINITE = 'the samples are not finite: check the driver of the microphone'

BLACK_LEVEL = 16  # of 255: darker than any picture of a room, above the noise of a sensor
STEP_PX = 8  # of an image, every so many rows and columns are looked at
LEVELS = 3.0  # standard deviation below which an image shows nothing, of 255


def image_problem(image: UInt8) -> str:
    """
    Return why nothing can be seen in an image; '' if something can.

    >>> image_problem(np.zeros((480, 640, 3), np.uint8))
    'the images are black: check lens cover, light and exposure'

    :param image: (height, width, 3) uint8 RGB.
    """
    seen = image[::STEP_PX, ::STEP_PX]
    if np.percentile(seen, 99.5) < BLACK_LEVEL:
        return BLACK
    return '' if seen.std(axis=(0, 1)).max() >= LEVELS else ONE_COLOUR


def audio_problem(samples: NDArray[Any]) -> str:
    """
    Return why a block of audio is of no use; '' if it may be.

    >>> audio_problem(np.zeros(1600, np.int16)) == SILENT
    True

    :param samples: as of types.AudioBlock. The noise of a quiet room is not silent.
    """
    if not samples.size:
        return ''
    least, most = samples.min(), samples.max()
    if not (np.isfinite(least) and np.isfinite(most)):
        return NOT_FINITE
    one_value = least == most or (samples.ndim == 2 and bool((samples == samples[0]).all()))
    return SILENT if one_value else ''
