# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Out-of-domain inputs: sounds without speech, pictures without a face, words without meaning.

The encoders are trained to answer them uniformly, the fusion to answer them with the prior.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import cv2
from mmer_ros.types import FACE_SIZE, Float32, Int16, Modality, SAMPLE_RATE, UInt8
import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from training.corpora.examples import Example, TRAIN
from training.engine.files import fingerprint
from training.engine.sampling import keyed_generator

Floats = NDArray[np.floating]
Random = np.random.Generator
TIMBRES = 4
SHORTEST_S, LONGEST_S = 1.0, 4.0
LETTERS = np.array(list('bcdfghjklmnpqrstvwxz'))


class OutOfDomainClips:
    """
    Unlabelled out-of-domain clips of one modality, as Clips; each follows from its key.

    :param faces: crops that some pictures are made of.
    """

    def __init__(self, modality: Modality, count: int, faces: Sequence[UInt8] = ()) -> None:
        self._faces = faces
        self._modality = modality
        kinds: Sequence[str] = {
            Modality.TEXT: ('letters',), Modality.AUDIO: tuple(SOUNDS),
            Modality.FACE: picture_kinds(with_faces=bool(len(faces)))}[modality]
        self._kinds = len(kinds)
        keys = [f'out-of-domain/{kinds[i % len(kinds)]}/{i}' for i in range(count)]
        self.examples = [Example(key, TRAIN) if modality is not Modality.TEXT else Example(
            key, TRAIN, group=key, text=letters(keyed_generator(key))) for key in keys]

    @cached_property
    def digest(self) -> str:
        """Fingerprint of a clip of each kind."""
        show: Callable[[Example], bytes] = {
            Modality.TEXT: lambda e: e.text.encode(),
            Modality.AUDIO: lambda e: self.audio(e.key).tobytes(),
            Modality.FACE: lambda e: self.faces(e.key).tobytes()}[self._modality]
        return fingerprint(*map(show, self.examples[:self._kinds]))

    def audio(self, key: str) -> Int16:
        return sound(key.split('/')[1], keyed_generator(key))

    def faces(self, key: str) -> UInt8:
        return pictures(key.split('/')[1], keyed_generator(key), self._faces)


# ---------------------------------------------------------------- sounds


def sound(kind: str, random: Random) -> Int16:
    """
    Return 1 to 4 s of a sound at a random level.

    :param kind: of SOUNDS.
    :return: (n,) int16, 16 kHz.
    """
    count = int(random.uniform(SHORTEST_S, LONGEST_S) * SAMPLE_RATE)
    wave = SOUNDS[kind](count, random)
    level = 10 ** random.uniform(-2.7, -0.1) / max(float(np.abs(wave).max()), 1e-12)
    result: Int16 = np.round(wave * level * 32_767).astype(np.int16)
    return result


def non_speech(count: int, random: Random) -> Float32:
    """
    Return a sound of any kind, sometimes two at once or modulated, or silence.

    :return: (count,) in [-1, 1]; rms of -80 dB of full scale and more.
    """
    if random.random() < 0.1:
        return np.zeros(count, np.float32)
    wave = _any_sound(count, random)
    if random.random() < 0.3:
        wave = wave + random.uniform(0.1, 1) * _any_sound(count, random)
    wave = _unit(wave) * 10 ** random.uniform(-4.0, -0.5)
    return np.clip(wave, -1, 1).astype(np.float32)


def _any_sound(count: int, random: Random) -> Floats:
    wave = KINDS[int(random.integers(len(KINDS)))](count, random)
    if random.random() < 0.4:  # louder and softer, or on and off, like engines
        beat = np.sin(2 * np.pi * random.uniform(0.3, 20) * _seconds(count) + random.uniform(0, 6))
        wave = wave * (np.where(beat > random.uniform(-0.8, 0.8), 1.0, random.uniform(0, 0.1))
                       if random.random() < 0.5 else 1 + random.uniform(0.1, 1) * beat)
    return _unit(wave)


