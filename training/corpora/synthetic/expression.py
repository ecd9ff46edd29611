# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The seven emotions as movements of a face, after the action units of FACS."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np


@dataclass(frozen=True)
class Expression:
    """
    The expression of a face at one moment; lengths in pixels of the portrait, up and out positive.

    :param brow_inner: inner ends of the brows (AU 1, lowered by AU 4).
    :param brow_outer: outer ends of the brows (AU 2).
    :param knit: how far the brows come together (AU 4).
    :param lid: opening of the upper lids relative to rest (AU 5; below 1 AU 43).
    :param squint: how far the lower lids rise, share of the eye (AU 6, 7).
    :param corner: corners of the mouth (AU 12, lowered by AU 15).
    :param stretch: width of the mouth relative to rest (AU 20; below 1 AU 18).
    :param gap: distance between the lips in the middle (AU 25, 26).
    :param sneer: how far the upper lip is raised and the nose wrinkled (AU 9, 10).
    :param press: how thin the lips are pressed, 0..1 (AU 24).
    :param gaze: how far the eyes look up.
    """

    brow_inner: float = 0.
    brow_outer: float = 0.
    knit: float = 0.
    lid: float = 1.
    squint: float = 0.
    corner: float = 0.
    stretch: float = 1.
    gap: float = 0.
    sneer: float = 0.
    press: float = 0.
    gaze: float = 0.


REST = Expression()
EXPRESSIONS = {
    'neutral': REST,
    'surprise': Expression(brow_inner=10, brow_outer=10, lid=1.5, stretch=.7, gap=22),
    'fear': Expression(brow_inner=9, brow_outer=1, knit=4, lid=1.42, corner=-5, stretch=1.22,
                       gap=7),
    'sadness': Expression(brow_inner=8, brow_outer=-5, knit=3, lid=.68, corner=-9, stretch=.92,
                          gaze=-2.5),
    'joy': Expression(brow_outer=1.5, lid=.92, squint=.32, corner=11, stretch=1.22, gap=8),
    'disgust': Expression(brow_inner=-5, brow_outer=-2, knit=3, lid=.72, squint=.28, corner=-4,
                          stretch=.95, gap=3, sneer=7),
    'anger': Expression(brow_inner=-9, brow_outer=4, knit=5, lid=.98, squint=.16, corner=-5,
                        stretch=.9, press=.75),
}


def blend(a: Expression, b: Expression, weight: float) -> Expression:
    """Return the expression on the way from a (weight 0) to b (1); beyond 1 it is exaggerated."""
    return Expression(**{
        f.name: getattr(a, f.name) + weight * (getattr(b, f.name) - getattr(a, f.name))
        for f in fields(Expression)})


def jitter(expression: Expression, rng: np.random.Generator, amount: float) -> Expression:
    """
    Vary an expression, as no two are alike.

    :param amount: 1 varies lengths by about 1 pixel and proportions by about 5 %.
    """
    scale = {'lid': .05, 'squint': .03, 'stretch': .03, 'press': .04, 'gap': .6, 'sneer': .4}
    changed = {f.name: getattr(expression, f.name)
               + amount * scale.get(f.name, 1.) * float(rng.normal())
               for f in fields(Expression)}
    floors = {'gap': 0., 'sneer': 0., 'press': 0., 'squint': 0., 'lid': .3, 'stretch': .5}
    return Expression(**{name: max(value, floors.get(name, value))
                         for name, value in changed.items()})
