# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Published corpora are read from the folders as they are unpacked; small ones made here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
import json
from pathlib import Path

from mmer_ros.types import EMOTIONS, InvalidInput
import pytest
from training.__main__ import main
from training.corpora.corpus import Corpus
from training.corpora.examples import Example
from training.corpora.manifest import read_manifest
from training.corpora.presets.registry import PRESETS
from training.corpora.presets.rows import read_preset, soft_label

JOY, ANGER = EMOTIONS.index('joy'), EMOTIONS.index('anger')


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files by path; what is decoded later may hold anything."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')
    return folder


def read(name: str, folder: Path, fold: int | None = None, **labels: str) -> Corpus:
    return read_preset(name, PRESETS[name], folder, labels=labels, fold=fold)


def shown(example: Example) -> dict[str, float]:
    """Return the soft label by the names of the emotions."""
    return {name: round(share, 3) for name, share in zip(EMOTIONS, example.soft) if share}


def resolved(example: Example) -> Example:
    return replace(example, audio=example.audio and example.audio.resolve())


def labels(corpus: Corpus) -> dict[str, str]:
    """Return the emotion by name of the row."""
    return {e.key.partition('/')[2]: EMOTIONS[e.labels[0]] if e.labels else ''
            for e in corpus.examples}


# --------------------------------------------------------------------------------- dialogues


def iemocap(folder: Path) -> Path:
    header = '% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n'
    files = {}
    for session in range(1, 6):
        dialogue = f'Ses0{session}F_impro01'
        base = f'Session{session}'
        files[f'{base}/dialog/EmoEvaluation/{dialogue}.txt'] = header + (
            f'[8.0000 - 9.5000]\t{dialogue}_M000\txxx\t[2.0, 2.5, 2.5]\n'
            'C-E1:\tAnger;\t()\nC-E2:\tFrustration;\t()\nC-F1:\tNeutral; Anger;\t()\n'
            'A-E3:\tval 3; act 2; dom  2;\t()\n\n'
            f'[6.2901 - 8.2357]\t{dialogue}_F000\texc\t[4.5, 4.0, 3.0]\n'
            'C-E1:\tExcited;\t()\nC-E2:\tHappiness;\t()\n\n'
            f'[9.6000 - 11.0000]\t{dialogue}_F001\tfru\t[2.0, 3.0, 3.0]\n'
            'C-E1:\tFrustration;\t()\n')
        files[f'{base}/dialog/transcriptions/{dialogue}.txt'] = (
            f'{dialogue}_F000 [006.2901-008.2357]: Excuse me.\n'
            f'{dialogue}_M000 [008.0000-009.5000]: Do you have your forms?\n'
            f'{dialogue}_F001 [009.6000-011.0000]: Yeah.\n')
        for name in ('F000', 'F001'):
            files[f'{base}/sentences/wav/{dialogue}/{dialogue}_{name}.wav'] = 'any'
    return write(folder, files)


def test_iemocap_has_sessions_as_folds_turns_by_time_and_votes_as_soft_labels(
        tmp_path: Path) -> None:
    corpus = read('iemocap', iemocap(tmp_path))
    assert {e.split for e in corpus.examples if e.speaker.startswith('Ses05')} == {'test'}
    assert {e.split for e in corpus.examples if e.speaker.startswith('Ses04')} == {'dev'}
    first, second, third = corpus.examples[:3]
    assert [e.turn for e in (first, second, third)] == [0, 1, 2]
    assert (first.key, first.text, first.speaker, first.group) == (
        'train/Ses01F_impro01_F000', 'Excuse me.', 'Ses01F', 'train/Ses01F_impro01')
    assert first.audio is not None and first.labels == (JOY,) and shown(first) == {'joy': 1}
    assert second.labels == () and shown(second) == {'anger': 0.667, 'neutral': 0.333}
    assert second.weight == pytest.approx(0.75), 'frustration is none of the seven'
    assert second.audio is None and third.labels == () and not third.soft, 'kept as context'
    texts = [p.text for p in corpus.problems]
    assert any("label 'fru' of 5 rows" in t and '--labels fru=EMOTION' in t for t in texts)
    assert any('Ses01F_impro01_M000.wav is not there' in t for t in texts)


