# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The types: what enters the system is checked there, and said in words a person can use."""

from __future__ import annotations

import json
from typing import Any

from mmer_ros.types import (
    ALL_MODALITIES,
    AudioBlock,
    EMOTIONS,
    Estimate,
    FaceCrop,
    InvalidInput,
    MAX_TEXT_CHARS,
    MODALITIES,
    Modality,
    SUBSETS,
    Transcript,
    Utterance,
    VideoFrame,
)
import numpy as np
import pytest

AUDIO = np.zeros(160, np.int16)
IMAGE = np.zeros((4, 5, 3), np.uint8)
CROP = np.zeros((160, 160, 3), np.uint8)


def test_labels_are_melds_in_its_order() -> None:
    assert EMOTIONS == ('neutral', 'surprise', 'fear', 'sadness', 'joy', 'disgust', 'anger')


@pytest.mark.parametrize('stamp', [float('nan'), float('inf'), -0.001])
def test_what_is_no_capture_time_is_refused(stamp: float) -> None:
    for make in (lambda: AudioBlock(stamp, 16_000, AUDIO), lambda: VideoFrame(stamp, IMAGE),
                 lambda: Transcript(stamp, 'a'), lambda: FaceCrop(stamp, 'face1', CROP)):
        with pytest.raises(InvalidInput, match='stamp .* expected finite seconds'):
            make()


@pytest.mark.parametrize(('rate', 'samples', 'complaint'), [
    (7_999, AUDIO, 'sample rate 7999'),
    (192_001, AUDIO, 'sample rate 192001'),
    (0, AUDIO, 'sample rate 0'),
    (16_000, AUDIO.astype(np.int64), 'type int64'),
    (16_000, AUDIO.astype(np.uint16), 'type uint16'),
    (16_000, AUDIO.astype(complex), 'type complex128'),
    (16_000, AUDIO.reshape(10, 4, 4), r'shape \(10, 4, 4\)'),
    (16_000, AUDIO[0], r'shape \(\)'),
    (16_000, np.zeros((10, 33), np.int16), 'shape'),
    (16_000, np.zeros((10, 0), np.int16), 'shape'),
])
def test_audio_that_no_microphone_gives_is_refused(rate: int, samples: Any,
                                                   complaint: str) -> None:
    with pytest.raises(InvalidInput, match=f'audio: .*{complaint}.*expected'):
        AudioBlock(1.0, rate, samples)


def test_the_limits_of_audio_are_in() -> None:
    for rate in (8_000, 192_000):
        assert AudioBlock(0.0, rate, np.zeros((0, 32), np.float64)).sample_rate == rate


@pytest.mark.parametrize('image', [
    IMAGE[..., 0], IMAGE[..., :2], np.zeros((4, 5, 4), np.uint8), IMAGE.astype(np.float32),
    IMAGE[:0], IMAGE[:, :0]])
def test_an_image_of_another_shape_or_type_is_refused(image: Any) -> None:
    with pytest.raises(InvalidInput, match='image: array of shape .* expected'):
        VideoFrame(1.0, image)


@pytest.mark.parametrize('image', [CROP[:159], CROP[..., :1], CROP.astype(np.float32)])
def test_a_crop_of_another_shape_or_type_is_refused(image: Any) -> None:
    with pytest.raises(InvalidInput, match='face crop: array of shape'):
        FaceCrop(1.0, 'face1', image)


def test_white_space_of_a_transcript_is_folded() -> None:
    assert Transcript(1.0, '  well,\n\tthat is\u3000 it ').text == 'well, that is it'
    assert Transcript(1.0, ' \n\t ').text == ''


def test_a_long_transcript_keeps_its_last_words() -> None:
    words = ' '.join(f'word{i}' for i in range(2_000))
    assert len(words) > 10_000
    text = Transcript(1.0, words).text
    assert len(text) <= MAX_TEXT_CHARS and len(text) > MAX_TEXT_CHARS - 20
    assert words.endswith(text)
    exact = 'x' * MAX_TEXT_CHARS
    assert Transcript(1.0, exact).text == exact


def test_an_utterance_of_wrong_shapes_is_refused() -> None:
    with pytest.raises(InvalidInput, match='utterance audio of shape'):
        Utterance(audio=np.zeros((100, 2), np.int16))
    with pytest.raises(InvalidInput, match='utterance faces of shape'):
        Utterance(faces=np.zeros((3, 96, 96, 3), np.uint8))
    assert Utterance(audio=AUDIO, faces=CROP[None]).text is None


def test_an_estimate_tells_its_label_and_goes_through_json() -> None:
    probabilities = np.array([0.05, 0.1, 0.05, 0.4, 0.2, 0.1, 0.1], np.float32)
    estimate = Estimate(
        probabilities=probabilities, logits=np.log(probabilities),
        modalities=Modality.TEXT | Modality.FACE, modality_weights=(0.25, 0.0, 0.75),
        valence=-0.5, arousal=0.25, calibrated=False, trained=True, bundle_name='b',
        bundle_hash='h', utterance_id='u7', stamp=9.5, start=8.0, end=9.5, transcript='oh “no”')
    assert (estimate.emotion, estimate.label) == (3, 'sadness')
    assert estimate.confidence == pytest.approx(0.4)
    row = json.loads(json.dumps(estimate.to_dict()))
    assert row['modalities'] == ['text', 'face']
    assert row['modality_weights'] == {'text': 0.25, 'audio': 0.0, 'face': 0.75}
    assert list(row['probabilities']) == list(EMOTIONS)
    assert list(row['probabilities'].values()) == pytest.approx(probabilities.tolist())
    for name in ('utterance_id', 'stamp', 'start', 'end', 'final', 'revision', 'label',
                 'transcript', 'calibrated', 'trained', 'bundle_name', 'bundle_hash'):
        assert row[name] == getattr(estimate, name)


def test_a_set_of_modalities_names_its_members_in_the_order_of_the_table() -> None:
    mixed = Modality.of([Modality.FACE, Modality.TEXT, Modality.FACE])
    assert mixed == Modality.TEXT | Modality.FACE
    assert mixed.members == (Modality.TEXT, Modality.FACE)
    assert mixed.names == ('text', 'face') and mixed.title == 'text+face'
    assert Modality.of([]) == Modality(0) and Modality(0).names == ()


def test_a_row_of_flags_is_a_set_of_modalities() -> None:
    assert Modality.where([False, True, True]) == Modality.AUDIO | Modality.FACE
    assert [m.column for m in MODALITIES] == list(range(len(MODALITIES)))
    with pytest.raises(ValueError):
        Modality.where([True])


def test_the_subsets_are_all_that_an_utterance_may_have() -> None:
    assert len(set(SUBSETS)) == len(SUBSETS) == 2 ** len(MODALITIES) - 1
    assert SUBSETS[-1] == ALL_MODALITIES and Modality(0) not in SUBSETS
