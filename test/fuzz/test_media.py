# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Media files of changed content: their blocks and images stay about in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
from hypothesis import given
from hypothesis import strategies as st
from mmer_ros.recordings.media import JUMP_S, read_media
from mmer_ros.recordings.media_report import MediaReport
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import AudioBlock, SAMPLE_RATE
import numpy as np
import pytest

from .common import mutated, used_or_refused
from ..fixtures.stream import sine, write_clip

SOUND = np.rint(sine(440, 0.6, SAMPLE_RATE) * 32_767).astype(np.int16)
FRAMES = [np.full((48, 64, 3), 20 * i, np.uint8) for i in range(6)]


@pytest.fixture(scope='module')
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """Return small files of several containers, by suffix."""
    folder, found = tmp_path_factory.mktemp('media'), []
    for suffix in ('.mp4', '.mkv', '.ts', '.avi'):
        path = folder / f'clip{suffix}'
        write_clip(path, SOUND, FRAMES, 10)
        found.append((suffix, path.read_bytes()))
    for suffix, codec in (('.flac', 'flac'), ('.mp3', 'libmp3lame'), ('.wav', 'pcm_s16le'),
                          ('.opus', 'libopus'), ('.aac', 'aac')):
        path = folder / f'sound{suffix}'
        with av.open(str(path), 'w') as output:
            stream = output.add_stream(codec, rate=48_000)
            frame = av.AudioFrame.from_ndarray(SOUND[None], 's16', 'mono')
            frame.sample_rate = SAMPLE_RATE
            resampler = av.AudioResampler(stream.codec_context.format, 'mono', 48_000)
            for part in (*resampler.resample(frame), *resampler.resample(None), None):
                output.mux(stream.encode(part))
        found.append((suffix, path.read_bytes()))
    return found


@given(st.data())
def test_media_of_any_content_are_used_or_refused(
        tmp_path_factory: pytest.TempPathFactory, clips: Any, data: Any) -> None:
    suffix, original = data.draw(st.sampled_from(clips).map(tuple))
    path: Path = tmp_path_factory.getbasetemp() / f'fuzzed{suffix}'
    path.write_bytes(data.draw(mutated([original])))
    report = MediaReport()
    items = used_or_refused(lambda: list(read_media(path, FrameSampler(60.0), report))) or []
    ends = [item.stamp + (len(item.samples) / item.sample_rate
                          if isinstance(item, AudioBlock) else 0.0) for item in items]
    assert all(np.isfinite(end) and end >= 0 for end in ends)
    # A wrong sample rate in a frame overlaps the one before, which the audio front end cuts off.
    assert all(later >= end - JUMP_S for end, later in zip(ends, ends[1:]))
    for problem in (*report.problems, *report.notices):
        assert '\n' not in problem and len(problem) < 1000
