# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Damage that no decoder reports, and times that damage has changed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from mmer_ros.recordings.clips import resampled
from mmer_ros.types import SAMPLE_RATE
import numpy as np
import pytest

from ..fixtures.media import end_of, read, remuxed
from ..fixtures.stream import write_clip

LONG_S = 6.0
NOISE = np.random.default_rng(1).integers(-9000, 9000, round(LONG_S * SAMPLE_RATE), np.int16)
PICTURES = [np.full((96, 128, 3), 40 + i, np.uint8) for i in range(round(10 * LONG_S))]


@pytest.fixture(scope='module')
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip of two seconds."""
    path = tmp_path_factory.mktemp('media') / 'clip.mp4'
    write_clip(path, NOISE[:2 * SAMPLE_RATE], PICTURES[:20], 10)
    return path


def write_audio(path: Path, codec: str, samples: np.ndarray = NOISE, **options: Any) -> None:
    """Write a file of audio alone, or skip if this FFmpeg has no such encoder."""
    try:
        av.Codec(codec, 'w')
    except ValueError:
        pytest.skip(f'this FFmpeg does not encode {codec}')
    with av.open(str(path), 'w', container_options=options) as output:
        stream = output.add_stream(codec, rate=48_000)
        frame = av.AudioFrame.from_ndarray(samples[None].astype(np.int16), 's16', 'mono')
        frame.sample_rate = SAMPLE_RATE
        resampler = av.AudioResampler(stream.codec_context.format, 'mono', 48_000)
        for part in (*resampler.resample(frame), *resampler.resample(None), None):
            output.mux(stream.encode(part))


def restamp(path: Path, kind: str, at: float, by: float) -> None:
    """Change the times in an MPEG-TS file of the first packet of a kind after `at` seconds."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        first = container.start_time / av.time_base
    begin = data.find(b'\0\0\1' + (b'\xe0' if kind == 'video' else b'\xc0'))
    while begin >= 0:
        fields = [begin + 9 + 5 * n for n in range(bin(data[begin + 7] >> 6).count('1'))]
        if fields and ticks_at(data, fields[0]) / 90_000 - first > at:
            break
        begin = data.find(data[begin:begin + 4], begin + 4)
    assert begin >= 0
    for place in fields:
        ticks = ticks_at(data, place) + round(90_000 * by)
        data[place] = data[place] & 0xf1 | (ticks >> 29) & 0x0e
        data[place + 1] = (ticks >> 22) & 0xff
        data[place + 2] = (ticks >> 14) & 0xfe | 1
        data[place + 3] = (ticks >> 7) & 0xff
        data[place + 4] = (ticks << 1) & 0xfe | 1
    path.write_bytes(data)


def ticks_at(data: bytes | bytearray, place: int) -> int:
    """Return a time of MPEG-TS, 33 bits among markers, in ticks of 90 kHz."""
    a, b, c, d, e = data[place:place + 5]
    return (a >> 1 & 7) << 30 | b << 22 | (c >> 1) << 15 | d << 7 | e >> 1


@pytest.mark.parametrize('by', [-3.0, 1.5, 90.0, 20_000.0])
@pytest.mark.parametrize('kind', ['video', 'audio'])
def test_a_single_time_that_damage_has_changed_moves_nothing(
        tmp_path: Path, kind: str, by: float) -> None:
    path = tmp_path / 'a.ts'
    write_clip(path, NOISE, PICTURES, 10)
    blocks, frames, clean = read(path)
    restamp(path, kind, 4.0, by)
    found_blocks, found_frames, report = read(path)
    assert clean.problems == []
    assert report.problems and report.problems[0].startswith(f'1 packet of its {kind} is damaged')
    assert abs(len(found_frames) - len(frames)) <= 1
    assert found_frames[-1].stamp == pytest.approx(frames[-1].stamp, abs=0.01)
    assert end_of(found_blocks) == pytest.approx(end_of(blocks), abs=0.01)
    for found in (found_blocks, found_frames):
        stamps = [item.stamp for item in found]
        assert stamps == sorted(stamps)


