"""Sounds, pictures and letters in which nobody shows anything: to them the answer is the prior."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.types import FACE_SIZE, Float32, Int16, SAMPLE_RATE, UInt8
import numpy as np
from numpy.typing import NDArray
from training.augment.animal import animal
from training.augment.voiceless import voiceless

SOUNDS = ('silence', 'white', 'pink', 'brown', 'hum', 'chord', 'clicks', 'fan', 'sweep')
OTHER = 'other'  # any of those that the audio encoder learns to know nothing of
PICTURES = ('plain', 'gradient', 'noise', 'clouds', 'stripes', 'checks', 'animal', 'shuffled')


def sound(kind: str, random: np.random.Generator) -> Int16:
    """Return 1 to 4 s of a sound that nobody makes, at any level."""
    count = int(random.uniform(1, 4) * SAMPLE_RATE)
    wave = _wave(kind, np.arange(count) / SAMPLE_RATE, random)
    peak = np.abs(wave).max()
    level = 10 ** random.uniform(-2.7, -0.1)
    scaled = wave / peak * level if peak > 0 else wave
    result: Int16 = np.clip(np.round(scaled * 32767), -32768, 32767).astype(np.int16)
    return result


def _wave(kind: str, seconds: NDArray[np.float64], random: np.random.Generator
          ) -> NDArray[np.float64]:
    count = len(seconds)
    if kind == OTHER:
        return voiceless(count, random).astype(np.float64)
    if kind == 'silence':
        return np.zeros(count)
    if kind in ('hum', 'chord'):
        lowest = random.choice([50.0, 60.0]) if kind == 'hum' else random.uniform(150, 500)
        steps = range(1, 12) if kind == 'hum' else (1, 1.25, 1.5, 2)
        waves = [random.uniform(.2, 1) / step * np.sin(2 * np.pi * lowest * step * seconds)
                 for step in steps]
        result: NDArray[np.float64] = np.sum(waves, axis=0)
        return result
    if kind == 'clicks':
        wave = np.zeros(count)
        wave[random.integers(0, count, max(1, count // 4000))] = random.uniform(.3, 1)
        return wave
    if kind == 'sweep':
        begin, end = random.uniform(100, 4000, 2)
        return np.asarray(np.sin(2 * np.pi * np.cumsum(
            begin + (end - begin) * seconds / seconds[-1]) / SAMPLE_RATE))
    power = {'white': 0.0, 'pink': 0.5, 'brown': 1.0, 'fan': 0.7}[kind]
    beat = .3 * (kind == 'fan') * np.sin(2 * np.pi * random.uniform(5, 30) * seconds)
    return np.asarray(coloured(count, power, random) * (1 + beat))


def coloured(count: int, power: float, random: np.random.Generator) -> NDArray[np.float64]:
    """Return noise whose amplitude falls with the frequency to a power; 0 is white."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum[1:] /= np.arange(1, len(spectrum)) ** power
    spectrum[0] = 0
    return np.fft.irfft(spectrum, count)


def picture(kind: str, random: np.random.Generator, faces: Sequence[UInt8] = ()) -> UInt8:
    """
    Return 1 to 4 images of the size of a crop, all of the same thing, (n, 160, 160, 3).

    :param faces: crops (160, 160, 3) that 'shuffled' cuts to pieces; without, it is noise.
    """
    image = _image(kind, random, faces)
    count = int(random.integers(1, 5))
    shaken = image + random.normal(0, 2, (count, FACE_SIZE, FACE_SIZE, 1))
    result: UInt8 = np.clip(np.round(shaken), 0, 255).astype(np.uint8)
    return result


def _image(kind: str, random: np.random.Generator, faces: Sequence[UInt8]) -> Float32:
    size = FACE_SIZE
    rows, columns = np.mgrid[0:size, 0:size].astype(np.float32) / size
    colour, other = random.uniform(0, 255, (2, 3)).astype(np.float32)
    if kind == 'shuffled' and len(faces):
        return _shuffled(faces[int(random.integers(len(faces)))], random)
    if kind == 'animal':
        return animal(random).astype(np.float32)
    if kind == 'clouds':
        share = _clouds(random)
    elif kind in ('plain', 'gradient'):
        share = (rows + columns) * np.float32(.5 * (kind == 'gradient'))
    elif kind == 'stripes':
        share = _stripes(rows, columns, random)
    elif kind == 'checks':
        one, across = _stripes(rows, columns, random), _stripes(rows, columns, random)
        share = ((one > .5) ^ (across > .5)).astype(np.float32)
    else:
        share = random.random((size, size), np.float32)
    result: Float32 = colour + share[..., None] * (other - colour)
    return result


def _stripes(rows: Float32, columns: Float32, random: np.random.Generator) -> Float32:
    """Return waves of any direction and length, 0..1."""
    angle, count = random.uniform(0, np.pi), 2 * 10 ** random.uniform(0, 1.3)
    across = np.cos(angle) * columns + np.sin(angle) * rows
    result: Float32 = np.sin(2 * np.pi * (count * across + random.random())) / 2 + np.float32(.5)
    return result


def _clouds(random: np.random.Generator) -> NDArray[np.float32]:
    spectrum = np.fft.fft2(random.standard_normal((FACE_SIZE, FACE_SIZE)))
    steps = np.abs(np.fft.fftfreq(FACE_SIZE)) * FACE_SIZE
    field = np.fft.ifft2(spectrum / (1 + steps[:, None] + steps) ** 1.7).real
    result: NDArray[np.float32] = ((field - field.min()) / np.ptp(field)).astype(np.float32)
    return result


def _shuffled(face: UInt8, random: np.random.Generator, pieces: int = 4) -> Float32:
    """Return a face cut into squares that are laid out anew."""
    step = FACE_SIZE // pieces
    tiles = face.reshape(pieces, step, pieces, step, 3).swapaxes(1, 2).reshape(-1, step, step, 3)
    mixed = tiles[random.permutation(len(tiles))].reshape(pieces, pieces, step, step, 3)
    result: Float32 = mixed.swapaxes(1, 2).reshape(FACE_SIZE, FACE_SIZE, 3).astype(np.float32)
    return result


def letters(random: np.random.Generator) -> str:
    """Return words that are none."""
    alphabet = np.array(list('bcdfghjklmnpqrstvwxz'))
    return ' '.join(''.join(random.choice(alphabet, int(random.integers(2, 9))))
                    for _ in range(int(random.integers(1, 8))))
