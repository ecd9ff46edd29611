# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Media files: audio blocks and video frames of a clip in the order of their capture times.

Stamps are seconds from the start of the file, whatever its container counts from. Damage ends
neither stream: what cannot be decoded is left out, and a `MediaReport` names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
import gc
import heapq
import os
from pathlib import Path
import struct
from typing import Any

import av
from av.audio.frame import AudioFrame
from av.sidedata.sidedata import Type as SideData
from mmer_ros.interfaces.images import check_size, decode_image
from mmer_ros.recordings.media_report import JITTER_S, MediaReport, StreamReport
from mmer_ros.sensing.audio_front_end import silence, to_mono
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import (
    AudioBlock,
    InvalidInput,
    MAX_CHANNELS,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    SAMPLE_RATE,
    UInt8,
    VideoFrame,
)
import numpy as np
from numpy.typing import NDArray

# FFmpeg's contexts wait for their threads when they are freed, and a forked process has none of
# these threads: it must not collect what its parent left behind.
os.register_at_fork(after_in_child=gc.freeze)

MAX_DEMUX_ERRORS = 50  # in succession; after that the rest of a stream is given up
QUIET = 1e-3  # of full scale, from peak to peak: what codecs make of silence
MAX_FILL_S = 1.0  # longest interruption of the audio that becomes silence
JUMP_S = 1.0  # stamps that go back by more begin to count again, as in joined recordings
IMAGE_FORMATS = ('image2', 'png_pipe', 'jpeg_pipe', 'webp_pipe', 'bmp_pipe', 'tiff_pipe',
                 'ppm_pipe', 'pgm_pipe', 'j2k_pipe')
CHECKSUMS = ('ac3', 'eac3', 'mp1', 'mp2', 'mp3', 'mp3float', 'mp2float', 'mp1float')  # in frames
COUNTED = ('aac', 'ac3', 'amr', 'dts', 'eac3', 'mp3')  # formats that store no times
OGG_PAGE_BYTES = 65_307  # at most
ESTIMATED_LENGTH = ('aac', 'ac3', 'eac3', 'dts', 'amr', 'h264', 'hevc', 'mpegvideo', 'm4v')

Frames = Iterator[tuple[float, Any]]  # seconds from the start of the file, frame of PyAV
Item = tuple[float, int, AudioBlock | VideoFrame]  # when it is complete, its place among equals


def duration(path: Path) -> float:
    """
    Return the length of a clip, seconds; 0 if the file does not say.

    :raises InvalidInput: if the file cannot be read.
    """
    with _open(path) as container:
        return (container.duration or 0) / av.time_base


def read_media(path: Path, sampler: FrameSampler, report: MediaReport | None = None, *,
               audio_track: int | None = None) -> Iterator[AudioBlock | VideoFrame]:
    """
    Decode a clip; stamps are seconds from its start.

    :param sampler: chooses the frames that are given out.
    :param report: is filled with what is missing; complete after the last item.
    :param audio_track: 0, 1, ... among the audio tracks; None: the one that is flagged default,
        else the first.
    :raises InvalidInput: if nothing of the file can be decoded.
    """
    report = MediaReport() if report is None else report
    with _open(path) as container:
        if container.format.name in IMAGE_FORMATS:
            yield VideoFrame(0.0, decode_image(path.read_bytes(), path.name))
            return
        sources = []
        if container.streams.audio:
            sources.append(_audio(path, report, audio_track))
        if _pictures(container):
            sources.append(_video(path, sampler, report))
    if not sources:
        raise InvalidInput(f'{path}: it holds neither audio nor video; give a clip or a recording')
    for _, _, item in heapq.merge(*sources, key=lambda entry: entry[:2]):
        yield item
    if not any(stream.decoded for stream in report.streams.values()):
        kinds = ' and '.join(report.streams)
        raise InvalidInput(f'{path}: its {kinds} cannot be decoded; convert the file, e.g. '
                           f'ffmpeg -i {path.name} converted.mp4')
    _promise_by_container(path, report)
    report.note_gaps()


def read_audio(path: Path, report: MediaReport | None = None) -> Iterator[AudioBlock]:
    """
    Decode the audio of a clip alone.

    :raises InvalidInput: if there is none, or none of it can be decoded.
    """
    report = MediaReport() if report is None else report
    for _, _, block in _audio(path, report, None):
        assert isinstance(block, AudioBlock)
        yield block
    if not report.stream('audio').decoded:
        raise InvalidInput(f'{path}: its audio cannot be decoded; convert the file, e.g. '
                           f'ffmpeg -i {path.name} converted.wav')


