# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""MELD: read as published, with all its quirks told and none of them fatal."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.recordings.meld.table import CLIP_FOLDERS
from mmer_ros.types import EMOTIONS, InvalidInput
import pytest
from training.__main__ import main
from training.corpora.corpus import Corpus
from training.corpora.manifest import read_manifest
from training.corpora.meld import read_meld

from ...fixtures.clip import meld_row, write_table


def told(corpus: Corpus) -> list[tuple[str, str]]:
    """Return kind and key of the problems."""
    return [(p.kind, p.key) for p in corpus.problems]


def touch_clips(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(b'any')


def test_rows_become_examples_in_the_order_of_the_dialogues(tmp_path: Path) -> None:
    write_table(tmp_path / 'train_sent_emo.csv', [
        meld_row(10, 1, 'later', 'anger'), meld_row(2, 10, 'third'),
        meld_row(2, 9, 'second', 'Neutral '), meld_row(2, 0, 'first', 'sadness', 'Mona’s Date')])
    corpus = read_meld(tmp_path, ['train'], clips=False)
    assert [e.text for e in corpus.examples] == ['first', 'second', 'third', 'later']
    first, second, *_ = corpus.examples
    assert (first.key, first.split, first.group, first.turn, first.speaker) == (
        'train/dia2_utt0', 'train', 'train/dia2', 0, "Mona's Date")
    assert [EMOTIONS[i] for e in corpus.examples for i in e.labels] == [
        'sadness', 'neutral', 'joy', 'anger']
    assert second.turn == 9 and second.video is None
    assert corpus.problems == []


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'cp1252'])
def test_the_encoding_does_not_matter(tmp_path: Path, encoding: str) -> None:
    write_table(tmp_path / 'dev_sent_emo.csv', [meld_row(0, 0, '“He’s at Nestlé now…”')], encoding)
    example, = read_meld(tmp_path, ['dev']).examples
    assert example.text == '"He\'s at Nestlé now..."'


def test_bytes_of_windows_among_utf8_are_read(tmp_path: Path) -> None:
    path = tmp_path / 'dev_sent_emo.csv'
    write_table(path, [meld_row(0, 0, 'It’s @'), meld_row(0, 1, 'NOW')])
    path.write_bytes(path.read_bytes().replace(b'@', b'\x85').replace(b'NOW', b'\xc2\x93Now\x94'))
    assert [e.text for e in read_meld(tmp_path, ['dev']).examples] == ["It's ...", '"Now"']


@pytest.mark.parametrize('places', [
    {}, {'train': 'train'}, {'train': 'MELD.Raw/train', 'test': 'MELD.Raw'},
    {'train': 'data/MELD', 'dev': 'data/MELD', 'test': 'data/MELD'}])
def test_files_are_found_wherever_people_unpack_them(tmp_path: Path,
                                                     places: dict[str, str]) -> None:
    for split, clips in CLIP_FOLDERS.items():
        write_table(tmp_path / places.get(split, '.') / f'{split}_sent_emo.csv',
                    [meld_row(0, 0)])
        touch_clips(tmp_path / 'MELD.Raw' / split / clips, 'dia0_utt0.mp4')
    corpus = read_meld(tmp_path)
    assert corpus.problems == []
    assert [e.video for e in corpus.examples] == [
        tmp_path / 'MELD.Raw' / split / clips / 'dia0_utt0.mp4'
        for split, clips in CLIP_FOLDERS.items()]


def test_missing_clips_are_told_and_the_text_is_kept(tmp_path: Path) -> None:
    write_table(tmp_path / 'dev_sent_emo.csv',
                [meld_row(0, 0), meld_row(0, 1), meld_row(110, 7)])
    touch_clips(tmp_path / 'dev_splits_complete', 'dia0_utt0.mp4', '._dia0_utt1.mp4',
                'final_videos_testdia0_utt1.mp4')
    corpus = read_meld(tmp_path, ['dev'])
    assert [e.video is not None for e in corpus.examples] == [True, False, False]
    assert told(corpus) == [('missing file', 'dev/dia0_utt1'), ('missing file', 'dev/dia110_utt7')]
    ours, theirs = corpus.problems
    assert ours.where.endswith('dev_sent_emo.csv:3') and 'known defect' not in ours.text
    assert 'known defect of MELD' in theirs.text


