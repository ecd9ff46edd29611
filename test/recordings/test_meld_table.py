# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""MELD's tables: whatever program saved them last, the rows are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmer_ros.evaluation.labels import read_label_file
from mmer_ros.recordings.meld.table import is_meld_table, locate, read_table
from mmer_ros.types import EMOTIONS, InvalidInput
import pytest

HEADER = ('Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,'
          'StartTime,EndTime')
FIRST = '1,"It’s “me”, Nestlé…",Joey,Joy ,positive,3,0,8,21,"00:16:16,059","00:16:21,731"'
SECOND = '2,Oh no!,Ross,fear,negative,3,1,8,21,"00:16:21,940","00:16:23.5"'


def table(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / 'dev_sent_emo.csv'
    path.write_text('\n'.join([header, *rows]) + '\n', encoding='utf-8')
    return path


SAVED_BY: dict[str, Callable[[str], bytes]] = {
    'as published': str.encode,
    'a byte order mark': lambda text: text.encode('utf-8-sig'),
    'CRLF': lambda text: text.replace('\n', '\r\n').encode(),
    'Windows-1252': lambda text: text.encode('cp1252'),
    'Windows-1252 read as Latin-1': lambda text: text.encode('cp1252').decode('latin-1').encode(),
    'UTF-8 read as Windows-1252':
        lambda text: ''.join(bytes([b]).decode('cp1252', 'ignore') or chr(b)
                             for b in text.encode()).encode(),
    'upper case': lambda text: text.replace(HEADER, HEADER.upper()).encode(),
    'lower case': lambda text: text.replace(HEADER, HEADER.lower()).encode(),
    'spaces in the header': lambda text: text.replace(HEADER, HEADER.replace(',', ' , ')).encode(),
}


@pytest.mark.parametrize('saved', SAVED_BY.values(), ids=SAVED_BY.keys())
def test_rows_are_the_same_however_the_file_was_saved(
        tmp_path: Path, saved: Callable[[str], bytes]) -> None:
    path = table(tmp_path)
    path.write_bytes(saved('\n'.join([HEADER, FIRST, SECOND, ''])))
    assert is_meld_table(path)
    first, second = read_table(path).rows
    assert (first.name, first.speaker, first.text) == (
        'dia3_utt0', 'Joey', 'It\'s "me", Nestlé...')
    assert (first.season, first.episode, first.label, second.label) == (8, 21, 'joy', 'fear')
    assert [EMOTIONS[row.emotion or 0] for row in (first, second)] == ['joy', 'fear']
    assert (first.start, first.end, second.end) == pytest.approx((976.059, 981.731, 983.5))
    assert (first.where, second.where) == (f'{path}:2', f'{path}:3')


def test_a_row_that_names_no_utterance_is_reported_by_line_and_column(tmp_path: Path) -> None:
    content = read_table(table(
        tmp_path, FIRST.replace(',3,0,', ',x,0,'), FIRST.replace(',3,0,', ',3,,'),
        f'{FIRST},more', '4,too,short', '', SECOND))
    assert [row.name for row in content.rows] == ['dia3_utt1']
    assert [(Path(row.where).name, row.problem) for row in content.bad_rows] == [
        ('dev_sent_emo.csv:2', "Dialogue_ID 'x' is no number"),
        ('dev_sent_emo.csv:3', "Utterance_ID '' is no number"),
        ('dev_sent_emo.csv:4', 'it has 12 columns, the header 11'),
        ('dev_sent_emo.csv:5', 'it has 3 columns, the header 11')]


@pytest.mark.parametrize(('start', 'end', 'problem'), [
    ('later', '00:16:21,731', "StartTime 'later' is no time; expected 00:16:16,059"),
    ('00:16:16,059', '', "EndTime '' is no time"),
    ('00:16:61,059', '00:17:16,059', "StartTime '00:16:61,059' is no time"),
    ('00:16:16,059', '00:16:16,059', "EndTime '00:16:16,059' is not after StartTime"),
    ('00:16:16,059', '00:15:16,059', "EndTime '00:15:16,059' is not after StartTime")])
def test_a_wrong_time_is_reported_with_its_column_and_the_row_is_kept(
        tmp_path: Path, start: str, end: str, problem: str) -> None:
    path = table(tmp_path, FIRST.replace('00:16:16,059', start).replace('00:16:21,731', end),
                 SECOND)
    wrong, right = read_table(path).rows
    assert wrong.name == 'dia3_utt0' and wrong.time_problem.startswith(problem)
    assert wrong.start is None and wrong.end is None
    assert right.start is not None and not right.time_problem
    with pytest.raises(InvalidInput, match=r'dev_sent_emo\.csv:2: dia3_utt0: (Start|End)Time'):
        read_label_file(path, dialogue=3)


def test_times_are_not_required_but_words_and_numbers_are(tmp_path: Path) -> None:
    path = table(tmp_path, 'Hi.,Joey,joy,3,0',
                 header='Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID')
    (row,) = read_table(path).rows
    assert (row.start, row.end, row.season, row.time_problem) == (None, None, None, '')
    assert not is_meld_table(path), 'labels of a recording need times'
    with pytest.raises(InvalidInput, match='lacks the columns Emotion, Speaker; expected a CSV'):
        read_table(table(tmp_path, header='Utterance,Dialogue_ID,Utterance_ID'))
    with pytest.raises(InvalidInput, match=r'nowhere\.csv: it cannot be read'):
        read_table(tmp_path / 'nowhere.csv')
    (tmp_path / 'empty.csv').write_bytes(b'')
    assert not is_meld_table(tmp_path / 'empty.csv')


def test_the_least_deep_of_several_files_is_found(tmp_path: Path) -> None:
    for folder in ('a/b/c', 'b', 'a/b/c/d'):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        table(tmp_path / folder)
    assert locate(tmp_path, ['dev_sent_emo.csv', 'train_splits']) == {
        'dev_sent_emo.csv': tmp_path / 'b' / 'dev_sent_emo.csv'}
    assert locate(tmp_path / 'a', ['dev_sent_emo.csv']) == {
        'dev_sent_emo.csv': tmp_path / 'a/b/c/dev_sent_emo.csv'}
