"""Sounds without a voice that the audio encoder learns to know nothing of."""

from __future__ import annotations

from mmer_ros.types import SAMPLE_RATE
import numpy as np
import pytest
from training.augment import voiceless as sounds
from training.augment.voiceless import voiceless

COUNT = SAMPLE_RATE


def drawn(seed: int, count: int = COUNT) -> np.ndarray:
    return voiceless(count, np.random.default_rng(seed))


def flatness(wave: np.ndarray) -> float:
    """Return how even the spectrum is: 1 of white noise, about 0 of tones."""
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2 + 1e-20
    return float(np.exp(np.log(power).mean()) / power.mean())


def test_sounds_are_of_the_length_asked_for_and_of_any_level() -> None:
    found = [drawn(seed) for seed in range(100)]
    assert all(w.shape == (COUNT,) and w.dtype == np.float32 for w in found)
    levels = np.array([np.sqrt(np.mean(np.square(w, dtype=np.float64))) for w in found])
    assert np.isfinite(levels).all() and max(np.abs(w).max() for w in found) <= 1
    assert 3 <= (levels == 0).sum() <= 25
    assert levels[levels > 0].min() < 1e-3 and levels.max() > 0.1


def test_the_same_draw_gives_the_same_sound() -> None:
    assert np.array_equal(drawn(4), drawn(4)) and not np.array_equal(drawn(4), drawn(5))


def test_there_are_noises_and_tones_among_them() -> None:
    even = [flatness(w) for w in (drawn(seed) for seed in range(100)) if w.any()]
    assert min(even) < 0.001 and max(even) > 0.2


@pytest.mark.parametrize('kind', dict.fromkeys(sounds.KINDS), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize('count', [1, 7, 401, 8_000])
def test_each_kind_is_a_number_at_any_length(kind: object, count: int) -> None:
    assert callable(kind)
    for seed in range(10):
        wave = kind(count, np.random.default_rng(seed))
        assert wave.shape == (count,) and np.isfinite(wave).all()
