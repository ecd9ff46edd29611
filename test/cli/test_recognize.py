# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer recognize`: its table, its files, words with times, and files with defects."""

from __future__ import annotations

from collections.abc import Sequence
import csv
import json
from pathlib import Path
import shutil
from typing import Any

from mmer_ros.cli.main import main
from mmer_ros.types import EMOTIONS
import pytest
from tools.sample_clip import write_wav

from ..fixtures.stream import BASE, sample_labels

LABELS = sample_labels()[:2]
TEXTS = [row['text'] for row in LABELS]


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path, code: int = 0
        ) -> tuple[str, str]:
    """Run `mmer recognize` and return what it prints, white space folded in messages."""
    assert main(['recognize', *map(str, arguments)]) == code
    out, err = capsys.readouterr()
    assert 'Traceback' not in err
    return out, ' '.join(err.split())


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding='utf-8').splitlines()]


def cues(texts: Sequence[str], late_s: float = 0.0) -> str:
    """Return SRT with the times of the sample's labels."""
    def clock(seconds: float) -> str:
        return f'00:00:{seconds:06.3f}'.replace('.', ',')

    return '\n'.join(f'{number}\n{clock(row["start"] - BASE)} --> '
                     f'{clock(row["end"] - BASE + late_s)}\n{text}\n'
                     for number, (row, text) in enumerate(zip(LABELS, texts), 1))