def test_labels_are_mapped_as_asked_and_folds_rotate(tmp_path: Path) -> None:
    corpus = read('iemocap', iemocap(tmp_path), fold=0, fru='anger', exc='')
    found = labels(corpus)
    assert found['Ses01F_impro01_F001'] == 'anger' and found['Ses01F_impro01_F000'] == ''
    splits = {e.speaker[:5]: e.split for e in corpus.examples}
    assert splits == {'Ses01': 'test', 'Ses05': 'dev', 'Ses02': 'train', 'Ses03': 'train',
                      'Ses04': 'train'}
    with pytest.raises(InvalidInput, match=r'fold 5; expected 0\.\.4'):
        read('iemocap', tmp_path, fold=5)
    with pytest.raises(InvalidInput, match="label 'rage': it is unknown"):
        read('iemocap', tmp_path, fru='rage')


def test_emorynlp_keeps_scenes_and_its_official_split(tmp_path: Path) -> None:
    def file(episode: int) -> str:
        return json.dumps({'episodes': [{'scenes': [{'utterances': [
            {'utterance_id': f's01_e0{episode}_c01_u00{u}', 'speakers': ['Joey Tribbiani'],
             'transcript': 'Yeah, right!', 'emotion': emotion}
            for u, emotion in enumerate(('Neutral', 'Mad', 'Powerful'))]}]}]})

    write(tmp_path, {f'json/emotion-detection-{name}.json': file(i)
                     for i, name in enumerate(('trn', 'dev', 'tst'))})
    corpus = read('emorynlp', tmp_path)
    assert [e.split for e in corpus.examples] == 3 * ['train'] + 3 * ['dev'] + 3 * ['test']
    assert list(labels(corpus).values())[:3] == ['neutral', 'anger', '']
    assert {e.group for e in corpus.examples[:3]} == {'train/s01_e00_c01'}
    with pytest.raises(InvalidInput, match='official split'):
        read('emorynlp', tmp_path, fold=0)


def test_m3ed_takes_votes_and_the_split_of_the_shows(tmp_path: Path) -> None:
    turn = {'Speaker': 'A', 'StartTime': '00:00:01:10', 'EndTime': '00:00:02:00', 'Text': '你好',
            'EmoAnnotation': {'EmoAnnotator1': 'Happy', 'EmoAnnotator2': 'Happy,Surprise',
                              'EmoAnnotator3': 'Neutral', 'final_mul_emo': 'Happy',
                              'final_main_emo': 'Happy'}}
    annotation = {show: {f'{show}_1': {'SpeakerInfo': {}, 'Dialog': {f'{show}_1_1': turn}}}
                  for show in ('one', 'two', 'lost')}
    write(tmp_path, {'M3ED_annotation.json': json.dumps(annotation),
                     'splitInfo/movie_list_train.txt': 'one\n',
                     'splitInfo/movie_list_val.txt': 'two\n', 'wav/A_one_1_1.wav': 'any'})
    corpus = read('m3ed', tmp_path)
    one, two = corpus.examples
    assert (one.split, two.split, one.text) == ('train', 'dev', '你好')
    assert shown(one) == {'neutral': 0.25, 'surprise': 0.25, 'joy': 0.5}
    assert one.audio is not None and two.audio is None
    assert 'lost is in no list of splitInfo/' in corpus.problems[0].text


