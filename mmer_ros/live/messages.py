# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Messages between the page and the server of `mmer live`, over the WebSocket.

The page sends binary packets: a header of 24 bytes, little-endian, then the content.

| bytes | type | what |
|---|---|---|
| 0 | uint8 | kind: 1 audio, 2 image |
| 1-3 | | 0 |
| 4-7 | uint32 | sample rate of audio, Hz; 0 of an image |
| 8-15 | float64 | capture time of the first sample or of the image, whole microseconds |
| 16-23 | float64 | when it was sent, by the same clock, whole microseconds |
| 24- | | int16 samples, mono; or a JPEG image |

Everything else is JSON with a `type`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import json
import struct
from threading import Lock
from typing import Any

from mmer_ros.types import (
    Estimate,
    FaceCrop,
    InvalidInput,
    MAX_SAMPLE_RATE,
    MIN_SAMPLE_RATE,
    People,
)
import numpy as np

HEADER = struct.Struct('<B3xIdd')
AUDIO, IMAGE = 1, 2
KINDS = {AUDIO: 'audio', IMAGE: 'image'}
MAX_PACKET = 8 << 20  # bytes
MAX_AUDIO_S = 30.0  # of one packet
MAX_US = 1e16  # the year 2286; below 2 ** 53, so that a float64 is exact
JPEG_START = b'\xff\xd8'
KEPT = 40  # final estimates
COMMANDS = ('start', 'stop', 'reset', 'record')

Message = dict[str, Any]  # of the server to the page


@dataclass(frozen=True)
class Packet:
    """
    Audio or an image from the page.

    :param kind: 'audio' or 'image'.
    :param stamp_ns: capture time, nanoseconds of the page's clock.
    :param sent_ns: when it was sent, by the same clock.
    :param rate: of audio, Hz.
    :param content: little-endian int16 samples, or a JPEG image.
    """

    kind: str
    stamp_ns: int
    sent_ns: int
    rate: int
    content: bytes


def read_packet(data: bytes) -> Packet:
    """
    Take a binary message of the page apart.

    :raises InvalidInput: if it is not as described above.
    """
    if len(data) <= HEADER.size:
        raise InvalidInput(f'packet: {len(data)} bytes; expected a header of {HEADER.size} bytes '
                           'and content. Reload the page')
    number, rate, stamp_us, sent_us = HEADER.unpack_from(data)
    content = data[HEADER.size:]
    kind = KINDS.get(number)
    if kind is None:
        raise InvalidInput(f'packet: kind {number}; expected 1 (audio) or 2 (image). Reload the '
                           'page')
    for name, value in (('stamp', stamp_us), ('time of sending', sent_us)):
        if not (np.isfinite(value) and 0 <= value < MAX_US):
            raise InvalidInput(f'{kind}: {name} {value!r}; expected microseconds since 1970')
    if kind == 'audio':
        _check_audio(rate, content)
    elif not content.startswith(JPEG_START):
        raise InvalidInput('image: it is no JPEG; expected a JPEG image. Reload the page')
    return Packet(kind, round(stamp_us) * 1000, round(sent_us) * 1000, rate, content)


def _check_audio(rate: int, content: bytes) -> None:
    if not MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE:
        raise InvalidInput(f'audio: sample rate {rate} Hz; expected {MIN_SAMPLE_RATE}..'
                           f'{MAX_SAMPLE_RATE} Hz. Choose another microphone')
    if len(content) % 2 or len(content) > 2 * rate * MAX_AUDIO_S:
        raise InvalidInput(f'audio: {len(content)} bytes; expected int16 samples of at most '
                           f'{MAX_AUDIO_S:.0f} s')


def read_command(text: str) -> Message:
    """
    Return a command of the page.

    :raises InvalidInput: if it is none.
    """
    try:
        command = json.loads(text)
    except (ValueError, RecursionError):
        command = None
    if not isinstance(command, dict) or command.get('type') not in COMMANDS:
        raise InvalidInput(f'command: expected JSON with a type of {", ".join(COMMANDS)}. Reload '
                           'the page')
    return command


def estimate_message(estimate: Estimate) -> Message:
    """Return an estimate for the page."""
    return {'type': 'estimate', **estimate.to_dict()}


def faces_message(stamp: float, size: tuple[int, int], crops: Sequence[FaceCrop], speaker: str
                  ) -> Message:
    """
    Return the faces of an image.

    :param size: width and height of the image, pixels.
    :param speaker: id of the face that speaks, '' if none does or it is not known.
    """
    return {'type': 'faces', 'stamp': stamp, 'size': size, 'speaker': speaker, 'faces': [
        {'id': crop.face_id, 'name': crop.name,
         'box': [round(float(edge), 1) for edge in crop.box], 'score': float(crop.score)}
        for crop in crops]}


def people_message(people: People) -> Message:
    """Return what the face of each person in view shows, speaking or not."""
    return {'type': 'people', 'stamp': people.stamp, 'people': [
        {'id': one.face_id, 'label': one.estimate.label,
         'confidence': one.estimate.confidence} for one in people.people]}


class LatestFinals:
    """The latest final estimates, one an utterance, for a page that connects later."""

    def __init__(self) -> None:
        self._by_utterance: dict[str, Message] = {}
        self._lock = Lock()

    def add(self, message: Message) -> None:
        """Keep an estimate if it is final; a revision takes the place of what it revises."""
        if message['final']:
            with self._lock:
                self._by_utterance[message['utterance_id']] = message
                if len(self._by_utterance) > KEPT:
                    del self._by_utterance[next(iter(self._by_utterance))]

    def messages(self) -> list[Message]:
        """Return them, oldest utterance first; from any thread."""
        with self._lock:
            return list(self._by_utterance.values())


def event_message(kind: str, text: str) -> Message:
    """Return a warning, for people."""
    return {'type': 'event', 'kind': kind, 'text': text}
