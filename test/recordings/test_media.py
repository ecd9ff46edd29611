"""Media files: what PyAV writes is read back, in the order of its capture times."""

from __future__ import annotations

from pathlib import Path

import av
from mmer_ros.recordings.media import duration, read_audio, read_media
from mmer_ros.sensing.audio_front_end import resample
from mmer_ros.sensing.faces import FrameSampler
from mmer_ros.types import AudioBlock, InvalidInput, SAMPLE_RATE, VideoFrame
import numpy as np
import pytest

from ..fixtures.stream import sine, write_clip, write_wav

SOUND = np.rint(sine(440, 2.0, SAMPLE_RATE) * 32_767).astype(np.int16)
# Grey of a brightness that tells the second in which it is seen.
FRAMES = [np.full((96, 128, 3), 60 + 60 * (i // 10), np.uint8) for i in range(20)]
EVERY = 60.0  # Hz: all frames are taken


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
    for read in (lambda: list(read_media(cut, FrameSampler(EVERY))), lambda: duration(cut)):
        with pytest.raises(InvalidInput, match='cut.mp4: it cannot be read as audio or video'):
            read()


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
