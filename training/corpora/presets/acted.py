# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Acted and elicited voices and faces whose file names carry the label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
import csv
from pathlib import Path
import re

from training.corpora.presets.rows import files_by_stem, Report, Row

SOUND = ('.wav', '.flac', '.opus', '.mp3', '.ogg')
FILM = ('.mp4', '.flv', '.avi', '.mov')
CREMAD_NAME = re.compile(r'(1\d{3})_([A-Z]{3})_([A-Z]{3})_(XX|LO|MD|HI|X)')
CREMAD_VOTES = {'1': 'voice', '2': 'face', '3': 'both'}  # by the first digit of a row's number
NEMO_NAME = re.compile(r'([A-Z]{2}\d)_([a-z]+)_(\d+)')
EMOGATOR_NAME = re.compile(r'(\d{6})-(\d{2})-(\d)')
EMOGATOR_CATEGORIES = (
    'adoration', 'amusement', 'anger', 'awe', 'confusion', 'contempt', 'contentment', 'desire',
    'disappointment', 'disgust', 'distress', 'ecstasy', 'elation', 'embarrassment', 'fear',
    'guilt', 'interest', 'neutral', 'pain', 'pride', 'realization', 'relief', 'romantic love',
    'sadness', 'serenity', 'shame', 'surprise (negative)', 'surprise (positive)', 'sympathy',
    'triumph')
RAVDESS_NAME = re.compile(r'(01|03)-01-(\d\d)-\d\d-\d\d-\d\d-(\d\d)')
RAVDESS_EMOTIONS = ('neutral', 'calm', 'happy', 'sad', 'angry', 'fearful', 'disgust', 'surprised')


def read_cremad(folder: Path, report: Report) -> Iterator[Row]:
    """
    Read CREMA-D (Cao et al. 2014): AudioWAV/, or VideoFlash/ as well, and the votes.

    Votes are of the same modalities as the file: of the voice, or of voice and face together.
    """
    films, sounds = files_by_stem(folder, FILM), files_by_stem(folder, SOUND)
    votes = _cremad_votes(folder, report)
    for name in sorted(films.keys() | sounds.keys()):
        found = CREMAD_NAME.fullmatch(name)
        path = films.get(name) or sounds[name]
        if found is None:
            report('bad row', str(path), 'the name is not like 1001_DFA_ANG_XX; the file is left '
                   'out')
            continue
        kind = 'both' if name in films else 'voice'
        yield Row(name, found[3].lower(), str(path), found[1], audio=sounds.get(name),
                  video=films.get(name), votes=votes[kind].get(name, {}))


def _cremad_votes(folder: Path, report: Report) -> dict[str, dict[str, dict[str, float]]]:
    """Return votes by modalities and name: letters of emotions as their labels' first letter."""
    votes: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    tables = sorted(folder.rglob('tabulatedVotes.csv'))
    if not tables:
        report('missing file', str(folder), 'there is no processedResults/tabulatedVotes.csv; '
               'the labels are what the actors meant, without the votes of listeners')
        return votes
    labels = {'A': 'ang', 'D': 'dis', 'F': 'fea', 'H': 'hap', 'N': 'neu', 'S': 'sad'}
    with tables[0].open(newline='', encoding='utf-8') as file:
        for row in csv.DictReader(file):
            kind = CREMAD_VOTES.get((row.get('') or ' ')[0], '')
            try:
                votes[kind][row['fileName']] = {
                    label: float(row[letter]) for letter, label in labels.items()}
            except (KeyError, TypeError, ValueError) as error:
                report('bad row', str(tables[0]), f'{error!r}; the votes of the row are left out')
    return votes


def read_ravdess_films(folder: Path, report: Report) -> Iterator[Row]:
    """
    Read RAVDESS speech (Livingstone and Russo 2018), videos with sound preferred to sound alone.

    Files 01-01-*.mp4 and 03-01-*.wav of one performance are one example.
    """
    films, sounds = files_by_stem(folder, FILM), files_by_stem(folder, SOUND)
    takes: dict[str, dict[str, Path]] = defaultdict(dict)
    for stem, path in {**sounds, **films}.items():
        found = RAVDESS_NAME.fullmatch(stem)
        if found and 1 <= int(found[2]) <= len(RAVDESS_EMOTIONS):
            takes[stem[3:]][found[1]] = path
        elif not stem.startswith('02-') and '-02-' not in stem[:6]:  # no sound; songs
            report('bad row', str(path), 'the name is not like 01-01-EE-II-SS-RR-AA; the file is '
                   'left out')
    for take, paths in sorted(takes.items()):
        _, emotion, *_, actor = take.split('-')
        where = paths.get('01') or paths['03']
        yield Row(take, RAVDESS_EMOTIONS[int(emotion) - 1], str(where), f'actor{actor}',
                  audio=paths.get('03'), video=paths.get('01'))


def read_nemo(folder: Path, report: Report) -> Iterator[Row]:
    """Read nEMO (Christop 2024): SPEAKER_emotion_N.wav; the Polish sentences carry no emotion."""
    for stem, path in files_by_stem(folder, SOUND).items():
        found = NEMO_NAME.fullmatch(stem)
        if found is None:
            report('bad row', str(path), 'the name is not like WR0_anger_1; the file is left out')
            continue
        yield Row(stem, found[2], str(path), found[1], audio=path)


def read_emogator(folder: Path, report: Report) -> Iterator[Row]:
    """Read EmoGator (Buhl 2023): vocal bursts SPEAKER-CC-I.mp3 in 30 categories."""
    for stem, path in files_by_stem(folder, SOUND).items():
        found = EMOGATOR_NAME.fullmatch(stem)
        if found is None or not 1 <= int(found[2]) <= len(EMOGATOR_CATEGORIES):
            report('bad row', str(path), 'the name is not like 000001-02-1; the file is left out')
            continue
        yield Row(stem, EMOGATOR_CATEGORIES[int(found[2]) - 1], str(path), found[1], audio=path)


def read_urdu(folder: Path, report: Report) -> Iterator[Row]:
    """Read URDU (Latif et al. 2018): Angry/SM1_F10_A010.wav and so on."""
    for stem, path in files_by_stem(folder, SOUND).items():
        yield Row(stem, path.parent.name.lower(), str(path), stem.partition('_')[0], audio=path)
