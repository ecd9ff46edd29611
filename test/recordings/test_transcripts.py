# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Files of words: every kind gives the same words at the same times, or an error that helps."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from mmer_ros.recordings.transcripts import is_transcript_file, read_transcripts
from mmer_ros.text_repair import repair_text
from mmer_ros.types import InvalidInput
import pytest

SPOKEN = [(0.8, 2.3, 'bin blue'), (4.0, 6.0, "that's it, really")]
SEGMENTS = [{'start': start, 'end': end, 'text': f' {text}'} for start, end, text in SPOKEN]
FILES = {
    'a.srt': '1\n00:00:00,800 --> 00:00:02,300\nbin blue\n\n'
             '2\n00:00:04,000 --> 00:00:06,000\nthat’s it,\nreally\n',
    'b.vtt': 'WEBVTT - title\n\nNOTE not\nspoken\n\n00:00.800 --> 00:02.300 align:start\n'
             '<c.loud>bin</c> blue\n\nname\n00:04.000 --> 00:06.000\nthat&#39;s it, really\n',
    'c.json': json.dumps({'text': '', 'segments': SEGMENTS, 'language': 'en'}),
    'd.json': json.dumps({'result': {'language': 'en'}, 'transcription': [
        {'offsets': {'from': round(1000 * s), 'to': round(1000 * e)}, 'text': t}
        for s, e, t in SPOKEN]}),
    'h.json': json.dumps({'text': 'all', 'chunks': [
        {'timestamp': [s, e], 'text': f' {t}'} for s, e, t in SPOKEN]}),
    'e.tsv': "start\tend\ttext\n800\t2300\tbin blue\n4000\t6000\tthat's it, really\n",
    'f.csv': 'Start,END,Text\n0.8,2.3,bin blue\n4.0,6.0,"that\'s it, really"\n',
    'g.csv': "start;end;text\n0,8;2,3;bin blue\n0:04;0:06;that's it, really\n",
}


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def spoken(path: Path, length_s: float = 0.0) -> list[tuple[float | None, float, str]]:
    return [(words.start, words.stamp, words.text)
            for words in read_transcripts(path, length_s).words]


@pytest.mark.parametrize('upper', [False, True])
@pytest.mark.parametrize('name', FILES)
def test_every_kind_gives_the_same_words_and_times(tmp_path: Path, name: str, upper: bool) -> None:
    path = written(tmp_path, name.upper() if upper else name, FILES[name])
    assert is_transcript_file(str(path))
    assert spoken(path) == SPOKEN
    assert read_transcripts(path).timed


@pytest.mark.parametrize('encoding', ['utf-8-sig', 'utf-16', 'cp1252'])
@pytest.mark.parametrize('name', ['a.srt', 'f.csv'])
def test_encodings_of_windows_are_read(tmp_path: Path, name: str, encoding: str) -> None:
    content = FILES[name].replace('\n', '\r\n').encode(encoding)
    assert spoken(written(tmp_path, name, content)) == SPOKEN


def test_words_that_do_not_end_last_to_the_end_of_the_clip(tmp_path: Path) -> None:
    chunks = [{'timestamp': [0.5, 1.0], 'text': 'bin'}, {'timestamp': [1.5, None], 'text': 'blue'}]
    path = written(tmp_path, 'x.json', json.dumps({'chunks': chunks}))
    assert spoken(path, 2.5) == [(0.5, 1.0, 'bin'), (1.5, 2.5, 'blue')]


def test_words_with_times_come_one_by_one_and_numbers_without_lie_between(tmp_path: Path) -> None:
    """Numbers of WhisperX have no times."""
    segment = {'start': 0.0, 'end': 2.0, 'text': 'at 5 now', 'speaker': 'SPEAKER_01', 'words': [
        {'word': ' at', 'start': 0.1, 'end': 0.5}, {'word': '5'},
        {'word': 'now', 'start': 1.5, 'end': 1.9}]}
    path = written(tmp_path, 'x.json', json.dumps({'segments': [segment], 'language': 'de'}))
    assert spoken(path) == [(0.1, 0.5, 'at'), (0.5, 1.5, '5'), (1.5, 1.9, 'now')]
    file = read_transcripts(path)
    assert {words.speaker for words in file.words} == {'SPEAKER_01'}
    assert file.language == 'de' and file.text == 'at 5 now'


