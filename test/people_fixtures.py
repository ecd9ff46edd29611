"""Several drawn people in one picture, of whom one speaks with the voice of the sample."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.types import Int16, SAMPLE_RATE, UInt8
import numpy as np
from training.corpora.synthetic.people import make_people
from training.corpora.synthetic.scene import draw_frames
from training.corpora.synthetic.voice import TRACK_RATE

WIDTH, HEIGHT = 640, 460  # pixels
SIZES = ((300, 220), (240, 180), (260, 190), (200, 150))  # of each person's picture
CORNERS = ((5, 5), (330, 250), (330, 5), (40, 270))
SMALLEST = 3


def place_of(box: Sequence[float]) -> int:
    """Return whose face it is that lies in this box, 0..3."""
    middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    return next(i for i, ((x, y), (w, h)) in enumerate(zip(CORNERS, SIZES))
                if x <= middle[0] < x + w and y <= middle[1] < y + h)


def opening(sound: Int16) -> np.ndarray:
    """Return how far a mouth is open for 16 kHz speech, 0..1 at TRACK_RATE: as it is loud."""
    step = SAMPLE_RATE // TRACK_RATE
    frames = (sound[:len(sound) // step * step].reshape(-1, step) / 32_768.0) ** 2
    smooth = np.convolve(np.sqrt(frames.mean(axis=1)), np.ones(9) / 9, 'same')
    return np.clip(smooth / 0.08, 0, 1).astype(np.float32)


def gathering(sounds: Sequence[Int16 | None], length: int, fps: int = 5) -> list[UInt8]:
    """
    Draw four people; each says what is given, most of them nothing.

    :param length: samples of the whole.
    :return: `fps` a second, (HEIGHT, WIDTH, 3) uint8 RGB.
    """
    still = np.zeros(length, np.int16)
    films = [list(draw_frames('neutral', person, opening(still if sound is None else sound), size,
                              fps, np.random.default_rng(index)))
             for index, (person, sound, size) in enumerate(
                 zip(make_people(3, len(SIZES)), sounds, SIZES))]
    images = []
    for frames in zip(*films):
        image = np.full((HEIGHT, WIDTH, 3), 120, np.uint8)
        for frame, (x, y) in zip(frames, CORNERS):
            image[y:y + frame.shape[0], x:x + frame.shape[1]] = frame[:HEIGHT - y, :WIDTH - x]
        images.append(image)
    return images
