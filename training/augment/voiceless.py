"""Sounds without a voice: noises, tones, music-like chords and hits, of any level."""

from __future__ import annotations

from collections.abc import Callable

from mmer_ros.types import Float32, SAMPLE_RATE
import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Waves = NDArray[np.float64]
TIMBRES = 4


def voiceless(count: int, random: np.random.Generator) -> Float32:
    """
    Return a sound that nobody makes: noise, tones, hits, or two of them at once; or silence.

    :return: (count,) in [-1, 1]; its level is anything from 80 dB below full scale up.
    """
    if random.random() < 0.1:
        return np.zeros(count, np.float32)
    wave = _one(count, random)
    if random.random() < 0.3:
        wave = wave + random.uniform(0.1, 1) * _one(count, random)
    wave *= 10 ** random.uniform(-4.0, -0.5) / max(float(wave.std()), 1e-12)
    return np.clip(wave, -1, 1).astype(np.float32)


def _one(count: int, random: np.random.Generator) -> Waves:
    """Return a sound of one kind with an rms of 1, louder and softer in places."""
    wave = KINDS[int(random.integers(len(KINDS)))](count, random)
    if random.random() < 0.4:
        wave = wave * _swell(count, random)
    scaled: Waves = wave / max(float(wave.std()), 1e-12)
    return scaled


def _swell(count: int, random: np.random.Generator) -> Waves:
    """Return a level that moves up and down, or begins and stops at once, as of engines."""
    beat = np.sin(2 * np.pi * random.uniform(0.3, 20) * _seconds(count) + random.uniform(0, 6))
    if random.random() < 0.5:
        return np.where(beat > random.uniform(-0.8, 0.8), 1.0, float(random.uniform(0, 0.1)))
    return np.asarray(1 + random.uniform(0.1, 1) * beat)


def _noise(count: int, random: np.random.Generator) -> Waves:
    """Return noise of any colour, from blue over white, pink and brown to a rumble."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** random.uniform(-0.3, 1.5)
    return np.fft.irfft(spectrum, count)


def _band(count: int, random: np.random.Generator) -> Waves:
    """Return noise of one band, as wind and whistling pipes make."""
    centre, width = 10 ** random.uniform(2, 3.8), random.uniform(0.02, 0.7)
    hertz = np.fft.rfftfreq(count, 1 / SAMPLE_RATE)
    shape = np.exp(-0.5 * (np.log(np.maximum(hertz, 1) / centre) / width) ** 2)
    return np.fft.irfft(np.fft.rfft(random.standard_normal(count)) * shape, count)


def _walk(count: int, random: np.random.Generator) -> Waves:
    """Return a random walk, which may fold back at the ends of a range."""
    walk = np.cumsum(random.standard_normal(count))
    span = random.uniform(0.02, 1) * np.ptp(walk) + 1e-9
    return walk % span if random.random() < 0.5 else lfilter([1, -1], [1, -0.999], walk)


def _tone(count: int, random: np.random.Generator) -> Waves:
    """Return one steady tone, pure or rich: sine, square, saw, or harmonics as of the mains."""
    return _rich(np.full(count, 10 ** random.uniform(1.5, 3.7)), random)


def _sweep(count: int, random: np.random.Generator) -> Waves:
    """Return a tone that glides to another one, once or over and over, or wavers."""
    low, high = np.log(10 ** random.uniform(1.7, 3.8, 2))
    place = (_seconds(count) * random.uniform(0.2, 4)) % 1
    if random.random() < 0.5:
        place = np.abs(2 * place - 1)
    elif random.random() < 0.5:
        place = np.linspace(0, 1, count, dtype=np.float64)
    return _rich(np.exp(low + (high - low) * place), random)


def _chord(count: int, random: np.random.Generator) -> Waves:
    """Return several steady tones at once, in consonance or not."""
    return _together(count, 10 ** random.uniform(1.8, 3), random)


def _tune(count: int, random: np.random.Generator) -> Waves:
    """Return notes or chords one after another, struck or held."""
    wave, at = np.zeros(count, np.float64), 0
    base, step = 10 ** random.uniform(1.9, 2.9), random.uniform(0.1, 0.7)
    decay = random.uniform(0, 8)
    while at < count:
        length = min(count - at, max(400, round(step * random.choice([0.5, 1, 1, 2])
                                                * SAMPLE_RATE)))
        pitch = float(base * 2 ** (random.integers(-7, 13) / 12))
        note = _together(length, pitch, random) if random.random() < 0.3 else _rich(
            np.full(length, pitch), random)
        wave[at:at + length] = note * np.exp(-decay * _seconds(length))
        at += length
    return wave


def _hits(count: int, random: np.random.Generator) -> Waves:
    """Return clicks or knocks, regular or not: each an impulse that rings."""
    wave = np.zeros(count)
    number = max(1, round(count / SAMPLE_RATE * 10 ** random.uniform(-0.3, 1.7)))
    places = random.integers(0, count, number) if random.random() < 0.5 else np.arange(
        int(random.integers(max(1, count // number))), count, max(1, count // number))
    wave[places] = random.uniform(0.2, 1, len(places)) * random.choice([-1, 1], len(places))
    if random.random() < 0.6:
        angle = 2 * np.pi * 10 ** random.uniform(1.8, 3.7) / SAMPLE_RATE
        radius = 1 - 10 ** random.uniform(-3, -1)
        wave = lfilter([1.0], [1, -2 * radius * np.cos(angle), radius ** 2], wave)
    return wave


def _rich(hertz: Waves, random: np.random.Generator, kind: int | None = None) -> Waves:
    """Return a tone of a frequency for each sample, (n,): pure, square, saw, or of harmonics."""
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE + random.uniform(0, 6)
    kind = int(random.integers(TIMBRES)) if kind is None else kind
    if kind == 0:
        return np.asarray(np.sin(phase))
    if kind == 1:
        return np.asarray(np.sign(np.sin(phase)))
    if kind == 2:
        return np.asarray(phase / np.pi % 2 - 1)
    shares = random.uniform(0, 1, 12) / np.arange(1, 13) ** random.uniform(0, 2)
    total: Waves = np.sum([share * np.sin(n * phase) * (n * hertz < SAMPLE_RATE / 2)
                           for n, share in enumerate(shares, start=1)], axis=0)
    return total


def _together(count: int, lowest: float, random: np.random.Generator) -> Waves:
    """Return two to five tones at once, all of one timbre."""
    kind = int(random.integers(TIMBRES))
    number = int(random.integers(2, 6))
    tuned = np.array([0, 3, 4, 5, 7, 9, 10, 12])
    steps = (random.choice(tuned, number) if random.random() < 0.5
             else random.uniform(0, 24, number))
    total: Waves = np.sum([
        random.uniform(0.2, 1) * _rich(np.full(count, lowest * 2 ** (s / 12)), random, kind)
        for s in steps], axis=0)
    return total


def _seconds(count: int) -> Waves:
    return np.arange(count) / SAMPLE_RATE


KINDS: tuple[Callable[[int, np.random.Generator], Waves], ...] = (
    _noise, _noise, _band, _walk, _tone, _tone, _sweep, _chord, _chord, _tune, _hits)
