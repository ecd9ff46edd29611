"""One clip as a camera and a microphone would give it, and the room's noise without the speech."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
from mmer_ros.recordings.clips import resampled
from mmer_ros.recordings.media import duration, read_media
from mmer_ros.recordings.meld.settings import BagSettings
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import AudioBlock, Int16, InvalidInput, SAMPLE_RATE, UInt8, VideoFrame
import numpy as np
from numpy.typing import NDArray

NOISE_WINDOW = 512  # samples, 32 ms: shorter than the pauses between words
QUIET_SHARE = 0.1  # of the windows of a clip: these are taken for the room
MAX_LOST_S = 0.5  # at the end of a clip; more is told


@dataclass(frozen=True)
class ClipMedia:
    """
    What a clip holds.

    :param seconds: its length, that of the sound or of the images.
    :param sound: (n,) int16, 16 kHz mono, beginning `sound_at` seconds into the clip; None: mute.
    :param images: seconds from its beginning and JPEG data, by time.
    :param problem: what could not be decoded; '' if all is well.
    """

    seconds: float
    sound: Int16 | None
    sound_at: float
    images: tuple[tuple[float, bytes], ...]
    problem: str = ''


def read_clip(path: Path, settings: BagSettings) -> ClipMedia:
    """
    Decode a clip with the code of robot and training.

    :raises InvalidInput: if nothing of it can be had.
    """
    if not path.is_file():
        raise InvalidInput(f'{path.name}: it is not there')
    blocks: list[AudioBlock] = []
    images: list[tuple[float, bytes]] = []
    for item in read_media(path, FrameSampler(settings.fps)):
        if isinstance(item, VideoFrame):
            images.append((item.stamp, jpeg(item.image, settings)))
        else:
            blocks.append(item)
    sound = resampled(blocks)
    sound_at = blocks[0].stamp if blocks else 0.0
    seen = images[-1][0] + 1 / settings.fps if images else 0.0
    seconds = max(seen, sound_at + (0 if sound is None else sound.size / SAMPLE_RATE))
    lost = duration(path) - seconds
    problem = (f'{path.name}: its last {lost:.1f} s cannot be decoded; the {seconds:.1f} s before '
               'are used' if lost > MAX_LOST_S else '')
    return ClipMedia(seconds, sound, sound_at, tuple(images), problem)


def jpeg(image: UInt8, settings: BagSettings) -> bytes:
    """Return an image, (height, width, 3) RGB, scaled down if it is too large, as JPEG."""
    height, width = image.shape[:2]
    scale = settings.size / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    done, data = cv2.imencode('.jpg', cv2.cvtColor(image, cv2.COLOR_RGB2BGR),
                              [cv2.IMWRITE_JPEG_QUALITY, settings.quality])
    if not done:
        raise InvalidInput(f'image of {width}x{height}: it cannot be written as JPEG')
    return bytes(data)


class RoomNoise:
    """
    Noise that sounds like the quietest moments of a clip.

    :param sound: (n,) int16 of the clip; None, or shorter than a window: silence.
    """

    def __init__(self, sound: Int16 | None) -> None:
        """Measure the spectrum of the room."""
        count = 0 if sound is None else sound.size // NOISE_WINDOW
        self._level, self._shape = 0.0, np.ones(NOISE_WINDOW // 2 + 1)
        if sound is None or not count:
            return
        windows = sound[:count * NOISE_WINDOW].reshape(count, NOISE_WINDOW).astype(np.float64)
        levels = windows.std(axis=1)
        quiet = windows[np.argsort(levels)[:max(1, round(QUIET_SHARE * count))]]
        power = np.abs(np.fft.rfft(quiet * np.hanning(NOISE_WINDOW), axis=1)) ** 2
        self._level = float(np.sqrt((quiet.std(axis=1) ** 2).mean()))
        self._shape = np.sqrt(power.mean(axis=0))

    def draw(self, count: int, random: np.random.Generator) -> NDArray[np.float64]:
        """Return (count,) samples in units of int16."""
        if not self._level or not count:
            return np.zeros(count)
        spectrum = np.fft.rfft(random.standard_normal(count))
        places = np.linspace(0, 1, spectrum.size)
        noise = np.fft.irfft(
            spectrum * np.interp(places, np.linspace(0, 1, self._shape.size), self._shape), count)
        result: NDArray[np.float64] = noise * self._level / max(noise.std(), 1e-9)
        return result


def cross_fade(before: RoomNoise, after: RoomNoise, count: int, random: np.random.Generator
               ) -> Int16:
    """Return (count,) int16 noise that goes from one room over into another."""
    weight = np.linspace(0, 1, count)
    noise = before.draw(count, random) * np.sqrt(1 - weight) + (
        after.draw(count, random) * np.sqrt(weight))
    limited: Int16 = np.clip(np.rint(noise), -32_768, 32_767).astype(np.int16)
    return limited
