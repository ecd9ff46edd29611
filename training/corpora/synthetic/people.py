# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The people of the synthetic corpus: each has a face and a voice of their own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

Color = tuple[float, float, float]  # RGB, 0..255

WOMEN = ('Ada', 'Bea', 'Cora', 'Dora', 'Elsa', 'Faye', 'Gina', 'Hana', 'Ines', 'Jade', 'Kate',
         'Lena')
MEN = ('Abel', 'Bram', 'Carl', 'Dean', 'Emil', 'Finn', 'Glen', 'Hugo', 'Ivan', 'Jack', 'Karl',
       'Luke')
SKIN: tuple[Color, ...] = ((243, 208, 184), (232, 190, 160), (219, 170, 136), (190, 140, 106),
                           (152, 106, 78), (116, 78, 58))
HAIR: tuple[Color, ...] = ((36, 28, 26), (62, 40, 28), (104, 66, 38), (158, 106, 56),
                           (196, 156, 96), (122, 50, 30), (140, 138, 136))
IRIS: tuple[Color, ...] = ((88, 60, 38), (60, 92, 120), (74, 104, 70), (52, 40, 34))
CLOTHES: tuple[Color, ...] = ((70, 96, 140), (150, 62, 58), (86, 120, 84), (196, 176, 130),
                              (72, 72, 80), (120, 84, 136), (58, 128, 134), (200, 120, 70))
WOMENS_CUTS = ('long', 'bob', 'bun')
MENS_CUTS = ('short', 'side', 'receding')


@dataclass(frozen=True)
class Person:
    """
    One speaker; lengths are pixels of the portrait, see `portrait.py`.

    :param cut: haircut, one of WOMENS_CUTS or MENS_CUTS.
    :param width: of the face, relative to the average; `height` and `jaw` as well.
    :param brow_tilt: how much higher the outer end of the resting brow is.
    :param beard: 0 none .. 1 full.
    :param pitch: resting fundamental frequency, Hz.
    :param tract: length of the vocal tract relative to a man's; formants are divided by it.
    :param breath: share of noise in the voice's source.
    """

    name: str
    skin: Color
    hair: Color
    iris: Color
    clothes: Color
    cut: str
    width: float
    height: float
    jaw: float
    eye_distance: float
    eye_size: float
    brow_width: float
    brow_tilt: float
    nose_length: float
    nose_width: float
    mouth_width: float
    lip: float
    beard: float
    glasses: bool
    pitch: float
    tract: float
    breath: float


def make_people(seed: int, count: int) -> tuple[Person, ...]:
    """
    Draw the cast: women and men in turn.

    :param count: 1..24.
    """
    rng = np.random.default_rng([seed, 0x9E0])
    women, men = rng.permutation(WOMEN), rng.permutation(MEN)
    return tuple(_person(rng, str(men[i // 2] if i % 2 else women[i // 2]), i)
                 for i in range(count))


def _person(rng: np.random.Generator, name: str, index: int) -> Person:
    man = index % 2 == 1
    cuts = MENS_CUTS if man else WOMENS_CUTS
    tone = int(rng.integers(len(SKIN)))
    dark = tone >= 3  # dark skin goes with dark hair and eyes here
    hair = HAIR[int(rng.integers(2 if dark else len(HAIR)))]
    return Person(
        name=name, skin=SKIN[tone], hair=hair,
        iris=IRIS[3 * int(rng.integers(2)) if dark else int(rng.integers(len(IRIS)))],
        clothes=CLOTHES[int(rng.integers(len(CLOTHES)))],
        cut=cuts[int(rng.integers(len(cuts)))],
        width=rng.uniform(.94, 1.08), height=rng.uniform(.96, 1.06),
        jaw=rng.uniform(.98, 1.14) if man else rng.uniform(.86, 1.0),
        eye_distance=rng.uniform(25.5, 29), eye_size=rng.uniform(.92, 1.08),
        brow_width=rng.uniform(5, 6.5) if man else rng.uniform(3.2, 4.6),
        brow_tilt=rng.uniform(-1.5, 1.5) if man else rng.uniform(-.5, 3),
        nose_length=rng.uniform(36, 42), nose_width=rng.uniform(9.5, 13),
        mouth_width=rng.uniform(23.5, 27.5),
        lip=rng.uniform(.75, 1.0) if man else rng.uniform(1.0, 1.35),
        beard=rng.uniform(.35, .85) if man and rng.random() < .35 else 0.,
        glasses=bool(rng.random() < .15),
        pitch=rng.uniform(95, 135) if man else rng.uniform(175, 225),
        tract=rng.uniform(.97, 1.06) if man else rng.uniform(.83, .9),
        breath=rng.uniform(.02, .06))
