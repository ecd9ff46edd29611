"""Streams made by hand and the sample recording, for the tests of what runs on streams."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import av
from mmer_ros.interfaces.images import chunk_to_block, compressed_to_rgb
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, Recording
from mmer_ros.report.recording_page import read_labels
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.sensing.utterance_segmenter import UtteranceSegmenter
from mmer_ros.types import (
    AudioBlock,
    Estimate,
    FaceCrop,
    Int16,
    SAMPLE_RATE,
    Transcript,
    UtterancePart,
    VideoFrame,
)
import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / 'sample' / 'dialogue'
BASE = 1_700_000_000.0  # seconds, when most hand-made streams begin; as large as real stamps
FRAME = 512  # samples of a frame of voice activity


class Event(NamedTuple):
    """An input and when it arrives; inputs are fed in this order."""

    arrival: float
    item: AudioBlock | VideoFrame | Transcript | tuple[float, list[FaceCrop]]


class Loudness:
    """Stands for silero-vad: speech is whatever is loud."""

    def __init__(self, level: float = 0.05) -> None:
        self.level = level
        self.resets = 0

    def __call__(self, frame: Int16) -> float:
        assert frame.shape == (FRAME,) and frame.dtype == np.int16
        return float(np.sqrt(np.mean((frame / 32_768.0) ** 2)) > self.level)

    def reset(self) -> None:
        self.resets += 1


def sine(frequency: float, duration: float, rate: int, level: float = 0.5) -> NDArray[np.float64]:
    """Return (round(duration * rate),) in [-level, level]."""
    return level * np.sin(2 * np.pi * frequency * np.arange(round(duration * rate)) / rate)


def track(duration: float, speech: Iterable[tuple[float, float]] = (), *, level: float = 0.3,
          seed: int = 0) -> Int16:
    """
    Return faint noise that is loud while somebody speaks.

    No two of its samples are related, so that a lost or doubled sample is noticed.

    :param speech: from, to; seconds from the beginning of the track.
    """
    noise = np.random.default_rng(seed).uniform(-1, 1, round(duration * SAMPLE_RATE))
    gain = np.full(noise.size, 0.001)
    for start, end in speech:
        gain[round(start * SAMPLE_RATE):round(end * SAMPLE_RATE)] = level
    return np.rint(noise * gain * 32_767).astype(np.int16)


def blocks(samples: NDArray[Any], start: float, size: int | Sequence[int] = 1600,
           rate: int = SAMPLE_RATE) -> list[AudioBlock]:
    """Cut samples into blocks of a size, or of sizes that repeat; each is stamped exactly."""
    sizes = [size] if isinstance(size, int) else list(size)
    cut: list[AudioBlock] = []
    first = 0
    while first < len(samples):
        length = sizes[len(cut) % len(sizes)]
        cut.append(AudioBlock(start + first / rate, rate, samples[first:first + length]))
        first += length
    return cut


def arriving(audio: Iterable[AudioBlock], lag: float = 0.0) -> list[Event]:
    """Let blocks arrive after their last sample was captured."""
    return [Event(b.stamp + len(b.samples) / b.sample_rate + lag, b) for b in audio]


def crop(stamp: float, face_id: str = 'face1', side: float = 100.0) -> FaceCrop:
    """Return a crop that tells its stamp: its pixels are made of the milliseconds."""
    image = np.full((160, 160, 3), round(stamp * 1000) % 251, np.uint8)
    return FaceCrop(stamp, face_id, image, (10.0, 10.0, 10.0 + side, 10.0 + side))


def camera(start: float, end: float, rate: float = 15.0, lag: float = 0.0, *,
           faces: Sequence[tuple[str, float]] = (('face1', 100.0),)) -> list[Event]:
    """Film faces (id, side in pixels): an event an image, the images of a steady rate."""
    stamps = start + np.arange(round((end - start) * rate)) / rate
    return [Event(float(t) + lag, (float(t), [crop(float(t), *face) for face in faces]))
            for t in stamps]


def in_order(*streams: Iterable[Event]) -> list[Event]:
    """Return the events of all streams as they arrive."""
    return sorted((e for stream in streams for e in stream), key=lambda e: e.arrival)


def feed(segmenter: UtteranceSegmenter, events: Iterable[Event], *,
         flush: bool = True) -> list[UtterancePart]:
    """Return the parts that a segmenter makes of the events."""
    parts: list[UtterancePart] = []
    for _, item in events:
        if isinstance(item, AudioBlock):
            parts += segmenter.push_audio(item)
        elif isinstance(item, Transcript):
            parts += segmenter.push_transcript(item)
        else:
            assert isinstance(item, tuple)
            parts += segmenter.push_faces(*item)
    return parts + segmenter.flush() if flush else parts


def by_utterance(parts: Iterable[UtterancePart]) -> dict[str, list[UtterancePart]]:
    """Group parts by their utterance, in the order of the first parts."""
    groups: dict[str, list[UtterancePart]] = {}
    for part in parts:
        groups.setdefault(part.utterance_id, []).append(part)
    return groups


def audio_of(parts: Iterable[UtterancePart]) -> Int16:
    """Return the audio of the parts, one after the other."""
    return np.concatenate([np.zeros(0, np.int16), *(p.audio for p in parts)])


def text_of(parts: Iterable[UtterancePart]) -> str:
    """Return the words of the parts, one after the other."""
    return ' '.join(p.text for p in parts if p.text)


@cache
def sample_events() -> tuple[Event, ...]:
    """Return the sample recording as it arrives: audio, the images that are looked at, words."""
    sampler = FrameSampler(5.0)
    events: list[Event] = []
    with Recording(SAMPLE) as recording:
        for recorded in recording.messages():
            message = recording.decode(recorded)
            if recorded.msgtype not in (AUDIO, COMPRESSED_IMAGE):
                events.append(Event(recorded.time, Transcript(recorded.time, message.data)))
                continue
            stamp = message.header.stamp.sec + message.header.stamp.nanosec / 1e9
            if recorded.msgtype == AUDIO:
                events.append(Event(recorded.time, chunk_to_block(message, stamp)))
            elif sampler.take(stamp):
                frame = VideoFrame(stamp, compressed_to_rgb(message))
                events.append(Event(recorded.time, frame))
            else:
                events.append(Event(recorded.time, (stamp, [])))
    return tuple(events)


@cache
def sample_audio() -> tuple[float, Int16]:
    """Return the capture time of the sample's first sample, and all its audio."""
    audio = [e.item for e in sample_events() if isinstance(e.item, AudioBlock)]
    return audio[0].stamp, np.concatenate([b.samples.reshape(-1) for b in audio])