def test_pauses_between_pictures_are_no_damage(tmp_path: Path) -> None:
    """As in the recording of a screen that changes every few seconds."""
    path = tmp_path / 'slides.mkv'
    with av.open(str(path), 'w') as output:
        stream: Any = output.add_stream('mpeg4', rate=10)
        stream.width, stream.height, stream.pix_fmt = 128, 96, 'yuv420p'
        for number in (0, 1, 40, 41, 80, 120):
            frame = av.VideoFrame.from_ndarray(PICTURES[number // 4], 'rgb24')
            frame.pts, frame.time_base = number, Fraction(1, 10)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    _, frames, report = read(path)
    assert [frame.stamp for frame in frames] == pytest.approx([0, 0.1, 4.0, 4.1, 8.0, 12.0])
    assert report.problems == []


def test_images_that_the_decoder_leaves_out_without_an_error_are_missed(tmp_path: Path) -> None:
    """Those of HEVC that refer to a lost one, up to the next that refers to none."""
    source, path = tmp_path / 'a.mkv', tmp_path / 'b.mkv'
    try:
        av.Codec('libx265', 'w')
    except ValueError:
        pytest.skip('this FFmpeg does not encode HEVC')
    random = np.random.default_rng(1)
    with av.open(str(source), 'w') as output:
        stream: Any = output.add_stream('libx265', rate=10, options={
            'preset': 'ultrafast', 'x265-params': 'log-level=none:keyint=40:scenecut=0'})
        stream.width, stream.height, stream.pix_fmt = 128, 96, 'yuv420p'
        for _ in range(60):
            picture = random.integers(0, 255, (96, 128, 3), np.uint8)
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, 'rgb24')))
        output.mux(stream.encode(None))
    assert read(source)[2].problems == []
    assert read(remuxed(source, path, damaged='video', at=1.0, count=4))[1]
    frames, report = read(path)[1:]
    lost = report.streams['video']
    assert len(frames) < 58 and report.problems
    assert lost.missing_s == pytest.approx(0.1 * (60 - len(frames)), abs=0.35)


