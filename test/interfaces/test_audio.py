# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Audio messages by their fields, whoever defined them; without ROS."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from mmer_ros.interfaces.audio import (
    AudioFormat,
    AudioReader,
    CodedAudio,
    duration,
    is_audio,
    to_block,
)
from mmer_ros.interfaces.audio_coding import coding_of, mp3_frame_length
from mmer_ros.interfaces.transcripts import is_transcript, to_words, Words
from mmer_ros.sensing.unstamped_audio import MAX_JITTER_S, UnstampedAudio
from mmer_ros.types import InvalidInput
import numpy as np
import pytest

RNG = np.random.default_rng(1)
GIVEN = AudioFormat()
FIELDS = {'float32_data': 'f4', 'int32_data': 'i4', 'int16_data': 'i2', 'int8_data': 'i1',
          'uint8_data': 'u1'}


def audio_stamped(number: int, name: str, samples: Any, channels: int = 1) -> Any:
    """Return a mgonzs13 AudioStamped with its samples in one of its fields."""
    data = SimpleNamespace(**{field: np.zeros(0, dtype) for field, dtype in FIELDS.items()})
    setattr(data, name, samples)
    info = SimpleNamespace(format=number, channels=channels, rate=44_100, chunk=512)
    return SimpleNamespace(header=None, audio=SimpleNamespace(audio_data=data, info=info))


@pytest.mark.parametrize(('number', 'name'), list(zip((1, 2, 8, 16, 32), FIELDS)))
def test_each_field_of_typed_audio(number: int, name: str) -> None:
    samples = (RNG.random(20) * 100).astype(FIELDS[name])
    block = to_block(audio_stamped(number, name, samples, channels=2), 3.0, GIVEN)
    assert (block.stamp, block.sample_rate) == (3.0, 44_100)
    assert block.samples.dtype == samples.dtype
    np.testing.assert_array_equal(block.samples, samples.reshape(10, 2))
    assert duration(block) == 10 / 44_100


def test_typed_audio_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(InvalidInput, match='promises int16_data, but .* in float32_data'):
        to_block(audio_stamped(8, 'float32_data', np.ones(4, np.float32)), 3.0, GIVEN)
    with pytest.raises(InvalidInput, match='PortAudio format 4'):
        to_block(audio_stamped(4, 'int32_data', np.ones(4, np.int32)), 3.0, GIVEN)
    with pytest.raises(InvalidInput, match='3 channels'):
        to_block(audio_stamped(8, 'int16_data', np.ones(4, np.int16), channels=3), 3.0, GIVEN)


def raw(data: bytes, **fields: Any) -> Any:
    return SimpleNamespace(data=data, **fields)


@pytest.mark.parametrize(('name', 'dtype'), [
    ('S16LE', '<i2'), ('S16BE', '>i2'), ('S32LE', '<i4'), ('F32LE', '<f4'), ('F64BE', '>f8'),
    ('U8', 'u1')])
def test_raw_bytes_are_read_as_given(name: str, dtype: str) -> None:
    samples = (RNG.random(30) * 90).astype(dtype)
    block = to_block(raw(samples.tobytes()), 1.0, AudioFormat(8_000, 3, name))
    np.testing.assert_array_equal(block.samples, samples.reshape(10, 3))
    assert block.samples.dtype.isnative and block.sample_rate == 8_000


def test_an_info_beside_raw_bytes_wins() -> None:
    info = SimpleNamespace(sample_rate=22_050, channels=1, sample_format='S8')
    message = SimpleNamespace(audio=raw(bytes(7)), info=info)
    block = to_block(message, 1.0, GIVEN)
    assert block.sample_rate == 22_050 and block.samples.shape == (7, 1)


def test_raw_bytes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InvalidInput, match='multiple of 2; set audio_format'):
        to_block(raw(bytes(7)), 1.0, GIVEN)
    with pytest.raises(InvalidInput, match="'S24LE'"):
        to_block(raw(bytes(6)), 1.0, AudioFormat(sample_format='S24LE'))
    with pytest.raises(CodedAudio, match='coded as mp3.* format:=wave'):
        to_block(raw(bytes(6)), 1.0, AudioFormat(coding='mp3'))


SOUND = np.rint(RNG.normal(0, 3000, 4000)).astype('<i2')


@settings(deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=40), st.sampled_from([1, 2]),
       st.booleans())