def test_mosei_takes_the_mean_intensity_of_its_annotators(tmp_path: Path) -> None:
    header = ('HITId,Input.VIDEO_ID,Input.CLIP,Answer.anger,Answer.disgust,Answer.fear,'
              'Answer.happiness,Answer.sadness,Answer.surprise,Answer.sentiment\n')
    write(tmp_path, {
        'Raw/Labels/batch.csv': header + 'x,abc,0,0,0,0,2,0,1,2\nx,abc,0,0,0,0,1,0,0,1\n'
                                         'x,abc,1,0,0,0,0,0,0,0\nx,abc,2,a,0,0,0,0,0,0\n',
        'Raw/Transcript/Segmented/Combined/abc.txt':
            'abc___0___0.0___3.2___Hello there.\nabc___1___3.2___5___Well.\n',
        'Raw/Videos/Segmented/Combined/abc_0.mp4': 'any'})
    corpus = read('mosei', tmp_path)
    glad, plain = corpus.examples
    assert (glad.text, glad.labels, shown(glad)) == (
        'Hello there.', (JOY,), {'surprise': 0.25, 'joy': 0.75})
    assert glad.video is not None and labels(corpus)['abc_1'] == 'neutral'
    assert any('batch.csv:5' in p.where for p in corpus.problems)
    write(tmp_path, {'splits.json': json.dumps({'dev': ['abc']})})
    assert {e.split for e in read('mosei', tmp_path).examples} == {'dev'}
    write(tmp_path, {'splits.json': json.dumps({'dev': ['other']})})
    assert 'in no list of splits.json' in read_problems('mosei', tmp_path)


def read_problems(name: str, folder: Path) -> str:
    found: list[str] = []
    rows = list(PRESETS[name].read(folder, lambda kind, where, text: found.append(text)))
    assert not rows
    return ' '.join(found)


# --------------------------------------------------------------------------------- acted


def test_cremad_has_what_was_meant_and_what_people_saw(tmp_path: Path) -> None:
    table = ('"","A","D","F","H","N","S","fileName","numResponses"\n'
             '"100001",6,2,0,0,2,0,"1001_DFA_ANG_XX",10\n'
             '"200001",0,0,0,0,9,0,"1001_DFA_ANG_XX",9\n'
             '"300001",9,1,0,0,0,0,"1001_DFA_ANG_XX",10\n'
             '"100002",0,0,0,1,1,0,"1002_DFA_HAP_XX",2\n')
    write(tmp_path, {'processedResults/tabulatedVotes.csv': table,
                     'AudioWAV/1001_DFA_ANG_XX.wav': 'a', 'AudioWAV/1002_DFA_HAP_XX.wav': 'a',
                     'AudioWAV/notes.wav': 'a', 'VideoFlash/1001_DFA_ANG_XX.flv': 'v'})
    corpus = read('cremad', tmp_path)
    both, voice = corpus.examples
    assert both.labels == (ANGER,) and shown(both) == {'disgust': 0.1, 'anger': 0.9}
    assert both.video is not None and both.audio is not None and both.speaker == '1001'
    assert shown(voice) == {'neutral': 0.5, 'joy': 0.5} and voice.video is None
    assert 'not like 1001_DFA_ANG_XX' in corpus.problems[0].text
    (tmp_path / 'processedResults/tabulatedVotes.csv').unlink()
    assert 'without the votes' in read('cremad', tmp_path).problems[0].text


def test_ravdess_joins_film_and_sound_of_a_performance(tmp_path: Path) -> None:
    write(tmp_path, {'Actor_01/01-01-03-01-01-01-01.mp4': 'v',
                     'Actor_01/02-01-03-01-01-01-01.mp4': 'mute',
                     'Actor_01/03-01-03-01-01-01-01.wav': 'a',
                     'Actor_02/03-01-02-01-01-01-02.wav': 'a', 'Actor_02/readme.wav': 'a',
                     'Actor_02/03-02-03-01-01-01-02.wav': 'a song'})
    corpus = read('ravdess', tmp_path)
    alone, joined = corpus.examples
    assert joined.key.endswith('01-03-01-01-01-01') and joined.labels == (JOY,)
    assert joined.video is not None and joined.audio is not None and joined.speaker == 'actor01'
    assert labels(corpus)[alone.key.partition('/')[2]] == 'neutral' and alone.video is None
    assert [Path(p.where).name for p in corpus.problems] == ['readme.wav']


