# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer live` and --transcribe on the command line: what is missing is said in a sentence."""

from __future__ import annotations

import json
from pathlib import Path
import sys

from mmer_ros import Recognizer
from mmer_ros.cli.main import main
from mmer_ros.settings import parameters
import pytest

from ..fixtures.live import add_prompter
from ..fixtures.stream import sample_labels

TEXTS = [row['text'] for row in sample_labels()[:2]]


@pytest.fixture
def damaged(media: Path) -> Path:
    """Return a folder with the files of a model, which are none."""
    folder = media / 'damaged'
    folder.mkdir(exist_ok=True)
    for name in ('model.bin', 'tokenizer.json'):
        (folder / name).write_bytes(b'{}')
    return folder


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what the command says that cannot do its work."""
    assert main(list(arguments)) == 2
    return ' '.join(capsys.readouterr().err.split())


def test_without_aiohttp_it_says_what_to_install(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, 'aiohttp', None)
    assert "pip install 'mmer_ros[live]'" in told(capsys, 'live', '--no-browser')


@pytest.mark.parametrize('command', [('live', '--no-browser'), ('recognize', 'clip.mp4')])
def test_without_a_recogniser_it_says_what_to_install(
        command: tuple[str, ...], media: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, 'faster_whisper', None)
    monkeypatch.chdir(media)
    assert "pip install 'mmer_ros[asr]'" in told(capsys, *command, '--transcribe', 'base.en')


@pytest.mark.parametrize(('options', 'words'), [
    (('--transcribe', 'no-such-size'), 'no such folder and no such model'),
    (('--transcribe', 'base.en'), 'let it be downloaded once with --download'),
    (('--transcribe', '.'), 'holds no model.bin and no tokenizer.json'),
    (('--download',), 'only with --transcribe'),
    (('--language', 'en'), 'only with --transcribe')])
def test_a_model_that_is_not_there_is_named(
        options: tuple[str, ...], words: str, media: Path, monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('faster_whisper', reason='needs faster-whisper: mmer_ros[asr]')
    monkeypatch.setenv('HF_HUB_CACHE', str(media / 'empty'))
    monkeypatch.chdir(media)
    assert words in told(capsys, 'recognize', 'clip.mp4', *options)


def test_a_model_that_cannot_be_loaded_is_named(damaged: Path, media: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip('faster_whisper', reason='needs faster-whisper: mmer_ros[asr]')
    text = told(capsys, 'recognize', str(media / 'clip.mp4'), '--transcribe', str(damaged))
    assert f'{damaged}: the model cannot be loaded' in text


def test_recognised_words_reach_the_utterance_that_they_were_spoken_in(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = add_prompter()
    assert main(['recognize', str(media / 'clip.mp4'), '--transcribe', model]) == 0
    path = work_folder / 'clip.emotions.jsonl'
    rows = [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]
    assert [row['transcript'] for row in rows] == TEXTS
    assert all(row['modalities'] == ['text', 'audio', 'face'] for row in rows)
    recognizer = Recognizer.load(prior=parameters()['prior'].default)
    result = recognizer.recognize_file(media / 'clip.mp4', transcribe=model)
    assert [each.probabilities.tolist() for each in result] == [
        list(row['probabilities'].values()) for row in rows]


def test_words_of_a_whole_clip_are_recognised(media: Path) -> None:
    estimate, = Recognizer.load().recognize_file(
        media / 'sound.wav', transcribe=add_prompter(), whole=True)
    assert estimate.transcript == TEXTS[0]


def test_words_are_given_only_once(media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 'give one of them' in told(
        capsys, 'recognize', str(media / 'clip.mp4'), '--transcribe', add_prompter(),
        '--transcript', 'Hello.')


def test_words_are_not_recognised_beside_a_node_that_has_them(
        capsys: pytest.CaptureFixture[str]) -> None:
    assert 'give the node a transcript_topic' in told(
        capsys, 'live', '--no-browser', '--ros', '--transcribe', 'base.en')
