# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The face stage: what augmentation draws, and a frozen FaceNet whose embeddings are kept."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import cv2
from mmer_ros.networks.face_encoder import FaceEncoder
from mmer_ros.types import FACE_SIZE, InvalidInput, Modality
import numpy as np
import pytest
from rich.console import Console
import safetensors.torch
import torch
from training.corpora.corpus import Corpus
from training.corpora.examples import Example
from training.encoders.face.embeddings import Embeddings
from training.encoders.face.stage import FaceConfig, FaceData, FaceModule, train_face
from training.encoders.signal_stage import train_signal
from training.engine.config import load_settings
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.engine.sampling import Draw
from training.engine.tensor_store import make_store
from training.preparation.cache_format import PrepareConfig
from training.preparation.clip_cache import ClipCache
from training.preparation.prepare import prepare

from ...fixtures.clip import portrait

QUIET = Reporter('test', Console(quiet=True))
SETTINGS = ('model.backbone=compact', 'model.width=4', 'model.hidden=8', 'model.max_images=4',
            'data.train_images=3', 'data.light=0', 'freeze=true', 'engine.epochs=2',
            'engine.batch_size=4', 'engine.lr=0.01', 'engine.log_steps=1')


@pytest.fixture(scope='module')
def cache(tmp_path_factory: pytest.TempPathFactory) -> ClipCache:
    """Prepare utterances of a face that is lighter in one emotion than in the other."""
    folder = tmp_path_factory.mktemp('faces')
    examples = [_example(folder, split, n, 2 + n % 4)
                for split, count in (('train', 10), ('dev', 6)) for n in range(count)]
    examples.append(Example('dev/mute', 'dev', 'no face', (0,)))
    prepare(Corpus(examples), folder / 'cache', PrepareConfig(image_format='png'))
    return ClipCache(folder / 'cache')


def _example(folder: Path, split: str, number: int, images: int) -> Example:
    paths = []
    for index in range(images):
        image = np.roll(portrait(FACE_SIZE), 5 * index + number, axis=1)
        image = np.clip(image * (1.0 if number % 2 else .4), 0, 255).astype(np.uint8)
        paths.append(folder / f'{split}{number}-{index}.png')
        cv2.imwrite(str(paths[-1]), image[..., ::-1])
    return Example(f'{split}/{number}', split, '', (4 * (number % 2),), faces=tuple(paths))


def config(*more: str) -> FaceConfig:
    return load_settings(FaceConfig, '', [*SETTINGS, *more])


def uncached(settings: FaceConfig, cache: ClipCache, folder: Path) -> None:
    """Train with the images themselves, which go through the FaceNet in every epoch."""
    torch.manual_seed(settings.engine.seed)
    encoder = FaceEncoder(settings.model, 7)
    train_signal(Modality.FACE, settings, encoder, partial(FaceModule, encoder, True),
                 partial(FaceData, cache, settings, None), cache,
                 RunFolder.start(folder, settings), QUIET)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return safetensors.torch.load_file(folder / 'encoder' / 'encoder.safetensors')


def test_embeddings_that_are_kept_train_as_images_do(cache: ClipCache, tmp_path: Path) -> None:
    """Mirrored images too; the losses agree step by step, and the FaceNet stays as it is."""
    train_face(config(), cache, tmp_path / 'kept', QUIET)
    uncached(config(), cache, tmp_path / 'images')
    losses = [[line['loss'] for line in RunFolder(tmp_path / name).read_metrics()]
              for name in ('kept', 'images')]
    assert len(losses[0]) == 2 * 3 + 2, 'three steps and a look at dev an epoch'
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    kept, images = weights(tmp_path / 'kept'), weights(tmp_path / 'images')
    torch.manual_seed(0)
    first = FaceEncoder(config().model, 7).state_dict()
    for name, weight in kept.items():
        torch.testing.assert_close(weight, images[name], rtol=1e-4, atol=1e-5)
        assert torch.equal(weight, first[name]) == name.startswith('facenet.'), name