def test_messages_that_end_within_a_sample_lose_nothing(
        sizes: list[int], channels: int, stamped: bool) -> None:
    """Whatever their sizes, the blocks are the whole, and each is stamped by its first sample."""
    data, rate = SOUND.tobytes(), 16_000
    reader = AudioReader(AudioFormat(rate, channels))
    blocks, place = [], 0
    for size in [*sizes, len(data)]:
        stamp = 10.0 + place / (2 * channels * rate) if stamped else 0.0
        blocks.append(reader.read(raw(data[place:place + size]), stamp))
        place += size
    joined = np.concatenate([block.samples for block in blocks])
    np.testing.assert_array_equal(joined, SOUND.reshape(-1, channels))
    if stamped:
        ends = np.cumsum([len(block.samples) for block in blocks]) / rate
        for block, end in zip(blocks, ends):
            assert block.stamp + duration(block) == pytest.approx(10.0 + end)


def test_a_lost_message_does_not_shift_the_bytes_after_it() -> None:
    data, rate = SOUND.tobytes(), 16_000
    reader = AudioReader(AudioFormat(rate))
    reader.read(raw(data[:1001]), 10.0)
    block = reader.read(raw(data[4000:6000]), 10.0 + 4000 / (2 * rate))
    np.testing.assert_array_equal(block.samples[:, 0], SOUND[2000:3000])


@pytest.mark.parametrize('order', ['<', '>'])
def test_floats_read_as_integers_are_named_and_the_other_way_round(order: str) -> None:
    name = 'LE' if order == '<' else 'BE'
    voice = (0.1 * np.sin(np.arange(2000) / 7) * RNG.random(2000)).astype(f'{order}f4')
    with pytest.raises(InvalidInput, match=f'read as S16{name}, but look like F32{name}'):
        to_block(raw(voice.tobytes()), 1.0, AudioFormat(sample_format=f'S16{name}'))
    samples = np.rint(voice * 32_767).astype(f'{order}i2')
    with pytest.raises(InvalidInput, match=f'read as F32{name}, but look like S16{name}'):
        to_block(raw(samples.tobytes()), 1.0, AudioFormat(sample_format=f'F32{name}'))


@pytest.mark.parametrize('kind', ['<i2', '<f4'])
@pytest.mark.parametrize('sound', [
    np.zeros(2000), np.full(2000, 0.4), 0.9 * np.sign(np.sin(np.arange(2000) / 9)),
    1e-4 * RNG.normal(size=2000), 1e-12 * RNG.normal(size=2000), RNG.uniform(-1, 1, 2000)])
def test_samples_in_their_own_format_are_never_doubted(kind: str, sound: np.ndarray) -> None:
    form = AudioFormat(sample_format='F32LE' if kind == '<f4' else 'S16LE')
    samples = (sound if kind == '<f4' else np.rint(sound * 32_767)).astype(kind)
    np.testing.assert_array_equal(
        to_block(raw(samples.tobytes()), 1.0, form).samples[:, 0], samples)


def frame(head: str, length: int) -> bytes:
    return bytes.fromhex(head) + bytes(length - 4)


@pytest.mark.parametrize(('head', 'length'), [
    ('fffb9044', 417), ('fffb9244', 418),  # MPEG 1: 144 * 128000 / 44100; with padding
    ('fff384c4', 192),                     # MPEG 2: 72 * 64000 / 24000
    ('ffe348c4', 288)])                    # MPEG 2.5: 72 * 32000 / 8000
def test_frames_of_mp3_are_known(head: str, length: int) -> None:
    assert mp3_frame_length(bytes.fromhex(head)) == length
    assert coding_of(frame(head, length)) == 'mp3'
    assert coding_of(frame(head, length) + frame(head, length)[:100]) == 'mp3'


@pytest.mark.parametrize(('start', 'coding'), [(b'ID3\4', 'mp3'), (b'OggS', 'ogg'),
                                               (b'fLaC', 'flac'), (b'', '')])
def test_magic_bytes(start: bytes, coding: str) -> None:
    assert coding_of(start + bytes(20) if start else b'') == coding


