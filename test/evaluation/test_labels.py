# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Labels: the truth about a recording, in the forms in which it comes."""

from __future__ import annotations

import json
from pathlib import Path

from mmer_ros.evaluation.labels import fit_to, Label, read_label_file
from mmer_ros.types import InvalidInput
import pytest

from ..fixtures.stream import SAMPLE, sample_labels

ROWS = [{'start': 5.5, 'end': 7.0, 'emotion': 'Joy', 'speaker': 'anna', 'text': 'Yes!'},
        {'start': '1.0', 'end': '2.5', 'emotion': '6'}, {'start': 8, 'end': 9, 'emotion': ''}]
EXPECTED = [Label(1.0, 2.5, 6), Label(5.5, 7.0, 4, 'anna', 'Yes!'), Label(8.0, 9.0)]
MELD = ('Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,'
        'StartTime,EndTime\n'
        '1,Oh no,Joey,fear,negative,3,0,1,2,"00:10:02,500","00:10:04,000"\n'
        '2,"Well, yes",Ross,neutral,neutral,12,0,1,2,"00:16:16,059","00:16:21,731"\n'
        '3,Hm,Joey,anger,negative,12,1,1,2,"00:16:22,000","00:16:24,059"\n')


def csv_of(rows: list[dict[str, object]]) -> str:
    names = list(rows[0])
    return '\n'.join([','.join(names), *(','.join(str(r.get(n, '')) for n in names)
                                         for r in rows)]) + '\n'


@pytest.mark.parametrize(('name', 'text'), [
    ('a.csv', csv_of(ROWS)), ('a.csv', '\ufeff' + csv_of(ROWS)), ('a.json', json.dumps(ROWS)),
    ('a.jsonl', '\n'.join(map(json.dumps, ROWS)) + '\n')], ids=['csv', 'bom', 'json', 'jsonl'])
def test_they_are_read_by_time(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding='utf-8')
    assert read_label_file(path) == EXPECTED


def test_those_of_the_sample_are_read() -> None:
    labels = read_label_file(SAMPLE / 'labels.csv')
    assert [label.to_dict()['emotion'] for label in labels] == [
        row['emotion'] for row in sample_labels()]
    assert {label.speaker for label in labels} == {'dora', 'carl'}


def test_a_dialogue_of_meld_begins_at_zero(tmp_path: Path) -> None:
    path = tmp_path / 'dev_sent_emo.csv'
    path.write_text(MELD)
    first, second = read_label_file(path, dialogue=12)
    assert (first.start, first.end) == pytest.approx((0.0, 5.672))
    assert (first.emotion, first.speaker, first.text) == (0, 'Ross', 'Well, yes')
    assert second.start == pytest.approx(5.941) and second.emotion == 6
    with pytest.raises(InvalidInput, match='which dialogue'):
        read_label_file(path)
    with pytest.raises(InvalidInput, match='no dialogue 7'):
        read_label_file(path, dialogue=7)


@pytest.mark.parametrize(('name', 'text', 'names'), [
    ('a.csv', 'from,to\n1,2\n', "'start'"),
    ('a.csv', 'start,end,emotion\n1,2,bliss\n', "'bliss'; expected one of neutral"),
    ('a.csv', 'start,end,emotion\n2,1,joy\n', 'end > start'),
    ('a.csv', 'start,end,emotion\nnan,1,joy\n', 'finite'),
    ('a.json', '{"start": 1}', 'a list'), ('a.json', '[1, 2]', 'a.json'),
    ('a.jsonl', 'no json', 'a.jsonl')])
def test_what_is_wrong_with_them_is_told(tmp_path: Path, name: str, text: str, names: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidInput, match=names):
        read_label_file(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='nowhere.csv'):
        read_label_file(tmp_path / 'nowhere.csv')


def test_only_those_of_the_recording_are_kept() -> None:
    labels = [Label(90, 95), Label(99, 101), Label(105, 108), Label(110, 111)]
    assert fit_to(labels, 100.0, 110.0) == (labels[1:3], 2)


def test_those_that_lie_before_the_recording_count_from_its_start() -> None:
    labels = [Label(0.5, 1.5, 4, 'anna', 'Yes!'), Label(80.0, 90.0)]
    assert fit_to(labels, 1000.0, 1060.0) == ([Label(1000.5, 1001.5, 4, 'anna', 'Yes!')], 1)
    assert fit_to([], 1000.0, 1060.0) == ([], 0)
