# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Speech in noise at a given signal-to-noise ratio, for calibration and evaluation."""

from __future__ import annotations

from collections.abc import Callable

from mmer_ros.networks.batching import as_float
from mmer_ros.types import Float32, Int16
import numpy as np
from training.augment.speech import babble, Others, pink, white, with_noise
from training.augment.views import ChangeAudio, cut_to_speech
from training.corpora.clips import Clips
from training.corpora.examples import DEV

NOISES: dict[str, Callable[[int, np.random.Generator, Others], Float32]] = {
    'white': white, 'pink': pink, 'babble': babble}


def others_of(clips: Clips) -> Others:
    """Return a function that draws clips for babble, never held-out ones."""
    keys = [e.key for e in clips.examples if e.split != DEV]

    def draw(random: np.random.Generator) -> Float32:
        found = clips.audio(keys[int(random.integers(len(keys)))])
        return np.zeros(1, np.float32) if found is None else as_float(found)

    return draw


def in_noise(kind: str, ratio_db: float, others: Others) -> ChangeAudio:
    """
    Return a change that cuts a clip to the speech and adds noise.

    :param kind: of NOISES.
    :param ratio_db: signal-to-noise ratio of the speech.
    """
    def change(samples: Int16, random: np.random.Generator) -> Int16:
        return with_noise_of(kind, cut_to_speech(samples), ratio_db, others, random)

    return change


def with_noise_of(kind: str, samples: Int16, ratio_db: float, others: Others,
                  random: np.random.Generator) -> Int16:
    """Return samples (n,) with noise of a kind of NOISES at a signal-to-noise ratio."""
    speech = as_float(samples)
    return to_int16(with_noise(speech, NOISES[kind](len(speech), random, others), ratio_db))


def to_int16(samples: Float32) -> Int16:
    """Return samples in [-1, 1] as int16; louder ones are clipped."""
    result: Int16 = np.round(np.clip(samples, -1, 1) * 32_767).astype(np.int16)
    return result