@pytest.mark.parametrize(('name', 'codec'), [('a.ogg', 'libopus'), ('a.opus', 'libopus')])
def test_ogg_that_was_cut_off_is_named(tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    write_audio(path, codec)
    assert read(path)[2].problems == []
    data = path.read_bytes()
    path.write_bytes(data[:round(0.6 * len(data))])
    blocks, _, report = read(path)
    assert 1.0 < end_of(blocks) < 5.0
    problem = report.problems[-1]
    assert problem.endswith(f'its audio breaks off after {end_of(blocks):.1f} s, as in a file '
                            'that was cut off')


@pytest.mark.parametrize(('name', 'codec'), [('a.mka', 'ac3'), ('a.mkv', 'eac3')])
def test_noise_in_a_packet_with_a_checksum_is_left_out(
        tmp_path: Path, name: str, codec: str) -> None:
    path = tmp_path / name
    write_audio(path, codec, np.zeros_like(NOISE))
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        size = [p.size for p in container.demux(audio=0) if p.size][50]
        places = [i for i in range(len(data)) if data[i:i + 2] == b'\x0b\x77']
    begin = places[len(places) // 2]
    noise = np.random.default_rng(2).integers(0, 255, size - 12, np.uint8)
    data[begin + 10:begin + size - 2] = noise.tobytes()
    path.write_bytes(data)
    blocks, _, report = read(path)
    sound = resampled(blocks)
    assert sound is not None and np.abs(sound).max() < 100
    assert report.problems[0].startswith('1 packet of its audio is damaged')


@pytest.mark.parametrize('counts', [True, False])
def test_the_length_of_an_mp3_that_does_not_say_it_is_not_guessed(
        tmp_path: Path, counts: bool) -> None:
    """At a rate that changes, guesses from the first packets are wrong."""
    path = tmp_path / 'a.mp3'
    samples = np.concatenate([np.zeros_like(NOISE), NOISE])
    write_audio(path, 'libmp3lame', samples, write_xing=str(int(counts)))
    with av.open(str(path), metadata_errors='replace') as container:
        assert container.format.name == 'mp3'
    assert read(path)[2].problems == []
    data = path.read_bytes()
    path.write_bytes(data[:len(data) // 2])
    problems = read(path)[2].problems
    assert any('as in a file that was cut off' in problem for problem in problems) == counts


def test_times_after_damage_in_a_format_that_stores_none_are_called_a_guess(tmp_path: Path
                                                                            ) -> None:
    path = tmp_path / 'a.mp3'
    write_audio(path, 'libmp3lame')
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle:middle + 600] = bytes(600)
    path.write_bytes(data)
    assert any('the times after it are a guess' in problem for problem in read(path)[2].problems)


def test_a_pause_of_one_stream_where_the_other_is_damaged_is_of_that_damage(
        tmp_path: Path, clip: Path) -> None:
    path = remuxed(clip, tmp_path / 'a.mkv', dropped=['audio'])
    report = read(remuxed(path, tmp_path / 'b.mkv', damaged='video', at=1.1, count=2))[2]
    assert report.notices == []
    assert any('s of audio are missing from 1.0' in problem for problem in report.problems)
    assert any('its video' in problem for problem in report.problems)


def test_a_silent_track_beside_others_is_named(tmp_path: Path, clip: Path) -> None:
    silent = tmp_path / 'silent.mka'
    write_audio(silent, 'aac', np.zeros(2 * SAMPLE_RATE, np.int16))
    path = remuxed(clip, tmp_path / 'two.mkv', before=[silent])
    assert read(path)[2].notices == ['it has 2 audio tracks; track 1 is used']
    report = read(path, audio_track=0)[2]
    assert report.notices == ['this track is silent; take another with --audio-track '
                              '(audio_track in Python)']
    write_clip(tmp_path / 'alone.mp4', np.zeros_like(NOISE), PICTURES, 10)
    assert read(tmp_path / 'alone.mp4')[2].notices == []


def test_tags_in_another_encoding_are_no_obstacle(tmp_path: Path) -> None:
    """As old players wrote them: a title in Latin-1."""
    path = tmp_path / 'a.wav'
    write_audio(path, 'pcm_s16le')
    data = path.read_bytes()
    assert b'Lavf' in data
    path.write_bytes(data.replace(b'Lavf', 'Café'.encode('latin-1')))
    blocks, _, report = read(path)
    assert end_of(blocks) == pytest.approx(LONG_S, abs=0.01) and report.problems == []


def test_a_stream_that_begins_in_mid_file_is_no_obstacle(tmp_path: Path) -> None:
    """As in recordings of broadcasts, whose number of tracks changes."""
    with_sound, path = tmp_path / 'b.ts', tmp_path / 'a.ts'
    for target, extra in ((path, 0), (with_sound, 1)):
        with av.open(str(target), 'w') as output:
            video: Any = output.add_stream('mpeg2video', rate=25)
            video.width, video.height, video.pix_fmt = 128, 96, 'yuv420p'
            sounds = [output.add_stream('mp2', rate=48_000) for _ in range(1 + extra)]
            for picture in PICTURES[:50]:
                output.mux(video.encode(av.VideoFrame.from_ndarray(picture, 'rgb24')))
            output.mux(video.encode(None))
            for sound in sounds:
                frame = av.AudioFrame.from_ndarray(NOISE[:96_000][None], 's16', 'mono')
                frame.sample_rate = 48_000
                resampler = av.AudioResampler(sound.codec_context.format, 'stereo', 48_000)
                for part in (*resampler.resample(frame), *resampler.resample(None), None):
                    output.mux(sound.encode(part))
    filling = 40_000 * (b'G\x1f\xff\x10' + bytes(184))  # beyond what FFmpeg looks through
    plain = path.read_bytes()
    path.write_bytes(plain + filling + with_sound.read_bytes() + filling + plain)
    with av.open(str(path)) as container:
        assert len(container.streams) == 2
        with pytest.raises(IndexError):
            list(container.demux(audio=0))
    blocks, frames, _ = read(path)
    assert end_of(blocks) == pytest.approx(3 * 2.0, abs=0.5)
    assert len(frames) == pytest.approx(3 * 50, abs=6)
