# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Clips of MELD become recordings: what a microphone and a camera would have given."""

from __future__ import annotations

from collections.abc import Sequence
import csv
import json
from pathlib import Path
from typing import Any

import cv2
from mmer_ros.cli.main import main
from mmer_ros.evaluation.labels import read_label_file
from mmer_ros.recordings.media import read_audio, read_media
from mmer_ros.recordings.meld import dialogue
from mmer_ros.recordings.meld.clip import cross_fade, RoomNoise
from mmer_ros.recordings.meld.corpus import read_dialogues
from mmer_ros.recordings.meld.dialogue import clip_names
from mmer_ros.recordings.meld.jobs import write_dialogues
from mmer_ros.recordings.meld.settings import BagSettings
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, Recording, TRANSCRIPT
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import Int16, InvalidInput, SAMPLE_RATE, VideoFrame
import numpy as np
import pytest

from ..fixtures.clip import make_clip, meld_row, write_table
from ..fixtures.stream import write_clip

GAP = 0.6
SETTINGS = BagSettings(fps=10, gap_s=GAP)
CLIPS = 'dev_splits_complete'


def noise(seconds: float, level: float, seed: int) -> Int16:
    """Return white noise, its standard deviation in units of int16."""
    values = np.random.default_rng(seed).normal(0, level, round(seconds * SAMPLE_RATE))
    return np.rint(values).astype(np.int16)


def plain(color: int, count: int) -> list[Any]:
    """Return grey images, so that each clip is known by its own grey."""
    return [np.full((120, 160, 3), color + i % 2, np.uint8) for i in range(count)]


@pytest.fixture(scope='module')
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Dialogue 0 of two good clips; dialogue 3 of a missing, a broken, a mute, a blind one."""
    folder = tmp_path_factory.mktemp('corpus') / 'MELD.Raw'
    clips = folder / 'dev' / CLIPS
    clips.mkdir(parents=True)
    write_table(folder / 'dev_sent_emo.csv', [
        meld_row(0, 1, 'It\x92s me.', 'sadness', 'Joey'), meld_row(0, 0, 'Hi.', 'joy', 'Ross'),
        *(meld_row(3, u, f'line {u}', 'anger') for u in range(4)), meld_row(3, 4, emotion='?'),
        meld_row('x', 0)])
    write_clip(clips / 'dia0_utt0.mp4', noise(0.93, 400, 0), plain(60, 9), 10)
    write_clip(clips / 'dia0_utt1.mp4', noise(1.21, 400, 1), plain(180, 12), 10)
    (clips / 'dia3_utt1.mp4').write_bytes(np.random.default_rng(0).bytes(4000))
    make_clip(clips / 'dia3_utt2.mp4', 0.5, sound=False)
    with_picture = clips / 'dia3_utt3.mp4'
    write_clip(with_picture, noise(0.5, 400, 2), plain(90, 5), 10, cover=True)
    make_clip(clips / 'dia3_utt4.mp4', 0.5)
    return folder


@pytest.fixture(scope='module')
def bags(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write all of the corpus."""
    folder = tmp_path_factory.mktemp('bags')
    write_dialogues(read_dialogues(corpus, 'dev')[0], folder, SETTINGS)
    return folder


def messages(bag: Path, kind: str) -> list[tuple[float, float, Any]]:
    """Return when messages of a type were recorded and captured, seconds, and themselves."""
    found = []
    with Recording(bag) as recording:
        for recorded in recording.messages():
            if recorded.msgtype == kind:
                message = recording.decode(recorded)
                header = getattr(message, 'header', None)
                stamp = header.stamp.sec + header.stamp.nanosec / 1e9 if header else 0.0
                found.append((recorded.time, stamp, message))
    return found


def track(bag: Path) -> tuple[float, Int16]:
    """Return the time of the first sample, and all samples."""
    chunks = messages(bag, AUDIO)
    return chunks[0][1], np.concatenate([m.samples for _, _, m in chunks])


