# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The audio front end: any microphone becomes one continuous 16 kHz mono stream."""

from __future__ import annotations

from typing import Any

from mmer_ros.sensing.audio_front_end import AudioFrontEnd, PcmRun, resample, to_int16, to_mono
from mmer_ros.types import AudioBlock, Int16, InvalidInput, SAMPLE_RATE
import numpy as np
from numpy.typing import NDArray
import pytest

from ..fixtures.stream import arriving, BASE, blocks, in_order, sine, track

RATES = (8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000, 192_000)
TYPES = ('int8', 'uint8', 'int16', 'int32', 'float32', 'float64')


def quantised(signal: NDArray[np.float64], dtype: str) -> NDArray[Any]:
    """Return a signal in [-1, 1] as PCM of the type."""
    if dtype == 'uint8':
        return np.rint(signal * 127 + 128).astype(np.uint8)
    if dtype.startswith('int'):
        return np.rint(signal * np.iinfo(dtype).max).astype(dtype)
    return signal.astype(dtype)


def push_all(front_end: AudioFrontEnd, audio: list[AudioBlock]) -> list[PcmRun]:
    """Return all runs of a stream, its tail included."""
    return [run for block in audio for run in front_end.push(block)] + front_end.flush()


def joined(runs: list[PcmRun]) -> Int16:
    """Return the samples of runs, which must follow each other in time without a break."""
    count = 0
    for number, run in enumerate(runs):
        assert run.samples.dtype == np.int16 and run.samples.ndim == 1
        assert run.restart == (number == 0)
        assert run.stamp == pytest.approx(runs[0].stamp + count / SAMPLE_RATE, abs=1e-6)
        count += run.samples.size
    return np.concatenate([r.samples for r in runs])


def kinds(front_end: AudioFrontEnd) -> list[str]:
    return [event.kind for event in front_end.events]


def peak_frequency(samples: Int16) -> float:
    windowed = samples * np.hanning(samples.size)
    spectrum = np.abs(np.fft.rfft(windowed, 8 * samples.size))
    return float(np.argmax(spectrum) * SAMPLE_RATE / (8 * samples.size))


def test_int16_at_16_khz_passes_to_the_bit() -> None:
    samples = np.arange(-32_768, 32_768, dtype=np.int32).astype(np.int16)  # every value there is
    front_end = AudioFrontEnd()
    np.testing.assert_array_equal(
        joined(push_all(front_end, blocks(samples, BASE, 1000))), samples)
    np.testing.assert_array_equal(resample(samples, SAMPLE_RATE), samples)


@pytest.mark.parametrize('rate', RATES)
@pytest.mark.parametrize('dtype', TYPES)
def test_a_sine_keeps_its_frequency_level_and_length(dtype: str, rate: int) -> None:
    block_size = rate // 10
    signal = quantised(sine(1000, 0.6, rate), dtype)
    front_end = AudioFrontEnd()
    out = joined(push_all(front_end, blocks(signal, BASE, block_size, rate)))
    assert front_end.events == []
    assert abs(out.size - round(0.6 * SAMPLE_RATE)) <= 2
    middle = out[1600:-1600]
    assert peak_frequency(middle) == pytest.approx(1000, abs=2)
    level = np.sqrt(np.mean((middle / 32_768.0) ** 2))
    assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.02)
    # in phase as well: the sine that was put in comes out at the same capture times
    np.testing.assert_allclose(
        middle / 32_768.0, sine(1000, 0.6, SAMPLE_RATE)[1600:1600 + middle.size], atol=0.02)


@pytest.mark.parametrize('dtype', TYPES)
def test_channels_become_their_mean(dtype: str) -> None:
    left, right = sine(400, 0.2, SAMPLE_RATE, 0.8), sine(900, 0.2, SAMPLE_RATE, 0.4)
    stereo = np.stack([quantised(left, dtype), quantised(right, dtype)], axis=1)
    out = joined(push_all(AudioFrontEnd(), blocks(stereo, BASE, 160)))
    tolerance = 1 / 64 if dtype.endswith('int8') else 1e-4
    np.testing.assert_allclose(out / 32_768.0, (left + right) / 2, atol=tolerance)


def test_channels_in_anti_phase_do_not_cancel() -> None:
    loud = track(0.1, [(0.0, 0.1)])
    np.testing.assert_array_equal(to_mono(np.stack([loud, -loud], axis=1)), to_mono(loud))
    np.testing.assert_array_equal(to_mono(loud[:, None]), to_mono(loud))
    pairs = np.stack([loud, -loud, loud, -loud], axis=1)
    np.testing.assert_array_equal(to_mono(pairs), to_mono(loud))


