"""See from the outside that a sample recording holds what its labels say."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from rosbags.rosbag2 import Reader
from tools.sample.recording import AUDIO_TOPIC, IMAGE_TOPIC, TEXT_TOPIC, TYPES, typestore

MAX_BYTES = 4_000_000
FACE_HZ = 5.  # how often the face detector looks
FACE_SHARE = .95  # of the looks at a visible face must find exactly it
EDGE_S = .15  # how far the voice detector's ends may lie from the labels', seconds


@dataclass(frozen=True)
class Label:
    """One row of labels.csv; times in seconds of capture time."""

    start: float
    end: float
    face_visible: bool
    has_transcript: bool
    text: str


@dataclass
class Content:
    """A recording read back: sound, (stamp, JPEG) frames and (arrival, text), in seconds."""

    start: float
    rate: int
    sound: NDArray[np.int16]
    frames: list[tuple[float, NDArray[np.uint8]]]
    texts: list[tuple[float, str]]


def read_labels(path: Path) -> list[Label]:
    """Read labels.csv of a recording."""
    with (path / 'labels.csv').open(encoding='utf-8', newline='') as file:
        return [Label(float(row['start']), float(row['end']), row['face_visible'] == '1',
                      row['has_transcript'] == '1', row['text']) for row in csv.DictReader(file)]


def _seconds(header: Any) -> float:
    return float(header.stamp.sec + header.stamp.nanosec * 1e-9)


def read_content(path: Path) -> Content:
    """
    Read a recording back.

    :raises ValueError: if messages arrive before their capture, or samples are missing.
    """
    store = typestore()
    chunks: list[tuple[float, Any]] = []
    content = Content(0., 0, np.zeros(0, np.int16), [], [])
    with Reader(path) as reader:
        for connection, t_ns, raw in reader.messages():
            if connection.msgtype != TYPES[connection.topic]:
                raise ValueError(f'{connection.topic} is a {connection.msgtype}')
            message: Any = store.deserialize_cdr(raw, connection.msgtype)
            if connection.topic == TEXT_TOPIC:
                content.texts.append((t_ns * 1e-9, message.data))
                continue
            stamp = _seconds(message.header)
            if stamp >= t_ns * 1e-9:
                raise ValueError(f'{connection.topic}: arrival at {t_ns} is before capture')
            if connection.topic == AUDIO_TOPIC:
                chunks.append((stamp, message))
            elif connection.topic == IMAGE_TOPIC:
                content.frames.append((stamp, message.data))
    content.start, content.rate = chunks[0][0], chunks[0][1].sample_rate
    content.sound = np.concatenate([message.samples for _, message in chunks])
    steps = np.diff([stamp for stamp, _ in chunks])
    if np.abs(steps - len(chunks[0][1].samples) / content.rate).max() > 1e-6:
        raise ValueError('there are gaps between the audio messages')
    return content


def check_voice(content: Content, labels: Sequence[Label]) -> list[str]:
    """Compare what silero-vad finds with the labels."""
    from silero_vad import get_speech_timestamps, load_silero_vad
    import torch

    sound = torch.from_numpy(content.sound.astype(np.float32) / 32768)
    spans = get_speech_timestamps(sound, load_silero_vad(), threshold=.5, speech_pad_ms=0,
                                  min_silence_duration_ms=300, sampling_rate=content.rate)
    if len(spans) != len(labels):
        return [f'the voice detector finds {len(spans)} utterances, not {len(labels)}']
    found = np.array([[span['start'], span['end']] for span in spans]) / content.rate
    known = np.array([[label.start, label.end] for label in labels]) - content.start
    worst = float(np.abs(found - known).max())
    print(f'voice: {len(spans)} utterances, ends within {worst * 1e3:.0f} ms of the labels')
    return [f'the voice detector strays by {worst:.2f} s'] if worst > EDGE_S else []


def _expected(t: float, labels: Sequence[Label]) -> bool | None:
    """Say if a face should be seen; None while the camera may be turning."""
    begun = [label for label in labels if label.start <= t]
    ahead = [label for label in labels if label.end >= t]
    around = {label.face_visible for label in begun[-1:] + ahead[:1]}
    return around.pop() if len(around) == 1 else None


def check_faces(content: Content, labels: Sequence[Label]) -> list[str]:
    """Compare what MTCNN finds with the labels."""
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True, min_face_size=40)
    counts: dict[bool | None, list[int]] = {True: [], False: [], None: []}
    step = round(1 / FACE_HZ / (content.frames[1][0] - content.frames[0][0]))
    for stamp, jpeg in content.frames[::step]:
        frame = cv2.imdecode(jpeg, cv2.IMREAD_COLOR)
        if frame is None:
            return [f'the frame of {stamp:.3f} s is not an image']
        boxes = detector.detect(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))[0]
        counts[_expected(stamp, labels)].append(0 if boxes is None else len(boxes))
    share = float(np.mean(np.array(counts[True]) == 1))
    print(f'face: exactly one in {share:.1%} of {len(counts[True])} looks at it, '
          f'{sum(counts[False])} in {len(counts[False])} looks away, '
          f'at most {max(counts[None], default=0)} in {len(counts[None])} while turning')
    problems = []
    if share < FACE_SHARE:
        problems.append(f'the face is found in only {share:.1%} of the looks at it')
    if any(counts[False]):
        problems.append('a face is found where the camera looks away')
    return problems


def check(path: Path) -> list[str]:
    """
    Check a recording against its labels.

    :param path: the folder that `make_sample` wrote.
    :returns: what is wrong, in words; empty if nothing is.
    """
    labels, content = read_labels(path), read_content(path)
    size = sum(file.stat().st_size for file in path.iterdir())
    print(f'{len(content.sound) / content.rate:.1f} s, {len(content.frames)} frames, '
          f'{len(content.texts)} transcripts, {size / 1e6:.2f} MB')
    problems = [f'{size} bytes are too many'] if size >= MAX_BYTES else []
    spoken = [label for label in labels if label.has_transcript]
    late = [t - label.end for (t, _), label in zip(content.texts, spoken, strict=True)]
    if [text for _, text in content.texts] != [label.text for label in spoken]:
        problems.append('the transcripts are not those of the labels')
    if min(late) < .145 or max(late) > .255:
        problems.append(f'transcripts come {min(late):.2f} to {max(late):.2f} s after speech')
    return problems + check_voice(content, labels) + check_faces(content, labels)
