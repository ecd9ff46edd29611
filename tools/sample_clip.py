# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Make a video file of the sample recording, and its words, for those who have no clip at hand.

`python -m tools.sample_clip clip.mp4` writes clip.mp4 and clip.srt.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import csv
from pathlib import Path
import sys
from typing import Any

import av
from mmer_ros.interfaces.images import compressed_to_rgb
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, Recording
from mmer_ros.types import Int16, SAMPLE_RATE, UInt8
import numpy as np

SAMPLE = Path(__file__).parents[1] / 'sample' / 'dialogue'
IMAGE_RATE = 15  # Hz


def main() -> int:
    """Write the clip; return the exit code."""
    parser = argparse.ArgumentParser(prog='python -m tools.sample_clip', description=__doc__)
    parser.add_argument('clip', type=Path)
    write_sample_clip(parser.parse_args().clip)
    return 0


def write_sample_clip(path: Path, seconds: float = 41.0) -> None:
    """Write the beginning of the sample as mp4, and the words beside it as SRT."""
    with Recording(SAMPLE) as recording:
        start, end = recording.start, recording.start + seconds
        messages = [(item.msgtype, recording.decode(item)) for item in recording.messages()
                    if item.time < end and item.msgtype in (AUDIO, COMPRESSED_IMAGE)]
    write_clip(path,
               np.concatenate([np.asarray(m.samples, np.int16) for kind, m in messages
                               if kind == AUDIO]),
               [compressed_to_rgb(m) for kind, m in messages if kind != AUDIO], IMAGE_RATE)
    with (SAMPLE / 'labels.csv').open(encoding='utf-8', newline='') as file:
        rows = [(float(row['start']) - start, float(row['end']) - start, row['text'])
                for row in csv.DictReader(file) if row['has_transcript'] == '1']
    path.with_suffix('.srt').write_text(''.join(
        f'{number}\n{_time(first)} --> {_time(last)}\n{text}\n\n'
        for number, (first, last, text) in enumerate(rows, 1) if last < seconds), 'utf-8')


def _time(seconds: float) -> str:
    whole = round(1000 * seconds)
    return (f'{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02},'
            f'{whole % 1000:03}')


def write_clip(path: Path, sound: Int16 | None, frames: Sequence[UInt8], rate: int,
               *, index_first: bool = False, cover: bool = False) -> None:
    """
    Write an mp4 of MPEG-4 video and AAC.

    :param sound: (samples,) at 16 kHz.
    :param frames: (height, width, 3) RGB, `rate` a second.
    :param index_first: so that a file without its end can be read.
    :param cover: the frames are pictures to go with music, no video.
    """
    options = {'movflags': 'faststart'} if index_first else {}
    with av.open(str(path), 'w', options=options) as container:
        codec, pixels = ('mjpeg', 'yuvj420p') if cover else ('mpeg4', 'yuv420p')
        video = container.add_stream(codec, rate=rate)
        assert isinstance(video, av.VideoStream)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt, video.bit_rate = pixels, 2_000_000
        if cover:
            video.disposition = av.stream.Disposition.attached_pic
        packets: list[Any] = []
        for image in frames:
            packets += video.encode(av.VideoFrame.from_ndarray(image, format='rgb24'))
        packets += video.encode()
        if sound is not None:
            audio = container.add_stream('aac', rate=SAMPLE_RATE, layout='mono')
            packets += encoded(audio, sound)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)


def encoded(stream: Any, sound: Int16) -> list[Any]:
    """Return the packets of (samples,) or (samples, 2) at 16 kHz."""
    packed = np.ascontiguousarray(sound).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(
        packed, format='s16', layout='mono' if sound.ndim == 1 else 'stereo')
    frame.sample_rate = SAMPLE_RATE
    frame.pts = 0
    resampler = av.AudioResampler(stream.codec_context.format, stream.codec_context.layout,
                                  SAMPLE_RATE, stream.codec_context.frame_size or 1024)
    packets = [p for f in [*resampler.resample(frame), *resampler.resample(None)]
               for p in stream.encode(f)]
    return [*packets, *stream.encode()]


def write_wav(path: Path, sound: Int16, *, codec: str = 'pcm_s16le') -> None:
    """Write a WAV of (samples,) or (samples, 2) at 16 kHz."""
    with av.open(str(path), 'w') as container:
        layout = 'mono' if sound.ndim == 1 else 'stereo'
        stream = container.add_stream(codec, rate=SAMPLE_RATE, layout=layout)
        for packet in encoded(stream, sound):
            container.mux(packet)


if __name__ == '__main__':
    sys.exit(main())
