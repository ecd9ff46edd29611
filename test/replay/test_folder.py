# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What a replay did not write it neither deletes nor replaces."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.cli.main import main
from mmer_ros.recordings.recording import EMOTION, Recording
from mmer_ros.replay.folder import check_folder, clear_folder, free_place, is_result_folder
from mmer_ros.types import InvalidInput
import pytest

from ..fixtures.replay import rewrite

NAMES = ('summary.json', 'run.json', 'tracks.json', 'matches.json', 'estimates.jsonl',
         'estimates.csv', 'events.jsonl', 'faces.csv', 'people.jsonl', 'report.html')


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rewrite(tmp_path_factory.mktemp('bags') / 'session', until_s=4.3)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes()
            for path in sorted(folder.rglob('*')) if path.is_file()}


def test_folders_of_others_survive_every_replay(
        bag: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'out'
    for name in ('session_emotion/notes.txt', 'session_emotion/metadata.yaml', '.partial/draft',
                 'thumbnails/00000.jpg', 'thumbnails/holiday.jpg', 'mine.txt'):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(f'precious {name}')
    precious = files(out)
    for _ in range(2):
        assert main(['replay', str(bag), '--bag', '--output', str(out)]) == 0
        said = ' '.join(capsys.readouterr().err.split())
        assert 'session_emotion is there and mmer replay did not write it' in said
        assert files(out).items() >= precious.items()
    assert not (out / 'session_emotion-3').exists() and not (out / 'thumbnails-3').exists()
    with Recording(out / 'session_emotion-2') as recording:
        assert recording.topic_of(EMOTION) == '/emotion'
    assert (out / 'thumbnails-2' / '00000.jpg').read_bytes().startswith(b'\xff\xd8')
    page = (out / 'report.html').read_text(encoding='utf-8')
    assert 'data:image/jpeg' in page


def test_results_of_an_earlier_replay_are_replaced(bag: Path, tmp_path: Path) -> None:
    out = tmp_path / 'out'
    for _ in range(2):
        assert main(['replay', str(bag), '--bag', '--output', str(out)]) == 0
        assert {path.name for path in out.iterdir()} == {
            *NAMES, 'session_emotion', 'thumbnails'} - {'matches.json'}
    (out / 'thumbnails' / 'mine.jpg').write_bytes(b'mine')
    (out / 'session_emotion' / 'mine.txt').write_bytes(b'mine')
    assert main(['replay', str(bag), '--bag', '--output', str(out)]) == 0
    assert (out / 'thumbnails' / 'mine.jpg').read_bytes() == b'mine'
    assert (out / 'session_emotion' / 'mine.txt').read_bytes() == b'mine'
    assert (out / 'session_emotion-2').is_dir() and (out / 'thumbnails-2').is_dir()


@pytest.mark.parametrize('content', ['', 'notes', '{}', '[1]', '{"a": 1}'])
@pytest.mark.parametrize('name', NAMES)
def test_a_file_with_the_name_of_a_result_is_left_as_it_is(
        tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    if content == '' and name.endswith('.jsonl'):  # of a replay that was interrupted at once
        assert is_result_folder(tmp_path)
        return
    with pytest.raises(InvalidInput, match=f'it holds {name}, which mmer replay did not write'):
        check_folder(tmp_path)


def test_the_command_refuses_before_it_works(bag: Path, tmp_path: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / 'out'
    out.mkdir()
    (out / 'report.html').write_text('my thesis')
    for bags in ([bag], [bag, bag]):
        assert main(['replay', *map(str, bags), '--output', str(out)]) == 2
        assert 'did not write; it is left as it is' in ' '.join(capsys.readouterr().err.split())
        assert files(out) == {'report.html': b'my thesis'}
    assert main(['replay', str(bag), '--output', str(out / 'report.html')]) == 2
    assert 'it is a file; give another --output' in ' '.join(capsys.readouterr().err.split())


def test_a_place_that_is_free_is_found(tmp_path: Path) -> None:
    assert free_place(tmp_path / 'a') == tmp_path / 'a'
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a-2').symlink_to(tmp_path / 'nowhere')
    assert free_place(tmp_path / 'a') == tmp_path / 'a-3'


def test_overwriting_replaces_files_with_the_names_of_results_and_nothing_else(
        tmp_path: Path) -> None:
    for name in (*NAMES, 'notes.txt'):
        (tmp_path / name).write_text('mine')
    (tmp_path / 'thumbnails').mkdir()
    clear_folder(tmp_path)
    check_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ['notes.txt', 'thumbnails']
    (tmp_path / 'report.html').mkdir()
    clear_folder(tmp_path)
    with pytest.raises(InvalidInput, match='report.html.*--overwrite'):
        check_folder(tmp_path)
