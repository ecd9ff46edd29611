# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""One clip of the synthetic corpus: its sound and pictures, and the mp4 that holds them."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from mmer_ros.types import EMOTIONS, Int16, SAMPLE_RATE, UInt8
import numpy as np
from training.corpora.synthetic.plan import Clip, clip_rng, CorpusConfig
from training.corpora.synthetic.scene import draw_empty_room, draw_frames
from training.corpora.synthetic.voice import loudness, speak
from training.engine.files import PARTIAL

AUDIO_BITS, VIDEO_QUALITY = 64_000, '28'
AAC_FRAME = 1024  # samples


def clip_audio(config: CorpusConfig, clip: Clip) -> Int16:
    """Return the sound of a clip: (samples,) int16 at SAMPLE_RATE; the same at every call."""
    return speak(clip.score, clip.speaker, clip_rng(config, clip.split, clip.dialogue, clip.turn,
                                                    1))


def clip_frames(config: CorpusConfig, clip: Clip) -> Iterable[UInt8]:
    """Return the pictures of a clip: (height, width, 3) uint8 RGB; the same at every call."""
    rng = clip_rng(config, clip.split, clip.dialogue, clip.turn, 2)
    size = config.width, config.height
    mouth = loudness(clip.score)
    if clip.quirk == 'no face':
        return draw_empty_room(int(clip.score.duration * config.fps), size, rng)
    return draw_frames(EMOTIONS[clip.shown[2]], clip.speaker, mouth, size, config.fps, rng)


def write_clip(config: CorpusConfig, clip: Clip, path: Path) -> None:
    """
    Render a clip and write it; the file appears complete or not at all.

    :raises OSError: if it cannot be written.
    """
    partial = path.with_name(path.name + PARTIAL)
    audio = None if clip.quirk == 'no audio' else clip_audio(config, clip)
    try:
        encode(partial, clip_frames(config, clip), audio, config)
        if clip.quirk == 'corrupt':
            content = partial.read_bytes()
            partial.write_bytes(content[:len(content) // 3])  # the index at the end is lost
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def encode(path: Path, frames: Iterable[UInt8], audio: Int16 | None,
           config: CorpusConfig) -> None:
    """
    Write an mp4: H.264 (MPEG-4 part 2 where FFmpeg lacks it) and AAC at SAMPLE_RATE.

    :param audio: (samples,) int16, or None for a clip without sound.
    """
    codec = 'libx264' if 'libx264' in av.codecs_available else 'mpeg4'
    with av.open(str(path), 'w', format='mp4') as container:
        video = container.add_stream(codec, rate=config.fps)
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = config.width, config.height, 'yuv420p'
        video.options = {'crf': VIDEO_QUALITY, 'preset': 'superfast'} if codec == 'libx264' else {}
        video.thread_count = 1
        sound = None
        if audio is not None:
            sound = container.add_stream('aac', rate=SAMPLE_RATE, layout='mono')
            assert isinstance(sound, AudioStream)
            sound.bit_rate = AUDIO_BITS
            sound.options = {'aac_coder': 'fast'}
        for index, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format='rgb24')
            frame.pts, frame.time_base = index, Fraction(1, config.fps)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        if sound is not None and audio is not None:
            _encode_sound(container, sound, audio)


def _encode_sound(container: av.container.OutputContainer, stream: AudioStream, audio: Int16
                  ) -> None:
    for start in range(0, len(audio), AAC_FRAME):
        samples = audio[start:start + AAC_FRAME].astype(np.float32) / 32_768
        frame = av.AudioFrame.from_ndarray(samples[None], format='fltp', layout='mono')
        frame.sample_rate, frame.pts = SAMPLE_RATE, start
        frame.time_base = Fraction(1, SAMPLE_RATE)
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
