# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
A dialogue of drawn people as a recording: what a camera, a microphone and a recogniser deliver.

The words and the faces carry the emotion, the voices do not. `labels.csv` is what a listener who
sees and hears the recording would answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
import csv
from dataclasses import dataclass
import math
from pathlib import Path

import cv2
from mmer_ros.recordings.sensor_bag import (
    AUDIO_TOPIC,
    IMAGE_TOPIC,
    Message,
    SensorBag,
    TEXT_TOPIC,
)
from mmer_ros.types import Int16, SAMPLE_RATE
import numpy as np
from training.corpora.synthetic.people import Person
from training.corpora.synthetic.stage import Actor, Mood, Shot, Studio
from training.corpora.synthetic.voice import Track, TRACK_RATE
from training.corpora.synthetic.words import mouth_opening, speak_words

EPOCH_NS = 1_700_000_000 * 10 ** 9  # capture time of the first sample and the first image
CHUNK = SAMPLE_RATE // 10  # samples in a message
SIZE, FPS = (320, 240), 15
JPEG = (cv2.IMWRITE_JPEG_QUALITY, 70, cv2.IMWRITE_JPEG_OPTIMIZE, 1)
LEAD_S = 1.3  # silence before the first and after the last utterance
PAUSE_S = (.95, 1.3)  # range of the pauses between utterances
TURN_PAUSE_S = (1.35, 1.5)  # range of those in which the camera turns
NOISE_DBFS = -60.
ARRIVAL_S = (.001, .005)  # after the last sample, or IMAGE_S after the image
IMAGE_S = .015
WORDS_S = (.15, .25)  # after the end of an utterance until its transcript arrives
COLUMNS = ('start', 'end', 'speaker', 'emotion', 'text', 'face_visible', 'has_transcript')
Voice = Callable[[str, Person], Track]


@dataclass(frozen=True)
class Line:
    """
    One utterance of a script.

    :param speaker: name of one of the cast.
    :param emotion: one of EMOTIONS: a listener's answer, and what the face shows.
    :param text: as the voice speaks it and a recogniser writes it.
    :param shot: what the camera shows, by name.
    :param face_visible: whether the speaker is in that shot.
    :param has_transcript: False: no words are published.
    """

    speaker: str
    emotion: str
    text: str
    shot: str
    face_visible: bool = True
    has_transcript: bool = True


@dataclass(frozen=True)
class Scene:
    """
    Who is where, and what the camera can show.

    :param cast: person and place of the face in the room, frame widths and heights, by name.
    :param shots: by name.
    :param width: of the room, frame widths.
    """

    cast: Mapping[str, tuple[Person, float, float]]
    shots: Mapping[str, Shot]
    width: float


@dataclass(frozen=True)
class Spoken:
    """A line with its sound and its place in time, seconds since the start."""

    line: Line
    sound: Track
    start: float

    @property
    def end(self) -> float:
        """End of speech, seconds since the start."""
        return self.start + len(self.sound) / SAMPLE_RATE


def record(folder: Path, script: Sequence[Line], scene: Scene, seed: int, *, made_by: str = '',
           voice: Voice = speak_words) -> None:
    """
    Write the recording of a script with its labels; the same seed gives the same bytes.

    :param folder: must not exist.
    :param made_by: the program, kept in metadata.yaml.
    :param voice: speaks a sentence as a person: (samples,) at SAMPLE_RATE in [-1, 1].
    :raises InvalidInput: if the voice is not there, e.g. espeak-ng is not installed.
    """
    spoken = _speak(script, scene, voice, np.random.default_rng([seed, 0]))
    sound = _mix(spoken, np.random.default_rng([seed, 1]))
    rng = np.random.default_rng([seed, 2])
    messages = [*_audio(sound, rng), *_images(_studio(spoken, scene, len(sound), seed),
                                              len(sound) / SAMPLE_RATE, rng),
                *_words(spoken, rng)]
    with SensorBag(folder, compress=True, made_by=made_by) as bag:
        for message in sorted(messages, key=lambda m: m.arrived_ns):
            bag.write(message)
    _write_labels(folder / 'labels.csv', spoken)