def test_missing_splits_and_clip_folders_are_told_once(tmp_path: Path) -> None:
    write_table(tmp_path / 'train_sent_emo.csv', [meld_row(0, u) for u in range(5)])
    corpus = read_meld(tmp_path, ['train', 'test'])
    assert len(corpus.examples) == 5 and told(corpus) == [('missing split', '')] * 2
    assert 'train_splits' in corpus.problems[0].text
    assert 'test_sent_emo.csv' in corpus.problems[1].text
    assert told(read_meld(tmp_path, ['train'], clips=False)) == []


def test_a_partial_download_needs_a_word_and_warns_with_numbers(
        tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
        ) -> None:
    write_table(tmp_path / 'train_sent_emo.csv', [meld_row(0, u) for u in range(10)])
    write_table(tmp_path / 'dev_sent_emo.csv', [meld_row(0, u) for u in range(4)])
    touch_clips(tmp_path / 'train_splits', *(f'dia0_utt{u}.mp4' for u in range(6)))
    touch_clips(tmp_path / 'dev_splits_complete', 'dia0_utt0.mp4')
    command = ['convert', '--meld', str(tmp_path), str(tmp_path / 'm.jsonl')]
    assert main(command) == 2
    told = ' '.join(capsys.readouterr().err.split())
    assert '4 of 10 clips of train are missing' in told and '--allow-partial' in told
    assert 'of dev' not in told, 'three may be missing'
    assert not (tmp_path / 'm.jsonl').exists()
    with caplog.at_level('WARNING', 'training'):
        assert main([*command, '--allow-partial']) == 0
    assert 'PARTIAL CORPUS' in caplog.text and '4 of 10 clips of train' in caplog.text
    assert len(read_manifest(tmp_path / 'm.jsonl').examples) == 14


def test_a_wrong_time_is_reported_by_name_and_the_row_is_kept(tmp_path: Path) -> None:
    row = meld_row(3, 7)
    row[-1] = row[-2]
    write_table(tmp_path / 'dev_sent_emo.csv', [row])
    corpus = read_meld(tmp_path, ['dev'], clips=False)
    assert told(corpus) == [('wrong time', 'dev/dia3_utt7')] and len(corpus.examples) == 1
    assert "EndTime '0:20:57,256' is not after StartTime" in corpus.problems[0].text


def test_bad_rows_are_named_by_line_and_left_out(tmp_path: Path) -> None:
    path = tmp_path / 'train_sent_emo.csv'
    write_table(path, [meld_row(0, 0, 'two\nlines'), meld_row(0, 1, emotion='boredom'),
                       meld_row('x', 2), meld_row(0, 0, 'again'), meld_row(0, 3)[:4],
                       [*meld_row(0, 4), 'more'], meld_row(0, 5)])
    corpus = read_meld(tmp_path, ['train'], clips=False)
    assert [e.key for e in corpus.examples] == ['train/dia0_utt0', 'train/dia0_utt5']
    assert corpus.examples[0].text == 'two lines'
    lines = {int(p.where.rpartition(':')[2]): p for p in corpus.problems}
    assert {line: p.kind for line, p in lines.items()} == {
        4: 'unknown label', 5: 'bad row', 6: 'duplicate', 7: 'bad row', 8: 'bad row'}
    assert "'boredom'" in lines[4].text and 'neutral, surprise' in lines[4].text


def test_what_is_not_meld_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='no such folder'):
        read_meld(tmp_path / 'nowhere')
    with pytest.raises(InvalidInput, match='expected train_sent_emo.csv'):
        read_meld(tmp_path)
    (tmp_path / 'train_sent_emo.csv').write_text('text,label\nhello,joy\n')
    with pytest.raises(InvalidInput, match='lacks the columns Dialogue_ID, Emotion'):
        read_meld(tmp_path)