def test_a_table_is_printed_and_json_lines_are_saved(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, err = run(capsys, media / 'clip.mp4')
    rows = rows_of(work_folder / 'clip.emotions.jsonl')
    head, *lines = [line for line in out.splitlines() if line.strip(' ─')]
    assert head.split() == ['from', 'to', 'emotion', 'sure', 'next', 'who', 'by', 'words']
    assert len(lines) == len(rows) == 2
    for line, row in zip(lines, rows):
        assert line.split()[:6] == [f'{row["start"]:.2f}', f'{row["end"]:.2f}', 's',
                                    row['label'], f'{100 * row["confidence"]:.0f}', '%']
    assert 'saved to clip.emotions.jsonl' in err


def test_csv_is_printed_and_saved(media: Path, work_folder: Path,
                                  capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, media / 'clip.mp4', '--format', 'csv')
    assert (work_folder / 'clip.emotions.csv').read_text(encoding='utf-8') == out
    rows = list(csv.DictReader(out.splitlines()))
    assert [row['clip'] for row in rows] == 2 * [str(media / 'clip.mp4')]
    for row in rows:
        assert sum(float(row[f'p_{name}']) for name in EMOTIONS) == pytest.approx(1, abs=1e-5)


def test_no_cell_is_a_formula(media: Path, work_folder: Path,
                              capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = run(capsys, media / 'sound.wav', '--format', 'csv', '--transcript', '=1+1')
    row, = csv.DictReader(out.splitlines())
    assert row['transcript'] == "'=1+1" and float(row['valence']) < 1


@pytest.mark.parametrize('late_s', [0.0, 1.0])
def test_words_go_to_the_utterance_that_they_were_spoken_in(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str], late_s: float) -> None:
    """Though subtitles are shown for longer; and each utterance is there once."""
    (work_folder / 'words.SRT').write_text(cues(TEXTS, late_s), encoding='utf-8')
    run(capsys, media / 'clip.mp4', '--transcript', 'words.SRT')
    rows = rows_of(work_folder / 'clip.emotions.jsonl')
    assert [row['transcript'] for row in rows] == TEXTS
    assert all('text' in row['modalities'] for row in rows)


def test_each_word_goes_to_its_own_utterance(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Even where a recogniser takes two utterances for one segment."""
    words = []
    for row in LABELS:
        each = (row['end'] - row['start']) / len(row['text'].split())
        words += [{'word': f' {word}', 'start': row['start'] - BASE + i * each,
                   'end': row['start'] - BASE + (i + 1) * each}
                  for i, word in enumerate(row['text'].split())]
    segment = {'start': words[0]['start'], 'end': words[-1]['end'], 'text': ' '.join(TEXTS),
               'words': words}
    (work_folder / 'words.json').write_text(json.dumps({'segments': [segment]}))
    run(capsys, media / 'clip.mp4', '--transcript', 'words.json')
    rows = rows_of(work_folder / 'clip.emotions.jsonl')
    assert [row['transcript'] for row in rows] == TEXTS


def test_words_of_another_language_change_no_answer_and_are_named_once(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, media / 'sound.wav', '--output', 'without.jsonl')
    segments = [{'start': row['start'] - BASE, 'end': row['end'] - BASE, 'text': 'ich hasse dich'}
                for row in LABELS]
    content = json.dumps({'segments': segments, 'language': 'de'})
    (work_folder / 'words.json').write_text(content, encoding='utf-8')
    _, err = run(capsys, media / 'sound.wav', '--transcript', 'words.json', '--output',
                 'with.jsonl')
    assert rows_of(work_folder / 'with.jsonl') == rows_of(work_folder / 'without.jsonl')
    assert err.count("words in 'de'; the bundle reads en; they were left out") == 1
    _, err = run(capsys, media / 'sound.wav', '--whole', '--transcript', 'words.json')
    assert "words in 'de'" in err
    assert rows_of(work_folder / 'sound.emotions.jsonl')[0]['modalities'] == ['audio']


def test_tags_for_sounds_are_no_words(media: Path, work_folder: Path,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    texts = [f'[BLANK_AUDIO] {TEXTS[0]}', '(upbeat music)']
    (work_folder / 'words.srt').write_text(cues(texts), encoding='utf-8')
    _, err = run(capsys, media / 'sound.wav', '--transcript', 'words.srt')
    rows = rows_of(work_folder / 'sound.emotions.jsonl')
    assert [row['transcript'] for row in rows] == [TEXTS[0], '']
    assert '2 tags for sounds' in err


@pytest.mark.parametrize('words', ['I [bold]mean[/bold] it', 'so [/] what', '[link=x]no[/link]'])
def test_square_brackets_are_shown_as_they_are(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str], words: str) -> None:
    out, _ = run(capsys, media / 'sound.wav', '--transcript', words)
    row, = rows_of(work_folder / 'sound.emotions.jsonl')
    assert words in out and row['transcript'] == words


def test_typographic_words_get_the_answer_of_plain_ones(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = []
    for words in ("I can't believe it", '\ufeffI can’t\u200b believe\u00a0it'):
        run(capsys, media / 'sound.wav', '--transcript', words)
        answers.append(rows_of(work_folder / 'sound.emotions.jsonl'))
    assert answers[0] == answers[1]


@pytest.mark.parametrize(('name', 'said'), [
    ('nowhere.srt', 'there is no such file; expected SRT'),
    ('my words.VTT', 'there is no such file; expected WebVTT'),
    ('words.ass', 'transcripts of this kind are not read')])
def test_a_name_of_a_transcript_is_never_taken_for_words(
        media: Path, capsys: pytest.CaptureFixture[str], name: str, said: str) -> None:
    out, err = run(capsys, media / 'sound.wav', '--transcript', name, code=2)
    assert out == '' and f'{name}: {said}' in err


def test_times_of_one_clip_are_not_those_of_several(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work_folder / 'words.srt').write_text(cues(TEXTS), encoding='utf-8')
    clips = [media / 'sound.wav', media / 'clip.mp4']
    _, err = run(capsys, *clips, '--transcript', 'words.srt', code=2)
    assert 'it has the times of one clip, and there are 2' in err


def test_a_file_that_was_cut_off_is_used_and_the_exit_code_says_so(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = (media / 'sound.wav').read_bytes()
    (work_folder / 'cut.wav').write_bytes(data[:len(data) // 2])
    _, err = run(capsys, 'cut.wav', code=3)
    assert 'incomplete: cut.wav:' in err and 'its audio ends after 3.8 s of 7.6 s' in err
    assert len(rows_of(work_folder / 'cut.emotions.jsonl')) == 1


def test_a_clip_that_cannot_be_read_leaves_no_file_and_the_others_go_on(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work_folder / 'bad.mp4').write_bytes(bytes(5000))
    _, err = run(capsys, 'bad.mp4', media / 'sound.wav', code=3)
    assert 'error: bad.mp4: it cannot be read' in err
    assert len(rows_of(work_folder / 'sound.emotions.jsonl')) == 2
    run(capsys, 'bad.mp4', code=2)
    assert {path.name for path in work_folder.iterdir()} == {'bad.mp4', 'sound.emotions.jsonl'}


def test_clips_of_the_same_name_keep_their_results_apart(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work_folder / 'other').mkdir()
    other = work_folder / 'other' / 'sound.mp4'
    shutil.copy(media / 'silence.wav', other)
    _, err = run(capsys, media / 'sound.wav', other, '--whole')
    assert 'another clip has its name; its results go to sound-2.emotions.jsonl' in err
    for clip, name in ((media / 'sound.wav', 'sound'), (other, 'sound-2')):
        row, = rows_of(work_folder / f'{name}.emotions.jsonl')
        assert row['clip'] == str(clip)


@pytest.mark.parametrize('content', ['my notes\n', '{"a": 1}\n', 'start,end\n'])
def test_what_is_not_ours_is_not_overwritten(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    precious = work_folder / 'precious.jsonl'
    precious.write_text(content)
    _, err = run(capsys, media / 'silence.wav', '--whole', '--output', precious, code=2)
    assert 'holds no results of mmer recognize; it is left as it is' in err
    assert precious.read_text() == content
    (work_folder / 'silence.emotions.jsonl').write_text(content)
    run(capsys, media / 'silence.wav', '--whole', code=2)
    assert (work_folder / 'silence.emotions.jsonl').read_text() == content
    run(capsys, media / 'sound.wav', '--whole', '--overwrite', '--output', precious)
    assert rows_of(precious)


def test_results_go_to_a_folder_and_replace_earlier_ones(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work_folder / 'out').mkdir()
    for _ in range(2):
        run(capsys, media / 'silence.wav', '--whole', '--output', 'out')
    assert len(rows_of(work_folder / 'out' / 'silence.emotions.jsonl')) == 1


def test_a_folder_that_cannot_be_made_is_a_sentence(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (work_folder / 'file').write_text('')
    _, err = run(capsys, media / 'silence.wav', '--output', 'file/out.jsonl', code=2)
    assert 'error:' in err and 'file' in err


def test_stereo_in_anti_phase_is_heard(media: Path, work_folder: Path,
                                       capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    from ..fixtures.stream import sample_audio
    sound = sample_audio()[1][:int(7.6 * 16_000)]
    write_wav(work_folder / 'wide.wav', np.stack([sound, -sound], axis=1))
    run(capsys, work_folder / 'wide.wav')
    run(capsys, media / 'sound.wav')
    wide, mono = (rows_of(work_folder / f'{name}.emotions.jsonl') for name in ('wide', 'sound'))
    assert [row['probabilities'] for row in wide] == [row['probabilities'] for row in mono]


def test_each_command_names_the_other(media: Path, work_folder: Path,
                                      capsys: pytest.CaptureFixture[str]) -> None:
    clip = media / 'clip.mp4'
    assert main(['replay', str(clip)]) == 2
    assert f'mmer recognize {clip}' in ' '.join(capsys.readouterr().err.split())
    _, err = run(capsys, work_folder, code=2)
    assert f'mmer replay {work_folder}' in err


def test_a_bundle_that_is_not_there_is_answered_with_those_that_are(
        media: Path, work_folder: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(['create-bundle', 'compact', str(work_folder / 'bundles' / 'mine')]) == 0
    monkeypatch.setenv('MMER_BUNDLE_PATH', str(work_folder / 'bundles'))
    _, err = run(capsys, media / 'clip.mp4', '--bundle', 'nope', code=2)
    assert 'name one of the bundles mine, plus, starter, or of the untrained compact, paper' in err


def test_a_bundle_is_summarised_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(['inspect', 'starter']) == 0
    out = capsys.readouterr().out
    assert 'trained, calibrated' in out and 'languages' in out and '{' not in out
