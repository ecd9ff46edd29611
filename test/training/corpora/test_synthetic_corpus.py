# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The folder that `python -m training synth` writes: MELD's layout, resumed, with defects."""

from __future__ import annotations

import argparse
from collections import Counter
import csv
from pathlib import Path
import re
import shutil
from typing import Any

from mmer_ros.recordings.media import read_audio, read_media
from mmer_ros.recordings.meld.table import CLIP_FOLDERS, COLUMNS, TABLES
from mmer_ros.sensing.face_detector import FaceConfig, make_detector
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import AudioBlock, EMOTIONS, InvalidInput, SAMPLE_RATE, VideoFrame
import numpy as np
import pytest
from training.commands import synth as command
from training.corpora.synthetic import corpus
from training.corpora.synthetic.clip import clip_audio, write_clip
from training.corpora.synthetic.corpus import clip_path, clock, generate, read_sidecar, STRAY
from training.corpora.synthetic.plan import Clip, CorpusConfig, plan

CONFIG = CorpusConfig(dialogues=(2, 1, 1), turns=(2, 2), width=240, height=180)
QUIRKY = CONFIG.model_copy(update={'dialogues': (4, 1, 1), 'quirks': True})


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('synth') / 'corpus'
    generate(folder, CONFIG)
    return folder


def rows(folder: Path, split: str) -> list[dict[str, str]]:
    with (folder / TABLES[split]).open(encoding='utf-8', newline='') as file:
        return list(csv.DictReader(file))


def seconds(text: str) -> float:
    hours, minutes, rest = text.replace(',', '.').split(':')
    return 3600 * int(hours) + 60 * int(minutes) + float(rest)


def test_tables_and_clips_lie_as_in_meld(folder: Path) -> None:
    assert TABLES['dev'] == 'dev_sent_emo.csv'
    assert CLIP_FOLDERS == {'train': 'train_splits', 'dev': 'dev_splits_complete',
                            'test': 'output_repeated_splits_test'}
    for split, table in TABLES.items():
        header = (folder / table).read_text(encoding='utf-8').splitlines()[0]
        assert header == ('Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,'
                          'Season,Episode,StartTime,EndTime') == ','.join(COLUMNS)
        listed = {f'dia{r["Dialogue_ID"]}_utt{r["Utterance_ID"]}.mp4' for r in rows(folder, split)}
        assert listed == {p.name for p in (folder / CLIP_FOLDERS[split]).iterdir()}
        for row in rows(folder, split):
            assert row['Emotion'] in EMOTIONS
            assert row['Sentiment'] in ('neutral', 'positive', 'negative')
            assert re.fullmatch(r'\d\d:\d\d:\d\d,\d{3}', row['StartTime'])


def test_a_clip_has_the_sound_and_pictures_that_were_made(folder: Path) -> None:
    for clip in plan(CONFIG)[:3]:
        path = clip_path(folder, clip)
        heard = np.concatenate([b.samples.ravel() for b in read_audio(path)])
        made = clip_audio(CONFIG, clip) / 32768
        assert np.corrcoef(made, heard[:len(made)])[0, 1] > 0.95  # AAC loses a little
        items = list(read_media(path, FrameSampler(30.0)))
        assert {b.sample_rate for b in items if isinstance(b, AudioBlock)} == {SAMPLE_RATE}
        frames = [f for f in items if isinstance(f, VideoFrame)]
        assert frames[0].image.shape == (180, 240, 3)
        assert len(frames) / CONFIG.fps == pytest.approx(len(made) / SAMPLE_RATE, abs=0.1)
        row = next(r for r in rows(folder, clip.split)
                   if f'dia{r["Dialogue_ID"]}_utt{r["Utterance_ID"]}' == clip.name)
        length = seconds(row['EndTime']) - seconds(row['StartTime'])
        assert length == pytest.approx(len(made) / SAMPLE_RATE, abs=0.002)


def test_the_sidecar_tells_what_is_shown(folder: Path) -> None:
    clips = read_sidecar(folder)['clips']
    assert set(clips) == {clip.key for clip in plan(CONFIG)}
    for facts in clips.values():
        assert facts['carries'] == [m for m in ('text', 'audio', 'face')
                                    if facts['shown'][m] == facts['emotion']]
    with pytest.raises(InvalidInput, match='generate the corpus'):
        read_sidecar(folder / 'train_splits')


