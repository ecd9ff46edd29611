"""Small made-up clips, and a folder of them that is shaped as MELD is published."""

from __future__ import annotations

from collections.abc import Iterable
import csv
from functools import cache
import json
from pathlib import Path

import cv2
from mmer_ros.types import Int16, SAMPLE_RATE, UInt8
import numpy as np
import pytest
from training.preparation.cache_format import PrepareConfig

from ..stream_fixtures import sine, write_clip

FRAME_RATE = 10  # Hz
CONFIG = PrepareConfig(shard_size=2)
COLUMNS = ('Sr No.', 'Utterance', 'Speaker', 'Emotion', 'Sentiment', 'Dialogue_ID',
           'Utterance_ID', 'Season', 'Episode', 'StartTime', 'EndTime')


@cache
def portrait(side: int = 160) -> UInt8:
    """Return a photograph of a face, (side, side, 3) RGB; MTCNN finds it."""
    data = pytest.importorskip('skimage.data', reason='needs scikit-image for its photograph')
    image = cv2.resize(np.asarray(data.astronaut())[:256, 100:356], (side, side),
                       interpolation=cv2.INTER_AREA)
    return image.astype(np.uint8, copy=False)


def tone(seconds: float, frequency: float = 440.0) -> Int16:
    """Return a sine at 16 kHz."""
    return np.rint(sine(frequency, seconds, SAMPLE_RATE) * 32_767).astype(np.int16)


def make_clip(path: Path, seconds: float = 1.0, *, frequency: float = 440.0, face: bool = True,
              sound: bool = True, index_first: bool = False) -> None:
    """Write an mp4 with a photograph that moves a little, or grey, and a tone, or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    still = portrait() if face else np.full((160, 160, 3), 128, np.uint8)
    frames = [np.roll(still, 2 * i, axis=1) for i in range(round(seconds * FRAME_RATE))]
    write_clip(path, tone(seconds, frequency) if sound else None, frames, FRAME_RATE,
               index_first=index_first)


def meld_row(dialogue: object, utterance: object, text: str = 'Hi.', emotion: str = 'joy',
             speaker: str = 'Ross') -> list[str]:
    """Return a row of a CSV file of MELD."""
    return ['1', text, speaker, emotion, 'positive', str(dialogue), str(utterance), '4', '7',
            '0:20:57,256', '00:21:00,049']


def write_table(path: Path, rows: Iterable[list[str]], encoding: str = 'utf-8') -> None:
    """Write a CSV file of MELD."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('w', newline='', encoding=encoding) as file:
        csv.writer(file).writerows([COLUMNS, *rows])


def make_corpus(folder: Path, dialogues: int = 3) -> None:
    """
    Write a training split of two utterances a dialogue, and a dev split with all that goes wrong.

    dev: dia0_utt0 is good, dia0_utt1 has no clip, dia0_utt2 no sound, dia0_utt3 no face,
    dia0_utt4 is no mp4, dia0_utt5 lost its end, dia0_utt6 has a label that does not exist.
    """
    train = [meld_row(d, u, f'line {u}') for d in range(dialogues) for u in range(2)]
    write_table(folder / 'train_sent_emo.csv', train)
    for number, row in enumerate(train):
        make_clip(folder / 'train' / 'train_splits' / f'dia{row[5]}_utt{row[6]}.mp4',
                  0.6 + 0.2 * (number % 3), frequency=300 + 50 * number)
    write_table(folder / 'dev_sent_emo.csv', [
        *(meld_row(0, u, f'line {u}') for u in range(6)), meld_row(0, 6, emotion='boredom')])
    clips = folder / 'dev' / 'dev_splits_complete'
    make_clip(clips / 'dia0_utt0.mp4')
    make_clip(clips / 'dia0_utt2.mp4', sound=False)
    make_clip(clips / 'dia0_utt3.mp4', face=False)
    (clips / 'dia0_utt4.mp4').write_bytes(np.random.default_rng(0).bytes(5000))
    make_clip(clips / 'dia0_utt5.mp4', 3.0, index_first=True)
    data = (clips / 'dia0_utt5.mp4').read_bytes()
    (clips / 'dia0_utt5.mp4').write_bytes(data[:int(0.6 * len(data))])


def content(folder: Path) -> dict[str, bytes]:
    """Return all bytes of a cache."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def problems(folder: Path) -> list[dict[str, str]]:
    """Return what was told of the clips of a cache."""
    return [json.loads(line) for line in (folder / 'problems.jsonl').read_text().splitlines()]
