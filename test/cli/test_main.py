# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The `mmer` command on clips made of the sample recording."""

from __future__ import annotations

from collections.abc import Sequence
import hashlib
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from mmer_ros import __version__
from mmer_ros.cli.main import COMMANDS, main
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.types import EMOTIONS
import pytest

from ..fixtures.replay import rewrite
from ..fixtures.stream import (
    BASE,
    ROOT,
    SAMPLE,
    sample_labels,
)

LENGTH = 7.6  # seconds of the sample: two utterances
TEXTS = [row['text'] for row in sample_labels()[:2]]


def recognize(capsys: pytest.CaptureFixture[str], *arguments: str | Path,
              code: int = 0) -> list[dict[str, Any]]:
    """Return the lines that are printed, and check the exit code."""
    assert main(['recognize', '--format', 'jsonl', *map(str, arguments)]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def check(rows: Sequence[dict[str, Any]]) -> None:
    """Check what each line must hold."""
    for row in rows:
        assert list(row['probabilities']) == list(EMOTIONS)
        assert sum(row['probabilities'].values()) == pytest.approx(1, abs=1e-5)
        assert row['label'] == EMOTIONS[row['emotion']]
        assert row['confidence'] == max(row['probabilities'].values())
        assert row['trained'] and row['bundle_name'] == DEFAULT_BUNDLE


def test_the_utterances_of_a_clip_are_printed_and_saved(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['recognize', '--format', 'jsonl', str(media / 'clip.mp4')]) == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    check(rows)
    assert (work_folder / 'clip.emotions.jsonl').read_text(encoding='utf-8') == out
    assert 'saved to clip.emotions.jsonl' in err
    assert len(rows) == 2
    for row, label in zip(rows, sample_labels()):
        assert row['clip'] == str(media / 'clip.mp4')
        assert row['start'] == pytest.approx(label['start'] - BASE - 0.25, abs=0.25)
        assert row['end'] == pytest.approx(label['end'] - BASE, abs=0.25)
        assert row['modalities'] == ['audio', 'face']
        assert row['transcript'] == ''


def test_timed_words_go_to_their_utterances(media: Path,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    rows = recognize(capsys, media / 'sound.wav', '--transcript', media / 'words.csv')
    check(rows)
    assert [row['transcript'] for row in rows] == TEXTS
    assert all(row['modalities'] == ['text', 'audio'] and row['final'] for row in rows)


def test_words_make_a_clip_one_utterance(media: Path,
                                         capsys: pytest.CaptureFixture[str]) -> None:
    row, = recognize(capsys, media / 'clip.mp4', '--transcript', '  so this\tis it ')
    check([row])
    assert row['transcript'] == 'so this is it'
    assert (row['utterance_id'], row['start']) == ('clip', 0.0)
    assert row['stamp'] == row['end'] == pytest.approx(LENGTH, abs=0.2)
    assert row['modalities'] == ['text', 'audio', 'face']


def test_a_whole_clip_is_one_utterance_even_if_nobody_speaks(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row, = recognize(capsys, media / 'silence.wav', '--whole')
    check([row])
    assert row['modalities'] == ['audio']
    assert len((work_folder / 'silence.emotions.jsonl').read_text().splitlines()) == 1


def test_without_speech_nothing_is_estimated_and_that_is_told(
        media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['recognize', str(media / 'silence.wav')]) == 1
    out, err = capsys.readouterr()
    assert out == '' and 'no utterance was found' in err and '--whole' in err


def test_several_clips_go_to_one_output(media: Path, work_folder: Path,
                                        capsys: pytest.CaptureFixture[str]) -> None:
    clips = [media / 'silence.wav', media / 'sound.wav']
    for _ in range(2):  # the second time it is written anew
        rows = recognize(capsys, *clips, '--whole', '--output', 'all.jsonl')
        assert [row['clip'] for row in rows] == [str(clip) for clip in clips]
        saved = (work_folder / 'all.jsonl').read_text(encoding='utf-8').splitlines()
        assert [json.loads(line) for line in saved] == rows
    assert rows[0]['probabilities'] != rows[1]['probabilities']


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Return what is said about bad input: one sentence, no traceback."""
    assert main([*map(str, arguments)]) == 2
    out, err = capsys.readouterr()
    assert out == '' and 'error:' in err and 'Traceback' not in err
    return ' '.join(err.split())


def test_a_missing_file_is_told_before_any_work(media: Path, work_folder: Path,
                                                capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, 'recognize', media / 'silence.wav', 'nowhere.mp4')
    assert 'nowhere.mp4: there is no such file' in said
    assert list(work_folder.iterdir()) == []


@pytest.mark.parametrize('name', ['notes.txt', 'notes.mp4', 'notes.wav'])
def test_a_text_is_no_clip(tmp_path: Path, name: str,
                           capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / name).write_text('dear diary\n' * 100, encoding='utf-8')
    for how in ((), ('--whole',)):
        assert name in refused(capsys, 'recognize', tmp_path / name, *how)


def test_a_clip_without_its_index_is_an_error_that_says_so(
        media: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (media / 'clip.mp4').read_bytes()
    (tmp_path / 'cut.mp4').write_bytes(data[:len(data) // 2])
    said = refused(capsys, 'recognize', tmp_path / 'cut.mp4')
    assert 'cut.mp4: it cannot be read as audio or video' in said
    assert 'may lack the index at its end' in said


def test_a_bundle_or_device_that_is_not_there_is_told(
        media: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip = media / 'silence.wav'
    assert "bundle 'nowhere'" in refused(capsys, 'recognize', clip, '--bundle', 'nowhere')
    assert "device is 'warp'" in refused(capsys, 'recognize', clip, '--device', 'warp')
    assert "bundle 'nowhere'" in refused(capsys, 'inspect', 'nowhere')


def test_a_bundle_is_made_inspected_and_used(media: Path, work_folder: Path,
                                             capsys: pytest.CaptureFixture[str]) -> None:
    folder = work_folder / 'mine'
    assert main(['create-bundle', 'compact', str(folder), '--seed', '7']) == 0
    assert 'UNTRAINED' in capsys.readouterr().err
    assert main(['inspect', '--json', str(folder)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told['trained'] is False and told['calibrated'] is False
    assert set(told['parameters']) >= {'text', 'audio', 'face'}
    assert all(count > 0 for count in told['parameters'].values())
    row, = recognize(capsys, media / 'silence.wav', '--whole', '--bundle', folder)
    assert row['bundle_hash'] == told['hash']
    other, = recognize(capsys, media / 'silence.wav', '--whole')
    assert other['bundle_hash'] != told['hash']
    assert other['probabilities'] != row['probabilities']


def test_a_damaged_bundle_is_told(work_folder: Path,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    folder = work_folder / 'mine'
    main(['create-bundle', 'compact', str(folder)])
    capsys.readouterr()
    weights = folder / 'model.safetensors'
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    assert 'model.safetensors was changed' in refused(capsys, 'inspect', folder)


@pytest.mark.parametrize(('arguments', 'code'), [
    (['--version'], 0), (['--help'], 0), ([], 2), (['recognise', 'a.wav'], 2), (['recognize'], 2),
    (['create-bundle', 'huge', 'folder'], 2)])
def test_the_command_line_is_checked(arguments: list[str], code: int,
                                     capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    out, err = capsys.readouterr()
    assert bool(out) == (code == 0) and bool(err) == (code == 2)
    assert arguments != ['--version'] or out.strip() == __version__


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = ('import sys; from mmer_ros.cli.main import main\n'
            "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
            "print('heavy:', {'torch', 'transformers', 'pydantic'} & set(sys.modules))")
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    assert all(name in done.stdout for name in COMMANDS)
    assert done.stdout.rstrip().endswith('heavy: set()')


@pytest.mark.parametrize('name', COMMANDS)
def test_each_command_explains_its_arguments(
        name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([name, '--help'])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert f'usage: mmer {name}' in text and len(text.splitlines()) > 5


@pytest.mark.parametrize('name', ['comparison.html', 'comparison.json'])
def test_a_comparison_replaces_nothing_but_its_like(
        work_folder: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (work_folder / name).write_text('mine')
    assert f'{name}: it is there' in refused(capsys, 'compare', 'a', 'b')
    assert (work_folder / name).read_text() == 'mine'


def test_a_new_bundle_replaces_nothing(work_folder: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    (work_folder / 'mine').mkdir()
    (work_folder / 'mine' / 'config.json').write_text('{}')
    assert 'something is there' in refused(capsys, 'create-bundle', 'compact', 'mine')
    assert (work_folder / 'mine' / 'config.json').read_text() == '{}'


@pytest.mark.parametrize('text', [
    '/**:\n  ros__parameters: ' + '[' * 20_000, '/**:\n  ros__parameters: {a: [}\n',
    '/**: &a\n  b: *a\n', '\x00', 'a: 1\n',
    ''.join(f'a{n}: &a{n} [{", ".join([f"*a{n - 1}"] * 9) if n else 1}]\n' for n in range(12))])
def test_a_parameter_file_of_any_form_is_a_sentence(
        work_folder: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (work_folder / 'bad.yaml').write_text(text)
    said = refused(capsys, 'replay', SAMPLE, '--params', 'bad.yaml')
    assert 'bad.yaml: ' in said and 'fault of mmer' not in said
    assert {path.name for path in work_folder.iterdir()} == {'bad.yaml'}


def test_a_card_that_is_no_text_does_not_hide_a_bundle(
        work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['create-bundle', 'compact', 'mine']) == 0
    card, config = (work_folder / 'mine' / name for name in ('MODEL_CARD.md', 'config.json'))
    card.write_bytes(b'\xff\xfe\x80')
    content = json.loads(config.read_text())
    content['files']['MODEL_CARD.md'] = hashlib.sha256(card.read_bytes()).hexdigest()
    config.write_text(json.dumps(content))
    assert main(['inspect', str(work_folder / 'mine')]) == 0
    assert 'UNTRAINED' in capsys.readouterr().out


def test_a_full_disk_is_a_sentence_and_leaves_no_empty_file(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is written to /dev/full fails as on a full disk."""
    if not Path('/dev/full').exists():
        pytest.skip('needs /dev/full')
    opened = Path.open

    def full(path: Path, mode: str = 'r', *how: Any, **more: Any) -> Any:
        if 'w' in mode:
            opened(path, mode, *how, **more).close()  # a full disk still has names
            path = Path('/dev/full')
        return opened(path, mode, *how, **more)

    monkeypatch.setattr(Path, 'open', full)
    said = refused(capsys, 'recognize', media / 'silence.wav', '--whole')
    assert 'No space left on device; free some space, or give another --output' in said
    assert main(['replay', str(SAMPLE), '--topics', 'image=', '--output', 'out']) == 2
    err = capsys.readouterr().err
    assert 'No space left on device' in ' '.join(err.split()) and 'Traceback' not in err
    assert not [path for path in work_folder.rglob('*') if path.is_file()]


def test_why_there_are_no_scores_is_said(capsys: pytest.CaptureFixture[str], tmp_path: Path
                                         ) -> None:
    path = rewrite(tmp_path / 'talk', until_s=4.3)
    (path / 'labels.csv').write_text('start,end,emotion\n1.3,3.8,\n')
    assert main(['replay', str(path), '--topics', 'image=', '--output', 'out']) == 0
    said = ' '.join(capsys.readouterr())
    assert 'no scores: no estimate has a label with an emotion' in ' '.join(said.split())
