# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A room with several drawn people and a camera that turns from one to the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
from mmer_ros.types import UInt8
import numpy as np
from scipy.ndimage import gaussian_filter1d
from training.corpora.synthetic.camera import draw_light, furnish, Matrix, overlay, Sensor, Sway
from training.corpora.synthetic.expression import blend, EXPRESSIONS, jitter, REST
from training.corpora.synthetic.features import draw_face
from training.corpora.synthetic.people import Person
from training.corpora.synthetic.portrait import HEIGHT, Portrait, WIDTH
from training.corpora.synthetic.scene import BLINK_S, CLOSED, ONSET_S, speaking
from training.corpora.synthetic.voice import Track, TRACK_RATE

HOLD_S = .3  # an expression is there this long before and after its utterance
BLINK_EVERY_S = 2.2, 4.5
TURN_S = .16  # standard deviation of the camera's turns, smoothed by a Gaussian
PORTRAIT_SCALE = .6  # pixels of the room per pixel of a portrait, at a frame height of 240
NOISE = 1.  # standard deviation of the sensor's noise; more costs file size


@dataclass(frozen=True)
class Mood:
    """An expression from `start` to `end`, seconds; before and after, the face is at rest."""

    emotion: str
    start: float
    end: float


@dataclass(frozen=True)
class Shot:
    """
    What the camera shows.

    :param x: of the room in the middle of the image, frame widths.
    :param y: of the room in the middle of the image, frame heights.
    :param zoom: 1: the image is as wide as 1 frame width of the room.
    """

    x: float
    y: float = .62
    zoom: float = 1.


class Actor:
    """
    A person in the room.

    :param x: place of the face in the room, frame widths; `y` in frame heights.
    :param mouth: opening of the mouth by speech at TRACK_RATE, 0..1; as long as the film.
    """

    def __init__(self, person: Person, x: float, y: float, mouth: Track, moods: Sequence[Mood],
                 seed: Sequence[int]) -> None:
        rng = np.random.default_rng(seed)
        self.x, self.y, self.rng = x, y, rng
        self._mouth = mouth
        self._rest = jitter(REST, rng, .4)
        self._moods = [(mood, jitter(EXPRESSIONS[mood.emotion], rng, .4)) for mood in moods]
        self._portrait = Portrait(person, rng.uniform(-3, 3), rng.uniform(-.6, .6), rng)
        gaps = rng.uniform(*BLINK_EVERY_S, int(len(mouth) / TRACK_RATE / BLINK_EVERY_S[0]) + 1)
        self._blinks = np.cumsum(gaps)

    @property
    def cover(self) -> UInt8:
        """(h, w) how much each pixel of the portrait hides what is behind it."""
        return self._portrait.cover

    def draw(self, time: float) -> UInt8:
        """Return the portrait of a moment, (h, w, 3) RGB."""
        shown = self._rest
        for mood, peak in self._moods:
            start, end = mood.start - HOLD_S, mood.end + HOLD_S
            weight = np.interp(time, [start - ONSET_S, start, end, end + ONSET_S], [0, 1, 1, 0])
            shown = blend(shown, peak, float(weight)) if weight else shown
        since = time - self._blinks
        closed = bool(((since >= 0) & (since < BLINK_S)).any())
        opened = float(self._mouth[min(int(time * TRACK_RATE), len(self._mouth) - 1)])
        return draw_face(self._portrait, speaking(shown, opened, CLOSED if closed else 1.))


class Studio:
    """
    Film people in a room.

    :param size: width and height of the images, pixels.
    :param width: of the room, frame widths; it is 1.25 frame heights high.
    :param shots: what the camera shows from which second on, by time; it turns smoothly.
    :param duration: of the film, seconds.
    """

    def __init__(self, size: tuple[int, int], width: float, actors: Sequence[Actor],
                 shots: Sequence[tuple[float, Shot]], duration: float, seed: Sequence[int]
                 ) -> None:
        rng = np.random.default_rng(seed)
        self._size, self._actors = size, actors
        self._room = furnish((round(width * size[0]), round(1.25 * size[1])), rng)
        self._sensor = Sensor(size, draw_light(rng), NOISE, rng)
        self._sway = [Sway(size[1], actor.rng) for actor in actors]
        steps = np.arange(int(duration * TRACK_RATE) + 1) / TRACK_RATE
        place = np.searchsorted([start for start, _ in shots], steps, side='right') - 1
        targets = np.array([[shot.x * size[0], shot.y * size[1], shot.zoom] for _, shot in shots])
        self._view = gaussian_filter1d(
            targets[np.maximum(place, 0)], TURN_S * TRACK_RATE, axis=0, mode='nearest')

    def film(self, time: float) -> UInt8:
        """Take the image of a moment, (height, width, 3) uint8 RGB; call it by time."""
        view = self._matrix(time)
        image = np.asarray(cv2.warpAffine(self._room, view, self._size,
                                          borderMode=cv2.BORDER_REFLECT_101), np.uint8)
        for actor, sway in zip(self._actors, self._sway):
            center = np.array([actor.x * self._size[0], actor.y * self._size[1]])
            portrait = sway.place(time, center, PORTRAIT_SCALE * self._size[1] / 240)
            matrix = view[:, :2] @ portrait + np.c_[np.zeros((2, 2)), view[:, 2]]
            if self._in_view(matrix):
                image = overlay(image, actor.draw(time), actor.cover, matrix)
        return self._sensor.expose(image)

    def _matrix(self, time: float) -> Matrix:
        x, y, zoom = self._view[min(int(time * TRACK_RATE), len(self._view) - 1)]
        width, height = self._size
        return np.array([[zoom, 0, width / 2 - zoom * x], [0, zoom, height / 2 - zoom * y]])

    def _in_view(self, matrix: Matrix) -> bool:
        corners = np.array([[0, 0, 1], [WIDTH, 0, 1], [0, HEIGHT, 1], [WIDTH, HEIGHT, 1]]).T
        x, y = matrix @ corners
        width, height = self._size
        return bool(x.max() > 0 and x.min() < width and y.max() > 0 and y.min() < height)
