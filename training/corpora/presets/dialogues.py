# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Corpora of dialogues: IEMOCAP, EmoryNLP and M3ED."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any

from training.corpora.presets.rows import files_by_stem, Report, Row

IEMOCAP_TURN = re.compile(r'\[([\d.]+) - [\d.]+\]\t(Ses0(\d)([FM])_\S+)\t(\w+)\t')
IEMOCAP_VOTE = re.compile(r'C-\w+:\t([^\t]*)')
IEMOCAP_WORDS = re.compile(r'(Ses0\d[FM]_\S+) \[[^\]]*\]: ?(.*)')
EMORYNLP_FILES = {'train': ('trn', 'train'), 'dev': ('dev',), 'test': ('tst', 'test')}
M3ED_LISTS = {'train': 'train', 'val': 'dev', 'test': 'test'}


def read_iemocap(folder: Path, report: Report) -> Iterator[Row]:
    """
    Read IEMOCAP (Busso et al. 2008): Session1 .. Session5, each with dialog/ and sentences/.

    The label is the annotators' majority, 'xxx' where there is none; their votes become a soft
    label. Turns follow each other by time, the session is the fold.
    """
    sounds = files_by_stem(folder, ('.wav',))
    for evaluation in sorted(folder.glob('Session*/dialog/EmoEvaluation/Ses*.txt')):
        dialogue = evaluation.stem
        words = _iemocap_words(evaluation.parents[1] / 'transcriptions' / evaluation.name)
        turns = sorted(_iemocap_turns(evaluation), key=lambda turn: float(turn[0][1]))
        for place, (found, votes) in enumerate(turns):
            name, where = found[2], f'{evaluation}: {found[2]}'
            if name not in sounds:
                report('missing file', where, f'sentences/wav/{dialogue}/{name}.wav is not '
                       'there; text only')
            if name not in words:
                report('missing file', where, f'there are no words of {name} in transcriptions/')
            yield Row(name, found[5], where, f'Ses0{found[3]}{name[-4]}', words.get(name, ''),
                      dialogue, place, sounds.get(name), votes=votes, fold=int(found[3]) - 1)


def _iemocap_turns(path: Path) -> Iterator[tuple[re.Match[str], Counter[str]]]:
    """Return each turn of an evaluation with the votes of its annotators."""
    text = path.read_text(encoding='utf-8', errors='replace')
    for block in re.split(r'\n\s*\n', text):
        found = IEMOCAP_TURN.search(block)
        if found is not None:
            votes = Counter(word.strip()[:3].lower() for line in IEMOCAP_VOTE.findall(block)
                            for word in line.split(';') if word.strip())
            yield found, votes


def _iemocap_words(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
    return {found[1]: found[2] for line in lines if (found := IEMOCAP_WORDS.match(line))}


def read_emorynlp(folder: Path, report: Report) -> Iterator[Row]:
    """Read EmoryNLP (Zahiri and Choi 2018): emotion-detection-{trn,dev,tst}.json; text alone."""
    for split, endings in EMORYNLP_FILES.items():
        paths = [path for ending in endings for path in sorted(folder.rglob(f'*{ending}*.json'))]
        if not paths:
            report('missing split', str(folder), f'there is no emotion-detection-{endings[0]}'
                   f'.json; the {split} split is left out')
            continue
        for place, utterance in enumerate(_utterances(_load(paths[0], report))):
            name = str(utterance['utterance_id'])
            yield Row(name, str(utterance['emotion']).lower(), f'{paths[0]}: {name}',
                      ', '.join(map(str, utterance.get('speakers') or ())),
                      str(utterance.get('transcript') or ''), name.rpartition('_')[0], place,
                      split=split)


def _utterances(content: Any) -> Iterator[Mapping[str, Any]]:
    """Return all objects with an utterance_id and an emotion, however deep they lie."""
    if isinstance(content, dict):
        if 'utterance_id' in content and content.get('emotion'):
            yield content
        content = list(content.values())
    if isinstance(content, list):
        for part in content:
            yield from _utterances(part)


def read_m3ed(folder: Path, report: Report) -> Iterator[Row]:
    """
    Read M3ED (Zhao et al. 2022): the annotation, splitInfo/ and clips SPEAKER_UTTERANCE.wav.

    The label is `final_main_emo`; the annotators' votes become a soft label.
    """
    splits = _m3ed_splits(folder)
    sounds, films = files_by_stem(folder, ('.wav',)), files_by_stem(folder, ('.mp4',))
    for path in sorted(folder.rglob('*.json')):
        content = _load(path, report)
        for show, dialogues in content.items() if isinstance(content, dict) else ():
            for name, dialogue in dialogues.items() if isinstance(dialogues, dict) else ():
                if isinstance(dialogue, dict) and 'Dialog' in dialogue:
                    if show not in splits:
                        report('missing split', str(path), f'{show} is in no list of splitInfo/; '
                               f'{name} is left out')
                        continue
                    for place, (turn, row) in enumerate(dialogue['Dialog'].items()):
                        clip = f'{row["Speaker"]}_{turn}'
                        yield _m3ed_row(row, f'{path}: {turn}', turn, name, place, splits[show],
                                        sounds.get(clip), films.get(clip))


def _m3ed_row(row: Mapping[str, Any], where: str, turn: str, dialogue: str, place: int,
              split: str, sound: Path | None, film: Path | None) -> Row:
    annotation = row['EmoAnnotation']
    votes = Counter(word.strip().lower() for who, words in annotation.items()
                    if not who.startswith('final')
                    for word in str(words).replace(';', ',').split(',') if word.strip())
    return Row(turn, str(annotation['final_main_emo']).lower(), where,
               f'{dialogue}_{row["Speaker"]}', str(row['Text']), dialogue, place, sound, film,
               votes=votes, split=split)


def _m3ed_splits(folder: Path) -> dict[str, str]:
    """Return the split of each show."""
    return {line.strip(): split for name, split in M3ED_LISTS.items()
            for path in folder.rglob(f'movie_list_{name}.txt')
            for line in path.read_text(encoding='utf-8').splitlines() if line.strip()}


def _load(path: Path, report: Report) -> Any:
    try:
        return json.loads(path.read_text(encoding='utf-8-sig'))
    except (OSError, ValueError) as error:
        report('bad row', str(path), f'it cannot be read as JSON ({error}); the file is left out')
        return {}