def _speak(script: Sequence[Line], scene: Scene, voice: Voice, rng: np.random.Generator
           ) -> list[Spoken]:
    spoken: list[Spoken] = []
    now = LEAD_S
    for line in script:
        if spoken:
            turns = line.shot != spoken[-1].line.shot
            now += rng.uniform(*(TURN_PAUSE_S if turns else PAUSE_S))
        start = round(now * SAMPLE_RATE) / SAMPLE_RATE
        spoken.append(Spoken(line, voice(line.text, scene.cast[line.speaker][0]), start))
        now = spoken[-1].end
    return spoken


def _mix(spoken: Sequence[Spoken], rng: np.random.Generator) -> Int16:
    """Return speech over a soft noise, whole messages long."""
    length = math.ceil((spoken[-1].end + LEAD_S) * SAMPLE_RATE / CHUNK) * CHUNK
    sound = rng.normal(0, 10 ** (NOISE_DBFS / 20), length)
    for one in spoken:
        start = round(one.start * SAMPLE_RATE)
        sound[start:start + len(one.sound)] += one.sound
    return np.asarray(np.clip(np.round(sound * 32_767), -32_768, 32_767), np.int16)


def _studio(spoken: Sequence[Spoken], scene: Scene, samples: int, seed: int) -> Studio:
    actors = []
    for index, (name, (person, x, y)) in enumerate(scene.cast.items()):
        own = [one for one in spoken if one.line.speaker == name]
        mouth = np.zeros(samples * TRACK_RATE // SAMPLE_RATE)
        for one in own:
            opening, first = mouth_opening(one.sound), round(one.start * TRACK_RATE)
            mouth[first:first + len(opening)] = opening
        moods = [Mood(one.line.emotion, one.start, one.end) for one in own]
        actors.append(Actor(person, x, y, mouth, moods, [seed, 3, index]))
    shots = [(0., scene.shots[spoken[0].line.shot])]
    for before, after in zip(spoken, spoken[1:]):
        shots.append(((before.end + after.start) / 2, scene.shots[after.line.shot]))
    return Studio(SIZE, scene.width, actors, shots, samples / SAMPLE_RATE, [seed, 4])


def _audio(sound: Int16, rng: np.random.Generator) -> Iterator[Message]:
    for first in range(0, len(sound), CHUNK):
        stamp = EPOCH_NS + first * 10 ** 9 // SAMPLE_RATE
        late = CHUNK / SAMPLE_RATE + rng.uniform(*ARRIVAL_S)
        yield Message(stamp + round(late * 1e9), stamp, AUDIO_TOPIC, sound[first:first + CHUNK])


def _images(studio: Studio, duration: float, rng: np.random.Generator) -> Iterator[Message]:
    for index in range(int(duration * FPS)):
        image = cv2.cvtColor(studio.film(index / FPS), cv2.COLOR_RGB2BGR)
        jpeg = bytes(cv2.imencode('.jpg', image, JPEG)[1])
        stamp = EPOCH_NS + index * 10 ** 9 // FPS
        late = IMAGE_S + rng.uniform(*ARRIVAL_S)
        yield Message(stamp + round(late * 1e9), stamp, IMAGE_TOPIC, jpeg)


def _words(spoken: Sequence[Spoken], rng: np.random.Generator) -> Iterator[Message]:
    for one in spoken:
        late = one.end + rng.uniform(*WORDS_S)
        if one.line.has_transcript:
            yield Message(EPOCH_NS + round(late * 1e9), 0, TEXT_TOPIC, one.line.text)


def _write_labels(path: Path, spoken: Sequence[Spoken]) -> None:
    with path.open('w', newline='', encoding='utf-8') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(COLUMNS)
        for one in spoken:
            line = one.line
            start, end = (f'{EPOCH_NS / 1e9 + t:.3f}' for t in (one.start, one.end))
            table.writerow([start, end, line.speaker, line.emotion, line.text,
                            int(line.face_visible), int(line.has_transcript)])
