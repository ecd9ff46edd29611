# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Preparation: what a cache of real clips holds, and when it is made anew."""

from __future__ import annotations

from pathlib import Path
import pickle
import shutil

import cv2
from mmer_ros.recordings.clips import utterance_of_clip
from mmer_ros.recordings.media import read_media
from mmer_ros.sensing.face_detector import FaceConfig, make_detector
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.types import InvalidInput, Modality, SAMPLE_RATE
import numpy as np
import pytest
from tools.sample_clip import write_wav
from torch.utils.data import DataLoader
from training.corpora.corpus import Corpus
from training.corpora.examples import Example
from training.corpora.meld import read_meld
from training.preparation import clip_content
from training.preparation.cache_format import PrepareConfig
from training.preparation.clip_cache import ClipCache
from training.preparation.prepare import prepare
from training.preparation.report import estimate_bytes
from training.preparation.shards import decode_image

from ...fixtures.clip import CONFIG, content, make_clip, portrait, problems, tone

# ------------------------------------------------------------------------------- what is made


def test_the_cache_holds_what_the_robot_would_have_seen(meld: Path, whole: Path) -> None:
    """Sound to the bit; faces as the crops that live preprocessing cuts, but for the JPEG."""
    cache = ClipCache(whole)
    detector = make_detector(FaceConfig())
    train = [e for e in cache.examples if e.split == 'train']
    assert len(train) == 6
    for example in train[:3]:
        assert cache.modalities(example.key) == Modality.TEXT | Modality.AUDIO | Modality.FACE
        faces = FaceStream(detector)
        clip = meld / 'train' / 'train_splits' / f'{example.key.split("/")[1]}.mp4'
        expected = utterance_of_clip(read_media(clip, faces.sampler()), faces)
        assert expected.audio is not None and expected.faces is not None
        sound, images = cache.audio(example.key), cache.faces(example.key)
        assert sound is not None and images is not None
        np.testing.assert_array_equal(sound, expected.audio)
        assert sound.dtype == np.int16 and images.dtype == np.uint8
        assert images.shape == expected.faces.shape
        assert cache.sizes(example.key) == (len(sound), len(images))
        assert np.abs(images.astype(int) - expected.faces).mean() < 3


def test_examples_come_back_as_they_were(meld: Path, whole: Path) -> None:
    for found, given in zip(ClipCache(whole).examples, read_meld(meld).examples, strict=True):
        assert (found.key, found.split, found.text, found.labels, found.speaker, found.group,
                found.turn) == (given.key, given.split, given.text, given.labels, given.speaker,
                                given.group, given.turn)


def test_what_is_wrong_with_clips_is_told_and_ends_nothing(meld: Path, whole: Path) -> None:
    cache = ClipCache(whole)
    told = {(p['key'], p['kind']) for p in problems(whole)}
    assert told == {
        ('', 'missing split'), ('dev/dia0_utt1', 'missing file'), ('dev/dia0_utt2', 'no audio'),
        ('dev/dia0_utt3', 'no face'), ('dev/dia0_utt4', 'unreadable clip'),
        ('dev/dia0_utt5', 'damaged clip'), ('dev/dia0_utt6', 'unknown label')}
    text, audio, face = Modality.TEXT, Modality.AUDIO, Modality.FACE
    assert [cache.modalities(f'dev/dia0_utt{u}') for u in range(6)] == [
        text | audio | face, text, text | face, text | audio, text, text | audio | face]
    assert cache.audio('dev/dia0_utt2') is None and cache.faces('dev/dia0_utt3') is None
    samples, _ = cache.sizes('dev/dia0_utt5')
    assert 0.5 * SAMPLE_RATE < samples < 2.5 * SAMPLE_RATE, 'of 3 s'
    with pytest.raises(InvalidInput, match="no example 'dev/dia0_utt6'"):
        cache.audio('dev/dia0_utt6')


