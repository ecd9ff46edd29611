# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Utterance parts as messages: small, and the same to the bit when they are put together."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, strategies
import numpy as np
import pytest

pytestmark = pytest.mark.ros
pytest.importorskip('rclpy', reason='needs ROS 2 (make env)')

from mmer_msgs.msg import UtterancePart as PartMessage
from mmer_ros.nodes.part_messages import from_part_message, to_part_messages
from mmer_ros.nodes.part_pieces import Assembly, MAX_PIECES, SENDERS
from mmer_ros.recognition.multi_robot import SentPart
from mmer_ros.sensing.face_coding import code_face, decode_face
from mmer_ros.types import FaceCrop, InvalidInput, MAX_TEXT_CHARS, UtterancePart
from rclpy.serialization import serialize_message

from ..fixtures.model import random_faces
from ..recognition.test_multi_robot import parts_of

LARGEST = 1400  # bytes, so that a packet of 1500 holds it with all headers
PART = next(part for part in parts_of('kitchen') if part.faces and part.audio.size)


def messages(part: UtterancePart, sequence: int = 5, source: str = 'kitchen') -> list[PartMessage]:
    return to_part_messages(SentPart(source, 3, sequence, part), frame_id='camera',
                            face_settings='0123456789ab')


def together(pieces: list[PartMessage]) -> SentPart:
    """Return the part, which the last message completes and none before."""
    assembly = Assembly()
    assert [assembly.push(piece) for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    whole = assembly.push(pieces[-1])
    assert whole is not None
    assert whole.header.frame_id == 'camera' and whole.face_settings == '0123456789ab'
    return from_part_message(whole)


def assert_equal(again: UtterancePart, part: UtterancePart) -> None:
    for name, value in vars(part).items():
        other = getattr(again, name)
        if name == 'audio':
            np.testing.assert_array_equal(other, value)
            assert other.dtype == np.int16
        elif name == 'faces':
            assert [(c.stamp, c.face_id) for c in other] == [(c.stamp, c.face_id) for c in value]
            assert all((c.image == d.image).all() for c, d in zip(other, value))
        elif name == 'speaker_margin':
            assert np.float32(other) == np.float32(value)
        else:
            assert other == value, name


def coded(images: Any) -> tuple[FaceCrop, ...]:
    """Return crops as the robot cuts them."""
    codes = [code_face(image) for image in images]
    return tuple(FaceCrop(7.0 + i / 5, 'face_1', decode_face(code), coded=code)
                 for i, code in enumerate(codes))


def test_parts_survive_the_way_to_the_bit_in_messages_of_one_packet() -> None:
    for part in parts_of('kitchen'):
        pieces = messages(part)
        assert max(len(serialize_message(piece)) for piece in pieces) <= LARGEST
        back = together(pieces)
        assert (back.source, back.session, back.sequence) == ('kitchen', 3, 5)
        assert_equal(back.part, part)


@given(samples=strategies.integers(0, 40_000), faces=strategies.integers(0, 4),
       text=strategies.text(max_size=MAX_TEXT_CHARS), name=strategies.text('ab_', max_size=80),
       seed=strategies.integers(0, 5))
def test_any_part_fits_into_packets_and_comes_back(
        samples: int, faces: int, text: str, name: str, seed: int) -> None:
    text = text.encode('utf-8', 'ignore').decode().replace('\0', '')
    noise = np.random.default_rng(seed).integers(0, 256, (1, 160, 160, 3), np.uint8)
    images = [*random_faces(faces, seed), *noise[:faces % 2]]
    part = replace(PART, audio=np.arange(samples).astype(np.int16), text=text, person_id=name,
                   faces=coded(images))
    pieces = messages(part, source=name or 'kitchen')
    sizes = [len(serialize_message(piece)) for piece in pieces]
    assert max(sizes) <= LARGEST
    assert sum(sizes) <= 400 + 1.25 * (2 * samples + len(text.encode()) + sum(
        len(crop.coded) + 60 for crop in part.faces)) + 4 * len(name) * len(sizes)
    assert_equal(together(pieces).part, part)


def test_a_crop_that_was_never_coded_loses_nothing() -> None:
    face = FaceCrop(7.0, 'face_1', random_faces(1)[0])
    back = together(messages(replace(PART, faces=(face,)))).part.faces[0]
    np.testing.assert_array_equal(back.image, face.image)


@pytest.mark.parametrize('missing', [0, 1, -1])
def test_a_part_that_lacks_a_piece_is_left_out_and_the_next_is_whole(missing: int) -> None:
    first, second = messages(PART, 5), messages(PART, 6)
    del first[missing]
    assembly = Assembly()
    found = [whole for piece in (*first, *second) if (whole := assembly.push(piece)) is not None]
    assert [whole.sequence for whole in found] == [6]
    assert_equal(from_part_message(found[0]).part, PART)


def test_pieces_of_several_robots_do_not_mix() -> None:
    assembly = Assembly()
    senders = [messages(PART, 5, source) for source in ('kitchen', 'hall')]
    found = [assembly.push(piece) for pieces in zip(*senders) for piece in pieces]
    whole = [one for one in found if one is not None]
    assert [one.source for one in whole] == ['kitchen', 'hall']
    for one in whole:
        assert_equal(from_part_message(one).part, PART)


def test_unfinished_parts_of_many_senders_are_forgotten() -> None:
    assembly = Assembly()
    for number in range(3 * SENDERS):
        assembly.push(messages(PART, 0, f'robot{number}')[0])
    assert len(assembly._open) == len(assembly._next) == SENDERS


@pytest.mark.parametrize(('piece', 'pieces'), [(0, 0), (3, 3), (0, MAX_PIECES + 1)])
def test_impossible_pieces_are_refused(piece: int, pieces: int) -> None:
    with pytest.raises(InvalidInput, match=f'piece {piece} of {pieces}'):
        Assembly().push(PartMessage(piece=piece, pieces=pieces))


@pytest.mark.parametrize('damage', [
    lambda webp: webp[:40], lambda webp: webp[:-100], lambda webp: b'RIFF' + bytes(40),
    lambda webp: b'', lambda webp: webp[:26] + b'\xff\x3f' + webp[28:]])
def test_a_crop_that_cannot_be_decoded_is_refused(damage: Any) -> None:
    webp = code_face(random_faces(1)[0])
    message = messages(replace(PART, audio=PART.audio[:0], faces=()))[0]
    whole = messages(replace(PART, faces=coded(random_faces(1))))[0]
    crop = whole.faces[0]
    crop.webp, message.faces = list(damage(webp)), [crop]
    with pytest.raises(InvalidInput, match='not a WebP image of 160 x 160'):
        from_part_message(message)
