# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A dialogue of drawn people is recorded as sensors deliver it, the same each time."""

from __future__ import annotations

import csv
from pathlib import Path
import shutil

import cv2
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, Recording, TRANSCRIPT
from mmer_ros.sensing.face_detector import FaceConfig, make_detector
from mmer_ros.types import InvalidInput, SAMPLE_RATE, UInt8
import numpy as np
import pytest
from training.corpora.synthetic import words
from training.corpora.synthetic.people import make_people, Person
from training.corpora.synthetic.prosody import PROSODIES
from training.corpora.synthetic.recording import EPOCH_NS, Line, NOISE_DBFS, record, Scene
from training.corpora.synthetic.stage import Actor, Mood, Shot, Studio
from training.corpora.synthetic.voice import make_score, speak, Track, TRACK_RATE

WOMAN, MAN = make_people(0, 2)
SCRIPT = (Line('ada', 'joy', 'It is great!', 'ada'), Line('ben', 'anger', 'No!', 'both'),
          Line('ada', 'fear', 'Help!', 'away', face_visible=False, has_transcript=False))
SCENE = Scene({'ada': (WOMAN, .8, .55), 'ben': (MAN, 1.45, .55)},
              {'ada': Shot(.8), 'both': Shot(1.12, zoom=.85), 'away': Shot(2.6)}, 3.1)


def babble(text: str, person: Person) -> Track:
    """Speak syllables, as many as there are words."""
    rng = np.random.default_rng(len(text))
    score = make_score(PROSODIES['neutral'], len(text.split()), rng)
    return speak(score, person, rng) / 32_768


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('recording') / 'bag'
    record(folder, SCRIPT, SCENE, 0, made_by='a test', voice=babble)
    return folder


def labels(bag: Path) -> list[dict[str, str]]:
    with (bag / 'labels.csv').open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_it_holds_images_sound_and_words_by_their_stamps(bag: Path) -> None:
    with Recording(bag) as recording:
        messages = [(m, recording.decode(m)) for m in recording.messages()]
    sound = [m for r, m in messages if r.msgtype == AUDIO]
    stamps = [m.header.stamp.sec + m.header.stamp.nanosec / 1e9 for m in sound]
    assert np.diff(stamps) == pytest.approx(0.1, abs=1e-6), 'no gap'
    assert stamps[0] == EPOCH_NS / 1e9 and {m.sample_rate for m in sound} == {SAMPLE_RATE}
    images = [m for r, m in messages if r.msgtype == COMPRESSED_IMAGE]
    assert len(images) == pytest.approx(15 * 0.1 * len(sound), abs=1)
    words_at = [(r.time, m.data) for r, m in messages if r.msgtype == TRANSCRIPT]
    assert [text for _, text in words_at] == ['It is great!', 'No!'], 'the third has none'
    for (time, _), row in zip(words_at, labels(bag)):
        assert 0.14 < time - float(row['end']) < 0.26
    for recorded, message in messages:
        if recorded.msgtype != TRANSCRIPT:
            assert recorded.time > message.header.stamp.sec + message.header.stamp.nanosec / 1e9


def test_labels_name_the_speech_and_pauses_are_never_silent(bag: Path) -> None:
    rows = labels(bag)
    assert [(row['speaker'], row['emotion'], row['face_visible'], row['has_transcript'])
            for row in rows] == [('ada', 'joy', '1', '1'), ('ben', 'anger', '1', '1'),
                                 ('ada', 'fear', '0', '0')]
    with Recording(bag) as recording:
        sound = np.concatenate([recording.decode(m).samples for m in recording.messages()
                                if m.msgtype == AUDIO]) / 32_768
    spoken = np.zeros(len(sound), bool)
    for row in rows:
        start, end = (round((float(row[key]) - EPOCH_NS / 1e9) * SAMPLE_RATE)
                      for key in ('start', 'end'))
        spoken[start:end] = True
    assert sound[~spoken].std() == pytest.approx(10 ** (NOISE_DBFS / 20), rel=0.05)
    assert sound[spoken].std() > 10 * sound[~spoken].std()