def test_words_beside_the_segments_are_preferred(tmp_path: Path) -> None:
    """The verbose JSON of OpenAI holds both, and the language by name."""
    words = [{'word': 'hi', 'start': 0, 'end': 1}, {'word': 'you', 'start': 1, 'end': 2}]
    segments = [{'start': 0, 'end': 2, 'text': 'hi you'}]
    path = written(tmp_path, 'x.json', json.dumps(
        {'language': 'english', 'segments': segments, 'words': words}))
    assert spoken(path) == [(0.0, 1.0, 'hi'), (1.0, 2.0, 'you')]


def test_captions_that_roll_are_not_read_twice(tmp_path: Path) -> None:
    content = ('WEBVTT\n\n00:01.000 --> 00:02.000\nhello you\n\n00:02.000 --> 00:02.010\n'
               'hello you\n\n00:02.010 --> 00:04.000\nhello you\nhow are you\n\n'
               '00:05.000 --> 00:06.000\nno\n\n00:06.000 --> 00:07.000\nno\n')
    texts = [text for *_, text in spoken(written(tmp_path, 'roll.vtt', content))]
    assert texts == ['hello you', 'how are you', 'no', 'no']


def test_blank_lines_in_a_cue_and_none_between_cues(tmp_path: Path) -> None:
    content = ('1\n0:00:01.5 --> 0:00:02.5\none\n\ntwo\n2\n00:03,000 --> 00:04,000\n- three\n'
               '3\n00:05,000 --> 00:06,000\n<i>{\\an8}four</i>\n')
    assert spoken(written(tmp_path, 'odd.srt', content)) == [
        (1.5, 2.5, 'one two'), (3.0, 4.0, 'three'), (5.0, 6.0, 'four')]


def test_a_voice_tag_names_the_speaker(tmp_path: Path) -> None:
    path = written(tmp_path, 'v.vtt', 'WEBVTT\n\n00:01.000 --> 00:02.000\n<v Roger B>Hello</v>\n')
    words, = read_transcripts(path).words
    assert (words.speaker, words.text) == ('Roger B', 'Hello')


@pytest.mark.parametrize(('length_s', 'end'), [(3.0, 2.3), (0.0, 2300.0)])
def test_the_length_of_the_clip_tells_milliseconds_from_seconds(
        tmp_path: Path, length_s: float, end: float) -> None:
    """whisper.cpp's CSV counts milliseconds."""
    path = written(tmp_path, 'cpp.csv', 'start,end,text\n0,2300,"bin, blue"\n')
    assert spoken(path, length_s) == [(0.0, end, 'bin, blue')]


def test_text_without_times_is_read(tmp_path: Path) -> None:
    for name, content in (('a.txt', 'so this\nis it\n'), ('b.json', '{"text": "so this is it"}')):
        file = read_transcripts(written(tmp_path, name, content))
        assert not file.timed and file.text == 'so this is it'


@pytest.mark.parametrize(('name', 'content'), [
    ('a.vtt', 'WEBVTT\n'), ('b.srt', ''), ('c.json', '{"segments": []}'), ('d.txt', '\n'),
    ('e.csv', 'start,end,text\n')])
def test_a_transcript_of_silence_has_no_words(tmp_path: Path, name: str, content: str) -> None:
    assert read_transcripts(written(tmp_path, name, content)).text == ''


def test_tags_for_sounds_are_counted_and_no_words(tmp_path: Path) -> None:
    content = '1\n00:01,000 --> 00:02,000\n[BLANK_AUDIO]\n\n'
    content += '2\n00:03,000 --> 00:04,000\n♪ hello ♪\n'
    file = read_transcripts(written(tmp_path, 'a.srt', content))
    assert (file.text, file.sounds) == ('hello', 3)


