# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""RAVDESS as a corpus: labels by the file's name, splits by actor."""

from pathlib import Path

from mmer_ros.types import EMOTIONS, InvalidInput
import pytest
from training.corpora.ravdess import actor_of, is_woman, read_ravdess


def clip(folder: Path, actor: int, emotion: int, sentence: int = 1, suffix: str = 'wav') -> Path:
    path = folder / f'Actor_{actor:02d}' / (
        f'03-01-{emotion:02d}-01-{sentence:02d}-01-{actor:02d}.{suffix}')
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b'')
    return path


def test_labels_speakers_and_splits_follow_from_the_names(tmp_path: Path) -> None:
    expected = ('neutral', 'neutral', 'joy', 'sadness', 'anger', 'fear', 'disgust', 'surprise')
    for emotion in range(1, 9):
        clip(tmp_path, 3, emotion)
        clip(tmp_path, 18, emotion, suffix='flac')
    corpus = read_ravdess(tmp_path)
    assert not corpus.problems
    assert [EMOTIONS[e.labels[0]] for e in corpus.examples if e.split == 'train'] == [*expected]
    assert {(e.split, e.speaker) for e in corpus.examples} == {('train', 'actor03'),
                                                               ('dev', 'actor18')}
    assert {actor_of(e): is_woman(actor_of(e)) for e in corpus.examples} == {3: False, 18: True}


def test_an_actor_is_in_one_split_only(tmp_path: Path) -> None:
    for actor in range(1, 7):
        for sentence in (1, 2):
            clip(tmp_path, actor, 5, sentence)
    corpus = read_ravdess(tmp_path, dev=(2, 5))
    sides = {split: {e.speaker for e in corpus.examples if e.split == split}
             for split in ('train', 'dev')}
    assert sides['dev'] == {'actor02', 'actor05'}
    assert not sides['dev'] & sides['train']


def test_files_of_other_names_are_told_and_left_out(tmp_path: Path) -> None:
    clip(tmp_path, 1, 3)
    clip(tmp_path, 18, 3)
    clip(tmp_path, 1, 9)
    (tmp_path / 'Actor_01' / 'notes.wav').write_bytes(b'')
    corpus = read_ravdess(tmp_path)
    assert {e.speaker for e in corpus.examples} == {'actor01', 'actor18'}
    assert [p.kind for p in corpus.problems] == ['bad row', 'bad row']
    assert 'notes' in corpus.problems[1].text + corpus.problems[0].text


def test_a_folder_without_clips_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r'RAVDESS .*no Actor_NN'):
        read_ravdess(tmp_path)


@pytest.mark.parametrize('name', ['01-01-03-01-01-01-02', '03-02-03-01-01-01-02'])
def test_videos_and_songs_are_no_speech(tmp_path: Path, name: str) -> None:
    for actor in (2, 18):
        clip(tmp_path, actor, 3)
    (tmp_path / 'Actor_02' / f'{name}.wav').write_bytes(b'')
    corpus = read_ravdess(tmp_path)
    assert len(corpus.examples) == 2
    (problem,) = corpus.problems
    assert problem.kind == 'bad row' and f"'{name}' is no name of RAVDESS speech" in problem.text


def test_a_clip_in_the_folder_of_another_actor_is_left_out(tmp_path: Path) -> None:
    """Else a held-out voice might be learnt from."""
    for actor in (2, 3, 18):
        clip(tmp_path, actor, 3)
    stray = tmp_path / 'Actor_03' / '03-01-05-01-01-01-18.wav'
    stray.write_bytes(b'')
    corpus = read_ravdess(tmp_path)
    assert len(corpus.examples) == 3
    (problem,) = corpus.problems
    assert problem.where == str(stray)
    assert 'of actor 18, the folder is Actor_03' in problem.text


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    clip(tmp_path, 2, 3)
    with pytest.raises(InvalidInput, match=r'no clip for the dev split, .*actors 17, 18, 19, 20;'):
        read_ravdess(tmp_path)
    with pytest.raises(InvalidInput, match=r'no clip for the train split, .*other than 01, 02;'):
        read_ravdess(tmp_path, dev=(2, 1))
