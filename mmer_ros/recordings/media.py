"""Media files: audio blocks and video frames of a clip in the order of their capture times."""

from __future__ import annotations

from collections.abc import Iterator
import heapq
from pathlib import Path

import av
from av.audio.frame import AudioFrame
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import AudioBlock, InvalidInput, VideoFrame
import numpy as np


def duration(path: Path) -> float:
    """
    Return the length of a clip, seconds; 0 if the file does not tell.

    :raises InvalidInput: if the file cannot be read.
    """
    with _open(path) as container:
        return (container.duration or 0) / av.time_base


def read_media(path: Path, sampler: FrameSampler) -> Iterator[AudioBlock | VideoFrame]:
    """
    Decode a clip; stamps are seconds from its start.

    :param sampler: chooses the frames that are given out.
    :raises InvalidInput: if the file cannot be read or holds neither audio nor video.
    """
    with _open(path) as container:
        sources = []
        if container.streams.audio:
            sources.append(_audio(path))
        if any(not s.disposition & av.stream.Disposition.attached_pic
               for s in container.streams.video):
            sources.append(_video(path, sampler))
    if not sources:
        raise InvalidInput(f'{path}: it holds neither audio nor video; give a clip or a recording')
    for _, _, item in heapq.merge(*sources, key=lambda entry: entry[:2]):
        yield item


def read_audio(path: Path) -> Iterator[AudioBlock]:
    """Decode the audio of a clip alone."""
    for _, _, block in _audio(path):
        assert isinstance(block, AudioBlock)
        yield block


def _open(path: Path) -> av.container.InputContainer:
    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise InvalidInput(f'{path}: it cannot be read as audio or video ({error}); '
                           'check the path and the format') from error
    if container.format.name == 'tty':  # FFmpeg films text files
        container.close()
        raise InvalidInput(f'{path}: it is a text file; give a clip with audio or video')
    return container


def _audio(path: Path) -> Iterator[tuple[float, int, AudioBlock | VideoFrame]]:
    with _open(path) as container:
        stamp = 0.0
        for frame in _decode(path, container, 'audio'):
            assert isinstance(frame, AudioFrame)
            samples = frame.to_ndarray()
            if frame.format.is_planar:
                samples = samples.T
            else:
                samples = samples.reshape(-1, frame.layout.nb_channels)
            stamp = max(frame.time, 0.0) if frame.time is not None else stamp
            block = AudioBlock(stamp, frame.sample_rate, np.ascontiguousarray(samples))
            stamp += len(samples) / frame.sample_rate
            yield stamp, 0, block


def _video(path: Path, sampler: FrameSampler
           ) -> Iterator[tuple[float, int, AudioBlock | VideoFrame]]:
    with _open(path) as container:
        for frame in _decode(path, container, 'video'):
            assert isinstance(frame, av.VideoFrame)
            if frame.time is not None and sampler.take(max(frame.time, 0.0)):
                stamp = max(frame.time, 0.0)
                yield stamp, 1, VideoFrame(
                    stamp, frame.to_ndarray(format='rgb24').astype(np.uint8, copy=False))


def _decode(path: Path, container: av.container.InputContainer,
            kind: str) -> Iterator[av.VideoFrame | AudioFrame]:
    """Decode what can be decoded; a damaged end loses only itself."""
    if not getattr(container.streams, kind):
        raise InvalidInput(f'{path}: it holds no {kind}')
    decoded = 0
    try:
        for frame in container.decode(**{kind: 0}):
            decoded += 1
            yield frame  # type: ignore[misc]
    except av.FFmpegError as error:
        if not decoded:
            raise InvalidInput(f'{path}: its {kind} cannot be decoded ({error})') from error