def test_embeddings_are_computed_once_and_anew_for_another_face_net(
        cache: ClipCache, tmp_path: Path) -> None:
    encoder, calls = FaceEncoder(config().model, 7), []
    embed = encoder.embed

    def counted(crops: torch.Tensor) -> torch.Tensor:
        calls.append(len(crops))
        result: torch.Tensor = embed(crops)
        return result

    encoder.embed = counted  # type: ignore[method-assign]
    make = partial(Embeddings.make, encoder, cache, tmp_path, QUIET, mirrored=True)
    first = make()
    images = sum(cache.sizes(e.key)[1] for e in cache.examples)
    assert sum(calls) == 2 * images, 'as they are, and mirrored'
    assert torch.equal(make().get('train/0', True), first.get('train/0', True))
    assert sum(calls) == 2 * images
    assert not torch.allclose(first.get('train/0', True), first.get('train/0', False))
    with torch.no_grad():
        encoder.facenet.embedding.weight.add_(.1)  # type: ignore[union-attr,operator]
    make()
    assert sum(calls) == 4 * images
    encoder.classifier.weight.data.zero_()
    make()
    assert sum(calls) == 4 * images, 'what comes after the FaceNet does not matter'


def test_a_light_that_changes_and_a_face_net_that_does_not_exclude_each_other() -> None:
    with pytest.raises(InvalidInput, match='set data.light=0'):
        config('data.light=0.1')


def test_images_are_drawn_in_order_and_all_are_seen_in_evaluation(cache: ClipCache) -> None:
    settings = config('data.flip=false')
    longest = max(cache.examples, key=lambda e: cache.sizes(e.key)[1])
    crops = cache.faces(longest.key)
    assert crops is not None and len(crops) == 5
    learned = FaceData(cache, settings, None, [longest], True)
    seen = set()
    for epoch in range(30):
        chosen = learned[Draw(0, epoch, 0)].values.numpy()
        places = [int(np.abs(crops.astype(int) - image).sum(axis=(1, 2, 3)).argmin())
                  for image in chosen]
        assert len(places) == 3 and places == sorted(set(places))
        assert all(np.array_equal(crops[p], image) for p, image in zip(places, chosen))
        seen |= set(places)
    assert seen == set(range(5))
    tried = FaceData(cache, settings, None, [longest], False)[Draw(0, 0, 0)].values
    assert np.array_equal(tried.numpy(), crops[[0, 1, 3, 4]]), 'four of five, evenly'


# -- tensors that are kept ------------------------------------------------------------------


def test_a_store_that_was_stopped_resumes(tmp_path: Path) -> None:
    keys, asked = [f'k{i}' for i in range(150)], []

    def compute(group: Sequence[str], die: int = 99) -> dict[str, torch.Tensor]:
        if len(asked) == die:
            raise KeyboardInterrupt
        asked.append(list(group))
        return {key: torch.full((int(key[1:]) % 5 + 1, 2), float(key[1:]))
                for key in group if key != 'k3'}

    make = partial(make_store, tmp_path / 'store', keys, title='', console=Console(quiet=True))
    with pytest.raises(KeyboardInterrupt):
        make(partial(compute, die=2))
    store = make(compute)
    assert [group[0] for group in asked] == ['k0', 'k64', 'k128'], 'each once'
    assert 'k3' not in store and 'k4' in store
    assert store.steps('k149') == 5 and torch.equal(store.get('k149'), torch.full((5, 2), 149.0))


def test_a_full_disk_is_reported(tmp_path: Path) -> None:
    """/dev/full answers as a full disk does."""
    (tmp_path / 'shards').mkdir()
    (tmp_path / 'shards' / '00000.safetensors.partial').symlink_to('/dev/full')
    with pytest.raises(InvalidInput, match='No space left.*repeat the command'):
        make_store(tmp_path, ['a'], lambda keys: {'a': torch.zeros(5000)}, title='',
                   console=Console(quiet=True))
    assert not list(tmp_path.rglob('*.safetensors'))