@pytest.mark.parametrize(('name', 'file', 'speaker', 'emotion'), [
    ('nemo', 'samples/WR0_surprised_64.wav', 'WR0', 'surprise'),
    ('emogator', 'data/mp3/000001-13-2.mp3', '000001', 'joy'),
    ('urdu', 'Angry/SM1_F10_A010.wav', 'SM1', 'anger')])
def test_file_names_carry_speaker_and_label(tmp_path: Path, name: str, file: str, speaker: str,
                                            emotion: str) -> None:
    write(tmp_path, {file: 'a', f'{Path(file).parent}/._{Path(file).name}': 'of macOS'})
    (example,) = read(name, tmp_path).examples
    assert (example.speaker, EMOTIONS[example.labels[0]]) == (speaker, emotion)
    assert example.audio == tmp_path / file and not example.text


def test_speakers_are_never_in_two_folds(tmp_path: Path) -> None:
    write(tmp_path, {f'{speaker}_{emotion}_{n}.wav': 'a' for n in range(2)
                     for emotion in ('anger', 'fear')
                     for speaker in ('AA0', 'BB0', 'CC0', 'DD0', 'EE0', 'FF0', 'GG0', 'HH0',
                                     'II0', 'JJ0')})
    folds = {e.speaker: {o.fold for o in read('nemo', tmp_path).examples
                         if o.speaker == e.speaker} for e in read('nemo', tmp_path).examples}
    assert len(folds) == 10 and all(len(found) == 1 for found in folds.values())
    assert {min(found) for found in folds.values()} == set(range(9))


def test_a_label_without_emotion_is_reported_once_and_left_out(tmp_path: Path) -> None:
    write(tmp_path, {f'000001-0{category}-1.mp3': 'a' for category in (1, 3, 4)})
    corpus = read('emogator', tmp_path)
    assert [e.labels for e in corpus.examples] == [(ANGER,)]
    assert sorted(p.text.split("'")[1] for p in corpus.problems) == ['adoration', 'awe']


@pytest.mark.parametrize('name', PRESETS)
def test_an_empty_folder_is_refused_with_the_expected_layout(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match='no utterance was found; expected '):
        read(name, tmp_path)
    with pytest.raises(InvalidInput, match='there is no such folder; expected '):
        read(name, tmp_path / 'nowhere')


def test_votes_become_a_distribution_and_the_share_of_those_that_count() -> None:
    known = {'happy': JOY, 'glad': JOY, 'angry': ANGER}
    assert soft_label({'happy': 1, 'glad': 2, 'angry': 1, 'bored': 4}, known) == (
        (0, 0, 0, 0, .75, 0, .25), .5)
    assert soft_label({'bored': 3}, known) == soft_label({}, known) == ((), 1.0)


# --------------------------------------------------------------------------------- command


def test_a_corpus_becomes_a_manifest_whose_folds_rotate(
        tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, manifest = iemocap(tmp_path / 'IEMOCAP'), tmp_path / 'out' / 'iemocap.jsonl'
    assert main(['convert', '--corpus', 'iemocap', str(folder), str(manifest), '--labels',
                 'fru=anger']) == 0
    for fold in (None, 0):
        found, expected = read_manifest(manifest, fold), read('iemocap', folder, fold, fru='anger')
        assert {e.key: resolved(e) for e in found.examples} == {
            e.key: resolved(e) for e in expected.examples}
    with pytest.raises(InvalidInput, match=r'fold 7; expected 0\.\.4'):
        read_manifest(manifest, fold=7)
    capsys.readouterr()
    assert main(['convert', '--corpus', 'friends', str(folder), str(manifest)]) == 2
    assert 'expected one of iemocap, cremad' in capsys.readouterr().err
