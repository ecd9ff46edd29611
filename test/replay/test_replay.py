# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Replay: every form of a recording gives the same answers, to the bit."""

from __future__ import annotations

import csv
import json
from pathlib import Path
import shutil
from typing import Any

from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recordings.recording import EMOTION, Recording
from mmer_ros.replay import replay_bag, ReplayOptions, ReplayResult
from mmer_ros.replay.outputs import COLUMNS
from mmer_ros.types import EMOTIONS
import pytest
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import CompressionMode, StoragePlugin
import yaml

from ..fixtures.replay import (
    answers,
    changing,
    compact,
    NO_IMAGES,
    rechunked,
    replay,
    rewrite,
    SOUND,
    WORDS,
)
from ..fixtures.stream import BASE, run_pipeline, sample_events, sample_labels

# What rosidl computes for mmer_msgs/msg/EmotionEstimate; without it `ros2 bag play` warns.
EMOTION_HASH = 'RIHS01_897bd486eb018484529772768c18a21cef5d5d4c587caad5401c08c186347a06'
TEXTS = [row['text'] for row in sample_labels()[:2]]


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rewrite(tmp_path_factory.mktemp('bags') / 'talk')


@pytest.fixture(scope='module')
def whole(bag: Path, tmp_path_factory: pytest.TempPathFactory) -> ReplayResult:
    """Return the results with everything written."""
    return replay(bag, output=tmp_path_factory.mktemp('whole'), write_bag=True,
                  publish_transcript=True)


@pytest.fixture(scope='module')
def heard(bag: Path) -> ReplayResult:
    """Return the results without the camera."""
    return replay(bag, topics=NO_IMAGES)


def test_it_equals_the_pipeline_fed_by_hand(whole: ReplayResult) -> None:
    """The same messages fed by hand give the same numbers to the bit."""
    events = [e for e in sample_events() if e.arrival - BASE <= 7.6]
    expected = run_pipeline(Pipeline(compact()), events)
    assert answers(whole) == [estimate.to_dict() for estimate in expected]
    assert [row['transcript'] for row in whole.estimates] == TEXTS
    assert whole.exit_code == 0 and whole.summary['faults'] == []


@pytest.mark.slow
def test_it_looks_for_faces_ahead_without_changing_a_bit(bag: Path, whole: ReplayResult) -> None:
    assert replay(bag, detect_ahead=0).estimates == whole.estimates


def test_estimates_are_published_when_the_message_came_that_completed_them(
        bag: Path, whole: ReplayResult) -> None:
    with Recording(bag) as recording:
        times = {round(m.time, 6) for m in recording.messages()}
    for row in whole.estimates:
        assert round(row['published'], 6) in times
        assert row['latency'] == row['published'] - row['stamp']
        assert 0.1 < row['latency'] < 0.35  # the hangover less the tail, and one more message


@pytest.mark.slow
@pytest.mark.parametrize(('plugin', 'mode'), [
    (plugin, mode) for plugin in StoragePlugin for mode in CompressionMode
    if (plugin, mode) != (StoragePlugin.SQLITE3, CompressionMode.STORAGE)])  # there is none
def test_every_storage_gives_the_same(tmp_path: Path, heard: ReplayResult, plugin: StoragePlugin,
                                      mode: CompressionMode) -> None:
    path = rewrite(tmp_path / 'bag', plugin=plugin, mode=mode)
    result = replay(path, topics=NO_IMAGES)
    assert result.estimates == heard.estimates and result.exit_code == 0