def test_several_processes_write_the_same_and_finished_clips_are_kept(
        folder: Path, tmp_path: Path) -> None:
    other, clips = tmp_path / 'corpus', plan(CONFIG)
    shutil.copytree(folder, other)
    kept, lost = clip_path(other, clips[0]), [clip_path(other, c) for c in clips[2:4]]
    kept.write_bytes(b'was there before')
    for path in lost:
        path.unlink()
    lost[0].with_name(lost[0].name + '.partial').write_bytes(b'of a killed run')
    told: list[tuple[int, int]] = []
    generate(other, CONFIG, jobs=2, on_clip=lambda *counts: told.append(counts))
    assert kept.read_bytes() == b'was there before'
    assert told == [(len(clips) - 2 + n, len(clips)) for n in range(3)]
    assert [p.read_bytes() for p in lost] == [clip_path(folder, c).read_bytes()
                                              for c in clips[2:4]]
    assert not list(other.rglob('*.partial'))


def test_another_plan_or_a_foreign_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='seed 0 instead of 7'):
        generate(folder, CONFIG.model_copy(update={'seed': 7}))
    (tmp_path / 'thesis.tex').write_text('mine')
    with pytest.raises(InvalidInput, match='something else'):
        generate(tmp_path, CONFIG)
    assert [p.name for p in tmp_path.iterdir()] == ['thesis.tex']


def test_a_full_disk_is_told_and_loses_nothing(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(config: CorpusConfig, clip: Clip, path: Path) -> None:
        if clip.key == 'train/dia1_utt0':
            raise OSError(28, 'No space left on device')
        write_clip(config, clip, path)

    monkeypatch.setattr(corpus, 'write_clip', failing)
    with pytest.raises(InvalidInput, match='No space left.*finished clips are kept'):
        generate(tmp_path, CONFIG)
    assert len(list(tmp_path.rglob('*.mp4'))) == 2


def test_times_are_written_as_meld_has_them() -> None:
    assert clock(976.059) == '00:16:16,059'
    assert clock(3599.9996) == '01:00:00,000'


def test_defects_are_those_that_were_asked_for(tmp_path: Path) -> None:
    clips = {clip.quirk: clip for clip in generate(tmp_path, QUIRKY) if clip.split == 'train'}
    assert not clip_path(tmp_path, clips['missing']).exists()
    with pytest.raises(InvalidInput):
        list(read_media(clip_path(tmp_path, clips['corrupt']), FrameSampler(5.0)))

    def kinds(quirk: str) -> Counter[type[Any]]:
        path = clip_path(tmp_path, clips[quirk])
        return Counter(type(item) for item in read_media(path, FrameSampler(5.0)))

    assert set(kinds('no audio')) == {VideoFrame}
    assert set(kinds('no face')) == {VideoFrame, AudioBlock} == set(kinds(''))
    detector = make_detector(FaceConfig())
    empty = clip_path(tmp_path, clips['no face'])
    assert not any(detector.detect(item.image) for item in read_media(empty, FrameSampler(2.0))
                   if isinstance(item, VideoFrame))
    table = (tmp_path / TABLES['train']).read_bytes()
    with pytest.raises(UnicodeDecodeError):
        table.decode()
    assert b'\x92' in table.replace(b'\xc2\x92', b'') and b'\xc2\x92' in table
    assert (tmp_path / CLIP_FOLDERS['test'] / STRAY).exists()


# ------------------------------------------------------------------------------- command


def options(*arguments: object) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    return parser.parse_args([str(argument) for argument in arguments])


def test_the_command_tells_counts_and_ceilings(folder: Path, capsys: pytest.CaptureFixture[str]
                                               ) -> None:
    """The folder is complete already, so that nothing is rendered."""
    given = options(folder, '--dialogues', 2, 1, 1, '--turns', 2, 2, '--jobs', 1)
    given.width, given.height = CONFIG.width, CONFIG.height
    assert command.run(given) == 0
    told = capsys.readouterr().out
    assert re.search(r'train\W+2\W+4\W', told)
    assert re.search(r'text\+audio\+face\W+90\.0', told)


def test_options_out_of_range_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='clear'):
        command.run(options(tmp_path, '--clear', .5, .5, 1.5))
    with pytest.raises(InvalidInput, match='people'):
        command.run(options(tmp_path, '--people', 99))
    with pytest.raises(InvalidInput, match='--jobs 0'):
        command.run(options(tmp_path, '--jobs', 0))
    config = command.make_config(options(tmp_path, '--size', 'tiny', '--classes', 'meld'))
    assert (config.classes, config.dialogues) == ('meld', (8, 2, 2))
