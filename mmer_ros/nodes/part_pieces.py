# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Parts cut into messages that fit into one packet of a network, and put together again."""

from __future__ import annotations

from array import array
from collections import OrderedDict
from typing import Any

from mmer_msgs.msg import FaceCrop as FaceCropMessage
from mmer_msgs.msg import UtterancePart as PartMessage
from mmer_ros.types import InvalidInput

# A packet has 1500 bytes on Ethernet and Wi-Fi. Of these the headers of IP, UDP and RTPS with a
# heartbeat take about 120, and those of encryption as many again.
MESSAGE_BYTES = 1320
FIXED_BYTES = 140  # of a message without texts, rounded up
CROP_BYTES = 64    # of a crop without its coding
IDENTITY = ('source', 'session', 'sequence', 'utterance_id', 'index', 'pieces')
TEXTS = ('source', 'face_settings', 'utterance_id', 'person_id', 'face_id', 'voice_id',
         'speaker_by')
MAX_PIECES = 4000  # of a part: all crops of a minute and more
SENDERS = 64       # whose unfinished parts are kept


class _Packer:
    """Fill messages one after another."""

    def __init__(self, first: Any) -> None:
        self.pieces = [first]
        self._first = first
        texts = sum(len(getattr(first, name).encode()) + 4 for name in TEXTS)
        self._left = MESSAGE_BYTES - FIXED_BYTES - texts - len(first.header.frame_id)

    def room(self, least: int) -> int:
        """Return the bytes that are left; if fewer than `least`, in a new message."""
        if self._left < least:
            piece: Any = PartMessage()
            for name in IDENTITY:
                setattr(piece, name, getattr(self._first, name))
            piece.piece = len(self.pieces)
            self.pieces.append(piece)
            self._left = (MESSAGE_BYTES - FIXED_BYTES - len(piece.source)
                          - len(piece.utterance_id))
        return max(self._left, least)

    def fill(self, count: int) -> Any:
        """Return the message that has the room for this many bytes more."""
        self._left -= count
        return self.pieces[-1]


def cut(part: PartMessage) -> list[PartMessage]:
    """Return the messages that a part is sent as; it is taken apart."""
    audio, faces, text = part.audio, part.faces, part.text
    part.audio, part.faces, part.text = array('h'), [], ''
    packer = _Packer(part)
    while text:
        count = packer.room(8) // 4  # a character has up to 4 bytes
        packer.fill(len(text[:count].encode())).text += text[:count]
        text = text[count:]
    for crop in faces:
        _add_crop(packer, crop)
    while audio:
        count = packer.room(64) // 2
        packer.fill(2 * len(audio[:count])).audio = audio[:count]
        audio = audio[count:]
    for piece in packer.pieces:
        piece.pieces = len(packer.pieces)
    return packer.pieces


def _add_crop(packer: _Packer, crop: Any) -> None:
    webp, slot = crop.webp, crop
    texts = len(crop.face_id.encode())
    while True:
        room = packer.room(2 * CROP_BYTES + texts) - CROP_BYTES - texts
        slot.webp, webp = webp[:room], webp[room:]
        slot.more = bool(webp)
        packer.fill(CROP_BYTES + texts + len(slot.webp)).faces.append(slot)
        if not webp:
            return
        slot, texts = FaceCropMessage(), 0


class Assembly:
    """
    Put the messages of parts together.

    Those of one sender come in order, or are missing: then the part is lost.
    """

    def __init__(self) -> None:
        self._open: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._next: dict[tuple[str, int], int] = {}

    def push(self, message: Any) -> PartMessage | None:
        """
        Take a message and return the part that it completes, if any.

        :raises InvalidInput: if it is no possible piece of a part.
        """
        if not 0 <= message.piece < message.pieces <= MAX_PIECES:
            raise InvalidInput(
                f'part: piece {message.piece} of {message.pieces}; expected 0 to {MAX_PIECES - 1} '
                'and more pieces than that. Segmenter and estimator need the same version')
        sender = message.source, message.session
        if message.piece == 0:
            self._open[sender], self._next[sender] = message, 1
            self._open.move_to_end(sender)
            while len(self._open) > SENDERS:
                self._forget(next(iter(self._open)))
        else:
            part = self._open.get(sender)
            if part is None or message.piece != self._next[sender] or any(
                    getattr(message, name) != getattr(part, name) for name in IDENTITY):
                return None  # the gap in `sequence` will show that a part is missing
            self._next[sender] += 1
            _join(part, message)
        return self._forget(sender) if message.piece == message.pieces - 1 else None

    def _forget(self, sender: tuple[str, int]) -> PartMessage:
        self._next.pop(sender)
        return self._open.pop(sender)


def _join(part: Any, piece: Any) -> None:
    part.audio.extend(piece.audio)
    part.text += piece.text
    for crop in piece.faces:
        last = part.faces[-1] if part.faces else None
        if last is not None and last.more:
            last.webp.extend(crop.webp)
            last.more = crop.more
        else:
            part.faces.append(crop)