def _noise(count: int, random: Random) -> Floats:
    """Return noise of any colour: blue, white, pink, brown, a rumble."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** random.uniform(-0.3, 1.5)
    return np.fft.irfft(spectrum, count)


def _band(count: int, random: Random) -> Floats:
    """Return noise of one band, like wind and whistling pipes."""
    centre, width = 10 ** random.uniform(2, 3.8), random.uniform(0.02, 0.7)
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    shape = np.exp(-0.5 * (np.log(np.maximum(hertz, 1) / centre) / width) ** 2)
    return np.fft.irfft(np.fft.rfft(random.standard_normal(count)) * shape, count)


def _tone(count: int, random: Random) -> Floats:
    """Return a steady tone, pure or rich, like a beep or the hum of the mains."""
    return _timbre(np.full(count, 10 ** random.uniform(1.5, 3.7)), random)


def _sweep(count: int, random: Random) -> Floats:
    """Return a tone that glides, once or repeatedly, like a siren."""
    low, high = np.log(10 ** random.uniform(1.7, 3.8, 2))
    place = (_seconds(count) * random.uniform(0.2, 4)) % 1
    if random.random() < 0.5:
        place = np.abs(2 * place - 1)
    elif random.random() < 0.5:
        place = np.linspace(0, 1, count, dtype=np.float64)
    return _timbre(np.exp(low + (high - low) * place), random)


def _chord(count: int, random: Random) -> Floats:
    """Return two to five steady tones of one timbre, consonant or not."""
    lowest, kind = 10 ** random.uniform(1.8, 3), int(random.integers(TIMBRES))
    number = int(random.integers(2, 6))
    steps = (random.choice([0, 3, 4, 5, 7, 9, 10, 12], number) if random.random() < 0.5
             else random.uniform(0, 24, number))
    tones = [random.uniform(0.2, 1) * _timbre(np.full(count, lowest * 2 ** (s / 12)), random, kind)
             for s in steps]
    return np.asarray(np.sum(tones, axis=0))


def _tune(count: int, random: Random) -> Floats:
    """Return notes one after another, struck or held."""
    wave, at = np.zeros(count, np.float64), 0
    base, step = 10 ** random.uniform(1.9, 2.9), random.uniform(0.1, 0.7)
    decay = random.uniform(0, 8)
    while at < count:
        beats = random.choice([0.5, 1, 1, 2])
        length = min(count - at, max(400, round(step * beats * SAMPLE_RATE)))
        pitch = float(base * 2 ** (random.integers(-7, 13) / 12))
        note = _timbre(np.full(length, pitch), random)
        wave[at:at + length] = note * np.exp(-decay * _seconds(length))
        at += length
    return wave


def _hits(count: int, random: Random) -> Floats:
    """Return clicks or knocks, regular or not: impulses, perhaps through a resonance."""
    wave = np.zeros(count)
    number = max(1, round(count / SAMPLE_RATE * 10 ** random.uniform(-0.3, 1.7)))
    every = max(1, count // number)
    places = (random.integers(0, count, number) if random.random() < 0.5
              else np.arange(int(random.integers(every)), count, every))
    wave[places] = random.uniform(0.2, 1, len(places)) * random.choice([-1, 1], len(places))
    if random.random() < 0.6:
        angle = 2 * np.pi * 10 ** random.uniform(1.8, 3.7) / SAMPLE_RATE
        radius = 1 - 10 ** random.uniform(-3, -1)
        wave = lfilter([1.0], [1, -2 * radius * np.cos(angle), radius ** 2], wave)
    return wave


def _timbre(hertz: Floats, random: Random, kind: int | None = None) -> Floats:
    """
    Return a sine, square, saw or a sum of harmonics.

    :param hertz: (n,) frequency of each sample.
    """
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE + random.uniform(0, 6)
    kind = int(random.integers(TIMBRES)) if kind is None else kind
    if kind < TIMBRES - 1:
        return np.asarray((np.sin(phase), np.sign(np.sin(phase)), phase / np.pi % 2 - 1)[kind])
    shares = random.uniform(0, 1, 12) / np.arange(1, 13) ** random.uniform(0, 2)
    return np.asarray(np.sum([share * np.sin(n * phase) * (n * hertz < SAMPLE_RATE / 2)
                              for n, share in enumerate(shares, start=1)], axis=0))


def _unit(wave: Floats) -> Floats:
    return np.asarray(wave / max(float(wave.std()), 1e-12))


def _seconds(count: int) -> Floats:
    return np.arange(count) / SAMPLE_RATE


MakeSound = Callable[[int, Random], Floats]
SOUNDS: dict[str, MakeSound] = {
    'silence': lambda count, _: np.zeros(count), 'noise': _noise, 'band of noise': _band,
    'tone': _tone, 'sweep': _sweep, 'chord': _chord, 'tune': _tune, 'hits': _hits}
KINDS: tuple[MakeSound, ...] = (
    _noise, _noise, _band, _tone, _tone, _sweep, _chord, _chord, _tune, _hits)


# ---------------------------------------------------------------- pictures and words


def no_face(picture: UInt8, random: Random) -> UInt8:
    """
    Return a picture without a readable face.

    :param picture: (size, size) grey, of a face, which some kinds scramble or blur.
    """
    make = PICTURES[list(PICTURES)[int(random.integers(len(PICTURES)))]]
    return _bytes(make(picture, random))


def pictures(kind: str, random: Random, faces: Sequence[UInt8] = ()) -> UInt8:
    """
    Return 1 to 4 noisy images of one thing, coloured at random, (n, 160, 160, 3).

    :param kind: of PICTURES.
    :param faces: crops (160, 160, 3), for the kinds that are made of one.
    """
    face = (cv2.cvtColor(faces[int(random.integers(len(faces)))], cv2.COLOR_RGB2GRAY)
            if len(faces) else np.zeros((FACE_SIZE, FACE_SIZE)))
    share = np.clip(PICTURES[kind](np.asarray(face, np.uint8), random), 0, 255)[..., None] / 255
    dark, light = random.uniform(0, 255, (2, 3))
    count = int(random.integers(1, 5))
    noise = random.normal(0, 2, (count, FACE_SIZE, FACE_SIZE, 1))
    return _bytes(np.round(dark + share * (light - dark) + noise))


def picture_kinds(*, with_faces: bool) -> tuple[str, ...]:
    """Return the kinds of pictures that can be made, with or without faces."""
    return tuple(kind for kind in PICTURES if with_faces or kind not in ('scrambled', 'coarse'))


def _wall(picture: UInt8, random: Random) -> Floats:
    """Return an even surface in uneven light, with sensor noise."""
    rows, columns = np.mgrid[-0.5:0.5:len(picture) * 1j, -0.5:0.5:len(picture) * 1j]
    slope, across = random.normal(0, 60, 2)
    level = random.uniform(0, 255) + slope * rows + across * columns
    return np.asarray(level + random.normal(0, random.uniform(0, 5), picture.shape))


def _grain(picture: UInt8, random: Random) -> Floats:
    return random.normal(random.uniform(60, 190), random.uniform(10, 80), picture.shape)


def _clouds(picture: UInt8, random: Random) -> Floats:
    """Return noise that is stronger the coarser it is, as in pictures of nature."""
    size = len(picture)
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(size), np.fft.fftfreq(size)))
    frequency[0, 0] = 1 / size
    spectrum = np.fft.rfft2(random.standard_normal((size, size)))
    cloud = np.fft.irfft2(spectrum * frequency ** -random.uniform(0.5, 2.0), (size, size))
    return np.asarray(random.uniform(90, 160) + cloud / cloud.std() * random.uniform(20, 70))


def _stripes(picture: UInt8, random: Random) -> Floats:
    """Return stripes of any direction and width, or checks."""
    rows, columns = np.mgrid[0:1:len(picture) * 1j, 0:1:len(picture) * 1j]

    def wave() -> Floats:
        angle, count = random.uniform(0, np.pi), 2 * 10 ** random.uniform(0, 1.3)
        across = np.cos(angle) * columns + np.sin(angle) * rows
        return np.asarray(np.sin(2 * np.pi * (count * across + random.random())))

    shape = wave() if random.random() < 0.5 else np.sign(wave()) * np.sign(wave())
    return np.asarray(random.uniform(90, 160) + random.uniform(20, 90) * shape)


def _shapes(picture: UInt8, random: Random) -> Floats:
    """Return bars, blobs and polygons over a gradient."""
    size = len(picture)
    ramp = np.linspace(random.uniform(0, 255), random.uniform(0, 255), size)
    canvas = np.repeat(ramp[None], size, axis=0)
    canvas = np.ascontiguousarray(canvas if random.random() < 0.5 else canvas.T)
    for _ in range(int(random.integers(1, 9))):
        level = float(random.uniform(0, 255))
        points = random.integers(-size // 4, size + size // 4, (int(random.integers(2, 6)), 2))
        if len(points) == 2:
            cv2.line(canvas, points[0].tolist(), points[1].tolist(), level,
                     int(random.integers(1, max(2, size // 5))))
        elif len(points) == 3:
            cv2.ellipse(canvas, points[0].tolist(), (points[1] % size // 2 + 1).tolist(),
                        float(random.uniform(0, 180)), 0, 360, level,
                        -1 if random.random() < 0.6 else 2)
        else:
            cv2.fillPoly(canvas, [points.astype(np.int32)], level)
    return np.asarray(cv2.GaussianBlur(canvas, (0, 0), random.uniform(0.3, 2)))


def _scrambled(picture: UInt8, random: Random) -> Floats:
    """Return the picture cut into tiles in random order."""
    size = len(picture)
    tile = size // int(random.integers(4, 9))
    count = size // tile
    tiles = picture[:count * tile, :count * tile].reshape(count, tile, count, tile)
    mixed = tiles.swapaxes(1, 2).reshape(-1, tile, tile)[random.permutation(count * count)]
    whole = mixed.reshape(count, count, tile, tile).swapaxes(1, 2).reshape(
        count * tile, count * tile)
    return np.asarray(cv2.resize(whole, (size, size), interpolation=cv2.INTER_LINEAR), np.float64)


def _coarse(picture: UInt8, random: Random) -> Floats:
    """Return the picture reduced to a few pixels."""
    few = cv2.resize(picture, (int(random.integers(2, 6)),) * 2, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(few, picture.shape, interpolation=cv2.INTER_LINEAR), np.float64)


def letters(random: Random) -> str:
    """Return words without meaning, e.g. 'xkr bdfgh'."""
    return ' '.join(''.join(random.choice(LETTERS, int(random.integers(2, 9))))
                    for _ in range(int(random.integers(1, 8))))


def _bytes(values: Floats) -> UInt8:
    return np.asarray(np.clip(values, 0, 255).astype(np.uint8))


PICTURES: dict[str, Callable[[UInt8, Random], Floats]] = {
    'wall': _wall, 'noise': _grain, 'clouds': _clouds, 'stripes': _stripes, 'shapes': _shapes,
    'scrambled': _scrambled, 'coarse': _coarse}
