# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Voices and faces of the synthetic corpus: real detectors find them, they show emotions."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import cv2
from mmer_ros.sensing.face_detector import FaceConfig, FaceDetector, make_detector
from mmer_ros.sensing.vad import FRAME_SAMPLES, SpeechProbability
from mmer_ros.types import EMOTIONS, Int16, SAMPLE_RATE, UInt8
import numpy as np
from numpy.typing import NDArray
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from training.corpora.synthetic.clip import clip_audio, clip_frames
from training.corpora.synthetic.expression import blend, EXPRESSIONS, jitter, REST
from training.corpora.synthetic.features import draw_face
from training.corpora.synthetic.people import make_people, Person
from training.corpora.synthetic.plan import Clip, CorpusConfig, plan
from training.corpora.synthetic.portrait import Portrait
from training.corpora.synthetic.prosody import PROSODIES
from training.corpora.synthetic.scene import draw_frames
from training.corpora.synthetic.voice import loudness, make_score, speak, TRACK_RATE

PEOPLE = make_people(0, 12)
SIZE, FPS = (320, 240), 12


def say(emotion: str, person: Person, seed: int) -> Int16:
    rng = np.random.default_rng([seed, EMOTIONS.index(emotion)])
    return speak(make_score(PROSODIES[emotion], 7, rng), person, rng)


