# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Augmentation of speech: rooms, noise, microphones, codecs, speed."""

from __future__ import annotations

from collections.abc import Callable

from mmer_ros.types import Float32, SAMPLE_RATE
import numpy as np
from pydantic import Field
from scipy.signal import butter, fftconvolve, sosfilt
import soxr
from training.engine.config import Settings

Others = Callable[[np.random.Generator], Float32]
LEVELS_DB = (-24.0, -10.0)  # rms of speech with automatic gain; RAVDESS has -50 to -25
SILENCE = 1e-5  # rms below which a signal counts as silent


class SpeechConfig(Settings):
    """
    Probability and strength of each change; they are drawn independently.

    :param gain_db: range of a random gain, either way.
    :param level: probability of a microphone with automatic gain instead: the rms becomes -24 to
        -10 dB of full scale and no longer depends on the voice.
    :param speed: range of the speed, either way, as a share; pitch and formants move with it,
        which adds voices.
    :param noise: probability of noise: white, pink, or babble of other utterances.
    :param noise_db: lowest signal-to-noise ratio; the highest is 30 dB more.
    :param reverb: probability of a room with a decay of 0.1 to 0.7 s.
    :param band: probability of a band limit, from telephone to nearly full bandwidth.
    :param codec: probability of mu-law coding with 4 to 8 bits.
    :param clip: probability of an overdriven microphone.
    """

    gain_db: float = Field(6.0, ge=0)
    level: float = Field(0.0, ge=0, le=1)
    speed: float = Field(0.0, ge=0, lt=0.5)
    noise: float = Field(0.0, ge=0, le=1)
    noise_db: float = 5.0
    reverb: float = Field(0.0, ge=0, le=1)
    band: float = Field(0.0, ge=0, le=1)
    codec: float = Field(0.0, ge=0, le=1)
    clip: float = Field(0.0, ge=0, le=1)


def degraded(samples: Float32, config: SpeechConfig, random: np.random.Generator,
             others: Others) -> Float32:
    """
    Return speech with random changes, in the order in which they happen to a recording.

    :param samples: (n,) in [-1, 1], 16 kHz.
    :param others: draws other utterances, for babble.
    :return: (m,) in [-1, 1]; m differs from n with `speed`.
    """
    if config.speed:
        samples = at_speed(samples, 1 + random.uniform(-1, 1) * config.speed)
    if random.random() < config.reverb:
        samples = in_room(samples, random.uniform(0.1, 0.7), random)
    if random.random() < config.noise:
        ratio = random.uniform(config.noise_db, config.noise_db + 30)
        samples = with_noise(samples, NOISES[int(random.integers(len(NOISES)))](
            len(samples), random, others), ratio)
    if random.random() < config.band:
        samples = band_limited(samples, 10 ** random.uniform(np.log10(60), np.log10(400)),
                               10 ** random.uniform(np.log10(3000), np.log10(7600)))
    if random.random() < config.level:
        samples = at_level(samples, random.uniform(*LEVELS_DB))
    else:
        samples = samples * np.float32(10 ** (random.uniform(-1, 1) * config.gain_db / 20))
    if random.random() < config.clip:
        samples = overdriven(samples, random.uniform(0.2, 0.8))
    if random.random() < config.codec:
        samples = mu_law(samples, int(random.integers(4, 9)))
    result: Float32 = np.clip(samples, -1, 1).astype(np.float32)
    return result