def split(bag: Path, target: Path, at_s: float = 4.0) -> Path:
    """Cut a recording in two files, as `ros2 bag record --max-bag-duration` does."""
    halves = (lambda m: [m] * (m.time <= BASE + at_s), lambda m: [m] * (m.time > BASE + at_s))
    halves = (lambda m: [m] * (m.time <= BASE + at_s), lambda m: [m] * (m.time > BASE + at_s))
    parts = [rewrite(target / f'part{i}', half, source=bag) for i, half in enumerate(halves)]
    names = []
    for i, part in enumerate(parts):
        names.append(f'bag_{i}.mcap')
        (part / f'part{i}.mcap').replace(target / names[-1])
    metadata = yaml.safe_load((bag / 'metadata.yaml').read_text())
    metadata['rosbag2_bagfile_information']['relative_file_paths'] = names
    (target / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    for part in parts:
        shutil.rmtree(part)
    return target


@pytest.mark.slow
def test_a_split_recording_gives_the_same(bag: Path, tmp_path: Path, heard: ReplayResult) -> None:
    path = split(bag, tmp_path / 'bag')
    assert replay(path, topics=NO_IMAGES).estimates == heard.estimates
    (path / 'metadata.yaml').unlink()
    (path / 'bag_0.mcap').rename(path / 'z.mcap')  # names tell nothing: times do
    result = replay(path, topics=NO_IMAGES)
    assert result.estimates == heard.estimates
    assert 'metadata.yaml is missing' in result.summary['faults'][0] and result.exit_code == 3


@pytest.mark.parametrize('sizes', [[160], [4000], [333, 2000, 1]], ids=str)
def test_the_sizes_of_audio_messages_change_no_bit(tmp_path: Path, heard: ReplayResult,
                                                   sizes: list[int]) -> None:
    result = replay(rewrite(tmp_path / 'bag', rechunked(sizes)), topics=NO_IMAGES)
    assert answers(result) == answers(heard)
    assert result.summary['events'] == {}


@pytest.mark.slow
def test_the_sizes_change_no_bit_with_images_either(tmp_path: Path, whole: ReplayResult) -> None:
    result = replay(rewrite(tmp_path / 'bag', rechunked([3200, 800])))
    assert answers(result) == answers(whole)


def test_topics_of_other_names_are_found_by_type(tmp_path: Path, heard: ReplayResult) -> None:
    path = rewrite(tmp_path / 'bag', renamed={SOUND: '/robot/mic', WORDS: '/robot/asr'})
    result = replay(path, topics=NO_IMAGES)
    assert result.summary['topics'] == {'audio': '/robot/mic', 'transcript': '/robot/asr'}
    assert result.estimates == heard.estimates


def test_stamps_of_another_clock_are_used(tmp_path: Path, heard: ReplayResult) -> None:
    """As of a camera or microphone that counts from the start of its computer."""
    def move(message: Any) -> None:
        message.header.stamp.sec -= 1_600_000_000

    result = replay(rewrite(tmp_path / 'bag', changing(SOUND, move)), topics=NO_IMAGES)
    assert 'stamps are 1600000000 s away' in ''.join(result.summary['notices'])
    for found, expected in zip(result.estimates, heard.estimates, strict=True):
        assert found['start'] == pytest.approx(expected['start'] - 1.6e9, abs=1e-3)
        assert found['transcript'] == expected['transcript']
        assert found['latency'] == pytest.approx(expected['latency'], abs=0.02)


def test_messages_without_stamps_are_taken_by_their_time_of_recording(tmp_path: Path) -> None:
    def clear(message: Any) -> None:
        message.header.stamp.sec = message.header.stamp.nanosec = 0

    result = replay(rewrite(tmp_path / 'bag', changing(SOUND, clear)), topics=NO_IMAGES)
    assert len(result.estimates) == 2
    assert result.summary['events']['audio_unstamped'] == 76
    assert result.estimates[0]['start'] == pytest.approx(BASE + 1.15, abs=0.15)


def test_words_alone_are_estimated_in_pauses(tmp_path: Path) -> None:
    """The node is told of the time when nothing comes; so is the replay."""
    path = rewrite(tmp_path / 'bag', lambda m: [m] if m.topic == WORDS else [], until_s=20)
    result = replay(path)
    assert [row['transcript'] for row in result.estimates] == [
        row['text'] for row in sample_labels() if row['end'] < BASE + 20 - 0.25]
    assert {'+'.join(row['modalities']) for row in result.estimates} == {'text'}


def test_a_microphone_that_falls_silent_closes_the_utterance_in_the_pause(tmp_path: Path) -> None:
    """Nothing comes for 4 s in mid-speech, then words: they are an utterance of their own."""
    def cut(recorded: Any) -> list[Any]:
        late = recorded.time - BASE
        return [recorded] if late < 2.0 or recorded.topic == WORDS and late > 5 else []

    result = replay(rewrite(tmp_path / 'bag', cut), topics=NO_IMAGES)
    assert result.summary['events'] == {'audio_stalled': 1}
    first, second = result.estimates
    assert first['modalities'] == ['audio'] and first['end'] == pytest.approx(BASE + 2, abs=0.11)
    assert first['published'] == pytest.approx(BASE + 2 + 1.5, abs=0.25)
    assert second['modalities'] == ['text'] and second['transcript'] == TEXTS[1]


# ---------------------------------------------------------------------- what is written


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding='utf-8'))


