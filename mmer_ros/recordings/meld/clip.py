# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""One clip as a camera and a microphone would give it, and the room's noise without the speech."""

from __future__ import annotations

from dataclasses import dataclass
import math
from pathlib import Path

import cv2
from mmer_ros.recordings.clips import resampled
from mmer_ros.recordings.media import duration, read_media
from mmer_ros.recordings.media_report import MediaReport
from mmer_ros.recordings.meld.settings import BagSettings
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import AudioBlock, Int16, InvalidInput, SAMPLE_RATE, UInt8, VideoFrame
import numpy as np
from numpy.typing import NDArray

NOISE_WINDOW = 512  # samples, 32 ms: shorter than the pauses between words
QUIET_SHARE = 0.1  # of the windows of a clip: these are taken for the room
MAX_UTTERANCE_S = 60.0  # MELD's longest utterance has 41 s; a clip of 305 s is a mistake
MIN_CUT_S = 0.1  # shorter times in the table are a mistake
MAX_STRETCH, MAX_EXTRA_S = 2.0, 5.0  # a clip that is longer than this goes on after its utterance


@dataclass(frozen=True)
class ClipMedia:
    """
    What a clip holds.

    :param seconds: its length, that of the sound or of the images.
    :param sound: (n,) int16, 16 kHz mono, beginning `sound_at` seconds into the clip; None: mute.
    :param images: seconds from its beginning and JPEG data, by time.
    :param problems: what is missing or was cut, a sentence each.
    """

    seconds: float
    sound: Int16 | None
    sound_at: float
    images: tuple[tuple[float, bytes], ...]
    problems: tuple[str, ...] = ()


def read_clip(path: Path, settings: BagSettings, spoken_s: float | None = None) -> ClipMedia:
    """
    Decode a clip with the code of robot and training.

    :param spoken_s: length of the utterance as the table has it, seconds; None: not known. A
        clip that is much longer, as some of MELD, is cut to it.
    :raises InvalidInput: if nothing of it can be had, or it is too long to be an utterance.
    """
    if not path.is_file():
        raise InvalidInput(f'{path.name}: it is not there')
    length, limit, problems = duration(path), math.inf, []
    if length > MAX_UTTERANCE_S and not (spoken_s and MIN_CUT_S <= spoken_s <= MAX_UTTERANCE_S):
        raise InvalidInput(f'{path.name}: it is {length:.0f} s long, which no utterance is, and '
                           'StartTime and EndTime do not say which part is meant')
    if spoken_s and MIN_CUT_S <= spoken_s and length > MAX_STRETCH * spoken_s + MAX_EXTRA_S:
        limit = spoken_s
        problems.append(f'{path.name}: it is {length:.0f} s long, but the utterance is '
                        f'{spoken_s:.1f} s by StartTime and EndTime; the first {spoken_s:.1f} s '
                        'are used')
    blocks: list[AudioBlock] = []
    images: list[tuple[float, bytes]] = []
    report = MediaReport()
    for item in read_media(path, FrameSampler(settings.fps), report):
        if item.stamp >= limit:
            break
        if isinstance(item, VideoFrame):
            images.append((item.stamp, jpeg(item.image, settings)))
        else:
            blocks.append(item)
    sound = resampled(blocks)
    sound_at = blocks[0].stamp if blocks else 0.0
    if sound is not None and math.isfinite(limit):
        sound = sound[:round((limit - sound_at) * SAMPLE_RATE)]
    seen = images[-1][0] + 1 / settings.fps if images else 0.0
    seconds = max(seen, sound_at + (0 if sound is None else sound.size / SAMPLE_RATE))
    if math.isinf(limit):
        problems += [f'{path.name}: {problem}; the rest is used' for problem in report.problems]
    return ClipMedia(seconds, sound, sound_at, tuple(images), tuple(problems))


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