def _open(path: Path) -> av.container.InputContainer:
    try:
        # Not the bare path: a colon in the name is no protocol. Tags may be in any encoding.
        container = av.open(f'file:{path}', metadata_errors='replace')
    except (av.FFmpegError, OSError) as error:
        raise InvalidInput(
            f'{path}: it cannot be read as audio or video ({_reason(error)}); check the path and '
            'the format. A file that was cut off may lack the index at its end') from error
    if container.format.name == 'tty':  # FFmpeg films text files
        container.close()
        raise InvalidInput(f'{path}: it is a text file; give a clip with audio or video')
    return container


def _reason(error: BaseException) -> str:
    return getattr(error, 'strerror', None) or str(error) or type(error).__name__


# ---------------------------------------------------------------------------- the two streams

def _audio(path: Path, report: MediaReport, track: int | None) -> Iterator[Item]:
    with _open(path) as container:
        stream = _audio_track(path, container, report, track)
        found, is_only = report.stream('audio'), len(container.streams.audio) == 1
        is_silent = not is_only
        for start, frame in _at_usable_rates(_frames(path, container, stream, found), report):
            samples, rate = _samples(frame), frame.sample_rate
            is_silent = is_silent and np.ptp(samples) <= QUIET * _full_scale(samples)
            if start < 0:  # what the encoder needed to begin with
                samples, start = samples[round(-start * rate):], 0.0
            if not len(samples):
                continue
            end = start + len(samples) / rate
            lost = found.arrived(start, end, 1.5 / rate)
            if 0 < lost <= MAX_FILL_S:
                missing = silence(samples, round(lost * rate))
                yield start, 0, AudioBlock(start - lost, rate, missing)
            yield end, 0, AudioBlock(start, rate, samples)
        if is_silent:
            report.notices.append('this track is silent; take another with --audio-track '
                                  '(audio_track in Python)')


def _video(path: Path, sampler: FrameSampler, report: MediaReport) -> Iterator[Item]:
    with _open(path) as container:
        stream = _pictures(container)[0]
        if stream.codec_context and stream.codec_context.width:  # else a decoder has to look
            check_size(stream.codec_context.width, stream.codec_context.height, path.name)
        found = report.stream('video')
        step = _frame_length(stream)
        for time, frame in _frames(path, container, stream, found):
            stamp = max(time, 0.0)
            found.arrived(stamp, stamp + step, 0.5 * step)
            found.concealed += bool(frame.is_corrupt)
            if sampler.take(stamp):
                yield stamp, 1, VideoFrame(stamp, _upright(frame, stream.sample_aspect_ratio))


def _pictures(container: av.container.InputContainer) -> list[av.VideoStream]:
    """Return the video streams that are no cover of an album, the default one first."""
    flags = av.stream.Disposition
    moving = [s for s in container.streams.video
              if not s.disposition & (flags.attached_pic | flags.timed_thumbnails)]
    return sorted(moving, key=lambda s: not s.disposition & flags.default)


def _audio_track(path: Path, container: av.container.InputContainer, report: MediaReport,
                 wanted: int | None) -> av.AudioStream:
    """Return the wanted track, else the default one; comments and descriptions come last."""
    flags = av.stream.Disposition
    tracks = list(container.streams.audio)
    if not tracks:
        raise InvalidInput(f'{path}: it holds no audio')
    if wanted is not None:
        if not 0 <= wanted < len(tracks):
            raise InvalidInput(f'{path}: audio track {wanted}; it has the tracks 0 to '
                               f'{len(tracks) - 1}')
        return tracks[wanted]
    aside = (flags.comment | flags.visual_impaired | flags.hearing_impaired
             | flags.descriptions | flags.karaoke)
    chosen = min(tracks, key=lambda s: (bool(s.disposition & aside),
                                        not s.disposition & flags.default))
    if len(tracks) > 1:
        report.notices.append(f'it has {len(tracks)} audio tracks; track '
                              f'{tracks.index(chosen)} is used')
    return chosen


# ------------------------------------------------------------------------- packets and times

def _frames(path: Path, container: av.container.InputContainer, stream: Any,
            report: StreamReport) -> Frames:
    """Decode packet by packet, so that a damaged one loses only itself."""
    report.promised_s = _promised(path, container, stream)
    report.counted = container.format.name in COUNTED
    report.is_cut = container.format.name == 'ogg' and _ends_within_page(path)
    if stream.codec_context is None:  # FFmpeg does not know the coding
        return
    if stream.codec_context.name in CHECKSUMS:
        stream.codec_context.options = {'err_detect': 'crccheck+explode'}
    clock = _Clock(container, stream, report)
    yield from clock.place(_decoded(container, stream, report, clock))


def _decoded(container: av.container.InputContainer, stream: Any, report: StreamReport,
             clock: _Clock) -> Iterator[Any]:
    # FFmpeg joins damaged frames of FLAC to packets without a time, and decodes them.
    has_times = container.format.name == 'flac'
    for packet in _packets(container, stream, report, clock):
        if packet.is_corrupt or has_times and packet.size and packet.pts is None:
            report.damaged.append(clock.of_packet(packet))
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            if packet.size and not packet.is_corrupt:
                report.damaged.append(clock.of_packet(packet))
            continue
        if packet.size and packet.pts is not None:
            report.sent(clock.of_packet(packet))
        yield from frames