def test_pcm_is_not_taken_for_mp3() -> None:
    """Silence around 0 begins with FF FF; one loud block in thousands looks like a frame."""
    assert coding_of(b'\xff\xff\xff\xff' * 400) == ''
    assert coding_of(frame('fffb9044', 3200)) == ''
    noise = RNG.integers(-32_768, 32_767, (20_000, 8), np.int16)
    noise[:, 0] = -1025  # FF FB
    assert not any(coding_of(row.tobytes()) for row in noise)


@pytest.mark.parametrize(('fields', 'expected'), [
    ({'header': 'std_msgs/Header', 'sample_rate': 'uint32', 'channels': 'uint8',
      'samples': 'sequence<int16>'}, True),
    ({'header': 'std_msgs/Header', 'audio': 'audio_common_msgs/Audio'}, True),
    ({'header': 'std_msgs/Header', 'audio': 'audio_common_msgs/AudioData'}, True),
    ({'audio_data': 'audio_common_msgs/AudioData', 'info': 'audio_common_msgs/AudioInfo'}, True),
    ({'data': 'sequence<uint8>'}, True),
    ({'header': 'std_msgs/Header', 'data': 'sequence<uint8>'}, True),
    ({'header': 'std_msgs/Header', 'height': 'uint32', 'fields': 'sequence<x>',
      'is_bigendian': 'boolean', 'data': 'sequence<uint8>'}, False),  # PointCloud2
    ({'layout': 'std_msgs/MultiArrayLayout', 'data': 'sequence<uint8>'}, False),
    ({'samples': 'sequence<int16>', 'sample_rate': 'uint32'}, False),
    ({'layout': 'std_msgs/MultiArrayLayout', 'data': 'sequence<int16>'}, True),
    ({'layout': 'std_msgs/MultiArrayLayout', 'data': 'sequence<int32>'}, False),
    ({'header': 'std_msgs/Header', 'format': 'string', 'data': 'sequence<uint8>'}, False),
    ({'data': 'string'}, False)])
def test_audio_is_known_by_its_fields(fields: dict[str, str], expected: bool) -> None:
    assert is_audio(fields) == expected


def test_words_by_field() -> None:
    speech = SimpleNamespace(incremental='Hel', final='', confidence=0.0)
    assert to_words(speech) == Words('Hel', final=False)
    assert to_words(SimpleNamespace(incremental='Hel', final='Hello')) == Words('Hello')
    assert to_words(SimpleNamespace(data='Hello')) == Words('Hello')
    assert to_words(SimpleNamespace(text='Hel', is_final=False)) == Words('Hel', final=False)
    candidates = SimpleNamespace(transcript=['Hello', 'Yellow'], confidence=[0.9, 0.2])
    assert to_words(candidates) == Words('Hello')
    assert to_words(SimpleNamespace(transcript=[])) == Words('')
    with pytest.raises(InvalidInput, match='has no words'):
        to_words(SimpleNamespace(data=3.0))
    assert is_transcript({'header': 'x', 'text': 'string'})
    assert not is_transcript({'data': 'float32'})


def test_arrivals_that_jitter_become_stamps_without_gaps() -> None:
    clock = UnstampedAudio()
    delays = RNG.uniform(0.01, 0.2, 600)
    stamps = [clock.stamp(10.0 + 0.1 * i + delay, 0.1) for i, delay in enumerate(delays)]
    gaps = np.diff(stamps) - 0.1
    assert np.abs(gaps).max() < 0.01
    assert abs(stamps[-1] - (10.0 + 59.9 - 0.1 + delays.mean())) < 0.05


def test_a_clock_that_drifts_is_followed_and_a_pause_is_seen() -> None:
    clock = UnstampedAudio()
    arrivals = [0.1 * i * 1.001 for i in range(1, 601)]  # the microphone is slow by 0.1 %
    stamps = [clock.stamp(arrival, 0.1) for arrival in arrivals]
    assert abs(stamps[-1] - (arrivals[-1] - 0.1)) < 0.01
    pause = 2 * MAX_JITTER_S
    assert clock.stamp(arrivals[-1] + 0.1 + pause, 0.1) == pytest.approx(
        stamps[-1] + 0.1 + pause, abs=0.01)


def test_a_sample_rate_of_nothing_is_refused() -> None:
    for stamp in (0.0, 7.0):
        with pytest.raises(InvalidInput, match='audio: '):
            AudioReader(AudioFormat(0, 0)).read(SimpleNamespace(data=b'\0\0'), stamp)
