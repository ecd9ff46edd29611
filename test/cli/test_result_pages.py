# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer recognize --report`: a page of each clip, an overview of several, nothing else touched."""

from __future__ import annotations

from pathlib import Path
import shutil

from mmer_ros.cli.main import main
from mmer_ros.cli.result_pages import page_paths
from mmer_ros.recordings.file_recognition import FileRecognition
from mmer_ros.recordings.recognizer import Recognizer
from mmer_ros.recordings.transcripts import TranscriptFile
from mmer_ros.report.clip_page import ClipRecorder
from mmer_ros.types import InvalidInput, Transcript
import pytest

from ..fixtures.pages import NASTY, Parsed


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0) -> str:
    """Run `mmer recognize --report` and return its messages, white space folded."""
    assert main(['recognize', '--report', *map(str, arguments)]) == code
    return ' '.join(capsys.readouterr().err.split())


def page(path: Path) -> Parsed:
    text = path.read_text(encoding='utf-8')
    assert 'http:' not in text and 'https:' not in text
    return Parsed(text)


def test_the_page_of_a_clip_has_pictures_words_and_the_answer(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    err = run(capsys, media / 'clip.mp4', '--transcript', media / 'words.csv')
    assert 'open clip.emotions.html in a browser' in err
    assert {path.name for path in work_folder.iterdir()} == {
        'clip.emotions.jsonl', 'clip.emotions.html'}
    parsed = page(work_folder / 'clip.emotions.html')
    assert [a['id'] for tag, a in parsed.tags if tag == 'section'] == [
        'answer', 'timeline', 'utterances', 'origin']
    for words in ('In 7.6 s, person1 was neutral', '2 utterances', 'I got the job, I am so happy!',
                  'person1', 'These are guesses', 'shows faces, words and emotions'):
        assert words in parsed.words
    assert len(parsed.of_class('thumb')) == 2 and len(parsed.of_class('speaks')) == 2
    assert str(media) not in (work_folder / 'clip.emotions.html').read_text(encoding='utf-8')


def test_the_page_changes_no_answer_and_is_written_again(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = work_folder / 'clip.emotions.jsonl'
    run(capsys, media / 'clip.mp4')
    first = results.read_text(encoding='utf-8')
    run(capsys, media / 'clip.mp4', '--no-pictures')
    assert results.read_text(encoding='utf-8') == first
    parsed = page(work_folder / 'clip.emotions.html')
    assert not parsed.of_class('thumb') and 'shows words and emotions' in parsed.words
    assert main(['recognize', str(media / 'clip.mp4')]) == 0
    assert results.read_text(encoding='utf-8') == first


def test_blurred_faces_are_said_to_be_and_a_whole_file_has_a_picture(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, media / 'clip.mp4', '--whole', '--blur')
    parsed = page(work_folder / 'clip.emotions.html')
    assert 'Detected faces are blurred' in parsed.words
    assert len(parsed.of_class('thumb')) == 1
    assert len(parsed.of_class('track')) == 4  # of the three inputs and of one face


@pytest.mark.parametrize(('name', 'said', 'code'), [
    ('sound.wav', 'no camera images', 0), ('silence.wav', 'No speech was found', 1)])
def test_a_clip_that_lacks_something_has_a_page(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str], name: str, said: str,
        code: int) -> None:
    run(capsys, media / name, code=code)
    assert said in page(work_folder / f'{Path(name).stem}.emotions.html').words


def test_several_clips_have_an_overview_that_names_what_could_not_be_read(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work_folder / 'out').mkdir()
    (work_folder / 'bad.mp4').write_bytes(bytes(5000))
    (work_folder / 'other').mkdir()
    shutil.copy(media / 'sound.wav', work_folder / 'other' / 'clip.wav')
    err = run(capsys, media / 'clip.mp4', work_folder / 'bad.mp4',
              work_folder / 'other' / 'clip.wav', '--output', 'out', code=3)
    assert 'open out/emotions.html in a browser' in err
    text = (work_folder / 'out' / 'emotions.html').read_text(encoding='utf-8')
    parsed = page(work_folder / 'out' / 'emotions.html')
    links = [a['href'] for tag, a in parsed.tags if tag == 'a' and not a['href'].startswith('#')]
    assert links == ['clip.emotions.html', 'clip-2.emotions.html']
    assert all((work_folder / 'out' / link).is_file() for link in links)
    assert not (work_folder / 'out' / 'bad.emotions.html').exists()
    assert 'bad.mp4: it cannot be read' in parsed.words and str(work_folder) not in text
    assert '3 clips' in parsed.words


def test_where_nothing_could_be_read_there_is_no_page(
        work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ('a.mp4', 'b.mp4'):
        (work_folder / name).write_bytes(bytes(5000))
    run(capsys, 'a.mp4', 'b.mp4', code=2)
    assert not list(work_folder.glob('*.html'))


def test_a_page_of_somebody_else_is_left_as_it_is(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = work_folder / 'clip.emotions.html'
    mine.write_text('<html>mine</html>', encoding='utf-8')
    err = run(capsys, media / 'clip.mp4', code=2)
    assert 'is no page of mmer recognize; it is left as it is' in err
    assert mine.read_text(encoding='utf-8') == '<html>mine</html>'
    run(capsys, media / 'clip.mp4', '--overwrite', '--whole')
    assert 'clip.mp4' in page(mine).words


def test_pages_never_take_the_place_of_one_another_or_of_the_results(tmp_path: Path) -> None:
    clips = [Path('a.mp4'), Path('x.mp4')]
    assert page_paths(clips[:1], None) == ([Path('a.emotions.html')], None)
    assert page_paths(clips[:1], tmp_path / 'r.csv') == ([tmp_path / 'r.html'], None)
    pages, overview = page_paths(clips, tmp_path / 'x.emotions.jsonl')
    assert overview == tmp_path / 'overview-x.emotions.html' and overview not in pages
    with pytest.raises(InvalidInput, match='is the name of a page'):
        page_paths(clips, tmp_path / 'r.html')


def test_whatever_words_say_they_are_only_shown(media: Path) -> None:
    recognizer, recorder = Recognizer.load(), ClipRecorder()
    words = TranscriptFile((Transcript(0.0, NASTY),))
    recognition = FileRecognition(media / 'sound.wav', recognizer, words=words, watcher=recorder)
    assert len(list(recognition)) == 1
    parsed = Parsed(recorder.render(recognition, recognizer, words))
    assert sum(tag == 'script' for tag, _ in parsed.tags) == 1
    assert 'alert("x")' in parsed.words
