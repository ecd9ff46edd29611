# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Manifests and GoEmotions: what is written is read back, what is wrong is named by its line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmer_ros.types import EMOTIONS, InvalidInput
import pytest
from training.corpora.goemotions import read_goemotions
from training.corpora.manifest import read_manifest, write_manifest
from training.corpora.meld import read_meld

from ...fixtures.clip import meld_row, write_table


def write_lines(path: Path, *rows: dict[str, Any] | str) -> Path:
    path.write_text('\n'.join(row if isinstance(row, str) else json.dumps(row) for row in rows),
                    encoding='utf-8')
    return path


def test_anything_may_be_missing(tmp_path: Path) -> None:
    for name in ('a.wav', 'b.mp4', 'f1.png', 'f2.png'):
        (tmp_path / name).write_bytes(b'any')
    corpus = read_manifest(write_lines(
        tmp_path / 'm.jsonl', {'text': 'It’s  me', 'label': 'Joy', 'id': 7},
        {'audio': 'a.wav', 'label': ['anger', 'disgust'], 'split': 'dev'}, '',
        {'video': 'b.mp4', 'speaker': 'Eve', 'group': 'g', 'turn': 3},
        {'faces': ['f1.png', 'f2.png'], 'group': 'g'}, {'audio': str(tmp_path / 'a.wav')}))
    assert corpus.problems == []
    text, sound, video, faces, absolute = corpus.examples
    assert (text.key, text.text, text.labels) == ('train/7', "It's me", (EMOTIONS.index('joy'),))
    assert (text.audio, text.faces, text.video) == (None, (), None)
    assert (sound.key, sound.split) == ('dev/line2', 'dev')
    assert [EMOTIONS[i] for i in sound.labels] == ['disgust', 'anger']
    assert sound.audio == tmp_path / 'a.wav' == absolute.audio
    assert (video.video, video.speaker, video.labels) == (tmp_path / 'b.mp4', 'Eve', ())
    assert faces.faces == (tmp_path / 'f1.png', tmp_path / 'f2.png')
    assert (video.group, video.turn, faces.turn) == (faces.group, 3, 4)
    assert len({e.group for e in corpus.examples}) == 4, 'rows without a group stand alone'


def test_bad_lines_are_named_and_left_out(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / 'm.jsonl', {'text': 'good', 'id': 'a'}, {'text': 'typo', 'lable': 'joy'},
        {'label': ['joy', 'boredom']}, '{"text": ', {'split': 'holdout'}, {'turn': -1},
        {'id': 'a'}, '[]')
    corpus = read_manifest(path)
    assert [e.text for e in corpus.examples] == ['good']
    kinds = {int(p.where.removeprefix(f'{path}:')): p.kind for p in corpus.problems}
    assert kinds == {2: 'bad row', 3: 'unknown label', 4: 'bad row', 5: 'bad row', 6: 'bad row',
                     7: 'duplicate', 8: 'bad row'}
    texts = [p.text for p in corpus.problems]
    assert "unknown key 'lable'" in texts[0] and "'boredom'" in texts[1]
    assert 'split' in texts[3] and 'turn' in texts[4]


def test_votes_weights_folds_and_synonyms_are_read_and_written(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / 'm.jsonl', {'id': 'a', 'label': 'happy', 'soft': {'joy': 3, 'angry': 1}},
        {'id': 'b', 'label': 'sad', 'weight': 0.5, 'fold': 1}, {'id': 'c', 'fold': 0})
    a, b, c = read_manifest(path).examples
    assert [EMOTIONS[e.labels[0]] for e in (a, b)] == ['joy', 'sadness'] and c.labels == ()
    assert a.soft == (0, 0, 0, 0, .75, 0, .25) and (a.weight, b.weight) == (1, .5)
    assert (a.fold, b.fold, c.fold) == (None, 1, 0)
    write_manifest(tmp_path / 'again.jsonl', [a, b, c])
    assert read_manifest(tmp_path / 'again.jsonl').examples == [a, b, c]
    assert [e.split for e in read_manifest(path, fold=1).examples] == ['train', 'test', 'dev']
    with pytest.raises(InvalidInput, match=r'fold 2; expected 0\.\.1'):
        read_manifest(path, fold=2)


@pytest.mark.parametrize('row', [
    {'soft': {'joy': -1}}, {'soft': {'joy': 0}}, {'soft': {'boredom': 1}}, {'weight': 0},
    {'weight': -1}, {'fold': -1}])
def test_votes_and_weights_that_mean_nothing_are_named(
        tmp_path: Path, row: dict[str, Any]) -> None:
    corpus = read_manifest(write_lines(tmp_path / 'm.jsonl', {'text': 'good'}, row))
    assert len(corpus.examples) == 1
    assert corpus.problems[0].where.endswith('m.jsonl:2')


