# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Whisper's spectrogram (Radford et al. 2023), in NumPy: what either engine's network sees."""

from __future__ import annotations

from functools import cache

from mmer_ros.networks.configs import MEL_HOP
from mmer_ros.networks.mel_scale import to_hertz, to_mel
from mmer_ros.types import Float32, SAMPLE_RATE
import numpy as np
from numpy.typing import NDArray

N_FFT = 400  # samples of a frame
RANGE = 8.0  # powers of ten below the loudest band that the spectrogram keeps
FLOOR = 1e-10  # power; keeps the logarithm finite


def log_mel(samples: Float32, n_mels: int) -> Float32:
    """
    Return the spectrogram of a window, about -1 to 1.

    >>> log_mel(np.zeros(640, np.float32), 80).shape
    (80, 4)

    :param samples: (n,) 16 kHz in [-1, 1]; n is a multiple of MEL_HOP, more than N_FFT / 2.
    :return: (n_mels, n / MEL_HOP), contiguous.
    """
    around = np.pad(samples.astype(np.float64), N_FFT // 2, mode='reflect')
    frames = np.lib.stride_tricks.sliding_window_view(around, N_FFT)[:-1:MEL_HOP]
    spectrum = np.fft.rfft(frames * _hann(), axis=1)                      # (frames, bins)
    power = spectrum.real ** 2 + spectrum.imag ** 2
    level = np.log10(np.maximum(power @ _filters(n_mels), FLOOR)).T       # (n_mels, frames)
    scaled = (np.maximum(level, level.max() - RANGE) + 4) / 4
    return np.ascontiguousarray(scaled, np.float32)


@cache
def _hann() -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(N_FFT) / N_FFT)


@cache
def _filters(n_mels: int) -> NDArray[np.float64]:
    """Return triangular filters of equal area, (bins, n_mels), up to half the sample rate."""
    frequencies = np.linspace(0, SAMPLE_RATE / 2, N_FFT // 2 + 1)
    corners = np.array([to_hertz(mel) for mel in np.linspace(
        0, to_mel(SAMPLE_RATE / 2), n_mels + 2)])
    width = corners[1:] - corners[:-1]                                    # (n_mels + 1,)
    slopes = corners - frequencies[:, None]                               # (bins, n_mels + 2)
    triangles = np.minimum(-slopes[:, :-2] / width[:-1], slopes[:, 2:] / width[1:]).clip(0)
    filters: NDArray[np.float64] = triangles * (2 / (corners[2:] - corners[:-2]))
    return filters