def image_at(bag: Path, time: float) -> float:
    """Return how bright the image is that is shown at a time."""
    shown = [m for _, stamp, m in messages(bag, COMPRESSED_IMAGE) if stamp <= time + 1e-6]
    return float(cv2.imdecode(np.frombuffer(shown[-1].data, np.uint8), cv2.IMREAD_COLOR).mean())


def test_the_sound_is_that_of_the_clips_without_a_break(corpus: Path, bags: Path) -> None:
    bag = bags / 'dev_dia0'
    chunks = messages(bag, AUDIO)
    for (arrived, stamp, message), following in zip(chunks, chunks[1:]):
        length = len(message.samples) / message.sample_rate
        assert (message.sample_rate, message.channels) == (SAMPLE_RATE, 1)
        assert 0.02 <= length <= 0.1
        assert following[1] == pytest.approx(stamp + length, abs=1e-6)
        assert arrived == pytest.approx(stamp + length, abs=1e-6), 'it comes when it is complete'
    begin, sound = track(bag)
    for label, name in zip(read_label_file(bag / 'labels.csv'), clip_names(bag), strict=True):
        blocks = list(read_audio(corpus / 'dev' / CLIPS / f'{name}.mp4'))
        clip = np.concatenate([b.samples for b in blocks]).mean(axis=1)
        expected = np.rint(clip * 32_768).clip(-32_768, 32_767)
        first = round((label.start + blocks[0].stamp - begin) * SAMPLE_RATE)
        np.testing.assert_array_equal(sound[first:first + len(expected)], expected)


def test_labels_and_words_are_those_of_the_rows(bags: Path) -> None:
    bag = bags / 'dev_dia0'
    first, second = read_label_file(bag / 'labels.csv')
    assert clip_names(bag) == ['dia0_utt0', 'dia0_utt1'], 'in the order of the dialogue'
    assert [(x.speaker, x.text, x.emotion) for x in (first, second)] == [
        ('Ross', 'Hi.', 4), ('Joey', "It's me.", 3)]
    assert first.end - first.start == pytest.approx(0.93, abs=0.13), 'AAC comes in frames'
    assert second.start - first.end == pytest.approx(GAP, abs=0.051), 'whole messages'
    words = messages(bag, TRANSCRIPT)
    assert [m.data for _, _, m in words] == ['Hi.', "It's me."]
    for label, (arrived, _, _) in zip((first, second), words):
        assert label.end < arrived < label.end + 0.2


def test_the_room_goes_on_in_the_pauses(bags: Path) -> None:
    bag = bags / 'dev_dia0'
    begin, sound = track(bag)
    first, second = read_label_file(bag / 'labels.csv')
    for start, end in ((begin, first.start), (first.end, second.start),
                       (second.end, begin + len(sound) / SAMPLE_RATE)):
        pause = sound[round((start - begin) * SAMPLE_RATE):round((end - begin) * SAMPLE_RATE)]
        assert len(pause) >= GAP * SAMPLE_RATE
        assert pause.astype(float).std() == pytest.approx(400, rel=0.25), 'as loud as its clips'
        assert np.unique(pause[-1600:]).size > 100