def _packets(container: av.container.InputContainer, stream: Any, report: StreamReport,
             clock: _Clock) -> Iterator[av.Packet[Any]]:
    packets, errors = container.demux(stream), 0
    while errors < MAX_DEMUX_ERRORS:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.FFmpegError:
            if not errors:
                report.damaged.append(clock.until)
            packets, errors = container.demux(stream), errors + 1
            continue
        except IndexError:  # of a stream that begins in mid-file, which PyAV does not know
            packets = container.demux(stream)
            continue
        errors = 0
        yield packet


class _Clock:
    """
    Seconds from the start of the file, of the packets and frames of one stream.

    Containers count from anywhere: MPEG-TS from the clock of the sender, MP4 from before 0 where
    an encoder needs samples to begin with. A stream whose times go back by more than JUMP_S, as
    in recordings that were joined, goes on where it was.
    """

    def __init__(self, container: av.container.InputContainer, stream: Any, report: StreamReport
                 ) -> None:
        self._origin = (container.start_time or 0) / av.time_base
        self._step = _frame_length(stream)
        self._report = report
        self.until = 0.0  # end of the frame before

    def of_packet(self, packet: av.Packet[Any]) -> float:
        pts = packet.pts if packet.pts is not None else packet.dts
        if pts is None or packet.time_base is None:
            return self.until
        return max(float(pts * packet.time_base) - self._origin, 0.0)

    def place(self, frames: Iterator[Any]) -> Frames:
        """Yield frames with their times, but for one that is far from both of its neighbours."""
        odd = None
        for frame in frames:
            if odd is not None:
                if self._is_confirmed(odd, frame):
                    yield self._take(odd), odd
                else:
                    self._report.damaged.append(self.until)
                odd = None
            if abs(self._of_frame(frame) - self.until) > JUMP_S:
                odd = frame
            else:
                yield self._take(frame), frame
        if odd is not None and self._of_frame(odd) > self.until:
            yield self._take(odd), odd

    def _is_confirmed(self, odd: Any, frame: Any) -> bool:
        """Return whether the times jump at a frame: the next goes on from there."""
        jump, following = self._of_frame(odd), self._of_frame(frame)
        if jump > self.until:
            return following > jump - JUMP_S
        return following < self.until - JUMP_S

    def _of_frame(self, frame: Any) -> float:
        return self.until if frame.time is None else frame.time - self._origin

    def _take(self, frame: Any) -> float:
        time = self._of_frame(frame)
        if time < self.until - JUMP_S:
            self._origin -= self.until - time
            time = self.until
        length = (frame.samples / frame.sample_rate if isinstance(frame, AudioFrame)
                  else self._step)
        self.until = time + length
        return time


def _frame_length(stream: Any) -> float:
    """Return how long an image is shown, seconds; 0 for audio."""
    rate = getattr(stream, 'average_rate', None) or getattr(stream, 'guessed_rate', None)
    return float(1 / rate) if rate and stream.type == 'video' else 0.0


def _promised(path: Path, container: av.container.InputContainer, stream: Any) -> float:
    """Return where the file says that a stream ends, seconds from its start; 0: nowhere."""
    origin = (container.start_time or 0) / av.time_base
    if stream.duration and not _is_estimated(path, container):
        end = float((stream.duration + (stream.start_time or 0)) * stream.time_base) - origin
        return end * _cut_share(path)
    try:  # Matroska
        hours, minutes, seconds = stream.metadata['DURATION'].split(':')
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds) - origin
    except (KeyError, ValueError):
        return 0.0


def _promise_by_container(path: Path, report: MediaReport) -> None:
    """Hold the longest stream against the length of the file, where no stream has its own."""
    if any(stream.promised_s for stream in report.streams.values()):
        return
    with _open(path) as container:
        length = (container.duration or 0) / av.time_base
        if not _is_estimated(path, container):
            longest = max(report.streams.values(), key=lambda stream: stream.until_s)
            longest.promised_s = length


def _is_estimated(path: Path, container: av.container.InputContainer) -> bool:
    """Return whether FFmpeg guesses the length of a file from its size."""
    name = container.format.name
    return name in ESTIMATED_LENGTH or name == 'mp3' and not _counts_frames(path)


def _counts_frames(path: Path) -> bool:
    """Return whether an MP3 file says how many frames it has, after its ID3 tag."""
    with path.open('rb') as file:
        head = file.read(10)
        sizes = head[6:] if head[:3] == b'ID3' else bytes(4)
        file.seek(sum(byte << shift for byte, shift in zip(sizes, (21, 14, 7, 0)))
                  + (10 if head[:3] == b'ID3' else 0))
        frame = file.read(200)
    return any(tag in frame for tag in (b'Xing', b'Info', b'VBRI'))


