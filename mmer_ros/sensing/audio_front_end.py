# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Audio front end: whatever a microphone sends becomes one 16 kHz mono stream on a time line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mmer_ros.types import AudioBlock, Float32, Int16, InvalidInput, SAMPLE_RATE, StreamEvent
import numpy as np
from numpy.typing import NDArray
import soxr

FULL_SCALE = 32_768.0
CLIPPED_LEVEL = 0.999
CLIPPED_SHARE = 0.01  # of the samples of a block, from which on clipping is reported
CANCELLED = 0.01  # of the power of the channels, below which their mean is taken for cancelled
MIN_FRAMES = 32  # fewer do not distinguish opposite channels from chance
# Audio from another time is believed once so many times the length of a block has come of it and
# nothing of the stream: two publishers take turns, so that neither ever gets there.
BELIEVED = 2.0
ENDING_S = 1.5  # of silence, longer than any pause within an utterance


@dataclass(frozen=True)
class PcmRun:
    """
    Audio that continues the stream, or starts it again.

    :param stamp: capture time of the first sample, seconds.
    :param samples: (n,) int16, 16 kHz mono.
    :param restart: the time line was broken before this run; what was open must be closed.
    """

    stamp: float
    samples: Int16
    restart: bool = False


def to_mono(samples: NDArray[Any]) -> Float32:
    """
    Return the mean of the channels as float32 in [-1, 1].

    Where the channels cancel each other, as with a microphone that is wired in anti-phase, those
    that are opposite to the first are inverted.

    :param samples: (frames,) or (frames, channels) of any type that AudioBlock takes.
    """
    if samples.dtype == np.uint8:
        scaled = (samples.astype(np.float32) - 128.0) / 128.0
    elif samples.dtype.kind == 'i':
        scaled = samples.astype(np.float32) / float(-np.iinfo(samples.dtype).min)
    else:
        scaled = samples.astype(np.float32)
    if scaled.ndim == 1:
        return scaled
    mono: Float32 = scaled.mean(axis=1, dtype=np.float32)
    if 1 < scaled.shape[1] and MIN_FRAMES <= len(scaled) and _is_cancelled(mono, scaled):
        signs = np.where(scaled[:, :1].T @ scaled < 0, -1, 1).astype(np.float32)
        mono = (scaled * signs).mean(axis=1, dtype=np.float32)
    return mono


def _is_cancelled(mono: Float32, channels: Float32) -> bool:
    power = float(np.square(channels).mean())
    return power > 0 and float(np.square(mono).mean()) < CANCELLED * power