def test_the_same_files_are_written_each_time(bag: Path, whole: ReplayResult,
                                              tmp_path: Path) -> None:
    again = replay(bag, output=tmp_path, write_bag=True, publish_transcript=True)
    assert whole.folder is not None and again.folder == tmp_path
    names = {path.name for path in whole.folder.iterdir()}
    assert names == {'estimates.jsonl', 'estimates.csv', 'events.jsonl', 'faces.csv',
                     'people.jsonl', 'summary.json', 'tracks.json', 'run.json', 'talk_emotion',
                     'thumbnails'}
    pictures = [f'thumbnails/{path.name}' for path in (whole.folder / 'thumbnails').iterdir()]
    assert len(pictures) == 2
    for name in [*names - {'run.json', 'talk_emotion', 'thumbnails'}, *pictures]:
        assert (tmp_path / name).read_bytes() == (whole.folder / name).read_bytes(), name


def test_the_results_can_be_read_back(whole: ReplayResult) -> None:
    assert whole.folder is not None
    found = ReplayResult.load(whole.folder)
    assert (found.summary, found.estimates, found.tracks, found.run) == (
        json.loads(json.dumps(whole.summary)), whole.estimates, whole.tracks, whole.run)


def test_the_table_holds_what_the_lines_hold(whole: ReplayResult) -> None:
    assert whole.folder is not None
    with (whole.folder / 'estimates.csv').open(newline='', encoding='utf-8') as file:
        table = list(csv.DictReader(file))
    assert len(table) == 2 and tuple(table[0]) == COLUMNS
    for line, row in zip(table, whole.estimates):
        assert [float(line[f'p_{name}']) for name in EMOTIONS] == list(
            row['probabilities'].values())
        assert float(line['published']) == row['published']
        assert line['modalities'] == 'text+audio+face' and line['transcript'] == row['transcript']


def test_the_tracks_hold_the_times_of_inputs_faces_and_words(whole: ReplayResult) -> None:
    tracks = whole.tracks
    (start, end), = tracks['inputs']['audio']
    assert (start - BASE, end - BASE) == pytest.approx((0, 7.6), abs=0.11)
    assert [t['text'] for t in tracks['transcripts']] == TEXTS
    (first, last), = tracks['faces']['face1']
    assert last - first > 6.5
    assert whole.folder is not None
    with (whole.folder / 'faces.csv').open(newline='', encoding='utf-8') as file:
        faces = list(csv.DictReader(file))
    assert len(faces) == pytest.approx(38, abs=3)  # 5 a second
    assert all(0 <= float(f['left']) < float(f['right']) <= 320 for f in faces)
    assert whole.summary['availability']['audio'] > 0.98