def test_a_file_that_is_not_there_is_told_and_the_rest_kept(tmp_path: Path) -> None:
    (tmp_path / 'f2.png').write_bytes(b'any')
    corpus = read_manifest(write_lines(tmp_path / 'm.jsonl', {
        'text': 'hi', 'audio': 'a.wav', 'video': 'b.mp4', 'faces': ['f1.png', 'f2.png']}))
    example, = corpus.examples
    assert (example.text, example.audio, example.video) == ('hi', None, None)
    assert example.faces == (tmp_path / 'f2.png',)
    assert [p.kind for p in corpus.problems] == ['missing file'] * 3
    assert {name for p in corpus.problems for name in ('a.wav', 'b.mp4', 'f1.png')
            if name in p.text} == {'a.wav', 'b.mp4', 'f1.png'}


def test_a_useless_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='nowhere.jsonl'):
        read_manifest(tmp_path / 'nowhere.jsonl')
    with pytest.raises(InvalidInput, match='no line of it can be used: unknown key'):
        read_manifest(write_lines(tmp_path / 'm.jsonl', {'words': 'hi'}))
    (tmp_path / 'm.jsonl').write_bytes(b'\xff\xfe\x00')
    with pytest.raises(InvalidInput, match='cannot be read'):
        read_manifest(tmp_path / 'm.jsonl')


def test_a_corpus_survives_being_written_as_a_manifest(tmp_path: Path) -> None:
    """And the folder of both may be moved, since paths are relative."""
    home = tmp_path / 'home'
    write_table(home / 'meld' / 'dev_sent_emo.csv', [
        meld_row(0, 0, 'déjà vu'), meld_row(0, 2, '', 'fear'), meld_row(1, 1, speaker='Joey')])
    (home / 'meld' / 'dev_splits_complete').mkdir()
    (home / 'meld' / 'dev_splits_complete' / 'dia0_utt2.mp4').write_bytes(b'any')
    assert write_manifest(home / 'm' / 'dev.jsonl',
                          read_meld(home / 'meld', ['dev']).examples) == 3
    home.rename(tmp_path / 'moved')
    again = read_manifest(tmp_path / 'moved' / 'm' / 'dev.jsonl')
    assert again.problems == []
    expected = read_meld(tmp_path / 'moved' / 'meld', ['dev']).examples
    assert [e.video and e.video.resolve() for e in again.examples] == [
        e.video for e in expected]
    for found, example in zip(again.examples, expected):
        assert (found.key, found.text, found.labels, found.speaker, found.group, found.turn) == (
            example.key, example.text, example.labels, example.speaker, example.group,
            example.turn)


@pytest.fixture
def comments(tmp_path: Path) -> Path:
    (tmp_path / 'labels.txt').write_text('anger\ndisgust\nfear\njoy\nneutral\nsadness\nsurprise')
    (tmp_path / 'train.tsv').write_text(
        'I "don’t" like it\t0,1\tab1\nok\t4\tab2\r\nwow\t7\tab3\nwow\tx\tab4\nno id\t1\n'
        'wow\t6\tab1\n', encoding='utf-8')
    (tmp_path / 'dev.tsv').write_text('wow\t6\tab1\n')
    return tmp_path


def test_goemotions_keeps_all_labels_in_our_order(comments: Path) -> None:
    corpus = read_goemotions(comments)
    assert [(e.key, e.text, [EMOTIONS[i] for i in e.labels]) for e in corpus.examples] == [
        ('train/ab1', 'I "don\'t" like it', ['disgust', 'anger']),
        ('train/ab2', 'ok', ['neutral']), ('dev/ab1', 'wow', ['surprise'])]
    assert len({e.group for e in corpus.examples}) == 3
    assert [(p.kind, Path(p.where).name) for p in corpus.problems] == [
        ('unknown label', 'train.tsv:3'), ('bad row', 'train.tsv:4'), ('bad row', 'train.tsv:5'),
        ('duplicate', 'train.tsv:6'), ('missing split', 'test.tsv')]
    write_manifest(comments / 'm.jsonl', corpus.examples)
    assert read_manifest(comments / 'm.jsonl').examples == corpus.examples


def test_what_is_not_goemotions_is_refused(comments: Path) -> None:
    (comments / 'labels.txt').write_text('admiration\namusement\n')
    with pytest.raises(InvalidInput, match="'admiration'.*Ekman"):
        read_goemotions(comments)
    (comments / 'labels.txt').unlink()
    with pytest.raises(InvalidInput, match='labels.txt'):
        read_goemotions(comments)
