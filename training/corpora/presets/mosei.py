# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""CMU-MOSEI: monologues from YouTube with the intensities of six emotions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
import csv
import hashlib
import json
from pathlib import Path

from training.corpora.presets.rows import files_by_stem, Report, Row

EMOTIONS = ('happiness', 'sadness', 'anger', 'surprise', 'disgust', 'fear')
FOLDS = 5
Clip = tuple[str, str]  # video and number of the segment


def read_mosei(folder: Path, report: Report) -> Iterator[Row]:
    """
    Read CMU-MOSEI (Zadeh et al. 2018) in its raw form.

    Raw/Transcript/Segmented/Combined/VIDEO.txt has the words, Raw/Labels/*.csv the intensities
    0..3 that the annotators gave, Raw/Videos/Segmented/Combined/VIDEO_CLIP.mp4 the clips. Their
    mean is a soft label; a clip without any is neutral. A file splits.json in the folder, lists
    of videos by 'train', 'dev' and 'test', holds the split; else videos are spread over folds.
    """
    films = files_by_stem(folder, ('.mp4',))
    words, splits = _words(folder, report), _splits(folder)
    for (video, clip), votes in sorted(_intensities(folder, report).items()):
        name = f'{video}_{clip}'
        if splits and video not in splits:
            report('bad row', name, f'{video} is in no list of splits.json; it is left out')
            continue
        if name not in films:
            report('missing file', name, f'Videos/Segmented/Combined/{name}.mp4 is not there; '
                   'text only')
        strongest = max(votes, key=lambda emotion: votes[emotion])
        yield Row(name, strongest if votes[strongest] else 'neutral', name, video,
                  words.get((video, clip), ''), video, int(clip) if clip.isdigit() else 0,
                  video=films.get(name), votes=votes if votes[strongest] else {'neutral': 1.0},
                  fold=int(hashlib.sha256(video.encode()).hexdigest(), 16) % FOLDS,
                  split=splits.get(video, ''))


def _words(folder: Path, report: Report) -> dict[Clip, str]:
    words: dict[Clip, str] = {}
    for path in sorted(folder.rglob('Transcript/Segmented/Combined/*.txt')):
        lines = path.read_text(encoding='utf-8', errors='surrogateescape').splitlines()
        for number, line in enumerate(lines, 1):
            columns = line.split('___', 4)
            if len(columns) == 5:
                words[path.stem, columns[1]] = columns[4]
            elif line.strip():
                report('bad row', f'{path}:{number}', 'expected VIDEO___CLIP___START___END___TEXT'
                       '; the words are left out')
    return words


def _intensities(folder: Path, report: Report) -> dict[Clip, dict[str, float]]:
    """Return the mean intensity of each emotion over the annotators of a clip."""
    given: dict[Clip, list[list[float]]] = defaultdict(list)
    for path in sorted(folder.rglob('Labels/*.csv')):
        with path.open(newline='', encoding='utf-8-sig', errors='replace') as file:
            reader = csv.DictReader(file)
            for row in reader:
                try:
                    values = [float(row[f'Answer.{emotion}']) for emotion in EMOTIONS]
                    given[row['Input.VIDEO_ID'], row['Input.CLIP']].append(values)
                except (KeyError, TypeError, ValueError) as error:
                    report('bad row', f'{path}:{reader.line_num}', f'{error!r}; the answer is '
                           'left out')
    return {clip: {emotion: sum(column) / len(column)
                   for emotion, column in zip(EMOTIONS, zip(*values))}
            for clip, values in given.items()}


def _splits(folder: Path) -> dict[str, str]:
    path = folder / 'splits.json'
    if not path.is_file():
        return {}
    content = json.loads(path.read_text(encoding='utf-8'))
    return {str(video): split for split in ('train', 'dev', 'test')
            for video in content.get(split, ())}