def test_the_new_recording_holds_the_originals_and_the_estimates(
        bag: Path, whole: ReplayResult) -> None:
    assert whole.folder is not None
    with AnyReader([bag]) as one, AnyReader([whole.folder / 'talk_emotion']) as other:
        old = [(c.topic, t, bytes(d)) for c, t, d in one.messages()]
        new = [(c.topic, t, bytes(d)) for c, t, d in other.messages()]
        assert [m for m in new if m[0] != '/emotion'] == old
        assert {c.topic: c.digest for c in one.connections} | {'/emotion': EMOTION_HASH} == {
            c.topic: c.digest for c in other.connections}
        found = [(t, other.deserialize(d, c.msgtype)) for c, t, d in other.messages()
                 if c.topic == '/emotion']
    assert [t for t, _ in found] == sorted(t for t, _ in found)
    for (time_ns, message), row in zip(found, whole.estimates, strict=True):
        assert message.probabilities.tolist() == list(row['probabilities'].values())
        assert time_ns / 1e9 == row['published']
        assert message.transcript == row['transcript'] and message.header.frame_id == 'camera'
        assert message.JOY == 4 and message.modalities == 7


def test_a_recording_with_estimates_gets_a_second_topic(bag: Path, tmp_path: Path,
                                                        whole: ReplayResult) -> None:
    assert whole.folder is not None
    result = replay(whole.folder / 'talk_emotion', output=tmp_path, write_bag=True,
                    topics=NO_IMAGES)
    assert 'are on /emotion_replay' in ''.join(result.summary['notices'])
    with Recording(tmp_path / 'talk_emotion_emotion') as recording:
        assert recording.counts['/emotion'] == recording.counts['/emotion_replay'] == 2
        assert recording.topics['/emotion_replay'] == EMOTION
        quiet = [recording.decode(m).transcript for m in recording.messages({'/emotion_replay'})]
    assert quiet == ['', '']  # words are private unless the parameter says otherwise


def test_what_was_estimated_is_kept_when_it_is_interrupted(bag: Path, tmp_path: Path) -> None:
    def stop(done: float, total: float) -> None:
        if done > 4.5:
            raise KeyboardInterrupt

    (tmp_path / 'summary.json').write_text('{"mmer_ros": "0.1", "bag": "an earlier run"}')
    options = ReplayOptions(output=tmp_path, topics=NO_IMAGES, write_bag=True, threads=0,
                            partial_rate=0.0)
    with pytest.raises(KeyboardInterrupt):
        replay_bag(bag, options, on_progress=stop)
    rows = (tmp_path / 'estimates.jsonl').read_text().splitlines()
    assert [json.loads(row)['transcript'] for row in rows] == TEXTS[:1]
    assert not (tmp_path / 'summary.json').exists()
    with Recording(tmp_path / 'talk_emotion') as recording:
        assert recording.counts['/emotion'] == 1


def test_partial_estimates_are_among_the_rows_and_leave_the_others_as_they_are(
        bag: Path, heard: ReplayResult) -> None:
    with_them = replay(bag, topics=NO_IMAGES, partial_rate=1.0)
    partials = [row for row in with_them.estimates if not row['final']]
    assert len(partials) >= 4
    assert [row for row in with_them.estimates if row['final']] == heard.estimates
    assert with_them.summary['partial_estimates'] == len(partials)
    for name in ('estimates', 'utterances', 'latency_s', 'emotions'):
        assert with_them.summary[name] == heard.summary[name]


def test_time_is_measured_only_with_a_clock(bag: Path, heard: ReplayResult) -> None:
    ticks = iter(range(10**9))
    options = ReplayOptions(topics=NO_IMAGES, threads=0, partial_rate=0.0)
    timed = replay_bag(bag, options, recognizer=compact(), clock=lambda: float(next(ticks)))
    assert timed.estimates == heard.estimates
    assert 'wall_s' not in heard.run and timed.run['wall_s'] > 0
    stages = timed.run['stages_s']
    assert stages['audio encoder'] > 0 and stages['voice activity'] > 0
    assert [final['processing_s'] > 0 for final in timed.run['finals']] == [True, True]