@pytest.mark.parametrize(('name', 'content', 'reason'), [
    ('a.srt', 'hello\n', 'no line has times'),
    ('b.srt', '1\nnow --> 00:00:02,000\nhello\n', "line 2: 'now' is no time"),
    ('c.srt', '1\n00:00:05,000 --> 00:00:02,000\nhello\n', 'from 5 s to 2 s'),
    ('d.srt', bytes(300), 'it is no text'),
    ('e.csv', 'a,b\n1,2\n', 'its columns are a, b; expected start, end and text'),
    ('f.csv', 'start,end,text\n0,soon,hello\n', "'soon' is no time"),
    ('g.csv', 'start,end,text\n0,-1,hello\n', "'-1' is no time"),
    ('h.json', '{"segments": [{"start": NaN, "end": 2, "text": "x"}]}', 'from nan s to 2 s'),
    ('i.json', '[' * 100_000, 'recursion'), ('j.json', '3', 'it holds a int'),
    ('k.json', '{"a": 1}', 'its keys are a; expected segments'),
    ('l.json', '{"segments": [{"text": "x"}]}', "'start' is missing"),
    ('m.ass', 'hello', 'transcripts of this kind are not read.*ffmpeg')])
def test_what_is_not_of_its_kind_is_refused_with_the_reason(
        tmp_path: Path, name: str, content: str | bytes, reason: str) -> None:
    with pytest.raises(InvalidInput, match=f'{name}: .*{reason}'):
        read_transcripts(written(tmp_path, name, content))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='nowhere.srt: there is no such file; expected SRT'):
        read_transcripts(tmp_path / 'nowhere.srt')


SECONDS = st.integers(0, 10 ** 7).map(lambda milliseconds: milliseconds / 1000)
WORDS = st.text(st.characters(codec='utf-8', categories=('L', 'N')), min_size=1, max_size=20)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(SECONDS, SECONDS, WORDS), min_size=1, max_size=8))
def test_times_and_words_survive_subtitles(
        tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[float, float, str]]) -> None:
    def clock(seconds: float) -> str:
        whole, milliseconds = divmod(round(seconds * 1000), 1000)
        return f'{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02},{milliseconds:03}'

    cues = [(min(a, b), max(a, b), repair_text(f'{number} {text}'))
            for number, (a, b, text) in enumerate(rows)]
    content = '\n'.join(f'{number}\n{clock(start)} --> {clock(end)}\n{text}\n'
                        for number, (start, end, text) in enumerate(cues, 1))
    found = spoken(written(tmp_path_factory.mktemp('srt'), 'a.srt', content))
    assert [(round(start or 0.0, 3), round(end, 3), text) for start, end, text in found] == sorted(
        cues, key=lambda cue: cue[1])


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(['.srt', '.vtt', '.json', '.csv', '.tsv', '.txt']),
       st.one_of(st.binary(max_size=300), st.sampled_from(list(FILES.values())).map(str.encode)),
       st.integers(0, 400), st.binary(max_size=3))
def test_no_content_is_a_traceback(tmp_path_factory: pytest.TempPathFactory, suffix: str,
                                   content: bytes, place: int, noise: bytes) -> None:
    damaged = content[:place] + noise + content[place + len(noise):]
    path = written(tmp_path_factory.mktemp('noise'), f'a{suffix}', damaged)
    try:
        words = read_transcripts(path).words
    except InvalidInput as error:
        assert path.name in str(error)
    else:
        assert all(0 <= (each.start or 0) <= each.stamp for each in words)


def test_why_a_file_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / 'words.csv'
    path.write_bytes(b'"\x01\n\x01')
    with pytest.raises(InvalidInput) as error:
        read_transcripts(path)
    assert str(error.value).isprintable()
