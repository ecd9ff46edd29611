# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Out-of-domain inputs: sounds without speech, pictures without a face, words without meaning."""

from __future__ import annotations

import cv2
from mmer_ros.types import FACE_SIZE, Modality, SAMPLE_RATE, UInt8
import numpy as np
import pytest
from training.augment import out_of_domain
from training.augment.out_of_domain import (
    letters,
    no_face,
    non_speech,
    OutOfDomainClips,
    PICTURES,
    pictures,
    sound,
    SOUNDS,
)

from ...fixtures.clip import portrait

COUNT = SAMPLE_RATE
TEXT, AUDIO, FACE = Modality.TEXT, Modality.AUDIO, Modality.FACE


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def face(size: int = 48) -> UInt8:
    grey = cv2.cvtColor(portrait(96), cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (size, size), interpolation=cv2.INTER_AREA), np.uint8)


def flatness(wave: np.ndarray) -> float:
    """Return the spectral flatness: 1 of white noise, about 0 of tones."""
    power = np.abs(np.fft.rfft(wave * np.hanning(len(wave)))) ** 2 + 1e-20
    return float(np.exp(np.log(power).mean()) / power.mean())


def test_non_speech_has_the_length_asked_for_and_any_level() -> None:
    found = [non_speech(COUNT, rng(seed)) for seed in range(100)]
    assert all(w.shape == (COUNT,) and w.dtype == np.float32 for w in found)
    levels = np.array([np.sqrt(np.mean(np.square(w, dtype=np.float64))) for w in found])
    assert np.isfinite(levels).all() and max(np.abs(w).max() for w in found) <= 1
    assert 3 <= (levels == 0).sum() <= 25
    assert levels[levels > 0].min() < 1e-3 and levels.max() > 0.1


def test_the_same_draw_gives_the_same_sound() -> None:
    assert np.array_equal(non_speech(COUNT, rng(4)), non_speech(COUNT, rng(4)))
    assert not np.array_equal(non_speech(COUNT, rng(4)), non_speech(COUNT, rng(5)))


def test_there_are_noises_and_tones() -> None:
    flat = [flatness(w) for w in (non_speech(COUNT, rng(seed)) for seed in range(100)) if w.any()]
    assert min(flat) < 0.001 and max(flat) > 0.2


@pytest.mark.parametrize('kind', SOUNDS)
@pytest.mark.parametrize('count', [1, 7, 401, 8_000])
def test_each_kind_of_sound_is_finite_at_any_length(kind: str, count: int) -> None:
    for seed in range(10):
        wave = SOUNDS[kind](count, rng(seed))
        assert wave.shape == (count,) and np.isfinite(wave).all()


@pytest.mark.parametrize('kind', SOUNDS)
def test_sounds_last_one_to_four_seconds_and_only_silence_is_silent(kind: str) -> None:
    made = sound(kind, rng(1))
    assert made.dtype == np.int16 and 16_000 <= len(made) <= 64_000
    assert bool(made.any()) == (kind != 'silence')
    np.testing.assert_array_equal(made, sound(kind, rng(1)))


@pytest.mark.parametrize('kind', PICTURES)
def test_pictures_are_crops_of_one_thing(kind: str) -> None:
    crop = np.repeat(face(FACE_SIZE)[..., None], 3, axis=2)
    made = [pictures(kind, rng(seed), [crop]) for seed in range(20)]
    assert all(m.dtype == np.uint8 and m.shape[1:] == (FACE_SIZE, FACE_SIZE, 3) for m in made)
    assert {len(m) for m in made} == {1, 2, 3, 4}
    several = next(m.astype(float) for m in made if len(m) > 1)
    assert 0 < np.abs(several[0] - several[1]).mean() < 5, 'the same thing with other noise'


def test_pictures_without_a_face_differ_from_it_and_are_of_all_kinds() -> None:
    found = [no_face(face(), rng(seed)) for seed in range(140)]
    assert all(p.shape == (48, 48) and p.dtype == np.uint8 for p in found)
    deviations = np.array([p.std() for p in found])
    assert (deviations < 15).any(), 'walls'
    assert (deviations > 40).any(), 'noise, shapes'
    alike = np.array([np.corrcoef(face().ravel(), p.ravel() + 1e-3 * np.arange(2304))[0, 1]
                      for p in found])
    assert np.mean(np.abs(alike) > 0.6) < 0.25, 'only a face of five pixels resembles one'


def test_letters_are_words_without_vowels() -> None:
    texts = [letters(rng(seed)) for seed in range(20)]
    assert len(set(texts)) == 20 and not set(''.join(texts)) & set('aeiou')


def test_out_of_domain_clips_have_no_labels_and_follow_from_their_keys() -> None:
    for modality in (TEXT, AUDIO, FACE):
        clips = OutOfDomainClips(modality, 12)
        assert len(clips.examples) == 12 and not any(e.labels for e in clips.examples)
    assert {e.key.split('/')[1] for e in OutOfDomainClips(AUDIO, 20).examples} == set(SOUNDS)
    assert all(e.text for e in OutOfDomainClips(TEXT, 3).examples)
    assert not any(e.text for e in OutOfDomainClips(AUDIO, 3).examples)
    key = OutOfDomainClips(AUDIO, 2).examples[1].key
    np.testing.assert_array_equal(OutOfDomainClips(AUDIO, 2).audio(key),
                                  OutOfDomainClips(AUDIO, 9).audio(key))


@pytest.mark.parametrize('modality, maker', [
    (AUDIO, 'sound'), (FACE, 'pictures'), (TEXT, 'letters')])
def test_another_generator_gives_another_digest(modality: Modality, maker: str,
                                                monkeypatch: pytest.MonkeyPatch) -> None:
    """Features on disk are not used for other clips."""
    before, again = OutOfDomainClips(modality, 20), OutOfDomainClips(modality, 20)
    assert before.digest == again.digest != ''
    made = getattr(out_of_domain, maker)
    monkeypatch.setattr(out_of_domain, maker, lambda *args: made(*args)[:1])
    assert OutOfDomainClips(modality, 20).digest != before.digest
