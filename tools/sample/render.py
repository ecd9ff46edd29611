"""The camera of the sample recording: any moment of it as an image of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from tools.sample.expression import (
    away_track,
    blink_track,
    expression_tracks,
    MOUTH_GAP,
    mouth_track,
    Pose,
    RATE,
    smooth,
    wander,
)
from tools.sample.face import draw_face
from tools.sample.script import DIALOGUE, Utterance

SPEAKER = 'anna'  # whose face it is
FACE_CENTRE = (225., 116.)  # where the camera looks, pixels of the photograph
AWAY_CENTRE = (409., 112.)  # ... and where it looks away from the face
_VIEW_WIDTH = 236.  # pixels of the photograph that the width of a frame shows
_AWAY_WIDTH = 200.


def _spot(shape: tuple[int, ...], ellipses: Sequence[tuple[int, int, int, int]],
          edge: float) -> NDArray[np.float32]:
    """Draw soft-edged ellipses (x, y, half width, half height): (H, W, 1) weights in [0, 1]."""
    mask = np.zeros(shape[:2], np.float32)
    for x, y, half_width, half_height in ellipses:
        cv2.ellipse(mask, (x, y), (half_width, half_height), 0, 0, 360, 1., -1)
    return cv2.GaussianBlur(mask, (0, 0), edge)[..., None].astype(np.float32)


@lru_cache(maxsize=1)
def photograph() -> NDArray[np.uint8]:
    """
    Load NASA's portrait of Eileen Collins, with everything but her face more or less soft.

    Sharp hair and background would be most of the recording's size.

    :returns: (512, 512, 3) RGB, read-only.
    :raises RuntimeError: if scikit-image is not there.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise RuntimeError('scikit-image is not installed (pip install scikit-image)') from error
    photo = np.asarray(data.astronaut(), np.float32)  # type: ignore[no-untyped-call]
    head = _spot(photo.shape, [(226, 82, 80, 76), (224, 130, 58, 62)], 9.)
    face = _spot(photo.shape, [(224, 128, 46, 58)], 4.)
    mixed = np.asarray(cv2.GaussianBlur(photo, (0, 0), 6.), np.float32)
    mixed += head * (cv2.GaussianBlur(photo, (0, 0), 1.2) - mixed)
    mixed += face * (photo - mixed)
    image: NDArray[np.uint8] = np.clip(np.round(mixed), 0, 255).astype(np.uint8)
    image.setflags(write=False)
    return image


class Scene:
    """
    A person who speaks her turns of a dialogue before a moving camera.

    :param utterances: all turns, in order of time.
    :param loudness: (N,) root mean square of the sound at RATE (`expression.envelope`).
    :param seed: of blinks and of the movement of head and camera.
    """

    def __init__(self, utterances: Sequence[Utterance], loudness: NDArray[np.float64],
                 seed: int = 0) -> None:
        rng = np.random.default_rng([seed, 1])
        length = len(loudness)
        self.duration = length / RATE  # seconds
        self.away = away_track(utterances, length)
        mouth = mouth_track(loudness, utterances, SPEAKER)
        self._tracks = expression_tracks(utterances, length, SPEAKER)
        # A wide gap at rest closes a little under speech, so that the lips are seen to move.
        self._tracks['gap'] = self._tracks['gap'] * (1 - .3 * mouth) + MOUTH_GAP * mouth
        self._tracks['eyes'] = self._tracks['eyes'] * blink_track(length, rng)
        nod = smooth(mouth, .15)
        self._camera = {
            'x': 2.5 * wander(length, rng, 5.),
            'y': 2. * wander(length, rng, 5.) - 2. * nod,
            'zoom': .045 * wander(length, rng, 8.),
            'roll': np.deg2rad(1.8) * wander(length, rng, 4.),
        }

    def _at(self, track: NDArray[np.float64], t: float) -> float:
        return float(np.interp(t * RATE, np.arange(len(track)), track))

    def pose(self, t: float) -> Pose:
        """
        Say what the face does at one moment.

        :param t: seconds since the start of the scene.
        """
        return Pose(**{field.name: self._at(self._tracks[field.name], t)
                       for field in fields(Pose)})

    def render_frame(self, t: float, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
        """
        Draw the frame of one moment.

        :param t: seconds since the start of the scene.
        :returns: (height, width, 3) RGB.
        """
        away = self._at(self.away, t)
        move = {name: self._at(track, t) for name, track in self._camera.items()}
        view = _VIEW_WIDTH + away * (_AWAY_WIDTH - _VIEW_WIDTH)
        # Pixels of the photograph per pixel of the frame, the same face in a frame of any shape.
        scale = view * (1 - move['zoom'] * (1 - away)) / min(width, height * 4 / 3)
        roll = move['roll'] * (1 - away)
        centre = [a + away * (b - a) for a, b in zip(FACE_CENTRE, AWAY_CENTRE, strict=True)]
        column, row = np.meshgrid((np.arange(width, dtype=np.float32) - (width - 1) / 2) * scale,
                                  (np.arange(height, dtype=np.float32) - (height - 1) / 2) * scale)
        cos, sin = np.cos(roll), np.sin(roll)
        map_x = (centre[0] + move['x'] + cos * column - sin * row).astype(np.float32)
        map_y = (centre[1] + move['y'] + sin * column + cos * row).astype(np.float32)
        return draw_face(photograph(), map_x, map_y, self.pose(t))


def synthetic_scene(seed: int = 0) -> Scene:
    """Play the dialogue with made-up timing and syllables; flite is not needed."""
    rng = np.random.default_rng([seed, 2])
    utterances, position = [], 1.3
    for line in DIALOGUE:
        end = position + .06 * len(line.text) * line.stretch
        utterances.append(Utterance(line, position, end))
        position = end + 1.4
    steps = np.arange(round(position * RATE))
    loudness = np.zeros(len(steps))
    for utterance in utterances:
        span = slice(round(utterance.start * RATE), round(utterance.end * RATE))
        syllables = np.abs(np.sin(np.pi * rng.uniform(3.5, 5) * steps[span] / RATE))
        loudness[span] = .2 * utterance.line.peak * syllables
    return Scene(utterances, loudness, seed)


@lru_cache(maxsize=4)
def _default_scene(seed: int) -> Scene:
    return synthetic_scene(seed)


def render_frame(t: float, width: int = 640, height: int = 480,
                 seed: int = 0) -> NDArray[np.uint8]:
    """
    Draw one moment of the synthetic scene, for tests and benchmarks.

    :param t: seconds since the start of the scene.
    :returns: (height, width, 3) RGB.
    """
    return _default_scene(seed).render_frame(t, width, height)
