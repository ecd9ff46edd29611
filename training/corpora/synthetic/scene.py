"""The pictures of a clip: a person before a blurred room, speaking with an expression."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import cv2
from mmer_ros.types import Float32, UInt8
import numpy as np
from training.corpora.synthetic.expression import blend, Expression, EXPRESSIONS, jitter, REST
from training.corpora.synthetic.features import draw_face
from training.corpora.synthetic.people import Person
from training.corpora.synthetic.portrait import ORIGIN, Portrait
from training.corpora.synthetic.voice import Track, TRACK_RATE

SPEECH_GAP = 11.  # pixels of the portrait that loud speech adds between the lips
BLINK_S = .16
ONSET_S = .3  # an expression grows within this


def draw_frames(emotion: str, person: Person, mouth: Track, size: tuple[int, int], fps: int,
                rng: np.random.Generator) -> Iterator[UInt8]:
    """
    Draw a clip.

    :param emotion: that the face shows.
    :param mouth: opening of the mouth by speech at TRACK_RATE, 0..1; as long as the clip.
    :param size: width and height, pixels.
    :return: (height, width, 3) uint8 RGB images, `fps` a second.
    """
    peak = jitter(blend(REST, EXPRESSIONS[emotion], rng.uniform(.8, 1.1)), rng, 1.)
    rest = jitter(REST, rng, .7)
    portrait = Portrait(person, rng.uniform(-5, 5), rng.uniform(-.8, .8), rng)
    camera = _Camera(size, rng)
    count = max(1, int(len(mouth) / TRACK_RATE * fps))
    blinks = _blinks(count, fps, rng)
    for index in range(count):
        time = index / fps
        shown = blend(rest, peak, min(1., .4 + .6 * time / ONSET_S))
        opened = float(mouth[min(int(time * TRACK_RATE), len(mouth) - 1)])
        face = draw_face(portrait, _speaking(shown, opened, blinks[index]))
        yield camera.film(face, portrait.cover, time)


def draw_empty_room(count: int, size: tuple[int, int], rng: np.random.Generator
                    ) -> Iterator[UInt8]:
    """Draw pictures without anybody."""
    camera = _Camera(size, rng)
    nobody = np.zeros((4, 4, 3), np.uint8)  # covers nothing
    for index in range(count):
        yield camera.film(nobody, nobody[..., 0], float(index))


def _speaking(shown: Expression, opened: float, lids: float) -> Expression:
    return replace(shown, gap=max(shown.gap * (.75 + .25 * opened), 0) + SPEECH_GAP * opened
                   * (.45 if shown.gap > 10 else 1.), press=shown.press * (1 - .5 * opened),
                   lid=shown.lid * lids)


def _blinks(count: int, fps: int, rng: np.random.Generator) -> Float32:
    """Close the lids now and then: a factor of their opening for each frame."""
    opening = np.ones(count, np.float32)
    start = rng.uniform(.3, 3.5)
    first = round(start * fps)
    opening[first:first + max(1, round(BLINK_S * fps))] = .08
    return opening


class _Camera:
    """Where the person is in the picture, the room behind, the light and the sensor's noise."""

    def __init__(self, size: tuple[int, int], rng: np.random.Generator) -> None:
        width, height = size
        self.size = size
        self._scale = rng.uniform(.56, .7) * height / 240
        self._center = np.array([width * rng.uniform(.38, .62), height * rng.uniform(.38, .46)])
        self._sway = rng.uniform(1.5, 4.) * height / 240, rng.uniform(.2, .5), rng.random(3)
        self._tilt = rng.uniform(-6, 6), rng.uniform(1, 3)
        self._light = (rng.uniform(.78, 1.12) * rng.uniform(.96, 1.04, 3)).astype(np.float32)
        self._room = self._furnish(rng)
        grain = rng.normal(0, rng.uniform(.5, 2.5), (height + 32, width + 32, 1))
        self._grain = np.round(grain).astype(np.int16).repeat(3, axis=2)
        self._offsets = rng.integers(0, 32, (64, 2))
        self._frame = 0

    def _furnish(self, rng: np.random.Generator) -> UInt8:
        """Blur some coloured boxes on a wall."""
        wall = rng.uniform(70, 190) * rng.uniform(.85, 1.1, 3)
        room: Float32 = np.empty((60, 80, 3), np.float32)
        room[:] = wall * np.linspace(1.08, .85, 60)[:, None, None]
        for _ in range(int(rng.integers(3, 8))):
            x, y = rng.integers(-10, 80), rng.integers(-10, 60)
            w, h = rng.integers(6, 34, 2)
            color = rng.uniform(30, 210) * rng.uniform(.7, 1.2, 3)
            cv2.rectangle(room, (int(x), int(y)), (int(x + w), int(y + h)), color.tolist(), -1)
        blurred = cv2.GaussianBlur(room, (0, 0), rng.uniform(1.2, 3))
        sized = cv2.resize(blurred, self.size, interpolation=cv2.INTER_CUBIC)
        return np.clip(sized, 0, 255).astype(np.uint8)

    def film(self, face: UInt8, alpha: UInt8, time: float) -> UInt8:
        """
        Take a picture.

        :param alpha: (h, w) uint8, how much each pixel of the face covers what is behind it.
        """
        amount, pace, phases = self._sway
        swing = np.sin(2 * np.pi * (pace * np.array([1., 1.7, .8]) * time + phases))
        angle = self._tilt[0] + self._tilt[1] * swing[2]
        matrix = np.asarray(cv2.getRotationMatrix2D(
            (float(ORIGIN[0]), float(ORIGIN[1])), angle, self._scale), np.float64)
        matrix[:, 2] += self._center + amount * swing[:2] - ORIGIN
        over = cv2.warpAffine(cv2.merge([face, alpha]), matrix, self.size)
        cover = over[..., 3].astype(np.float32) / np.float32(255)
        color = cv2.cvtColor(over, cv2.COLOR_RGBA2RGB)
        mixed = cv2.blendLinear(color, self._room, cover, 1 - cover)
        lit = cv2.transform(mixed, np.diag(self._light))
        top, left = self._offsets[self._frame % len(self._offsets)]
        self._frame += 1
        grain = self._grain[top:top + self.size[1], left:left + self.size[0]]
        return np.asarray(cv2.add(lit, grain, dtype=cv2.CV_8U), np.uint8)
