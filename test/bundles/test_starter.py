# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The bundle that ships: whole, small, open about its licences, and unsure where it should be."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import cv2
from mmer_ros.recognition.bundle import Bundle, find_bundle
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.replay import replay_bag, ReplayOptions
from mmer_ros.sensing.face_detector import FaceConfig, make_detector
from mmer_ros.types import (
    AudioBlock,
    EMOTIONS,
    Estimate,
    FACE_SIZE,
    subset_name,
    SUBSETS,
    Utterance,
    VideoFrame,
)
import numpy as np
import pytest
from scipy.signal import lfilter

SAMPLE = Path(__file__).parents[2] / 'sample' / 'dialogue'
MOST_BYTES = 40_000_000
MODEST = 0.65  # confidence that is no nonsense even where there is nothing to see or hear
RATE = 16_000


def sines(time: np.ndarray, *hertz: float) -> np.ndarray:
    """Return the mean of tones at given frequencies, (n,) in [-1, 1]."""
    return np.mean([np.sin(2 * np.pi * f * time) for f in hertz], axis=0)


def melody(time: np.ndarray) -> np.ndarray:
    """Return plucked notes, two a second."""
    pitch = np.array([262, 330, 392, 523, 440, 349])[(2 * time).astype(int) % 6]
    return np.sin(2 * np.pi * pitch * time) * np.exp(-4 * (time % 0.5))


TONES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    'tone': lambda t: sines(t, 440),
    'chord': lambda t: sines(t, 220, 277, 330),
    'organ': lambda t: sines(t, *(f * n for f in (196, 233, 294) for n in (1, 2, 3, 4))),
    'accordion': lambda t: sum(sines(t, *(320 * k * n for k in (1, 1.2, 1.5))) / n
                               for n in range(1, 7)) * 0.6,
    'sweep': lambda t: np.sin(2 * np.pi * (150 * t + 450 * t ** 2)),
    'siren': lambda t: np.sin(2 * np.pi * 700 * t - 90 * np.cos(2 * np.pi * 0.7 * t)),
    'hum': lambda t: sines(t, 60, 120, 180, 240, 300),
    'melody': melody,
}


@cache
def recognizer(prior: str) -> Recognizer:
    return Recognizer.load('starter', prior=prior)


def noise(kind: str, seconds: float = 3.0) -> np.ndarray:
    """Return sound of nobody, int16."""
    rng, count = np.random.default_rng(7), int(seconds * RATE)
    time = np.arange(count) / RATE
    if kind in TONES:
        return np.round(6_000 * TONES[kind](time)).astype(np.int16)
    wave = {
        'silence': np.zeros(count), 'faint': rng.normal(0, 30, count),
        'white': rng.normal(0, 2_000, count), 'loud': rng.normal(0, 9_000, count),
        'rumble': np.cumsum(rng.normal(0, 60, count)) % 8_000 - 4_000,
        'mains': 3_000 * np.sign(np.sin(2 * np.pi * 50 * time)),
        'beep': 6_000 * np.sin(2 * np.pi * 1_000 * time) * (time % 1 < 0.3),
        'brown': 60 * lfilter([1], [1, -0.995], rng.normal(0, 10, count)),
        'knocks': 6_000 * np.exp(-40 * (time % 0.5)) * rng.normal(0, 0.4, count),
    }[kind]
    return np.clip(wave, -32_768, 32_767).astype(np.int16)


def cat(size: int = FACE_SIZE) -> np.ndarray:
    """Return a drawing of a cat, (size, size, 3) RGB."""
    image = np.full((size, size, 3), (205, 190, 160), np.uint8)
    scale, fur, dark = size / 160, (120, 95, 70), (30, 25, 20)

    def at(*points: tuple[int, int]) -> np.ndarray:
        return (np.array(points) * scale).astype(np.int32)

    for ear in (at((38, 62), (46, 12), (76, 44)), at((122, 62), (114, 12), (84, 44))):
        cv2.fillPoly(image, [ear], fur)
    cv2.ellipse(image, at((80, 88))[0].tolist(), at((52, 46))[0].tolist(), 0, 0, 360, fur, -1)
    for eye in ((60, 78), (100, 78)):
        cv2.ellipse(image, at(eye)[0].tolist(), at((11, 8))[0].tolist(), 0, 0, 360,
                    (190, 210, 60), -1)
        cv2.ellipse(image, at(eye)[0].tolist(), at((2, 8))[0].tolist(), 0, 0, 360, dark, -1)
    cv2.fillPoly(image, [at((74, 98), (86, 98), (80, 106))], (200, 120, 120))
    for height in (-6, 0, 6):
        for side in (-1, 1):
            cv2.line(image, at((80 + 12 * side, 106))[0].tolist(),
                     at((80 + 60 * side, 106 + height))[0].tolist(), dark, 1)
    return image


def pictures(kind: str) -> np.ndarray:
    """Return two crops that show no person, (2, 160, 160, 3)."""
    rng, shape = np.random.default_rng(3), (FACE_SIZE, FACE_SIZE, 3)
    ramp = np.repeat(np.linspace(0, 255, FACE_SIZE)[:, None], FACE_SIZE, axis=1)
    image = {'black': np.zeros(shape), 'grey': np.full(shape, 128), 'cat': cat(),
             'noise': rng.integers(0, 256, shape), 'ramp': np.repeat(ramp[..., None], 3, axis=2),
             'cloth': 120 + 60 * np.sin(np.indices(shape[:2]).sum(axis=0) / 3)[..., None]
             * np.ones(3)}[kind].astype(np.uint8)
    return np.stack([image, image])