def speech_span(samples: Float32, floor_db: float = 35.0) -> tuple[int, int]:
    """
    Return begin and end of the speech, in samples.

    These are the first and the last 20 ms within `floor_db` of the loudest; of silence, all.
    """
    step = SAMPLE_RATE // 50
    frames = samples[:len(samples) // step * step].reshape(-1, step)
    power = np.mean(np.square(frames, dtype=np.float64), axis=1)
    loud = np.flatnonzero(power > power.max(initial=0.0) * 10 ** (-floor_db / 10))
    return (int(loud[0]) * step, int(loud[-1] + 1) * step) if len(loud) else (0, len(samples))


def at_speed(samples: Float32, speed: float) -> Float32:
    """Return the samples played faster (> 1) and higher, or slower and lower."""
    changed = soxr.resample(samples, SAMPLE_RATE * speed, SAMPLE_RATE, quality='LQ')
    return np.asarray(changed, np.float32)


def in_room(samples: Float32, decay_s: float, random: np.random.Generator) -> Float32:
    """
    Return the samples in a room, whose impulse response is exponentially decaying noise.

    :param decay_s: seconds until the reverberation has fallen by 60 dB (RT60).
    """
    length = round(decay_s * SAMPLE_RATE)
    echo = random.standard_normal(length) * 10 ** (-3 * np.arange(length) / length)
    direct = 10 ** (random.uniform(-3, 12) / 20)  # against the echo, by energy
    echo *= 1 / (direct * np.sqrt(np.sum(echo ** 2)))
    echo[0] += 1.0
    wet = fftconvolve(samples, echo.astype(np.float32))[:len(samples)]
    return _as_loud(wet, samples)


def with_noise(samples: Float32, noise: Float32, ratio_db: float) -> Float32:
    """Return the samples with noise at a signal-to-noise ratio; silence stays silent."""
    signal, level = _rms(samples), _rms(noise)
    if min(signal, level) < SILENCE:
        return samples
    added: Float32 = samples + noise * np.float32(signal / level * 10 ** (-ratio_db / 20))
    return added


def white(count: int, random: np.random.Generator, _: Others | None = None) -> Float32:
    """Return white noise."""
    return random.standard_normal(count, dtype=np.float32)


def pink(count: int, random: np.random.Generator, _: Others | None = None) -> Float32:
    """Return noise with a power density of 1/f, like that of rooms and motors."""
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    return np.fft.irfft(spectrum, count).astype(np.float32)


def babble(count: int, random: np.random.Generator, others: Others) -> Float32:
    """Return the voices of three other utterances at once."""
    total = np.zeros(count, np.float32)
    for _ in range(3):
        voice = others(random)
        loud = voice / max(_rms(voice), SILENCE)
        total += np.roll(np.resize(loud, count), int(random.integers(count)))
    return total


NOISES: tuple[Callable[[int, np.random.Generator, Others], Float32], ...] = (white, pink, babble)


def at_level(samples: Float32, level_db: float) -> Float32:
    """Return the samples with another rms, dB of full scale; silence stays silent."""
    level = _rms(samples)
    changed: Float32 = (samples * np.float32(10 ** (level_db / 20) / level) if level > SILENCE
                        else samples)
    return changed


def band_limited(samples: Float32, low_hz: float, high_hz: float) -> Float32:
    """Return the samples after a band-pass, like that of a microphone or a telephone."""
    sections = butter(2, [low_hz, high_hz], 'bandpass', fs=SAMPLE_RATE, output='sos')
    return np.asarray(sosfilt(sections, samples), np.float32)


def overdriven(samples: Float32, share: float) -> Float32:
    """Return the samples clipped at a share of their peak, with the rms of before."""
    limit = share * float(np.abs(samples).max(initial=0.0))
    return _as_loud(np.clip(samples, -limit, limit), samples)


def mu_law(samples: Float32, bits: int) -> Float32:
    """
    Return the samples after mu-law coding with some bits (8 in ITU-T G.711).

    There are 2 ** bits + 1 levels, symmetric about zero.
    """
    mu, levels = 255.0, 2 ** (bits - 1)
    clipped = np.clip(samples, -1, 1)
    coded = np.sign(clipped) * np.log1p(mu * np.abs(clipped)) / np.log1p(mu)
    coded = np.round(coded * levels) / levels
    decoded = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(mu)) / mu
    result: Float32 = decoded.astype(np.float32)
    return result


def _rms(samples: Float32) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0


def _as_loud(changed: Float32, samples: Float32) -> Float32:
    level = _rms(changed)
    scaled: Float32 = changed * np.float32(_rms(samples) / level) if level > SILENCE else changed
    return scaled
