# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Augmentation of speech: what each change does, and that it does no more."""

from mmer_ros.types import SAMPLE_RATE
import numpy as np
import pytest
from training.augment import speech
from training.augment.speech import degraded, SpeechConfig

ALL = SpeechConfig(gain_db=10, speed=0.15, noise=1, reverb=1, band=1, codec=1, clip=1)


def tone(hertz: float, seconds: float = 1.0, level: float = 0.3) -> np.ndarray:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def pitch(samples: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(samples))
    return float(np.argmax(spectrum) * SAMPLE_RATE / len(samples))


def test_the_same_draw_gives_the_same_speech_and_another_one_does_not() -> None:
    def heard(seed: int) -> np.ndarray:
        return degraded(tone(200), ALL, np.random.default_rng(seed), lambda _: tone(310))

    assert np.array_equal(heard(1), heard(1))
    assert len(heard(1)) != len(heard(2)) or not np.array_equal(heard(1), heard(2))
    assert heard(3).dtype == np.float32
    assert np.abs(heard(3)).max() <= 1


def test_nothing_is_changed_where_nothing_is_asked_for() -> None:
    samples = tone(200)
    same = degraded(samples, SpeechConfig(gain_db=0), np.random.default_rng(0), lambda _: samples)
    assert np.array_equal(same, samples)


@pytest.mark.parametrize('speed', [0.85, 1.0, 1.15])
def test_speed_moves_length_and_pitch_alike(speed: float) -> None:
    changed = speech.at_speed(tone(400), speed)
    assert len(changed) == pytest.approx(SAMPLE_RATE / speed, abs=2)
    assert pitch(changed) == pytest.approx(400 * speed, rel=0.01)


@pytest.mark.parametrize('ratio_db', [0.0, 10.0, 25.0])
def test_noise_has_the_ratio_that_was_asked_for(ratio_db: float) -> None:
    samples, random = tone(300), np.random.default_rng(0)
    for make in speech.NOISES:
        noise = make(len(samples), random, lambda _: tone(510, 0.3))
        added = speech.with_noise(samples, noise, ratio_db) - samples
        assert 20 * np.log10(rms(samples) / rms(added)) == pytest.approx(ratio_db, abs=0.01)


def test_silence_gets_no_noise_of_a_ratio() -> None:
    silence = np.zeros(1000, np.float32)
    assert not speech.with_noise(silence, speech.white(1000, np.random.default_rng(0)), 5).any()


def test_pink_noise_has_as_much_power_in_each_octave() -> None:
    noise = speech.pink(2 ** 17, np.random.default_rng(0))
    power = np.abs(np.fft.rfft(noise)) ** 2
    octaves = [power[2 ** k:2 ** (k + 1)].sum() for k in range(8, 16)]
    assert max(octaves) / min(octaves) < 1.5
    white = np.abs(np.fft.rfft(speech.white(2 ** 17, np.random.default_rng(0)))) ** 2
    assert white[2 ** 15:].sum() > 50 * white[2 ** 8:2 ** 9].sum()


def test_a_room_rings_after_the_sound_and_keeps_its_level() -> None:
    click = np.zeros(SAMPLE_RATE, np.float32)
    click[100] = 1.0
    heard = speech.in_room(click, 0.4, np.random.default_rng(0))
    assert rms(heard) == pytest.approx(rms(click), rel=1e-3)
    assert not heard[:90].any() or np.abs(heard[:90]).max() < 1e-6
    early, late = rms(heard[101:1700]), rms(heard[4900:6500])
    assert early > 3 * late > 0


def test_a_band_limit_takes_what_is_outside() -> None:
    low, inside, high = (rms(speech.band_limited(tone(f), 300, 3400)) / rms(tone(f))
                         for f in (60, 1000, 7500))
    assert inside > 0.9
    assert low < 0.1
    assert high < 0.1


def test_an_overdriven_microphone_cuts_peaks_only() -> None:
    changed = speech.overdriven(tone(200), 0.5)
    assert rms(changed) == pytest.approx(rms(tone(200)), rel=1e-3)
    assert np.isclose(np.abs(changed), np.abs(changed).max(), rtol=1e-3).mean() > 0.5


def test_mu_law_errs_with_fewer_bits_more_and_never_by_much() -> None:
    samples = tone(200, level=0.9)
    errors = [rms(speech.mu_law(samples, bits) - samples) for bits in (8, 6, 4)]
    assert errors == sorted(errors)
    assert 20 * np.log10(rms(samples) / errors[0]) > 30


def test_the_span_of_speech_leaves_silence_out() -> None:
    samples = np.concatenate([np.zeros(8000), tone(200), np.zeros(4000)]).astype(np.float32)
    begin, end = speech.speech_span(samples)
    assert abs(begin - 8000) <= 320
    assert abs(end - 24000) <= 320
    assert speech.speech_span(np.zeros(5000, np.float32)) == (0, 5000)


@pytest.mark.parametrize('level_db', [-38.0, -12.0])
def test_a_recording_gets_the_level_that_was_asked_for(level_db: float) -> None:
    """However loud it was; silence stays silent."""
    for level in (0.003, 0.3):
        heard = speech.at_level(tone(200, level=level), level_db)
        assert 20 * np.log10(rms(heard)) == pytest.approx(level_db, abs=0.01)
    assert not speech.at_level(np.zeros(100, np.float32), level_db).any()


def test_some_speech_is_as_loud_as_by_another_microphone() -> None:
    """The others keep their level, to the gain."""
    config, quiet = SpeechConfig(gain_db=0, level=0.5), tone(200, level=0.003)
    levels = [20 * np.log10(rms(degraded(quiet, config, np.random.default_rng(seed),
                                         lambda _: quiet))) for seed in range(40)]
    kept = [level for level in levels if level < -50]
    assert 10 < len(kept) < 30 and np.ptp(kept) < 0.01
    assert all(-24.1 < level < -9.9 for level in levels if level not in kept)