# ---------------------------------------------------------------- what it is


def test_it_is_trained_calibrated_and_small():
    folder = find_bundle('starter')
    assert folder is not None
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST_BYTES
    config = Bundle.load('starter').config
    assert config.trained and config.calibrated
    names = {subset_name(subset) for subset in SUBSETS}
    assert set(config.temperatures) == set(config.priors) == names
    for shares in config.priors.values():
        assert sum(shares) == pytest.approx(1)
    for measured in config.training['held_out'].values():
        assert measured['ece'] <= 0.1


def test_its_card_begins_with_the_licences_and_its_notice_says_them():
    bundle = Bundle.load('starter')
    headings = [line for line in bundle.card.splitlines() if line.startswith('## ')]
    assert headings[0] == '## Licences first'
    for text in (bundle.card, bundle.config.notice):
        assert 'non-commercial' in text
        for source in ('RAVDESS', 'FER2013', 'MELD', 'GoEmotions'):
            assert source in text
    for heading in ('## What it must not be used for', '## Voice by sex of the speaker',
                    '## Checked on real pairs', '## Several modalities: scores of compositions'):
        assert heading in headings


# ---------------------------------------------------------------- no confident nonsense


def check_modest(estimate: Estimate) -> None:
    assert estimate.label == 'neutral' or estimate.confidence < 0.5, (
        estimate.label, estimate.confidence)
    assert estimate.confidence < MODEST, (estimate.label, estimate.confidence)


@pytest.mark.parametrize('level', [0.1, 1.0])
@pytest.mark.parametrize('kind', [
    'silence', 'faint', 'white', 'loud', 'brown', 'rumble', 'mains', 'hum', 'tone', 'chord',
    'organ', 'accordion', 'sweep', 'siren', 'melody', 'beep', 'knocks'])
def test_of_a_sound_without_a_voice_it_says_little(kind: str, level: float):
    sound = np.round(level * noise(kind)).astype(np.int16)
    check_modest(recognizer('meld').recognize(Utterance(audio=sound)))
    estimate = recognizer('flat').recognize(Utterance(audio=sound))
    assert estimate.confidence < 0.5, (estimate.label, estimate.confidence)


PICTURES = ('black', 'grey', 'noise', 'ramp', 'cloth', 'cat')


@pytest.mark.parametrize('kind', PICTURES)
def test_of_a_picture_without_a_person_it_says_little(kind: str):
    check_modest(recognizer('meld').recognize(Utterance(faces=pictures(kind))))


@pytest.mark.parametrize('kind', PICTURES)
def test_where_all_emotions_are_as_common_it_is_sure_of_no_such_picture(kind: str):
    assert recognizer('flat').recognize(Utterance(faces=pictures(kind))).confidence < MODEST


@pytest.mark.parametrize('kind', PICTURES)
def test_no_such_picture_gets_past_face_detection(kind: str):
    picture, detector = pictures(kind)[0], make_detector(FaceConfig())
    for side in (60, 100, 200):
        frame = np.full((240, 320, 3), 90, np.uint8)
        frame[20:20 + side, 60:60 + side] = cv2.resize(picture, (side, side))
        assert detector.detect(frame) == []
    assert detector.detect(cv2.resize(picture, (320, 240))) == []


def test_of_nothing_at_all_in_three_forms_it_says_little():
    check_modest(recognizer('meld').recognize(Utterance(
        text='...', audio=noise('silence'), faces=pictures('grey'))))


@pytest.mark.parametrize('kind', ['silence', 'white', 'rumble', 'mains', 'beep'])
def test_the_live_system_estimates_nothing_without_speech(kind: str):
    """
    Neither sound nor an empty room, nor the picture of a cat, begin an utterance.

    Whatever an encoder would make of it, voice activity and face detection come before.
    """
    pipeline = Pipeline(recognizer('meld'))
    frame = np.full((240, 320, 3), 90, np.uint8)
    frame[40:200, 80:240] = cat(160)
    sound, found = noise(kind, 4.0), []
    for i in range(0, len(sound), RATE // 5):
        found += pipeline.push_frame(VideoFrame(10 + i / RATE, frame))
        found += pipeline.push_audio(AudioBlock(10 + i / RATE, RATE, sound[i:i + RATE // 5]))
    assert [*found, *pipeline.flush()] == []


# ---------------------------------------------------------------- and sense where there is some


@pytest.mark.parametrize('text, emotion', [
    ('I am so happy about it, this is wonderful!', 'joy'),
    ('Oh my God! What? Really?', 'surprise'),
    ('I hate you, get out of my house!', 'anger'),
    ('I am so sorry, I miss her so much.', 'sadness'),
    ('The office is on the second floor.', 'neutral')])
def test_plain_words_are_understood(text: str, emotion: str):
    estimate = recognizer('flat').recognize(Utterance(text=text))
    assert EMOTIONS.index(emotion) in np.argsort(estimate.probabilities)[-2:], estimate.to_dict()


@pytest.mark.slow
def test_the_demo_is_mostly_right_without_boasting():
    """Drawn faces and a synthetic voice are far from what it has learnt; the words are real."""
    result = replay_bag(SAMPLE, ReplayOptions(partial_rate=0.0))
    accuracy = result.summary['evaluation']['scores']['accuracy']
    assert accuracy >= 0.7
    rows = [row for row in result.estimates if row['final']]
    assert len({row['utterance_id'] for row in rows}) == 10 and all(r['trained'] for r in rows)
    assert np.mean([row['confidence'] for row in rows]) < accuracy
    assert len({row['label'] for row in rows}) > 1