def test_independent_channels_stay_their_mean() -> None:
    channels = np.random.default_rng(0).normal(0, 0.1, (32, 2)).astype(np.float32)
    np.testing.assert_allclose(to_mono(channels), channels.mean(axis=1), rtol=1e-6)


@pytest.mark.parametrize('sizes', [160, [1000, 333, 40]])
def test_anti_phase_is_the_same_in_blocks_of_any_size(sizes: int | list[int]) -> None:
    loud = track(1.0, [(0.2, 0.8)])
    stereo = np.stack([loud, -loud], axis=1)
    out = joined(push_all(AudioFrontEnd(), blocks(stereo, BASE, sizes)))
    np.testing.assert_array_equal(out, loud)


def test_the_ends_of_each_type_are_full_scale() -> None:
    for dtype, low in (('int8', -128), ('int16', -2**15), ('int32', -2**31), ('uint8', 0)):
        assert to_mono(np.array([low], dtype)).item() == -1.0
    assert to_mono(np.array([128], np.uint8)).item() == 0.0
    np.testing.assert_array_equal(
        to_int16(np.array([-2, -1, 0, 1, 2], np.float32)), [-32_768, -32_768, 0, 32_767, 32_767])


@pytest.mark.parametrize('rate', RATES)
def test_chunking_changes_no_bit(rate: int) -> None:
    signal = track(1.0, [(0.2, 0.8)])[:rate]
    whole = joined(push_all(AudioFrontEnd(), blocks(signal, BASE, len(signal), rate)))
    for sizes in ([rate // 100], [1, 7, 1000, 333], [rate // 3]):
        cut = joined(push_all(AudioFrontEnd(), blocks(signal, BASE, sizes, rate)))
        np.testing.assert_array_equal(cut, whole)
    np.testing.assert_array_equal(resample(signal, rate)[:whole.size - 2], whole[:-2])


@pytest.mark.parametrize('rate', [16_000, 44_100])
def test_a_gap_is_filled_with_silence_and_told(rate: int) -> None:
    signal = quantised(sine(500, 1.0, rate), 'int16')
    half = rate // 2
    front_end = AudioFrontEnd()
    out = joined(push_all(front_end, [AudioBlock(BASE, rate, signal[:half]),
                                      AudioBlock(BASE + 0.8, rate, signal[half:])]))
    assert kinds(front_end) == ['audio_gap']
    assert '0.300 s' in front_end.events[0].text
    assert front_end.events[0].stamp == BASE + 0.8
    assert abs(out.size - 1.3 * SAMPLE_RATE) <= 2
    edge = 0 if rate == SAMPLE_RATE else 200  # samples that the resampler's filter reaches
    gap = out[8000 + edge:12_800 - edge]
    assert not gap.any()
    assert np.abs(out[8000 - 40:8000]).max() > 10_000
    assert np.abs(out[12_800:12_800 + 40]).max() > 10_000
    if rate == SAMPLE_RATE:
        np.testing.assert_array_equal(out, np.concatenate(
            [signal[:half], np.zeros(4800, np.int16), signal[half:]]))


def test_an_overlap_is_cut_and_told() -> None:
    samples = track(1.0, [(0.0, 1.0)])
    front_end = AudioFrontEnd()
    out = joined(push_all(front_end, [
        AudioBlock(BASE, SAMPLE_RATE, samples[:8000]),
        AudioBlock(BASE + 0.3, SAMPLE_RATE, samples[4800:])]))  # 0.2 s came twice
    np.testing.assert_array_equal(out, samples)
    assert kinds(front_end) == ['audio_overlap']
    assert '0.200 s' in front_end.events[0].text


def test_blocks_that_came_already_add_nothing() -> None:
    samples = track(0.5, [(0.0, 0.5)])
    audio = blocks(samples, BASE, 1600)
    front_end = AudioFrontEnd()
    out = joined(push_all(front_end, [*audio[:4], audio[2], audio[3], audio[4]]))
    np.testing.assert_array_equal(out, samples)
    assert set(kinds(front_end)) == {'audio_overlap'}


@pytest.mark.parametrize(('jump', 'kind'), [(1.5, 'audio_gap'), (3600.0, 'audio_gap'),
                                            (-1.5, 'audio_backwards'),
                                            (-3600.0, 'audio_backwards')])
@pytest.mark.parametrize('rate', [16_000, 48_000])
def test_a_long_gap_or_time_that_goes_back_starts_anew(jump: float, kind: str,
                                                       rate: int) -> None:
    first, second = track(0.5, seed=1)[:rate // 2], track(0.5, seed=2)[:rate // 2]
    front_end = AudioFrontEnd()
    stamp = BASE + len(first) / rate + jump
    audio = [*blocks(first, BASE, 2000, rate), *blocks(second, stamp, 2000, rate)]
    runs = push_all(front_end, audio)
    assert kinds(front_end) == [kind]
    assert [r.stamp for r in runs if r.restart] == [BASE, stamp]
    where = [r.restart for r in runs].index(True, 1)
    for part, samples in ((runs[:where], first), (runs[where:], second)):
        alone = joined(push_all(AudioFrontEnd(), [AudioBlock(part[0].stamp, rate, samples)]))
        np.testing.assert_array_equal(joined(part), alone)  # neither leaks into the other


def test_a_change_of_rate_goes_on_in_time() -> None:
    front_end = AudioFrontEnd()
    low, high = sine(500, 0.5, 16_000), sine(500, 0.5, 48_000)
    audio = [*blocks(low, BASE, 1600, 16_000), *blocks(high, BASE + 0.5, 4800, 48_000),
             *blocks(low, BASE + 1.0, 1600, 16_000)]
    out = joined(push_all(front_end, audio))
    assert kinds(front_end) == ['audio_rate', 'audio_rate']
    assert 'from 16000 to 48000' in front_end.events[0].text
    assert abs(out.size - 1.5 * SAMPLE_RATE) <= 2
    expected = np.tile(sine(500, 0.5, SAMPLE_RATE), 3)  # 250 periods each: it joins smoothly
    np.testing.assert_allclose(out[:23_000] / 32_768.0, expected[:23_000], atol=0.12)
    inner = np.r_[0:7600, 8400:15_600, 16_400:23_600]  # away from the filters' ends
    np.testing.assert_allclose(out[inner] / 32_768.0, expected[inner], atol=0.01)


def test_nan_and_infinity_become_zero_and_are_told() -> None:
    signal = sine(300, 0.1, SAMPLE_RATE).astype(np.float32)
    broken = signal.copy()
    broken[[10, 20]], broken[30], broken[40] = np.nan, np.inf, -np.inf
    front_end = AudioFrontEnd()
    out = joined(push_all(front_end, [AudioBlock(BASE, SAMPLE_RATE, broken)]))
    expected = to_int16(signal)
    expected[[10, 20, 30, 40]] = 0
    np.testing.assert_array_equal(out, expected)
    assert kinds(front_end) == ['audio_invalid']
    assert '4 of 1600' in front_end.events[0].text


def test_clipping_is_told_and_a_single_peak_is_not() -> None:
    clipped = np.clip(sine(300, 0.1, SAMPLE_RATE, 2.0), -1, 1)
    for samples in (clipped, quantised(clipped, 'int16')):
        front_end = AudioFrontEnd()
        front_end.push(AudioBlock(BASE, SAMPLE_RATE, samples))
        assert kinds(front_end) == ['audio_clipped']
    front_end = AudioFrontEnd()
    single = sine(300, 0.1, SAMPLE_RATE)
    single[100] = 1.0
    front_end.push(AudioBlock(BASE, SAMPLE_RATE, single))
    assert front_end.events == []


def test_float_on_the_scale_of_integers_is_refused_and_says_what_to_do() -> None:
    good = track(0.3, [(0.0, 0.3)])
    front_end = AudioFrontEnd()
    runs = front_end.push(AudioBlock(BASE, SAMPLE_RATE, good[:1600]))
    with pytest.raises(InvalidInput, match=r'expected \[-1, 1\].*divide by 32768'):
        front_end.push(AudioBlock(BASE + 0.1, SAMPLE_RATE, good[1600:3200].astype(np.float32)))
    runs += front_end.push(AudioBlock(BASE + 0.2, SAMPLE_RATE, good[3200:]))
    out = joined(runs)  # the stream goes on, in time
    expected = good.copy()
    expected[1600:3200] = 0
    np.testing.assert_array_equal(out, expected)
    assert kinds(front_end) == ['audio_gap']


def test_blocks_without_samples_change_nothing() -> None:
    samples = track(0.3)
    front_end = AudioFrontEnd()
    empty = np.zeros((0, 2), np.float32)
    assert all(not r.samples.size
               for r in front_end.push(AudioBlock(BASE, SAMPLE_RATE, empty)))
    runs = []
    for block in blocks(samples, BASE, 1600):
        runs += front_end.push(block)
        assert front_end.push(AudioBlock(BASE + 0.1, SAMPLE_RATE, empty)) == []
    np.testing.assert_array_equal(np.concatenate([r.samples for r in runs]), samples)
    assert 'audio_gap' not in kinds(front_end)


def test_jitter_of_the_stamps_changes_nothing() -> None:
    samples = track(3.0, [(0.0, 3.0)])
    jitter = np.random.default_rng(0).uniform(-0.07, 0.07, 30)
    jitter[0] = 0
    audio = [AudioBlock(b.stamp + late, SAMPLE_RATE, b.samples)
             for b, late in zip(blocks(samples, BASE), jitter)]
    front_end = AudioFrontEnd()
    np.testing.assert_array_equal(joined(push_all(front_end, audio)), samples)
    assert front_end.events == []


def test_a_microphone_that_runs_slow_keeps_time() -> None:
    """0.5 % too few samples: the time line must follow the stamps, not drift from them."""
    front_end = AudioFrontEnd()
    runs = []
    for number in range(1200):
        runs += front_end.push(AudioBlock(
            BASE + number * 0.1, SAMPLE_RATE, np.ones(1592, np.int16)))
        clock = front_end.clock
        assert clock is not None and abs(clock - (BASE + (number + 1) * 0.1)) < 0.1
    out = joined(runs)
    assert out.size == pytest.approx(120 * SAMPLE_RATE, abs=0.1 * SAMPLE_RATE)


def test_the_clock_tells_how_far_audio_has_come() -> None:
    front_end = AudioFrontEnd()
    assert front_end.clock is None
    front_end.push(AudioBlock(BASE, 48_000, np.zeros(4800, np.int16)))
    assert front_end.clock == pytest.approx(BASE + 0.1)
    front_end.flush()
    assert front_end.clock is None
    assert front_end.flush() == []


def test_flush_gives_the_tail_and_the_next_block_starts_anew() -> None:
    signal = quantised(sine(500, 0.25, 44_100), 'int16')
    front_end = AudioFrontEnd()
    first = joined(push_all(front_end, [AudioBlock(BASE, 44_100, signal)]))
    again = joined(push_all(front_end, [AudioBlock(BASE + 0.25, 44_100, signal)]))
    np.testing.assert_array_equal(first, again)
    assert abs(first.size - 4000) <= 1
    assert front_end.events == []


@pytest.mark.parametrize('away', [-3600.0, -1.5, 2.0, 3600.0])
def test_a_single_block_from_another_time_is_left_out(away: float) -> None:
    samples = track(1.0, seed=1)
    audio = blocks(samples, BASE)
    stray = AudioBlock(audio[5].stamp + away, SAMPLE_RATE, np.ones(1600, np.int16))
    front_end = AudioFrontEnd()
    runs = [run for block in [*audio[:5], stray, *audio[5:]] for run in front_end.push(block)]
    np.testing.assert_array_equal(joined(runs), samples)
    assert kinds(front_end) == ['audio_late' if away < 0 else 'audio_ahead']
    assert [r.restart for r in runs].count(True) == 1


@pytest.mark.parametrize('size', [400, 1600, 8000])
def test_of_two_publishers_with_different_clocks_the_first_is_followed(size: int) -> None:
    samples = track(4.0, seed=1)
    first = arriving(blocks(samples, BASE))
    second = arriving(blocks(np.ones(56_000, np.int16), BASE - 500, size), 500.233)
    front_end = AudioFrontEnd()
    runs = [run for event in in_order(first, second) if isinstance(event.item, AudioBlock)
            for run in front_end.push(event.item)]
    np.testing.assert_array_equal(joined(runs), samples)
    assert set(kinds(front_end)) == {'audio_late'}


def test_a_second_publisher_is_followed_when_the_first_one_stops() -> None:
    samples = track(2.0, seed=1)
    front_end = AudioFrontEnd()
    runs = [run for block in [*blocks(samples[:16_000], BASE), *blocks(samples, BASE - 500)]
            for run in front_end.push(block)]
    assert kinds(front_end) == ['audio_backwards']
    assert [run.stamp for run in runs if run.restart] == [BASE, BASE - 500]
    np.testing.assert_array_equal(np.concatenate([run.samples for run in runs]),
                                  np.concatenate([samples[:16_000], samples]))
