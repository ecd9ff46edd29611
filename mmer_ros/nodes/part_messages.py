# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Utterance parts as messages between a segmenter and an estimator."""

from __future__ import annotations

from array import array
import math
import re
from typing import Any

from builtin_interfaces.msg import Time
from mmer_msgs.msg import FaceCrop as FaceCropMessage
from mmer_msgs.msg import UtterancePart as PartMessage
from mmer_ros.nodes.conversions import NANOSECONDS, to_seconds
from mmer_ros.nodes.part_pieces import cut
from mmer_ros.recognition.multi_robot import SentPart
from mmer_ros.sensing.face_coding import code_face, decode_face
from mmer_ros.types import FaceCrop, InvalidInput, UtterancePart
import numpy as np

NAMESPACE = re.compile(r'(?:[A-Za-z_][A-Za-z0-9_]*(?:/[A-Za-z_][A-Za-z0-9_]*)*)?')
COPIED = ('utterance_id', 'index', 'last', 'cut', 'pause', 'revision', 'person_id', 'face_id',
          'voice_id', 'speaker_by', 'speaker_margin', 'text')  # fields of the same name and type


def to_part_messages(sent: SentPart, *, frame_id: str, face_settings: str) -> list[PartMessage]:
    """
    Return a part as messages that fit into one packet each; see part_pieces.

    :param frame_id: of the camera, else of the microphone.
    :param face_settings: digest of the settings by which faces were cropped.
    """
    part = sent.part
    message: Any = PartMessage(
        source=sent.source, session=sent.session, sequence=sent.sequence & 0xffffffff,
        dialogue=part.dialogue & 0xffffffff, face_settings=face_settings)
    for name in COPIED:
        setattr(message, name, getattr(part, name))
    message.header.stamp, message.header.frame_id = _to_time(part.end), frame_id
    message.utterance_start = _to_time(part.utterance_start)
    message.start, message.end = _to_time(part.start), _to_time(part.end)
    message.audio = array('h', part.audio.astype(np.int16).tobytes())
    message.faces = [_to_crop_message(crop) for crop in part.faces]
    return cut(message)


def from_part_message(message: PartMessage) -> SentPart:
    """
    Return the part in a message that part_pieces.Assembly has completed.

    :raises InvalidInput: if source, times, margin or face crops are not valid.
    """
    if not NAMESPACE.fullmatch(message.source):
        raise InvalidInput(f'part: source {message.source[:40]!r} is no namespace; expected '
                           'letters, digits and _, with / in between')
    start, end = to_seconds(message.start), to_seconds(message.end)
    utterance_start = to_seconds(message.utterance_start)
    if not message.utterance_id or not utterance_start <= start <= end:
        raise InvalidInput(
            f'part: utterance {message.utterance_id!r} begins at {utterance_start:.3f} s, the '
            f'part lasts from {start:.3f} to {end:.3f} s; expected an id and ascending times')
    margin = float(message.speaker_margin)
    if not 0 <= margin <= 1:
        raise InvalidInput(f'part: speaker_margin {margin}; expected 0 .. 1')
    return SentPart(message.source, message.session, message.sequence, UtterancePart(
        **{name: getattr(message, name) for name in COPIED}, dialogue=message.dialogue,
        utterance_start=utterance_start, start=start, end=end,
        audio=np.frombuffer(message.audio, np.int16) if message.audio else np.zeros(0, np.int16),
        faces=tuple(_from_crop_message(crop) for crop in message.faces)))


def _to_crop_message(crop: FaceCrop) -> FaceCropMessage:
    return FaceCropMessage(
        stamp=_to_time(crop.stamp), face_id=crop.face_id,
        box=np.asarray(crop.box, np.float32), score=float(crop.score),
        webp=array('B', crop.coded or code_face(crop.image, lossless=True)))


def _from_crop_message(message: FaceCropMessage) -> FaceCrop:
    coded = message.webp.tobytes()
    left, top, right, bottom = (float(x) for x in message.box)
    return FaceCrop(to_seconds(message.stamp), message.face_id, decode_face(coded),
                    (left, top, right, bottom), float(message.score), coded=coded)


def _to_time(seconds: float) -> Time:
    """Return float seconds as a stamp of which `to_seconds` returns the same float."""
    whole = math.floor(seconds)
    nanos = round((seconds - whole) * NANOSECONDS)
    return Time(sec=whole + nanos // NANOSECONDS, nanosec=nanos % NANOSECONDS)
