# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Messages of any content: audio, images, words, and parts of utterances."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

import cv2
from hypothesis import given
from hypothesis import strategies as st
from mmer_ros.interfaces.audio import AudioFormat, AudioReader
from mmer_ros.interfaces.images import (
    compressed_to_rgb,
    ENCODINGS,
    image_to_rgb,
    PLANAR,
)
from mmer_ros.interfaces.transcripts import to_words
from mmer_ros.sensing.audio_front_end import AudioFrontEnd
from mmer_ros.types import AudioBlock, Transcript
import numpy as np

from .common import mutated, NUMBERS, TEXTS, used_or_refused

SMALL = st.integers(0, 40)
SIZES = st.one_of(SMALL, st.integers(0, 2 ** 32 - 1))
FORMATS = st.one_of(st.sampled_from(('S16LE', 'S8', 'U8', 'F32LE', 'S32LE', 'S24LE', 'F64LE')),
                    TEXTS)
RATES = st.one_of(st.sampled_from((8_000, 16_000, 44_100, 48_000)), st.integers(0, 2 ** 32 - 1))
STAMPS = st.one_of(st.floats(0, 100), st.sampled_from((0.0, 1e-9, 2e9, 4e9)))


def encoded() -> list[bytes]:
    picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    return [cv2.imencode(suffix, picture)[1].tobytes()
            for suffix in ('.jpg', '.png', '.bmp', '.webp', '.tiff')]


@st.composite
def audio(draw: Any) -> Any:
    """Return a message with audio, as of one of the packages."""
    info = SimpleNamespace(
        sample_rate=draw(RATES), channels=draw(st.one_of(SMALL, st.integers(0, 255))),
        sample_format=draw(FORMATS), coding_format=draw(st.sampled_from(('', 'wave', 'mp3'))),
        format=draw(SIZES), rate=draw(RATES), chunk=draw(SIZES))
    data = draw(st.binary(max_size=200))
    shorts = array('h', draw(st.lists(st.integers(-2 ** 15, 2 ** 15 - 1), max_size=40)))
    typed = {f'{name}_data': [] for name in ('float32', 'int32', 'int16', 'int8', 'uint8')}
    typed[draw(st.sampled_from(sorted(typed)))] = draw(st.lists(
        st.floats(width=32) if draw(st.booleans()) else st.integers(0, 100), max_size=40))
    return draw(st.sampled_from((
        SimpleNamespace(data=data),
        SimpleNamespace(audio=SimpleNamespace(data=data), info=info),
        SimpleNamespace(samples=shorts, sample_rate=info.sample_rate, channels=info.channels),
        SimpleNamespace(data=shorts, layout=SimpleNamespace(dim=[], data_offset=0)),
        SimpleNamespace(audio=SimpleNamespace(
            audio_data=SimpleNamespace(**typed), info=info), info=info))))


@given(st.lists(st.tuples(audio(), STAMPS), max_size=6), RATES, SMALL, FORMATS)
def test_audio_of_any_content_is_used_or_refused(messages, rate, channels, form) -> None:
    reader, front_end = AudioReader(AudioFormat(rate, channels, form)), AudioFrontEnd()
    for message, stamp in messages:
        block = used_or_refused(lambda m=message, s=stamp: reader.read(m, s))
        if block is not None:
            assert isinstance(block, AudioBlock)
            for run in used_or_refused(lambda b=block: front_end.push(b)) or []:
                assert run.samples.dtype == np.int16 and np.isfinite(run.stamp)
    for run in front_end.flush():
        assert run.samples.dtype == np.int16


@given(st.builds(
    SimpleNamespace, encoding=st.one_of(st.sampled_from((*ENCODINGS, *PLANAR)), TEXTS),
    width=SIZES, height=SIZES, step=SIZES, is_bigendian=st.integers(0, 255),
    data=st.one_of(st.binary(max_size=300), SMALL.map(lambda n: b'\x80' * n * n * 6))))
def test_images_of_any_content_are_used_or_refused(message) -> None:
    image = used_or_refused(lambda: image_to_rgb(message))
    if image is not None:
        assert image.shape == (message.height, message.width, 3) and image.dtype == np.uint8


@given(st.builds(SimpleNamespace, format=TEXTS,
                 data=st.one_of(st.binary(max_size=100), mutated(encoded()))))
def test_compressed_images_of_any_content_are_used_or_refused(message) -> None:
    image = used_or_refused(lambda: compressed_to_rgb(message))
    assert image is None or (image.ndim == 3 and image.dtype == np.uint8)


WORDS = st.one_of(TEXTS, st.lists(TEXTS, max_size=3), NUMBERS, st.none())


@given(st.dictionaries(
    st.sampled_from(('text', 'transcript', 'data', 'incremental', 'final', 'is_final', 'locale',
                     'language')), WORDS), STAMPS)
def test_words_of_any_content_are_used_or_refused(fields, stamp) -> None:
    words = used_or_refused(lambda: to_words(SimpleNamespace(**fields)))
    if words is not None and isinstance(words.text, str):
        transcript = Transcript(stamp, words.text, language=words.language)
        assert len(transcript.text) <= 2000 and transcript.sounds >= 0