def to_int16(samples: Float32) -> Int16:
    """Return float audio in [-1, 1] as int16, rounded and limited to full scale."""
    scaled = np.rint(samples * FULL_SCALE)
    limited: Int16 = np.clip(scaled, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return limited


def resample(samples: NDArray[Any], rate: int) -> Int16:
    """
    Return a whole recording as 16 kHz mono int16.

    :param samples: (frames,) or (frames, channels) of any type that AudioBlock takes.
    :param rate: its sample rate, Hz.
    """
    mono = to_mono(samples)
    return to_int16(mono if rate == SAMPLE_RATE else soxr.resample(mono, rate, SAMPLE_RATE))


def silence(like: NDArray[Any], frames: int) -> NDArray[Any]:
    """Return silence of `frames` frames, of the type and the channels of other samples."""
    middle = 128 if like.dtype == np.uint8 else 0
    return np.full((frames, *like.shape[1:]), middle, like.dtype)


def silence_after(block: AudioBlock) -> AudioBlock:
    """Return the silence of ENDING_S that ends every utterance when it follows a block."""
    rate = block.sample_rate
    return AudioBlock(block.stamp + len(block.samples) / rate, rate,
                      silence(block.samples, round(ENDING_S * rate)))


class AudioFrontEnd:
    """
    Turn stamped blocks of any format into one continuous 16 kHz mono stream.

    Gaps up to `max_fill_s` become silence, overlaps are cut away, anything longer breaks the
    time line (`PcmRun.restart`), as soon as the blocks that follow agree: a single block from
    another time, or those of a second publisher, are left out. Each such thing is an event.

    :param tolerance_s: difference between stamp and sample count that is taken for jitter.
    :param max_fill_s: longest gap that is filled, and longest overlap that is cut.
    """

    def __init__(self, *, tolerance_s: float = 0.08, max_fill_s: float = 1.0) -> None:
        """Start with no stream."""
        self.tolerance_s = tolerance_s
        self.max_fill_s = max_fill_s
        self.events: list[StreamEvent] = []
        self._rate = 0
        self._resampler: soxr.ResampleStream | None = None
        self._in_origin = 0.0   # capture time of the first input frame at this rate
        self._in_frames = 0
        self._out_origin: float | None = None  # capture time of the stream's first sample
        self._out_samples = 0
        self._block_s = 0.0  # length of the latest block of the stream
        self._held: list[tuple[AudioBlock, Float32]] = []  # from another time, one after the other

    @property
    def clock(self) -> float | None:
        """Capture time up to which audio has been received, seconds."""
        if self._out_origin is None:
            return None
        return self._in_origin + self._in_frames / self._rate

    def push(self, block: AudioBlock) -> list[PcmRun]:
        """
        Take the next block and return what continues the stream.

        :raises InvalidInput: if float samples are not in [-1, 1]; the stream goes on without them.
        """
        mono = self._clean(block)
        if self._is_elsewhere(block):
            return self._hold(block, mono)
        self._leave_out_held()
        return self._go_on(block, mono, restart=self._out_origin is None)

    def flush(self) -> list[PcmRun]:
        """End the stream and return its tail."""
        clock = self.clock
        if self._held and clock is not None and self._held[0][0].stamp < clock:
            self._leave_out_held()
        runs = self._accept_held() + self._finish_run()
        self._out_origin = None
        return [r for r in runs if r.samples.size]

    def _go_on(self, block: AudioBlock, mono: Float32, *, restart: bool) -> list[PcmRun]:
        runs: list[PcmRun] = []
        if restart:
            runs += self._finish_run()
            self._out_origin, self._out_samples = block.stamp, 0
        if restart or block.sample_rate != self._rate:
            runs += self._change_rate(block, restart)
        self._block_s = mono.size / block.sample_rate or self._block_s
        mono = self._align(block, mono)
        run = self._convert(mono, last=False)
        runs.append(PcmRun(run.stamp, run.samples, restart))
        return [r for r in runs if r.samples.size or r.restart]

    def _is_elsewhere(self, block: AudioBlock) -> bool:
        """Return whether the block is too far from the end of the stream to belong to it."""
        clock = self.clock
        return clock is not None and abs(block.stamp - clock) > self.max_fill_s

    def _hold(self, block: AudioBlock, mono: Float32) -> list[PcmRun]:
        """Keep a block from another time, until enough have come to believe in that time."""
        if self._held:
            last = self._held[-1][0]
            end = last.stamp + len(last.samples) / last.sample_rate
            if abs(block.stamp - end) > 2 * self.tolerance_s:
                self._leave_out_held()
        self._held.append((block, mono))
        held_s = sum(len(b.samples) / b.sample_rate for b, _ in self._held)
        if len(self._held) < 2 or held_s < BELIEVED * self._block_s - 1e-9:
            return []
        return self._accept_held()

    def _accept_held(self) -> list[PcmRun]:
        """Begin another time line with what was held."""
        held, self._held = self._held, []
        if not held or self.clock is None:
            return []
        block = held[0][0]
        difference = block.stamp - self.clock
        kind, what = (('audio_gap', 'is missing') if difference > 0
                      else ('audio_backwards', 'was stamped again: the time went backwards'))
        self._event(kind, block.stamp,
                    f'audio: {abs(difference):.2f} s {what}; the utterance was closed there',
                    max(difference, 0.0))
        return [run for number, (block, mono) in enumerate(held)
                for run in self._go_on(block, mono, restart=number == 0)]

    def _leave_out_held(self) -> None:
        """Give up what was held: the stream goes on without it."""
        for block, _ in self._held:
            difference = block.stamp - (self.clock or block.stamp)
            kind, where = (('audio_late', 'behind') if difference < 0
                           else ('audio_ahead', 'ahead of'))
            self._event(kind, block.stamp,
                        f'audio: a block {abs(difference):.2f} s {where} the stream was left out; '
                        'check that one publisher alone writes to the topic, and its clock')
        self._held = []

    def _event(self, kind: str, stamp: float, text: str, seconds: float = 0.0) -> None:
        self.events.append(StreamEvent(kind, stamp, text, seconds))

    def _clean(self, block: AudioBlock) -> Float32:
        mono = to_mono(block.samples)
        if mono.size == 0:
            return mono
        invalid = ~np.isfinite(mono)
        if invalid.any():
            mono = np.where(invalid, np.float32(0), mono)
            self._event('audio_invalid', block.stamp,
                        f'audio: {int(invalid.sum())} of {mono.size} samples are NaN or infinite '
                        'and were set to 0; check the driver of the microphone')
        peak = np.abs(mono)
        if peak.max() > 8.0:
            raise InvalidInput(
                f'audio: float samples up to {peak.max():.0f}; expected [-1, 1]. They look like '
                'integers: send int16, or divide by 32768')
        if (peak >= CLIPPED_LEVEL).mean() > CLIPPED_SHARE:
            self._event('audio_clipped', block.stamp,
                        'audio: the microphone is overdriven (clipped); lower its gain')
        return mono

    def _finish_run(self) -> list[PcmRun]:
        if self._out_origin is None or self._resampler is None:
            return []
        return [self._convert(np.zeros(0, np.float32), last=True)]

    def _change_rate(self, block: AudioBlock, restart: bool) -> list[PcmRun]:
        runs: list[PcmRun] = []
        origin = block.stamp
        if not restart:
            self._event('audio_rate', block.stamp,
                        f'audio: the sample rate changed from {self._rate} to '
                        f'{block.sample_rate} Hz in mid-stream; the stream goes on')
            runs = self._finish_run()
            origin = self.clock or block.stamp
        self._rate, self._in_origin, self._in_frames = block.sample_rate, origin, 0
        self._resampler = None if self._rate == SAMPLE_RATE else soxr.ResampleStream(
            self._rate, SAMPLE_RATE, 1, dtype='float32', quality='HQ')
        return runs

    def _align(self, block: AudioBlock, mono: Float32) -> Float32:
        clock = self.clock
        assert clock is not None
        difference = block.stamp - clock
        if abs(difference) <= self.tolerance_s:
            return mono
        frames = round(abs(difference) * self._rate)
        if difference > 0:
            self._event('audio_gap', block.stamp,
                        f'audio: {difference:.3f} s is missing and was filled with silence; '
                        'check the network and the load of the machine', difference)
            return np.concatenate([np.zeros(frames, np.float32), mono])
        self._event('audio_overlap', block.stamp,
                    f'audio: {-difference:.3f} s came twice and was cut; check that only one '
                    'publisher writes to the topic')
        return mono[frames:]

    def _convert(self, mono: Float32, last: bool) -> PcmRun:
        self._in_frames += mono.size
        out = mono if self._resampler is None else self._resampler.resample_chunk(mono, last=last)
        assert self._out_origin is not None
        stamp = self._out_origin + self._out_samples / SAMPLE_RATE
        self._out_samples += out.size
        return PcmRun(stamp, to_int16(out))
