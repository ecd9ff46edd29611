# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer replay` on damaged or odd recordings: the fault is reported, the rest is evaluated."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from mmer_ros.cli.main import main
from mmer_ros.recordings.recording import Recording
from mmer_ros.replay.result import ReplayResult
import numpy as np
import pytest
from rosbags.rosbag2 import CompressionMode, StoragePlugin
from rosbags.typesys import get_types_from_msg
import yaml

from ..fixtures.replay import (
    answers,
    changing,
    Extra,
    IMAGES,
    NO_IMAGES,
    replay,
    SOUND,
    types,
    without,
    WORDS,
)
from ..fixtures.replay import rewrite as rewritten

rewrite = partial(rewritten, until_s=4.3)  # of the sample: one utterance
PACKAGES = Path(__file__).parents[1] / 'ros_packages'
BLIND = ('--topics', 'image=')  # face detection takes most of the time


@pytest.fixture(scope='module')
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rewrite(tmp_path_factory.mktemp('bags') / 'talk')


@pytest.fixture(autouse=True)
def work_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a folder of its own: results are saved in the current one."""
    folder = tmp_path / 'work'
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv('COLUMNS', '150')
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], work_folder: Path) -> Any:
    """Run the command and check its exit code."""
    def check(*arguments: str | Path, code: int = 0) -> tuple[str, ReplayResult | None]:
        assert main(['replay', *map(str, arguments), '--output', 'out']) == code
        said = ' '.join(capsys.readouterr().err.split())
        written = (work_folder / 'out' / 'summary.json').exists()
        return said, ReplayResult.load(work_folder / 'out') if written else None
    return check


def test_a_good_recording(run: Any, bag: Path) -> None:
    said, result = run(bag, *BLIND)
    assert result.summary['utterances'] == 1 and result.exit_code == 0
    assert 'left out' not in said and 'saved in out' in said
    assert 'talk 4 s' in said


def test_a_file_that_was_cut_off_is_used_up_to_there(run: Any, tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'bag', until_s=14)
    file = path / 'bag.mcap'
    file.write_bytes(file.read_bytes()[:-300_000])
    said, result = run(path, *BLIND, code=3)
    assert 'bag.mcap: it was cut off (File end magic is invalid)' in said
    assert 'that metadata.yaml names are not there (' in said
    assert result.summary['utterances'] == 3
    read = result.summary['messages'][SOUND]['read']
    assert 76 < read < 140 and f'{SOUND} {140 - read}' in said


def test_a_cut_file_alone_is_used_and_compressed_ones_too(run: Any, tmp_path: Path) -> None:
    plain = rewrite(tmp_path / 'bag', until_s=14) / 'bag.mcap'
    plain.write_bytes(plain.read_bytes()[:-300_000])
    _, result = run(plain, *BLIND, code=3)
    packed = rewrite(tmp_path / 'packed', until_s=14, mode=CompressionMode.FILE)
    file = packed / 'packed.mcap.zstd'
    file.write_bytes(file.read_bytes()[:-300_000])
    said, again = run(packed, *BLIND, code=3)
    assert result.summary['utterances'] == again.summary['utterances'] == 3
    assert 'its compressed data are cut off' in said


def test_a_database_that_was_cut_off_is_reported_with_what_to_do(run: Any, tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'bag', plugin=StoragePlugin.SQLITE3)
    file = path / 'bag.db3'
    file.write_bytes(file.read_bytes()[:file.stat().st_size // 2])
    said, _ = run(path, code=2)
    assert 'malformed' in said and "sqlite3 bag.db3 '.recover'" in said


def test_damage_in_the_middle_costs_the_chunk_that_it_is_in(run: Any, tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'bag', until_s=14, mode=CompressionMode.STORAGE)
    file = path / 'bag.mcap'
    data = bytearray(file.read_bytes())
    data[len(data) * 3 // 4:len(data) * 3 // 4 + 500] = bytes(500)
    file.write_bytes(data)
    said, result = run(path, *BLIND, code=3)
    assert 'a chunk of it cannot be read' in said and result.summary['utterances'] >= 1
    assert 'are not there (' in said


def test_a_file_of_a_split_recording_may_be_missing(run: Any, tmp_path: Path) -> None:
    path = rewrite(tmp_path / 'bag')
    metadata = yaml.safe_load((path / 'metadata.yaml').read_text())
    metadata['rosbag2_bagfile_information']['relative_file_paths'].append('bag_1.mcap')
    (path / 'metadata.yaml').write_text(yaml.safe_dump(metadata))
    said, result = run(path, *BLIND, code=3)
    assert 'bag_1.mcap: it cannot be read' in said and result.summary['utterances'] == 1


@pytest.mark.parametrize('content', [None, b'', b'hello\n' * 100])
@pytest.mark.parametrize('name', ['a.mcap', 'a.db3', 'a.txt', 'a.bag'])
def test_what_is_no_recording_is_reported(run: Any, tmp_path: Path, name: str,
                                          content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    said, result = run(tmp_path / name, code=2)
    expected = ('no such file' if content is None else
                'rosbags-convert' if name == 'a.bag' else 'cannot be read')
    assert name in said and expected in said and result is None


def test_an_empty_recording_is_reported(run: Any, tmp_path: Path) -> None:
    (tmp_path / 'folder').mkdir()
    said, _ = run(tmp_path / 'folder', code=2)
    assert 'it holds no file' in said
    said, _ = run(rewrite(tmp_path / 'bag', lambda m: []), code=2)
    assert 'it holds no messages' in said


def test_silence_gives_no_estimate(run: Any, tmp_path: Path) -> None:
    def hush(message: Any) -> None:
        message.samples = np.zeros_like(message.samples)

    path = rewrite(tmp_path / 'bag', lambda m: changing(SOUND, hush)(m) if m.topic == SOUND
                   else [], until_s=3)
    said, result = run(path, code=1)
    assert 'nothing was estimated' in said and result.estimates == []


# ---------------------------------------------------------------------- topics


def test_of_two_cameras_the_first_is_used_and_the_other_named(run: Any, tmp_path: Path) -> None:
    def both(recorded: Any) -> list[Any]:
        return [recorded]

    store = types()
    image = store.types['sensor_msgs/msg/Image'](
        store.types['std_msgs/msg/Header'](
            store.types['builtin_interfaces/msg/Time'](1_700_000_000, 0), 'other'),
        2, 2, 'rgb8', 0, 6, np.zeros(12, np.uint8))
    kind = 'sensor_msgs/msg/Image'
    extra = Extra(1.0, '/other/image', kind, '', bytes(store.serialize_cdr(image, kind)))
    path = rewrite(tmp_path / 'bag', both, extras=[extra])
    said, result = run(path)
    assert result.summary['topics']['image'] == IMAGES
    assert f'image: {IMAGES} is used; there is also /other/image: --topics image=/other' in said
    _, other = run(path, '--topics', 'image=/other/image')
    assert other.summary['topics']['image'] == '/other/image'
    assert other.summary['modalities'] == {'text+audio': 1}


def test_a_missing_topic_is_reported_and_the_others_are_used(run: Any, bag: Path) -> None:
    said, result = run(bag, *BLIND, 'transcript=/asr', code=3)
    assert f'/asr: it is not in the recording; there is {WORDS}: --topics transcript=' in said
    assert result.summary['modalities'] == {'audio': 1}
    said, _ = run(bag, *BLIND, f'audio={WORDS}', code=3)
    assert f'audio: topic {WORDS}: it is std_msgs/msg/String; expected mmer_msgs' in said


@pytest.mark.parametrize('pair', ['smell=/nose', 'image'])
def test_topics_of_another_form_are_reported(run: Any, bag: Path, pair: str) -> None:
    said, _ = run(bag, '--topics', pair, code=2)
    assert pair.split('=')[0] in said and 'expected' in said


def test_the_voice_of_the_robot_is_looked_for_only_where_it_is_named(run: Any, tmp_path: Path
                                                                     ) -> None:
    """It speaks during the first utterance of two; any other Bool would mean something else."""
    extras = [Extra(at, '/robot/speaking', 'std_msgs/msg/Bool', '', b'\0\1\0\0' + bytes([on]))
              for at, on in ((1.0, 1), (4.2, 0))]
    path = rewritten(tmp_path / 'bag', extras=extras)
    _, result = run(path, *BLIND)
    assert result.summary['utterances'] == 2
    said, result = run(path, *BLIND, 'own_speaking=/robot/speaking', 'own_speech=/none', code=3)
    assert result.summary['utterances'] == 1
    assert result.summary['events'] == {'transcript_own_speech': 1}
    assert 'own_speech: topic /none: it is not in the recording' in said
    said, _ = run(path, *BLIND, 'own_speaking=/transcript', code=3)
    assert 'it is std_msgs/msg/String; expected std_msgs/msg/Bool' in said
    assert '--topics own_speaking=/robot/speaking' in said


def test_a_recording_without_anything_of_use_is_reported(run: Any, tmp_path: Path) -> None:
    extra = Extra(0.0, '/odom', 'nav_msgs/msg/Odd', 'float64 x\n', bytes(12))
    said, _ = run(rewrite(tmp_path / 'bag', lambda m: [], extras=[extra]), code=2)
    assert 'no topic to replay was found' in said and '/odom (nav_msgs/msg/Odd, 1)' in said


@pytest.mark.parametrize('definition', ['float64 x\n', 'this is { no definition', 'other/Thing y'])
def test_messages_of_an_unknown_type_are_no_obstacle(run: Any, tmp_path: Path,
                                                     definition: str) -> None:
    extra = Extra(0.5, '/odd', 'odd_msgs/msg/Odd', definition, bytes(12))
    _, result = run(rewrite(tmp_path / 'bag', extras=[extra]), *BLIND, '--bag')
    assert result.summary['utterances'] == 1
    copied = (Path('out') / 'bag_emotion' / 'metadata.yaml').read_text()
    known = definition == 'float64 x\n'
    assert ('/odd' in copied) == known
    assert ('is not defined in the recording' in ''.join(result.summary['notices'])) != known


def audio_common(name: str, definition: str, data: bytes) -> Extra:
    return Extra(0.5, '/audio/audio', f'audio_common_msgs/msg/{name}', definition, data)


def cdr(data: bytes) -> bytes:
    """Serialise a message of bytes only."""
    return b'\x00\x01\x00\x00' + len(data).to_bytes(4, 'little') + data


@pytest.mark.parametrize('extras', [
    [audio_common('AudioData', 'uint8[] data', cdr(b'\xff\xfb\x90\x44' + bytes(413)))],
    [audio_common('AudioData', 'uint8[] data', cdr(bytes(20))),
     Extra(0.1, '/audio/audio_info', 'audio_common_msgs/msg/AudioInfo',
           'uint8 channels\nuint32 sample_rate\nstring sample_format\nstring coding_format',
           bytes([0, 1, 0, 0, 1, 0, 0, 0, 128, 62, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]) +
           cdr(b'mp3\0')[4:])]], ids=['frames', 'info'])
def test_audio_in_mp3_is_reported_and_the_words_are_used(run: Any, tmp_path: Path,
                                                         extras: list[Extra]) -> None:
    path = rewrite(tmp_path / 'bag', without(SOUND), extras=extras)
    said, result = run(path, *BLIND, code=3)
    assert 'audio: it is coded as mp3' in said and '(/audio/audio)' in said
    assert 'format:=wave' in said
    assert result.summary['modalities'] == {'text': 1}


def third_party(package: str) -> Any:
    """Return a store that also knows a package of test/ros_packages."""
    store = types()
    found: dict[str, Any] = {}
    for file in sorted((PACKAGES / package).glob('*.msg')):
        found |= get_types_from_msg(file.read_text(), f'audio_common_msgs/msg/{file.stem}')
    store.register(found)
    return store


def in_bytes(store: Any, message: Any) -> Any:
    return store.types['audio_common_msgs/msg/AudioData'](
        np.frombuffer(message.samples.tobytes(), np.uint8))


def in_stamped_bytes(store: Any, message: Any) -> Any:
    return store.types['audio_common_msgs/msg/AudioDataStamped'](
        message.header, in_bytes(store, message))


def in_fields(store: Any, message: Any) -> Any:
    data, info, audio, stamped = (store.types[f'audio_common_msgs/msg/{name}'] for name in (
        'AudioData', 'AudioInfo', 'Audio', 'AudioStamped'))
    none = {dtype: np.zeros(0, dtype) for dtype in ('f4', 'i4', 'i1', 'u1')}
    fields = data(none['f4'], none['i4'], message.samples, none['i1'], none['u1'])
    return stamped(message.header, audio(fields, info(8, 1, 16_000, message.samples.size)))


@pytest.mark.parametrize(('package', 'convert'), [
    ('ros_drivers', in_bytes), ('ros_drivers', in_stamped_bytes), ('mgonzs13', in_fields)])
def test_audio_of_either_audio_common_msgs_gives_the_same(
        bag: Path, tmp_path: Path, package: str, convert: Any) -> None:
    store = third_party(package)
    extras = []
    with Recording(bag) as recording:
        for recorded in recording.messages({SOUND}):
            message = convert(store, recording.decode(recorded))
            kind = message.__msgtype__
            extras.append(Extra(recorded.time - recording.start, '/audio/audio', kind,
                                store.generate_msgdef(kind)[0],
                                bytes(store.serialize_cdr(message, kind))))
    path = rewrite(tmp_path / 'other', without(SOUND), extras=extras)
    results = [replay(folder, topics={'image': ''}) for folder in (bag, path)]
    expected, found = (answers(result) for result in results)
    assert results[1].summary['topics']['audio'] == '/audio/audio'
    if convert is in_bytes:  # without stamps
        assert [row['modalities'] for row in found] == [row['modalities'] for row in expected]
        assert abs(found[0]['start'] - expected[0]['start']) < 0.1
        assert results[1].summary['events']['audio_unstamped'] == len(extras)
    else:
        assert found == expected != []


def bytes_of(bag: Path, store: Any, pieces: Callable[[bytes, int], list[bytes]]) -> list[Extra]:
    """Return the audio of a recording as AudioDataStamped, cut as `pieces` says."""
    stamped = 'audio_common_msgs/msg/AudioDataStamped'
    raw = store.types['audio_common_msgs/msg/AudioData']
    extras, place = [], 0
    with Recording(bag) as recording:
        messages = [(m.time, recording.decode(m)) for m in recording.messages({SOUND})]
        whole = b''.join(message.samples.tobytes() for _, message in messages)
        first = messages[0][1].header.stamp
        for index, (time, message) in enumerate(messages):
            size, done = 2 * message.samples.size, 0
            for piece in pieces(whole[place:place + size], index):
                nanoseconds = first.sec * 10 ** 9 + first.nanosec + (place + done) * 31_250
                time_type = store.types['builtin_interfaces/msg/Time']
                header = store.types['std_msgs/msg/Header'](
                    time_type(*divmod(nanoseconds, 10 ** 9)), 'microphone')
                content = store.types[stamped](header, raw(np.frombuffer(piece, np.uint8)))
                extras.append(Extra(time - recording.start, '/audio/audio', stamped,
                                    store.generate_msgdef(stamped)[0],
                                    bytes(store.serialize_cdr(content, stamped))))
                done += len(piece)
            place += size
    return extras


def test_audio_in_messages_that_end_within_a_sample_gives_the_same(
        bag: Path, tmp_path: Path) -> None:
    def odd(data: bytes, index: int) -> list[bytes]:
        cut = 701 + 2 * (index % 5)
        return [data[:cut], data[cut:]]

    path = rewrite(tmp_path / 'odd', without(SOUND),
                   extras=bytes_of(bag, third_party('ros_drivers'), odd))
    expected, found = (answers(replay(folder, topics=NO_IMAGES)) for folder in (bag, path))
    assert found == expected != []


def test_floats_read_as_integers_are_named_and_the_exit_code_says_so(
        run: Any, bag: Path, tmp_path: Path) -> None:
    def floats(data: bytes, index: int) -> list[bytes]:
        return [(np.frombuffer(data, '<i2') / 32_768).astype('<f4').tobytes()]

    path = rewrite(tmp_path / 'floats', without(SOUND),
                   extras=bytes_of(bag, third_party('ros_drivers'), floats))
    said, result = run(path, *BLIND, code=3)
    assert 'the samples are read as S16LE, but look like F32LE; set audio_format' in said
    assert any('look like F32LE' in fault for fault in result.summary['faults'])


@pytest.mark.parametrize('years', [0, 50])
@pytest.mark.parametrize(('topic', 'kind'), [(IMAGES, 'image'), (SOUND, 'audio')])
def test_stamps_that_stand_still_are_named_and_replaced(
        run: Any, bag: Path, tmp_path: Path, topic: str, kind: str, years: int) -> None:
    """At the beginning of the recording, or at a time that no clock has, which moves no other."""
    first: list[Any] = []

    def freeze(message: Any) -> None:
        first.append(message.header.stamp)
        first[0].sec -= 0 if len(first) > 1 else years * 31_557_600
        message.header.stamp = first[0]

    path = rewrite(tmp_path / 'frozen', changing(topic, freeze))
    said, result = run(path, code=3)
    assert f'times: {kind}: the stamps stand still while messages come' in said
    assert 'as of another clock' not in said and 'internal error' not in said
    assert result.summary['modalities'] == {'text+audio+face': 1}


def test_types_that_are_not_read_are_named(run: Any, bag: Path, tmp_path: Path) -> None:
    definition = (
        'builtin_interfaces/Time timestamp\nstring frame_id\nuint8[] data\nstring format\n'
        f'{80 * "="}\nMSG: builtin_interfaces/Time\nint32 sec\nuint32 nanosec\n')
    extras = [Extra(at, '/front/jpeg', 'foxglove_msgs/msg/CompressedImage', definition, bytes(40))
              for at in (0.1, 0.2)]
    said, _ = run(rewrite(tmp_path / 'only', without(IMAGES), extras=extras), code=3)
    unread = 'image: /front/jpeg holds 2 messages of foxglove_msgs/msg/CompressedImage, which are'
    assert f'left out: {unread} not read' in said
    said, _ = run(rewrite(tmp_path / 'both', extras=extras), *BLIND, code=0)
    assert 'foxglove' not in said  # nobody asked for images
    said, _ = run(rewrite(tmp_path / 'both2', extras=extras), code=0)
    assert f'note: {unread} not read' in said


# ---------------------------------------------------------------------- messages


def test_messages_that_cannot_be_used_are_counted_and_reported(run: Any, tmp_path: Path) -> None:
    count = 0

    def spoil(message: Any) -> None:
        nonlocal count
        count += 1
        if 3 <= count < 6:
            message.channels = 7

    said, result = run(rewrite(tmp_path / 'bag', changing(SOUND, spoil)), *BLIND, code=3)
    assert result.summary['events']['audio'] == 3 and '3 times: audio: 1600 samples in 7' in said
    assert result.summary['utterances'] == 1


def test_messages_that_are_no_messages_are_counted_and_reported(run: Any, tmp_path: Path) -> None:
    extras = [Extra(at, WORDS, 'std_msgs/msg/String', '', data)
              for at, data in ((0.5, b''), (0.6, b'\x00\x01\x00\x00\xff\xff\xff\x7f'))]
    said, result = run(rewrite(tmp_path / 'bag', extras=extras), *BLIND, code=3)
    assert result.summary['events']['transcript'] == 2
    assert '2 times: /transcript: a message of 0 bytes is no std_msgs/msg/String' in said
    assert result.summary['modalities'] == {'text+audio': 1}


def test_stamps_out_of_order_are_reported_and_the_rest_is_used(run: Any, tmp_path: Path) -> None:
    count = 0

    def shuffle(message: Any) -> None:
        nonlocal count
        count += 1
        if count % 20 == 0:
            message.header.stamp.nanosec = max(0, message.header.stamp.nanosec - 90_000_000)

    path = rewrite(tmp_path / 'bag', changing(IMAGES, shuffle))
    said, result = run(path, code=3)
    assert result.summary['events']['image_late'] >= 2
    assert 'times: image: 0.0' in said
    assert result.summary['modalities'] == {'text+audio+face': 1}


# ---------------------------------------------------------------------- the command


def test_the_parameters_of_the_node_are_followed(run: Any, bag: Path, tmp_path: Path) -> None:
    parameters = tmp_path / 'params.yaml'
    parameters.write_text('/**:\n  ros__parameters:\n    image_topic: ""\n'
                          '    segmenter: {speech: {min_voiced_s: 5.0}}\n')
    said, result = run(bag, '--params', parameters, code=1)
    assert result.summary['topics'] == {'audio': SOUND, 'transcript': WORDS}
    assert result.summary['events'] == {'transcript_without_speech': 1}
    said, _ = run(bag, '--params', tmp_path / 'nowhere.yaml', code=2)
    assert 'nowhere.yaml' in said


def test_images_beyond_the_limit_of_ones_own_are_left_out(run: Any, bag: Path,
                                                          tmp_path: Path) -> None:
    parameters = tmp_path / 'params.yaml'
    parameters.write_text('/**:\n  ros__parameters:\n    image_topic: /camera/image\n'
                          '    max_image_megapixels: 0.02\n')
    said, result = run(bag, '--params', parameters, code=3)
    assert 'expected at most 0.02 million pixels' in said
    assert result.summary['events']['image'] > 5
    assert result.summary['utterances'] == 1


@pytest.mark.parametrize(('arguments', 'names'), [
    (['--labels', 'nowhere.csv'], 'nowhere.csv'), (['--bundle', 'no/such'], 'no/such'),
    (['--device', 'cuda:9'], 'cuda:9'), (['--jobs', '0'], '--jobs 0')])
def test_options_that_cannot_be_are_reported(run: Any, bag: Path, arguments: list[str],
                                             names: str) -> None:
    said, result = run(bag, *arguments, code=2)
    assert names in said and result is None


def test_results_have_a_folder_by_default(bag: Path, work_folder: Path) -> None:
    assert main(['replay', str(bag), *BLIND]) == 0
    assert (work_folder / 'talk.replay' / 'summary.json').exists()