def test_the_noise_has_the_colour_of_the_quiet_moments() -> None:
    dull = np.convolve(noise(2.0, 300, 0), np.ones(8) / 8, 'same')
    loud = noise(2.0, 6000, 1)
    sound = np.concatenate([dull, loud]).astype(np.int16)
    drawn = RoomNoise(sound).draw(16_000, np.random.default_rng(0))
    assert drawn.std() == pytest.approx(dull.std(), rel=0.2)

    def low_share(values: Any) -> float:
        power = np.abs(np.fft.rfft(values)) ** 2
        return float(power[:len(power) // 8].sum() / power.sum())

    assert low_share(drawn) == pytest.approx(low_share(dull), abs=0.1)
    assert low_share(loud) < 0.2 < low_share(drawn)
    silent = cross_fade(RoomNoise(None), RoomNoise(np.zeros(9000, np.int16)), 800,
                        np.random.default_rng(0))
    assert not silent.any() and silent.size == 800


def test_the_camera_turns_in_the_middle_of_a_pause(bags: Path) -> None:
    bag = bags / 'dev_dia0'
    first, second = read_label_file(bag / 'labels.csv')
    assert image_at(bag, first.start - GAP + 0.01) == pytest.approx(60, abs=4)
    assert image_at(bag, first.end + 0.1) == pytest.approx(60, abs=4)
    assert image_at(bag, second.start - 0.1) == pytest.approx(180, abs=4)
    stamps = [stamp for _, stamp, _ in messages(bag, COMPRESSED_IMAGE)]
    assert max(np.diff(stamps)) < 0.2, 'the camera never stops'


def test_images_are_those_of_the_clip(corpus: Path, bags: Path) -> None:
    bag = bags / 'dev_dia3'
    name = 'dia3_utt2'
    label = read_label_file(bag / 'labels.csv')[clip_names(bag).index(name)]
    frames = [item for item in read_media(corpus / 'dev' / CLIPS / f'{name}.mp4',
                                          FrameSampler(SETTINGS.fps))
              if isinstance(item, VideoFrame)]
    shown = {round(stamp - label.start, 4): message
             for _, stamp, message in messages(bag, COMPRESSED_IMAGE)}
    assert len(frames) == 5
    for frame in frames:
        data = np.frombuffer(shown[round(frame.stamp, 4)].data, np.uint8)
        image = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        assert np.abs(image.astype(int) - frame.image).mean() < 4, 'JPEG loses a little'


def test_clips_that_cannot_be_used_are_left_out_and_told(
        corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', '300')
    command = ['meld2bag', str(corpus), '--output', str(tmp_path), '--gap', '0.6', '--fps', '10']
    assert main(command) == 3
    told = capsys.readouterr().err
    assert 'dia3_utt0.mp4: it is not there; it is left out' in told
    assert 'dia3_utt1.mp4: it cannot be read' in told
    assert "emotion '?' is unknown; dia3_utt4 has none" in told
    assert "dev_sent_emo.csv:9: Dialogue_ID 'x' is no number; the row is left out" in told
    assert '5 clips in 2 recordings' in told and '0 of them were there' in told
    bag = tmp_path / 'dev_dia3'
    assert clip_names(bag) == ['dia3_utt2', 'dia3_utt3', 'dia3_utt4']
    mute, blind, unknown = read_label_file(bag / 'labels.csv')
    assert unknown.emotion is None and mute.emotion == 6
    begin, sound = track(bag)
    inside = sound[round((mute.start - begin) * SAMPLE_RATE):][:3200]
    assert not inside.any(), 'a clip without sound is silent'
    held = image_at(bag, blind.end - 0.01)
    assert held == pytest.approx(image_at(bag, mute.end - 0.01), abs=1), 'the image before'
    assert main([*command, '--resume']) == 3
    assert '2 of them were there' in capsys.readouterr().err


def test_what_is_there_is_kept_until_something_changes(corpus: Path, tmp_path: Path) -> None:
    dialogues = read_dialogues(corpus, 'dev')[0][:1]

    def write(settings: BagSettings, resume: bool = True) -> bool:
        (written,) = write_dialogues(dialogues, tmp_path, settings, resume=resume)
        assert written.clips == 2 and written.folder == tmp_path / 'dev_dia0'
        return written.kept

    assert [write(SETTINGS), write(SETTINGS), write(SETTINGS, resume=False)] == [
        False, True, False]
    other = SETTINGS.model_copy(update={'quality': 50})
    assert [write(other), write(other)] == [False, True]
    assert [p.name for p in tmp_path.iterdir()] == ['dev_dia0'], 'nothing half is left'


@pytest.mark.slow
def test_processes_write_the_same_as_one(corpus: Path, bags: Path, tmp_path: Path) -> None:
    seen: list[str] = []
    results = write_dialogues(read_dialogues(corpus, 'dev')[0], tmp_path, SETTINGS, jobs=2,
                              on_done=lambda written: seen.append(written.name))
    assert sorted(seen) == [result.name for result in results] == ['dev_dia0', 'dev_dia3']
    for name in seen:
        for file in (bags / name).iterdir():
            assert (tmp_path / name / file.name).read_bytes() == file.read_bytes(), file


def test_an_interrupted_dialogue_leaves_the_one_before(
        corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dialogues = read_dialogues(corpus, 'dev')[0][:1]
    write_dialogues(dialogues, tmp_path, SETTINGS)
    before = {p.name: p.read_bytes() for p in (tmp_path / 'dev_dia0').iterdir()}
    read = dialogue.read_clip

    def interrupted(path: Path, *how: Any) -> Any:
        if path.stem.endswith('utt1'):
            raise KeyboardInterrupt
        return read(path, *how)

    monkeypatch.setattr(dialogue, 'read_clip', interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_dialogues(dialogues, tmp_path, SETTINGS.model_copy(update={'quality': 40}))
    assert {p.name: p.read_bytes() for p in (tmp_path / 'dev_dia0').iterdir()} == before
    assert [p.name for p in tmp_path.iterdir()] == ['dev_dia0']


def test_options_change_the_recording(corpus: Path, tmp_path: Path) -> None:
    assert main(['meld2bag', str(corpus), '--output', str(tmp_path), '--dialogues', '1',
                 '--storage', 'sqlite3', '--no-transcripts', '--fps', '5', '--gap', '0.5']) == 3
    bag = tmp_path / 'dev_dia0'
    assert list(tmp_path.iterdir()) == [bag] and (bag / 'dev_dia0.db3').is_file()
    with Recording(bag) as recording:
        assert set(recording.topics.values()) == {AUDIO, COMPRESSED_IMAGE}
    stamps = [stamp for _, stamp, _ in messages(bag, COMPRESSED_IMAGE)]
    assert np.median(np.diff(stamps)) == pytest.approx(0.2, abs=0.01)
    facts = json.loads((bag / 'meld2bag.json').read_text())
    assert facts['settings']['storage'] == 'sqlite3' and facts['split'] == 'dev'
    with (bag / 'labels.csv').open() as file:
        assert [row['text'] for row in csv.DictReader(file)] == ['Hi.', "It's me."]


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--split', 'test'], 'test_sent_emo.csv is neither in it'),
    (['--quality', '0'], '--quality 0'), (['--gap', '0.1'], '--gap 0.1'),
    (['--jobs', '0'], '--jobs 0')])
def test_what_cannot_be_done_is_told(
        corpus: Path, tmp_path: Path, arguments: Sequence[str], message: str,
        capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', '300')
    assert main(['meld2bag', str(corpus), '--output', str(tmp_path / 'out'), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'out').exists()


def test_other_things_are_not_overwritten(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / 'dev_dia0').mkdir()
    (tmp_path / 'dev_dia0' / 'notes.txt').write_text('mine')
    first, second = write_dialogues(read_dialogues(corpus, 'dev')[0], tmp_path, SETTINGS)
    (tmp_path / second.name / 'notes.txt').write_text('mine too')
    again = write_dialogues(read_dialogues(corpus, 'dev')[0][1:], tmp_path, SETTINGS)[0]
    assert 'not from mmer meld2bag' in again.problems[0]
    assert (tmp_path / second.name / 'notes.txt').read_text() == 'mine too'
    assert first.folder is None and 'not from mmer meld2bag' in first.problems[0]
    assert second.folder is not None, 'the others are written'
    assert (tmp_path / 'dev_dia0' / 'notes.txt').read_text() == 'mine'
    with pytest.raises(InvalidInput, match='names no clips'):
        clip_names(tmp_path / 'dev_dia0')