def pitch_track(audio: Int16) -> NDArray[np.float64]:
    """Return the log2 of the pitch in voiced frames of 40 ms: peaks of the autocorrelation."""
    frames = audio[:len(audio) // 640 * 640].reshape(-1, 640).astype(float)
    frames -= frames.mean(1, keepdims=True)
    spectrum = np.abs(np.fft.rfft(frames, 1280)) ** 2
    correlation = np.fft.irfft(spectrum)[:, :640]
    lag = 32 + correlation[:, 32:230].argmax(1)
    peak = correlation[np.arange(len(lag)), lag] / (correlation[:, 0] + 1)
    return np.log2(SAMPLE_RATE / lag[peak > 0.4])


def prosody_of(audio: Int16) -> list[float]:
    """Measure pitch, its range and movement, spectrum, loudness and length."""
    pitch = pitch_track(audio)
    third = max(len(pitch) // 3, 1)
    power = np.abs(np.fft.rfft(audio / 32768)) ** 2
    hertz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    bands = [np.log(power[(hertz >= low) & (hertz < high)].mean())
             for low, high in ((80, 400), (400, 1000), (1000, 2200), (2200, 4000))]
    return [pitch.mean(), pitch.std(), pitch[-third:].mean() - pitch[:third].mean(),
            np.abs(np.diff(pitch)).mean(), *bands, *np.diff(bands), np.log(len(audio))]


def held_out_accuracy(features: list[list[float]], labels: list[int], groups: list[int]) -> float:
    """Train on the people of groups 0..2, ask about those of group 3."""
    x, y, group = np.array(features), np.array(labels), np.array(groups)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    return float(model.fit(x[group < 3], y[group < 3]).score(x[group == 3], y[group == 3]))


# --------------------------------------------------------------------------------- voice


def test_a_detector_of_speech_hears_speech() -> None:
    detector = SpeechProbability()
    for index, emotion in enumerate(EMOTIONS):
        audio = say(emotion, PEOPLE[index], index)
        detector.reset()
        voiced = [detector(audio[i:i + FRAME_SAMPLES]) > 0.5
                  for i in range(0, len(audio) - FRAME_SAMPLES + 1, FRAME_SAMPLES)]
        assert np.mean(voiced) > 0.5, emotion


def test_a_voice_has_the_pitch_that_was_asked_for() -> None:
    for person in PEOPLE[:4]:
        rng = np.random.default_rng(0)
        score = make_score(PROSODIES['neutral'], 9, rng)
        expected = np.log2(person.pitch) + score.prosody.pitch / 12
        found = np.median(pitch_track(speak(score, person, rng)))
        assert found == pytest.approx(expected, abs=0.15)


def test_voices_carry_the_emotion_to_speakers_never_heard() -> None:
    rows = [(prosody_of(say(emotion, person, number)), label, number % 4)
            for number, person in enumerate(PEOPLE) for label, emotion in enumerate(EMOTIONS)]
    assert held_out_accuracy(*map(list, zip(*rows))) > 0.6  # chance is 0.14


def test_the_mouth_follows_the_voice() -> None:
    person, rng = PEOPLE[1], np.random.default_rng(2)
    score = make_score(PROSODIES['neutral'], 8, rng)
    mouth = loudness(score)
    audio = speak(score, person, rng)
    assert len(audio) == round(score.duration * SAMPLE_RATE)
    energy = (audio.astype(float) ** 2).reshape(len(mouth), -1).mean(1) ** 0.5
    assert np.corrcoef(mouth, np.convolve(energy, np.ones(5) / 5, 'same'))[0, 1] > 0.5
    frames = list(draw_frames('neutral', person, mouth, SIZE, FPS, rng))
    assert len(frames) == int(len(mouth) / TRACK_RATE * FPS)


# --------------------------------------------------------------------------------- faces


@pytest.fixture(scope='module')
def detector() -> FaceDetector:
    return make_detector(FaceConfig())


@pytest.mark.parametrize('emotion', EMOTIONS)
def test_the_face_detector_finds_one_face(detector: FaceDetector, emotion: str) -> None:
    for person in PEOPLE[EMOTIONS.index(emotion)::4]:
        rng = np.random.default_rng([EMOTIONS.index(emotion), ord(person.name[0])])
        mouth = np.full(TRACK_RATE // 2, .5)
        *_, frame = draw_frames(emotion, person, mouth, SIZE, FPS, rng)
        found = detector.detect(frame)
        assert len(found) == 1, person
        left, top, right, bottom = found[0].box
        assert 60 < bottom - top < 180 and 50 < right - left < 150


def face_pixels(portrait: Portrait, emotion: str, rng: np.random.Generator) -> list[float]:
    """Return the grey face, small, with its mean and contrast taken out."""
    shown = jitter(blend(REST, EXPRESSIONS[emotion], rng.uniform(.8, 1.1)), rng, 1.0)
    face = cv2.cvtColor(draw_face(portrait, shown), cv2.COLOR_RGB2GRAY)[105:260, 115:245]
    small = cv2.resize(face, (26, 31), interpolation=cv2.INTER_AREA).ravel().astype(float)
    return list((small - small.mean()) / small.std())


def test_faces_carry_the_emotion_to_people_never_seen() -> None:
    rows = []
    for number, person in enumerate(PEOPLE):
        rng = np.random.default_rng(number)
        portrait = Portrait(person, rng.uniform(-5, 5), rng.uniform(-.8, .8), rng)
        rows += [(face_pixels(portrait, emotion, rng), label, number % 4)
                 for label, emotion in enumerate(EMOTIONS) for _ in range(2)]
    assert held_out_accuracy(*map(list, zip(*rows))) > 0.7  # chance is 0.14


def test_people_look_different() -> None:
    faces = [Portrait(person, 0.0, 0.3, np.random.default_rng(0)).image.astype(float)
             for person in PEOPLE[:6]]
    apart = [np.abs(a - b).mean() for i, a in enumerate(faces) for b in faces[:i]]
    assert min(apart) > 3


# --------------------------------------------------------------------------------- clips


@pytest.fixture(scope='module')
def clips() -> list[Clip]:
    return plan(CorpusConfig(dialogues=(2, 1, 1), turns=(2, 3)))


def signals(clip: Clip) -> tuple[Int16, UInt8]:
    config = CorpusConfig(dialogues=(2, 1, 1), turns=(2, 3))
    return clip_audio(config, clip), np.stack(list(islice(clip_frames(config, clip), 5)))


def test_a_clip_is_the_same_each_time_and_no_two_are_alike(clips: list[Clip]) -> None:
    first, again, other = signals(clips[0]), signals(clips[0]), signals(clips[1])
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert len(other[0]) != len(first[0]) or not np.array_equal(first[0], other[0])
    assert not np.array_equal(first[1][0], other[1][0])


def test_sound_and_pictures_know_only_what_they_show(clips: list[Clip]) -> None:
    """With another true emotion and other words, what is shown being equal, nothing changes."""
    clip = clips[0]
    other = replace(clip, emotion=(clip.emotion + 1) % 7, text='Other words.',
                    shown=((clip.shown[0] + 1) % 7, *clip.shown[1:]))
    assert all(np.array_equal(a, b) for a, b in zip(signals(clip), signals(other)))
    face = replace(clip, shown=(*clip.shown[:2], (clip.shown[2] + 1) % 7))
    sound, pictures = signals(face)
    assert np.array_equal(sound, signals(clip)[0])
    assert not np.array_equal(pictures, signals(clip)[1])
