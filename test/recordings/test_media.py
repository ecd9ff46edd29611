# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Media files: what PyAV writes is read back, in the order of its capture times."""

from __future__ import annotations

from fractions import Fraction
import gc
import multiprocessing
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import VideoReformatter
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mmer_ros.recordings.clips import resampled
from mmer_ros.recordings.media import duration, read_audio, read_media, turned
from mmer_ros.sensing.audio_front_end import resample
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import AudioBlock, InvalidInput, SAMPLE_RATE, VideoFrame
import numpy as np
from PIL import Image
import pytest
from tools.sample_clip import write_clip, write_wav

from ..fixtures.media import end_of, EVERY, read, remuxed
from ..fixtures.stream import sine

SOUND = np.rint(sine(440, 2.0, SAMPLE_RATE) * 32_767).astype(np.int16)
# Grey of a brightness that tells the second in which it is seen.
FRAMES = [np.full((96, 128, 3), 60 + 60 * (i // 10), np.uint8) for i in range(20)]


@pytest.fixture(scope='module')
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('media') / 'clip.mp4'
    write_clip(path, SOUND, FRAMES, 10)
    return path


def heard(items: list[AudioBlock | VideoFrame]) -> np.ndarray:
    return np.concatenate([resample(i.samples, i.sample_rate)
                           for i in items if isinstance(i, AudioBlock)])


def test_a_clip_gives_audio_and_images_by_time(clip: Path) -> None:
    items = list(read_media(clip, FrameSampler(EVERY)))
    frames = [i for i in items if isinstance(i, VideoFrame)]
    assert [f.stamp for f in frames] == pytest.approx([i / 10 for i in range(20)], abs=0.001)
    for frame, written in zip(frames, FRAMES):
        assert np.abs(frame.image.astype(int) - written).mean() < 8
    ends = [i.stamp + len(i.samples) / i.sample_rate if isinstance(i, AudioBlock) else i.stamp
            for i in items]
    assert ends == sorted(ends)
    audio = heard(items)
    assert audio.size == pytest.approx(2 * SAMPLE_RATE, abs=3000)
    level = np.sqrt(np.mean((audio[4000:28_000] / 32_768) ** 2))
    assert level == pytest.approx(0.5 / np.sqrt(2), rel=0.1)
    assert duration(clip) == pytest.approx(2.0, abs=0.2)


def test_the_sampler_chooses_the_frames(clip: Path) -> None:
    frames = [i for i in read_media(clip, FrameSampler(2.0)) if isinstance(i, VideoFrame)]
    assert [f.stamp for f in frames] == pytest.approx([0.0, 0.5, 1.0, 1.5], abs=0.001)


def test_a_wav_is_read_to_the_bit(tmp_path: Path) -> None:
    path = tmp_path / 'sound.wav'
    write_wav(path, SOUND)
    blocks = list(read_audio(path))
    np.testing.assert_array_equal(
        np.concatenate([b.samples.reshape(-1) for b in blocks]), SOUND)
    stamps = np.cumsum([0, *(len(b.samples) for b in blocks)])[:-1] / SAMPLE_RATE
    assert [b.stamp for b in blocks] == pytest.approx(stamps.tolist())
    assert len(list(read_media(path, FrameSampler(EVERY)))) == len(blocks)


@pytest.mark.parametrize('codec', ['pcm_u8', 'pcm_s16le', 'pcm_s24le', 'pcm_s32le', 'pcm_f32le',
                                   'pcm_f64le'])
def test_a_stereo_wav_of_any_format_is_read(tmp_path: Path, codec: str) -> None:
    path = tmp_path / 'stereo.wav'
    write_wav(path, np.stack([SOUND, np.zeros_like(SOUND)], axis=1), codec=codec)
    items = list(read_audio(path))
    assert all(i.samples.shape[1] == 2 for i in items)
    tolerance = 200 if codec == 'pcm_u8' else 1
    np.testing.assert_allclose(heard(items), SOUND / 2, atol=tolerance)  # type: ignore[arg-type]


def test_a_clip_without_sound_gives_images(tmp_path: Path) -> None:
    path = tmp_path / 'mute.mp4'
    write_clip(path, None, FRAMES, 10)
    items = list(read_media(path, FrameSampler(EVERY)))
    assert len(items) == 20 and all(isinstance(i, VideoFrame) for i in items)
    with pytest.raises(InvalidInput, match='holds no audio'):
        list(read_audio(path))


def test_a_damaged_end_loses_only_itself(tmp_path: Path) -> None:
    """A recorder that was switched off: its index is at the front, the end is missing."""
    path = tmp_path / 'whole.mp4'
    write_clip(path, SOUND, FRAMES, 10, index_first=True)
    data = path.read_bytes()
    cut = tmp_path / 'cut.mp4'
    cut.write_bytes(data[:int(0.7 * len(data))])
    whole = list(read_media(path, FrameSampler(EVERY)))
    items = list(read_media(cut, FrameSampler(EVERY)))
    assert 0.3 * len(whole) < len(items) < len(whole)
    for found, expected in zip((i for i in items if isinstance(i, AudioBlock)),
                               (i for i in whole if isinstance(i, AudioBlock))):
        assert found.stamp == expected.stamp
        np.testing.assert_array_equal(found.samples, expected.samples)


def test_a_clip_without_its_index_is_told(clip: Path, tmp_path: Path) -> None:
    data = clip.read_bytes()
    cut = tmp_path / 'cut.mp4'
    cut.write_bytes(data[:len(data) // 2])
    for attempt in (lambda: list(read_media(cut, FrameSampler(EVERY))), lambda: duration(cut)):
        with pytest.raises(InvalidInput, match='cut.mp4: it cannot be read as audio or video'):
            attempt()


@pytest.mark.parametrize('name', ['notes.txt', 'clip.mp4', 'sound.wav', 'notes.srt', 'a.jpg'])
@pytest.mark.parametrize('content', [b'', b'hello world\n' * 100,
                                     b'1\n00:00:01,000 --> 00:00:02,000\nhello\n'])
def test_what_is_no_clip_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=name):
        list(read_media(path, FrameSampler(EVERY)))


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    for path in (tmp_path / 'nowhere.mp4', tmp_path):
        with pytest.raises(InvalidInput, match='cannot be read'):
            list(read_media(path, FrameSampler(EVERY)))


def test_a_cover_picture_is_no_video(tmp_path: Path) -> None:
    """As music files have it; ten minutes of audio must not wait for its only image."""
    path = tmp_path / 'music.mp4'
    write_clip(path, SOUND, FRAMES[:1], 10, cover=True)
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    items = list(read_media(path, FrameSampler(EVERY)))
    assert items and all(isinstance(i, AudioBlock) for i in items)


# --------------------------------------------------------------------- what people really have

@pytest.mark.parametrize('degrees', [90, 180, 270])
def test_video_is_turned_as_its_display_matrix_says(tmp_path: Path, degrees: int) -> None:
    corner = np.full((96, 128, 3), 40, np.uint8)
    corner[:30, :40] = 220  # bright at the top left
    write_clip(tmp_path / 'a.mp4', None, [corner] * 5, 10)
    path = remuxed(tmp_path / 'a.mp4', tmp_path / 'b.mp4', rotation=degrees)
    _, frames, _ = read(path)
    with av.open(str(path)) as container:
        shown = next(container.decode(video=0))
        quarters = round(shown.rotation / 90)  # counter-clockwise
    expected = np.rot90(corner, quarters)
    assert frames[0].image.shape == expected.shape
    assert np.abs(frames[0].image.astype(int) - expected).mean() < 8


@settings(deadline=None)
@given(st.sampled_from([(1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1),
                        (0, 1, 1, 0), (0, 1, -1, 0), (0, -1, 1, 0), (0, -1, -1, 0)]),
       st.integers(1, 6), st.integers(1, 6))
def test_a_display_matrix_moves_every_pixel_as_its_equation_says(
        matrix: tuple[int, int, int, int], width: int, height: int) -> None:
    a, b, c, d = matrix
    image = np.arange(height * width * 3).astype(np.uint8).reshape(height, width, 3)
    moved = {(a * x + c * y, b * x + d * y): image[y, x] for y in range(height)
             for x in range(width)}
    left, top = min(x for x, _ in moved), min(y for _, y in moved)
    out = turned(image, matrix)
    assert out.shape[0] * out.shape[1] == width * height
    for (x, y), pixel in moved.items():
        np.testing.assert_array_equal(out[y - top, x - left], pixel)


@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_photograph_is_turned_as_its_exif_says(tmp_path: Path, orientation: int) -> None:
    pixels = np.full((96, 128, 3), 40, np.uint8)
    pixels[:30, :40] = 220
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x112] = orientation
    path = tmp_path / 'photo%03d.jpg'
    picture.save(path, exif=exif, quality=95)
    _, (frame,), _ = read(path)
    turn = {2: lambda i: i[:, ::-1], 3: lambda i: i[::-1, ::-1], 4: lambda i: i[::-1],
            5: lambda i: i.transpose(1, 0, 2), 6: lambda i: np.rot90(i, 3),
            7: lambda i: i.transpose(1, 0, 2)[::-1, ::-1], 8: lambda i: np.rot90(i, 1)}
    expected = turn.get(orientation, lambda i: i)(pixels)
    assert np.abs(frame.image.astype(int) - expected).mean() < 4


@pytest.mark.parametrize('stored', ['a.mp4', 'a.mkv'])
def test_damaged_audio_packets_cost_only_themselves(
        tmp_path: Path, clip: Path, stored: str) -> None:
    whole, frames, _ = read(clip)
    blocks, others, report = read(remuxed(clip, tmp_path / stored, damaged='audio'))
    assert len(others) == len(frames)
    assert end_of(blocks) == pytest.approx(end_of(whole), abs=0.1)
    lost = 2 * 1024 / SAMPLE_RATE
    assert len(report.streams['audio'].damaged) == 2
    assert report.streams['audio'].missing_s == pytest.approx(lost, abs=0.005)
    assert report.streams['audio'].damaged[0] == pytest.approx(1.0, abs=0.1)
    problem, = report.problems
    assert problem.startswith('2 packets of its audio are damaged, at 1.0')
    sound, clean = resampled(blocks), resampled(whole)
    assert sound is not None and clean is not None
    if stored == 'a.mp4':  # that of Matroska begins with the samples before the first
        assert sound.size == clean.size  # silence stands for what is lost
        np.testing.assert_allclose(sound[22_000:28_000], clean[22_000:28_000], atol=40)


def test_damaged_video_packets_cost_no_sound_and_few_images(tmp_path: Path, clip: Path) -> None:
    whole, frames, _ = read(clip)
    blocks, others, report = read(remuxed(clip, tmp_path / 'a.mp4', damaged='video'))
    assert len(blocks) == len(whole)
    assert len(frames) - 3 <= len(others) <= len(frames)
    assert others[-1].stamp == pytest.approx(frames[-1].stamp, abs=0.001)
    assert report.streams['video'].problem()
    assert not report.streams['audio'].problem()


def test_a_pause_of_the_audio_alone_is_silence_and_noted(tmp_path: Path, clip: Path) -> None:
    whole, _, _ = read(clip)
    blocks, _, report = read(remuxed(clip, tmp_path / 'a.mkv', dropped=['audio']))
    assert report.problems == []
    notice, = report.notices
    assert notice.startswith('its audio: a pause of 0.5')
    assert notice.endswith(' s, taken for silence')
    sound, clean = resampled(blocks), resampled(whole)
    assert sound is not None and clean is not None
    assert sound.size == pytest.approx(clean.size, abs=0.1 * SAMPLE_RATE)
    assert not sound[18_500:22_000].any()


def test_a_stretch_that_lacks_audio_and_video_is_damage(tmp_path: Path, clip: Path) -> None:
    _, _, report = read(remuxed(clip, tmp_path / 'a.mkv', dropped=['audio', 'video']))
    assert report.notices == []
    problem, = report.problems
    assert problem.startswith('its audio and its video: a pause of 0.')
    assert problem.endswith('as in a file that is damaged')


def test_frames_that_flac_loses_without_an_error_leave_the_rest_in_time(tmp_path: Path) -> None:
    path = tmp_path / 'a.flac'
    with av.open(str(path), 'w') as output:
        stream = output.add_stream('flac', rate=SAMPLE_RATE)
        noise = np.random.default_rng(1).integers(-9000, 9000, (1, 4 * SAMPLE_RATE), np.int16)
        frame = av.AudioFrame.from_ndarray(noise, 's16', 'mono')
        frame.sample_rate = SAMPLE_RATE
        output.mux([*stream.encode(frame), *stream.encode(None)])
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 400] = bytes(400)
    path.write_bytes(data)
    blocks, _, report = read(path)
    assert end_of(blocks) == pytest.approx(4.0, abs=0.01)
    sound = resampled(blocks)
    assert sound is not None and abs(sound.size - 4 * SAMPLE_RATE) < 200
    assert 'of its audio is damaged, at ' in report.problems[0]
    assert report.problems[1].startswith('its audio: a pause of 0.')


@pytest.mark.parametrize('name', ['cut.mp4', 'cut.mkv', 'cut.wav'])
def test_what_a_file_that_was_cut_off_lacks_is_told_for_each_stream(
        tmp_path: Path, name: str) -> None:
    path = tmp_path / f'whole{Path(name).suffix}'
    if path.suffix == '.wav':
        write_wav(path, SOUND)
    else:
        write_clip(path, SOUND, FRAMES, 10, index_first=path.suffix == '.mp4')
    assert read(path)[2].problems == []
    cut = tmp_path / name
    cut.write_bytes(path.read_bytes()[:int(0.7 * path.stat().st_size)])
    blocks, frames, report = read(cut)
    assert set(report.streams) == ({'audio'} if path.suffix == '.wav' else {'audio', 'video'})
    for stream in report.streams.values():
        assert stream.promised_s == pytest.approx(2.0, abs=0.15)
        assert 0.3 < stream.until_s < 1.8
        assert f'ends after {stream.until_s:.1f} s of' in stream.problem()
    assert end_of(blocks) == report.streams['audio'].until_s


def test_the_default_audio_track_is_taken_not_the_first(tmp_path: Path, clip: Path) -> None:
    write_clip(tmp_path / 'silent.mp4', np.zeros_like(SOUND), FRAMES[:1], 10)
    with av.open(str(tmp_path / 'silent.mp4')) as container:
        with av.open(str(tmp_path / 'silent.m4a'), 'w', format='mp4') as output:
            copy = output.add_stream_from_template(container.streams.audio[0])
            for packet in container.demux(container.streams.audio[0]):
                if packet.dts is not None:
                    packet.stream = copy
                    output.mux(packet)
    path = remuxed(clip, tmp_path / 'two.mkv', before=[tmp_path / 'silent.m4a'])
    blocks, _, report = read(path)
    sound = resampled(blocks)
    assert sound is not None and np.abs(sound).max() > 10_000
    assert report.notices == ['it has 2 audio tracks; track 1 is used']
    silent = resampled(read(path, audio_track=0)[0])
    assert silent is not None and np.abs(silent).max() < 100
    with pytest.raises(InvalidInput, match='audio track 2; it has the tracks 0 to 1'):
        read(path, audio_track=2)


@pytest.mark.parametrize(('name', 'shift'), [('a.ts', 0.0), ('a.ts', 30.0), ('a.mkv', 5.0)])
def test_stamps_count_from_the_start_of_the_file(
        tmp_path: Path, clip: Path, name: str, shift: float) -> None:
    whole, frames, _ = read(clip)
    source = clip
    if name == 'a.ts':  # which repeats the headers of its streams
        source = tmp_path / 'source.ts'
        write_clip(source, SOUND, FRAMES, 10)
    blocks, others, report = read(remuxed(source, tmp_path / name, shift=shift))
    assert min(blocks[0].stamp, others[0].stamp) == pytest.approx(0.0, abs=0.001)
    difference = blocks[0].stamp - others[0].stamp
    assert difference == pytest.approx(whole[0].stamp - frames[0].stamp, abs=0.1)
    assert end_of(blocks) == pytest.approx(end_of(whole), abs=0.2)
    assert [f.stamp - others[0].stamp for f in others] == pytest.approx(
        [f.stamp for f in frames], abs=0.002)
    assert report.problems == []


def test_joined_recordings_go_on_where_the_first_ends(tmp_path: Path) -> None:
    part = tmp_path / 'part.ts'
    write_clip(part, SOUND, FRAMES, 10)
    path = tmp_path / 'joined.ts'
    path.write_bytes(2 * part.read_bytes())
    blocks, frames, _ = read(path)
    stamps = [frame.stamp for frame in frames]
    assert stamps == sorted(stamps) and stamps[-1] == pytest.approx(3.9, abs=0.3)
    assert end_of(blocks) == pytest.approx(4.0, abs=0.4)


@pytest.mark.parametrize('rate', [4_000, 6_000, 384_000])
def test_rates_that_no_microphone_has_are_resampled(tmp_path: Path, rate: int) -> None:
    path = tmp_path / 'odd.wav'
    tone = np.rint(sine(440, 1.0, rate) * 32_767).astype(np.int16)
    with av.open(str(path), 'w') as container:
        stream = container.add_stream('pcm_s16le', rate=rate, layout='mono')
        frame = av.AudioFrame.from_ndarray(tone[None], format='s16', layout='mono')
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for packet in [*stream.encode(frame), *stream.encode()]:
            container.mux(packet)
    blocks, _, report = read(path)
    sound = resampled(blocks)
    assert sound is not None and abs(sound.size - SAMPLE_RATE) < 0.01 * SAMPLE_RATE
    assert {block.sample_rate for block in blocks} == {SAMPLE_RATE}
    middle = sound[4000:12_000] / 32_768
    assert np.sqrt(np.mean(middle ** 2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 220  # 440 Hz in half a second
    assert [rate < 8_000] == [bool(report.notices)]
    assert report.problems == []


@pytest.mark.parametrize('name', ['a:b.wav', 'http:x.wav', '%03d.wav', "it's [a] clip.wav"])
def test_any_file_name_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    write_wav(tmp_path / 'plain.wav', SOUND)
    (tmp_path / 'plain.wav').rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path / name, Path(name)):
        np.testing.assert_array_equal(heard(list(read_audio(path))), SOUND)


def test_an_image_too_large_for_memory_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / 'bomb.png'
    Image.fromarray(np.zeros((1, 1), np.uint8)).resize((12_000, 9_000)).save(path)
    with pytest.raises(InvalidInput, match='bomb.png: size 12000x9000; expected at most 64'):
        read(path)


@settings(deadline=None, max_examples=25)
@given(st.floats(0.05, 0.999), st.integers(0, 255))
@example(share=0.8984375, byte=0)  # the coding of the images is lost
@example(share=0.8984375, byte=255)
def test_no_cut_and_no_damaged_byte_is_more_than_an_error(
        clip: Path, tmp_path_factory: pytest.TempPathFactory, share: float, byte: int) -> None:
    """What is read has finite stamps in order; all else is InvalidInput."""
    data = bytearray(clip.read_bytes())
    data[int(share * len(data))] ^= byte
    path = tmp_path_factory.mktemp('damage') / 'clip.mp4'
    for content in (bytes(data), bytes(data[:int(share * len(data))])):
        path.write_bytes(content)
        try:
            blocks, frames, report = read(path)
        except InvalidInput as error:
            assert 'clip.mp4' in str(error)
        else:
            stamps = [frame.stamp for frame in frames]
            assert stamps == sorted(stamps)
            assert all(np.isfinite(block.stamp) for block in blocks)
            assert np.isfinite(report.until_s)


def test_a_forked_process_does_not_free_the_decoders_of_its_parent() -> None:
    """Freed there, they would wait for threads that only the parent has."""
    gc.disable()
    try:
        frame = av.VideoFrame.from_ndarray(np.zeros((1080, 1920, 3), np.uint8))
        reformatter = VideoReformatter()
        reformatter.reformat(frame, 640, 480, 'yuv420p')
        circle: list[Any] = [reformatter]
        circle.append(circle)
        del circle, reformatter
        forked = multiprocessing.get_context('fork').Process(target=gc.collect)
        forked.start()
    finally:
        gc.enable()
    forked.join(30)
    hangs = forked.is_alive()
    forked.kill()
    assert not hangs
