# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The seven emotions as ways of speaking, after Murray & Arnott (1993) and Scherer (2003)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class Prosody:
    """
    A way of speaking.

    :param pitch: mean, semitones above the speaker's own.
    :param accent: standard deviation of the syllables' pitch, semitones.
    :param slope: change of pitch from the first to the last syllable, semitones.
    :param final: glide within the last syllable, semitones.
    :param rate: syllables per second.
    :param level: loudness, decibels.
    :param brightness: 0 a soft source without overtones .. 1 a hard one.
    :param tremor: depth of the pitch's tremor of about 6 Hz, semitones.
    :param jitter: irregularity of the pitch, semitones.
    :param creak: 0..1, how much weaker every second pulse of the voice is.
    :param breath: noise in the source, added to the speaker's own share.
    """

    pitch: float = 0.
    accent: float = 1.2
    slope: float = -2.
    final: float = -1.
    rate: float = 4.6
    level: float = 0.
    brightness: float = .55
    tremor: float = 0.
    jitter: float = .1
    creak: float = 0.
    breath: float = 0.


PROSODIES = {
    'neutral': Prosody(),
    'surprise': Prosody(pitch=5, accent=1.5, slope=6, final=5, rate=4.4, level=3, brightness=.65,
                        breath=.04),
    'fear': Prosody(pitch=8, accent=.8, slope=0, final=0, rate=6.3, level=-1, brightness=.5,
                    tremor=1.1, jitter=.35, breath=.1),
    'sadness': Prosody(pitch=-2, accent=.4, slope=-4, final=-2, rate=3.1, level=-6,
                       brightness=.15, breath=.08),
    'joy': Prosody(pitch=5, accent=3.2, slope=-1, final=1.5, rate=5.7, level=3, brightness=.75),
    'disgust': Prosody(pitch=-4, accent=1, slope=-3, final=-3, rate=3.4, level=-1,
                       brightness=.45, jitter=.5, creak=.75),
    'anger': Prosody(pitch=2, accent=2.2, slope=-3, final=-3, rate=5.8, level=7, brightness=1.,
                     jitter=.25),
}


def vary(prosody: Prosody, rng: np.random.Generator) -> Prosody:
    """Vary a way of speaking a little, as no two utterances are alike."""
    pitch, slope, level = rng.normal(0, (.7, .7, 1.))
    return replace(
        prosody, pitch=prosody.pitch + pitch, slope=prosody.slope + slope,
        level=prosody.level + level, rate=prosody.rate * rng.uniform(.93, 1.07),
        brightness=float(np.clip(prosody.brightness + rng.normal(0, .05), 0, 1)))