def _cut_share(path: Path) -> float:
    """Return how many times longer the header of a RIFF file (WAV, AVI) says that it is."""
    with path.open('rb') as file:
        head = file.read(8)
    if len(head) < 8 or head[:4] != b'RIFF':
        return 1.0
    promised, size = struct.unpack('<I', head[4:])[0] + 8, path.stat().st_size
    unknown = promised >= 0xffffffff  # what recorders write before they know
    return 1.0 if unknown else max(promised / size, 1.0)


def _ends_within_page(path: Path) -> bool:
    """Return whether the last page of an Ogg file is longer than the file."""
    with path.open('rb') as file:
        file.seek(-min(path.stat().st_size, OGG_PAGE_BYTES), os.SEEK_END)
        tail = file.read()
    start = tail.rfind(b'OggS')
    page = tail[start:] if start >= 0 else b''
    sizes = page[27:27 + page[26]] if len(page) > 26 else b''
    return len(page) < 27 + len(sizes) + sum(sizes) or not sizes


# ------------------------------------------------------------------------- samples and pixels

def _at_usable_rates(frames: Frames, report: MediaReport) -> Frames:
    """Resample audio of rates that no microphone has and AudioBlock does not take."""
    converter, until = None, 0.0
    for time, frame in frames:
        if MIN_SAMPLE_RATE <= frame.sample_rate <= MAX_SAMPLE_RATE:
            yield time, frame
            continue
        if converter is None:
            converter, until = av.AudioResampler('flt', frame.layout, SAMPLE_RATE), time
            if frame.sample_rate < MIN_SAMPLE_RATE:
                report.notices.append(
                    f'its audio has {frame.sample_rate} samples a second, which hold nothing '
                    f'above {frame.sample_rate / 2000:g} kHz; speech may be missed. Record with '
                    f'{SAMPLE_RATE} Hz or more')
        if time - until > JITTER_S:
            until = time
        for part in converter.resample(frame):
            yield until, part
            until += part.samples / SAMPLE_RATE
    for part in converter.resample(None) if converter else ():
        yield until, part
        until += part.samples / SAMPLE_RATE


def _samples(frame: AudioFrame) -> NDArray[Any]:
    """Return (frames, channels) of a type that AudioBlock takes."""
    samples: NDArray[Any] = frame.to_ndarray()
    samples = (samples.T if frame.format.is_planar
               else samples.reshape(-1, frame.layout.nb_channels))
    if samples.dtype == np.int64:
        samples = (samples >> 32).astype(np.int32)
    if samples.shape[1] > MAX_CHANNELS:
        samples = to_mono(samples)[:, None]
    return np.ascontiguousarray(samples)


def _full_scale(samples: NDArray[Any]) -> float:
    return 1.0 if samples.dtype.kind == 'f' else float(np.iinfo(samples.dtype).max)


def _upright(frame: av.VideoFrame, ratio: Fraction | None) -> UInt8:
    """
    Return the image as a player shows it, (height, width, 3) RGB: turned, of square pixels.

    :param ratio: width of a stored pixel to its height; None: 1.
    """
    width = round(frame.width * float(ratio)) if ratio else frame.width
    image: UInt8 = frame.to_ndarray(format='rgb24', width=width or frame.width).astype(
        np.uint8, copy=False)
    return turned(image, _matrix(frame))


def _matrix(frame: av.VideoFrame) -> tuple[int, int, int, int]:
    """Return a, b, c, d of the display matrix: x' = a x + c y, y' = b x + d y."""
    try:
        side_data: Any = frame.side_data
        data = side_data.get(SideData.DISPLAYMATRIX)
    except ValueError:  # side data that this PyAV does not know
        quarter = round(frame.rotation / 90) % 4
        return ((1, 0, 0, 1), (0, -1, 1, 0), (-1, 0, 0, -1), (0, 1, -1, 0))[quarter]
    if data is None:
        return 1, 0, 0, 1
    a, b, _, c, d = struct.unpack_from('=5i', bytes(data))
    return a, b, c, d


def turned(image: UInt8, matrix: tuple[int, int, int, int]) -> UInt8:
    """
    Return the image turned and mirrored to the nearest quarter.

    :param image: (height, width, 3).
    :param matrix: a, b, c, d of x' = a x + c y, y' = b x + d y, in any unit.
    """
    a, b, c, d = matrix
    across, down = a, d
    if abs(b) > abs(a):
        image, across, down = image.transpose(1, 0, 2), c, b
    image = image[:, ::-1] if across < 0 else image
    image = image[::-1] if down < 0 else image
    return np.ascontiguousarray(image)