def sample_labels() -> list[dict[str, Any]]:
    """Return the truth about the sample: a row an utterance."""
    return read_labels(SAMPLE / 'labels.csv')


def run_pipeline(pipeline: Pipeline, events: Iterable[Event]) -> list[Estimate]:
    """Return the estimates that a pipeline makes of the events."""
    estimates: list[Estimate] = []
    for _, item in events:
        if isinstance(item, AudioBlock):
            estimates += pipeline.push_audio(item)
        elif isinstance(item, VideoFrame):
            estimates += pipeline.push_frame(item)
        elif isinstance(item, Transcript):
            estimates += pipeline.push_transcript(item)
        else:
            estimates += pipeline.skip_frame(item[0])
    return estimates + pipeline.flush()


def write_clip(path: Path, sound: Int16 | None, frames: Sequence[NDArray[np.uint8]], rate: int,
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
            packets += _encoded(audio, sound)
        for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
            container.mux(packet)


def write_wav(path: Path, sound: Int16, *, codec: str = 'pcm_s16le') -> None:
    """Write a WAV of (samples,) or (samples, 2) at 16 kHz."""
    with av.open(str(path), 'w') as container:
        layout = 'mono' if sound.ndim == 1 else 'stereo'
        stream = container.add_stream(codec, rate=SAMPLE_RATE, layout=layout)
        for packet in _encoded(stream, sound):
            container.mux(packet)


def _encoded(stream: Any, sound: Int16) -> list[Any]:
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
