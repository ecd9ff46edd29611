# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Files through the public recogniser: the answers of `mmer recognize`, as objects and tables."""

from __future__ import annotations

import json
from pathlib import Path
import sys

from mmer_ros import EMOTIONS, Estimate, FileResult, InvalidInput, Recognizer
from mmer_ros.cli.main import main
from mmer_ros.recognition.prior_correction import ROBOT
from mmer_ros.recordings.tables import table_columns
from mmer_ros.types import Modality
import numpy as np
import pytest

from ..fixtures.stream import sample_labels, write_two_turns

TEXTS = [row['text'] for row in sample_labels()[:2]]


@pytest.fixture(scope='module')
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return clip.mp4, with words in clip.csv."""
    path = tmp_path_factory.mktemp('clips') / 'clip.mp4'
    write_two_turns(path)
    return path


@pytest.fixture(scope='module')
def recognizer() -> Recognizer:
    return Recognizer.load(prior=ROBOT)


def made_result(words: str = 'fine') -> FileResult:
    probabilities = np.array([.1, 0, .2, 0, .7, 0, 0], np.float32)
    estimate = Estimate(probabilities, np.zeros(7, np.float32), Modality.TEXT | Modality.FACE,
                        (.5, 0., .5), .1, .2, True, True, 'starter', 'abc', 'u1', 2., 1., 2.,
                        transcript=words)
    return FileResult(Path('clip.mp4'), (estimate,))


@pytest.mark.parametrize('kind', [str, Path])
def test_a_file_has_the_answers_of_the_command(
        clip: Path, recognizer: Recognizer, kind: type, tmp_path: Path) -> None:
    words, rows = clip.with_suffix('.csv'), tmp_path / 'out.jsonl'
    result = recognizer.recognize_file(kind(clip), transcript=kind(words))
    assert main(['recognize', str(clip), '--transcript', str(words), '--output', str(rows)]) == 0
    saved = [json.loads(line) for line in rows.read_text(encoding='utf-8').splitlines()]
    assert [{'clip': str(clip), **estimate.to_dict()} for estimate in result] == saved
    assert [estimate.transcript for estimate in result] == TEXTS
    assert not result.problems and result.path == clip


def test_words_without_times_make_one_utterance(clip: Path, recognizer: Recognizer) -> None:
    result = recognizer.recognize_file(clip, transcript='I got the job!')
    assert len(result) == 1 and result[0].transcript == 'I got the job!'
    assert result[0].modalities == Modality.TEXT | Modality.AUDIO | Modality.FACE


def test_long_words_are_never_taken_for_a_name(clip: Path, recognizer: Recognizer) -> None:
    """A name that the file system refuses as too long, in bytes, is none."""
    result = recognizer.recognize_file(clip, transcript=200 * 'ä')
    assert result[0].transcript == 200 * 'ä'


def test_progress_is_reported_in_seconds(clip: Path, recognizer: Recognizer) -> None:
    seconds: list[float] = []
    recognizer.recognize_file(clip, whole=True, on_progress=seconds.append)
    assert seconds == sorted(seconds) and seconds[-1] == pytest.approx(7.6, abs=.3)


@pytest.mark.parametrize(('name', 'said'), [
    ('nowhere.mp4', 'nowhere.mp4: there is no such file'),
    ('.', 'mmer replay'), ('talk.mcap', 'mmer replay talk.mcap')])
def test_what_is_no_media_file_is_a_sentence(
        recognizer: Recognizer, name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        recognizer.recognize_file(name)


def test_a_path_of_words_that_is_not_there_is_a_sentence(
        clip: Path, recognizer: Recognizer) -> None:
    with pytest.raises(InvalidInput, match='nowhere.srt: there is no such file'):
        recognizer.recognize_file(clip, transcript=Path('nowhere.srt'))


def test_the_result_is_a_sequence() -> None:
    result = made_result()
    assert [estimate.label for estimate in result] == ['joy'] and result[-1] in result
    assert result[:0] == ()


def test_a_table_has_the_columns_of_the_csv() -> None:
    pytest.importorskip('pandas', reason='optional: a table for those who have it')
    table = made_result('=1+1').to_dataframe()
    assert list(table.columns) == ['clip', *table_columns()]
    row, = table.to_dict('records')
    assert [row[f'p_{name}'] for name in EMOTIONS] == pytest.approx([.1, 0, .2, 0, .7, 0, 0])
    assert row['transcript'] == '=1+1' and row['modalities'] == 'text+face'
    assert list(FileResult(Path('quiet.wav')).to_dataframe().columns) == list(table.columns)


def test_without_pandas_a_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'pandas', None)
    with pytest.raises(ImportError, match='needs pandas.*pip install pandas'):
        made_result().to_dataframe()