def test_a_clip_that_is_far_longer_than_its_row_says_is_cut(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two test clips of MELD last minutes instead of seconds; all others stay as they are."""
    monkeypatch.setattr(clip_content, 'LONG_EXCESS_S', 2.0)
    clips = {'train/long': 5.0, 'train/unknown': 5.0, 'train/near': 2.5}
    for key, seconds in clips.items():
        make_clip(tmp_path / f'{key}.mp4', seconds, face=key == 'train/long')
    times = {'train/long': 1.0, 'train/unknown': None, 'train/near': 1.0}
    prepare(Corpus([Example(key, 'train', video=tmp_path / f'{key}.mp4', seconds=times[key])
                    for key in clips]), tmp_path / 'cache', CONFIG)
    cache = ClipCache(tmp_path / 'cache')
    samples, faces = cache.sizes('train/long')
    assert samples == pytest.approx(1.0 * SAMPLE_RATE, abs=1000) and 3 <= faces <= 6
    assert cache.sizes('train/unknown')[0] >= 4.9 * SAMPLE_RATE
    assert cache.sizes('train/near')[0] >= 2.4 * SAMPLE_RATE
    (told,) = (p for p in problems(tmp_path / 'cache') if p['kind'] != 'no face')
    assert (told['key'], told['kind']) == ('train/long', 'long clip')
    assert 'lasts 5 s' in told['text'] and 'first 1.0 s are used' in told['text']


def test_images_may_be_spread_over_the_length_of_a_clip(tmp_path: Path) -> None:
    """The paper takes 50 of a clip; the robot five a second."""
    for seconds in (1.0, 3.0):
        make_clip(tmp_path / f'{seconds}.mp4', seconds)
    corpus = Corpus([Example(f'train/{seconds}', 'train', video=tmp_path / f'{seconds}.mp4')
                     for seconds in (1.0, 3.0)])
    counts = {}
    for spread in (False, True):
        config = PrepareConfig(max_images=9, spread_images=spread)
        prepare(corpus, tmp_path / str(spread), config)
        cache = ClipCache(tmp_path / str(spread))
        counts[spread] = [cache.sizes(example.key)[1] for example in cache.examples]
    assert counts[False] == [5, 9]
    assert all(8 <= count <= 9 for count in counts[True])


def test_a_clip_that_is_known_to_be_broken_is_named_as_such(tmp_path: Path) -> None:
    """As published it is there, but cannot be decoded: not the user's fault, nor ours."""
    (tmp_path / 'broken.mp4').write_bytes(np.random.default_rng(0).bytes(5000))
    prepare(Corpus([Example(key, 'train', video=tmp_path / 'broken.mp4')
                    for key in ('train/dia125_utt3', 'train/dia0_utt0')]),
            tmp_path / 'cache', CONFIG)
    known, other = problems(tmp_path / 'cache')
    assert 'a known defect of MELD' in known['text'] and known['kind'] == 'unreadable clip'
    assert 'known defect' not in other['text']


def test_files_of_a_manifest_take_the_place_of_the_clip(tmp_path: Path) -> None:
    """Sound from its own file, faces from images of any size, the first and last among them."""
    write_wav(tmp_path / 'a.wav', tone(0.5))
    colours = [(250, 10 * i, 0) for i in range(5)]
    for i, colour in enumerate(colours):
        cv2.imwrite(str(tmp_path / f'{i}.png'), np.full((40, 30, 3), colour[::-1], np.uint8))
    (tmp_path / 'bad.png').write_bytes(b'no image')
    (tmp_path / 'empty.mp4').write_bytes(b'')
    faces = tuple(tmp_path / f'{i}.png' for i in range(5))
    corpus = Corpus([
        Example('train/a', 'train', audio=tmp_path / 'a.wav', faces=faces,
                video=tmp_path / 'empty.mp4'),
        Example('train/b', 'train', faces=(tmp_path / 'bad.png', faces[0])),
        Example('train/c', 'train', 'only text')])
    prepare(corpus, tmp_path / 'cache', PrepareConfig(max_images=3, image_format='png'))
    cache = ClipCache(tmp_path / 'cache')
    np.testing.assert_array_equal(cache.audio('train/a'), tone(0.5))  # type: ignore[arg-type]
    images = cache.faces('train/a')
    assert images is not None and images.shape == (3, 160, 160, 3)
    assert [tuple(image[80, 80]) for image in images] == [colours[i] for i in (0, 2, 4)]
    assert cache.sizes('train/b') == (0, 1) and cache.sizes('train/c') == (0, 0)
    assert [(p['key'], p['kind']) for p in problems(tmp_path / 'cache')] == [
        ('train/b', 'unreadable clip')]


def test_long_sequences_are_sampled_and_png_loses_nothing(tmp_path: Path) -> None:
    make_clip(tmp_path / 'a.mp4', 2.0)
    corpus = Corpus([Example('train/a', 'train', video=tmp_path / 'a.mp4')])
    for name, count in (('all', 50), ('some', 4)):
        prepare(corpus, tmp_path / name, PrepareConfig(max_images=count, image_format='png'))
    every, some = (ClipCache(tmp_path / name).faces('train/a') for name in ('all', 'some'))
    assert every is not None and some is not None and len(every) == 10 and len(some) == 4
    np.testing.assert_array_equal(some, every[[0, 3, 6, 9]])


def test_the_csv_files_alone_are_enough_for_text(meld: Path, tmp_path: Path) -> None:
    for table in meld.glob('*.csv'):
        shutil.copy(table, tmp_path)
    corpus = read_meld(tmp_path, clips=False)
    prepare(corpus, tmp_path / 'cache', text_only=True)
    cache = ClipCache(tmp_path / 'cache')
    assert cache.info.text_only and len(cache) == 12
    assert {cache.modalities(e.key) for e in cache.examples} == {Modality.TEXT}
    assert list((tmp_path / 'cache' / 'shards').iterdir()) == []


def test_the_estimate_of_its_size_is_an_upper_bound_that_is_near(meld: Path, whole: Path) -> None:
    train = [e for e in read_meld(meld).examples if e.split == 'train']
    size = sum(p.stat().st_size for p in whole.glob('shards/train-*.safetensors'))
    assert size < estimate_bytes(train, CONFIG) < 4 * size


# ------------------------------------------------------------------------------- what changed


def test_other_settings_are_refused(meld: Path, whole: Path, copy: Path) -> None:
    other = PrepareConfig(shard_size=2, max_images=4)
    with pytest.raises(InvalidInput, match='made from other settings.*--update'):
        prepare(read_meld(meld), copy, other)
    assert content(copy) == content(whole)


def test_changed_clips_are_refused_or_made_anew(meld: Path, copy: Path, tmp_path: Path) -> None:
    changed = Path(shutil.copytree(meld, tmp_path / 'meld'))
    assert prepare(read_meld(changed), copy, CONFIG).made == 0, 'it was only moved'
    make_clip(changed / 'train' / 'train_splits' / 'dia2_utt1.mp4', 1.5)
    with pytest.raises(InvalidInput, match='made from other clips'):
        prepare(read_meld(changed), copy, CONFIG)
    assert prepare(read_meld(changed), copy, CONFIG, update=True).made == 1
    assert ClipCache(copy).sizes('train/dia2_utt1')[0] > 1.4 * SAMPLE_RATE


def test_other_words_need_no_decoding(meld: Path, copy: Path) -> None:
    corpus = read_meld(meld)
    first = corpus.examples[0]
    corpus.examples[0] = Example(first.key, first.split, 'other words', (), video=first.video)
    assert prepare(corpus, copy, CONFIG).made == 0
    assert ClipCache(copy).examples[0].text == 'other words'


def damage(path: Path, place: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 0xff
    path.write_bytes(data)


@pytest.mark.parametrize('place', [0.0, 0.6])
def test_a_damaged_shard_is_named_and_made_anew(place: float, meld: Path, whole: Path, copy: Path
                                                ) -> None:
    shard = copy / 'shards' / 'train-00001.safetensors'
    damage(shard, place)
    cache = ClipCache(copy)
    if place == 0.0:
        with pytest.raises(InvalidInput, match='train-00001.safetensors: it is damaged'):
            cache.audio('train/dia1_utt0')
    assert cache.audio('train/dia0_utt0') is not None
    assert prepare(read_meld(meld), copy, CONFIG).made == 1
    assert content(copy) == content(whole)


def test_a_missing_shard_and_a_foreign_folder_are_told(copy: Path, tmp_path: Path) -> None:
    (copy / 'shards' / 'dev-00000.safetensors').unlink()
    with pytest.raises(InvalidInput, match='dev-00000.safetensors: it is damaged'):
        ClipCache(copy).audio('dev/dia0_utt0')
    with pytest.raises(InvalidInput, match='cache.json cannot be read'):
        ClipCache(tmp_path)
    (copy / 'cache.json').write_text('{"format": 99}')
    with pytest.raises(InvalidInput, match='not of format 1'):
        ClipCache(copy)
    with pytest.raises(InvalidInput, match='no examples'):
        prepare(Corpus(), tmp_path / 'new')


@pytest.mark.parametrize('context', ['fork', 'pickled'])
def test_workers_of_a_loader_read_the_same(whole: Path, context: str) -> None:
    """Forked after the shards were opened here, or with a copy such as spawned ones get."""
    cache = ClipCache(whole)
    keys = [example.key for example in cache.examples]
    expected = [fingerprint(cache, key) for key in keys]
    if context == 'pickled':
        assert [fingerprint(pickle.loads(pickle.dumps(cache)), key) for key in keys] == expected
        return
    loader = DataLoader(keys, batch_size=None, num_workers=2,  # type: ignore[arg-type]
                        collate_fn=lambda key: fingerprint(cache, key))
    assert list(loader) == expected and len(set(expected)) > 6


def fingerprint(cache: ClipCache, key: str) -> int:
    audio, faces = cache.audio(key), cache.faces(key)
    return hash((b'' if audio is None else audio.tobytes(),
                 b'' if faces is None else faces.tobytes()))


def test_bytes_that_are_no_face_are_seen() -> None:
    assert decode_image(np.frombuffer(b'no image', np.uint8)) is None
    small = cv2.imencode('.png', portrait(64))[1]
    assert decode_image(small.astype(np.uint8)) is None