def test_the_camera_shows_whom_the_labels_say(bag: Path) -> None:
    detector = make_detector(FaceConfig())
    with Recording(bag) as recording:
        images = [(m.time, recording.decode(m).data) for m in recording.messages()
                  if m.msgtype == COMPRESSED_IMAGE]
    for row, count in zip(labels(bag), (1, 2, 0)):
        middle = (float(row['start']) + float(row['end'])) / 2
        data = next(data for time, data in images if time > middle)
        image = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert len(detector.detect(image.astype(np.uint8))) == count, row


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(
        bag: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        record(tmp_path / str(seed) / 'bag', SCRIPT, SCENE, seed, made_by='a test', voice=babble)
    for name in ('bag.mcap', 'labels.csv'):
        assert (tmp_path / '0' / 'bag' / name).read_bytes() == (bag / name).read_bytes()
        assert (tmp_path / '1' / 'bag' / name).read_bytes() != (bag / name).read_bytes()


# --------------------------------------------------------------------------------- stage


def film(*moods: Mood, mouth: float = 0.0) -> Studio:
    actor = Actor(WOMAN, .5, .55, np.full(5 * TRACK_RATE, mouth), moods, [0])
    return Studio((320, 240), 1.5, [actor], [(0.0, Shot(.5)), (3.0, Shot(1.4))], 5.0, [1])


def at(studio: Studio, time: float) -> UInt8:
    return cv2.GaussianBlur(studio.film(time), (0, 0), 2)  # without the sensor's noise


def test_an_expression_comes_and_goes_with_its_utterance() -> None:
    still, moved = film(Mood('neutral', 1.0, 1.5)), film(Mood('joy', 1.0, 1.5))

    def differ(time: float) -> float:
        return float(np.abs(at(still, time).astype(float) - at(moved, time)).max())

    assert (differ(0.2), differ(2.4)) == (0, 0) and differ(1.2) > 15


def test_the_camera_turns_smoothly() -> None:
    studio = film()
    assert np.abs(at(studio, 2.0).astype(float) - at(studio, 2.2)).mean() < 5
    steps = [np.abs(at(studio, t).astype(float) - at(studio, t + 0.1)).mean()
             for t in (2.4, 2.6, 2.8, 2.9, 3.0)]
    assert max(steps) > 10 and steps[0] < max(steps) / 2, 'it starts gently'


# --------------------------------------------------------------------------------- words


@pytest.mark.skipif(shutil.which('espeak-ng') is None, reason='needs the program espeak-ng')
def test_words_are_spoken_in_one_tone_with_pauses_at_commas() -> None:
    one, two = (words.speak_words(text, MAN) for text in ('Good morning', 'Good, morning'))
    pause = round(words.PAUSE_S * SAMPLE_RATE)
    assert np.array_equal(one, words.speak_words('Good morning', MAN)), 'the same each time'
    assert len(two) > len(one) + pause / 2 and np.abs(one).max() == words.PEAK
    silent = np.convolve(np.abs(two) < 1e-6, np.ones(pause), 'valid') == pause
    assert silent.any()
    assert np.array_equal(words.speak_words('No', WOMAN), words.speak_words('No', WOMAN))
    assert len(words.speak_words('No', WOMAN)) != len(words.speak_words('No', MAN))


def test_a_missing_program_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(InvalidInput, match='apt-get install espeak-ng'):
        words.speak_words('Hello', WOMAN)


def test_a_mouth_follows_the_loudness() -> None:
    speech = babble('It is a fine day today', WOMAN)
    opening = words.mouth_opening(speech)
    assert len(opening) == len(speech) * TRACK_RATE // SAMPLE_RATE
    assert opening.min() >= 0 and 0.8 < opening.max() < 1.2
    energy = (speech.reshape(len(opening), -1) ** 2).mean(axis=1) ** 0.5
    assert np.corrcoef(opening, energy)[0, 1] > 0.9
    assert not words.mouth_opening(np.zeros(8000)).any()
