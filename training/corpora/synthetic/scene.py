# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The images of a clip: one person before a blurred room, speaking with an expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mmer_ros.types import Float32, UInt8
import numpy as np
from training.corpora.synthetic.camera import FixedCamera
from training.corpora.synthetic.expression import blend, Expression, EXPRESSIONS, jitter, REST
from training.corpora.synthetic.features import draw_face
from training.corpora.synthetic.people import Person
from training.corpora.synthetic.portrait import Portrait
from training.corpora.synthetic.voice import Track, TRACK_RATE

SPEECH_GAP = 11.  # pixels of the portrait that loud speech adds between the lips
BLINK_S = .16
CLOSED = .08  # opening of the lids in a blink, relative to rest
ONSET_S = .3  # an expression grows within this


def draw_frames(emotion: str, person: Person, mouth: Track, size: tuple[int, int], fps: int,
                rng: np.random.Generator) -> Iterator[UInt8]:
    """
    Draw a clip.

    :param emotion: shown by the face.
    :param mouth: opening of the mouth by speech at TRACK_RATE, 0..1; as long as the clip.
    :param size: width and height, pixels.
    :return: (height, width, 3) uint8 RGB images, `fps` a second.
    """
    peak = jitter(blend(REST, EXPRESSIONS[emotion], rng.uniform(.8, 1.1)), rng, 1.)
    rest = jitter(REST, rng, .7)
    portrait = Portrait(person, rng.uniform(-5, 5), rng.uniform(-.8, .8), rng)
    camera = FixedCamera(size, rng)
    count = max(1, int(len(mouth) / TRACK_RATE * fps))
    blinks = _blinks(count, fps, rng)
    for index in range(count):
        time = index / fps
        shown = blend(rest, peak, min(1., .4 + .6 * time / ONSET_S))
        opened = float(mouth[min(int(time * TRACK_RATE), len(mouth) - 1)])
        face = draw_face(portrait, speaking(shown, opened, blinks[index]))
        yield camera.film(face, portrait.cover, time)


def draw_empty_room(count: int, size: tuple[int, int], rng: np.random.Generator
                    ) -> Iterator[UInt8]:
    """Draw images of a room without people."""
    camera = FixedCamera(size, rng)
    empty = np.zeros((4, 4, 3), np.uint8)  # covers nothing
    for index in range(count):
        yield camera.film(empty, empty[..., 0], float(index))


def speaking(shown: Expression, opened: float, lids: float) -> Expression:
    """
    Return an expression while the mouth moves and the eyes blink.

    :param opened: opening of the mouth by speech, 0..1.
    :param lids: factor of the opening of the eyes.
    """
    return replace(shown, gap=max(shown.gap * (.75 + .25 * opened), 0) + SPEECH_GAP * opened
                   * (.45 if shown.gap > 10 else 1.), press=shown.press * (1 - .5 * opened),
                   lid=shown.lid * lids)


def _blinks(count: int, fps: int, rng: np.random.Generator) -> Float32:
    """Close the lids once: a factor of their opening for each frame."""
    opening = np.ones(count, np.float32)
    start = rng.uniform(.3, 3.5)
    first = round(start * fps)
    opening[first:first + max(1, round(BLINK_S * fps))] = CLOSED
    return opening
