# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Faces from single pictures: the reader, the draws, sequences, and the stage in both phases."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from mmer_ros.networks.crossmodal import summary
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import numpy as np
from numpy.typing import NDArray
import pytest
from rich.console import Console
import safetensors.torch
import torch
from training.commands import evaluate
from training.commands.train import add_arguments, run
from training.corpora.examples import Example
from training.corpora.fer import crop_of, is_fer2013, read_fer2013, Stills
from training.encoders.face.sequences import EmbeddedViews, SequenceConfig, SequenceData
from training.encoders.face.stills import StillData, StillDataConfig
from training.encoders.face.stills_stage import StillsConfig, train_stills
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import load_settings
from training.engine.losses import UNIFORM
from training.engine.progress import Reporter
from training.engine.sampling import Draw

UInt8 = NDArray[np.uint8]
QUIET = Reporter('test', Console(quiet=True))
SETTINGS = ('model.backbone=compact', 'model.width=8', 'model.hidden=16', 'data.augment.flip=0.5',
            'engine.epochs=6', 'data.sizes={0: 36, 1: 48}', 'engine.batch_size=16',
            'engine.lr=0.01', 'sequences.engine.epochs=6', 'sequences.engine.batch_size=16',
            'sequences.engine.lr=0.02', 'sequences.views=2')


def stripes(count: int, seed: int) -> tuple[UInt8, UInt8]:
    """Return pictures with stripes along (neutral) or across (joy), in noise."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(count) % 2 * 4).astype(np.uint8)
    wave = np.sin(np.arange(48) / 2 + rng.uniform(0, 6, (count, 1))) * 60
    pictures = np.where((labels == 0)[:, None, None], wave[:, None, :], wave[:, :, None])
    pictures = 128 + pictures + rng.normal(0, 20, (count, 48, 48))
    return pictures.clip(0, 255).astype(np.uint8), labels


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('fer')
    for name, count in (('train_1', 40), ('train_2', 24), ('valid', 20)):
        pictures, labels = stripes(count, count)
        np.savez(path / f'{name}.npz', image=pictures, label=labels)
    return path


def test_files_are_read_in_order_and_valid_is_dev(folder: Path) -> None:
    stills = read_fer2013(folder)
    splits = [e.split for e in stills.examples]
    assert splits == ['train'] * 64 + ['dev'] * 20
    assert len({e.key for e in stills.examples}) == 84
    pictures, labels = stripes(24, 24)
    example = stills.examples[40 + 7]
    assert np.array_equal(stills.grey(example.key), pictures[7])
    assert example.labels == (int(labels[7]),)
    assert stills.modalities(example.key) is Modality.FACE
    assert is_fer2013(folder) and not is_fer2013(folder.parent)


@pytest.mark.parametrize('votes', [False, True])
def test_the_published_file_is_read_with_the_votes_beside_it(tmp_path: Path, votes: bool) -> None:
    pictures, _ = stripes(4, 0)
    rows = [f'{emotion},{" ".join(map(str, picture.ravel()))},{usage}' for emotion, picture, usage
            in zip((3, 0, 6, 4), pictures, ('Training', 'Training', 'PublicTest', 'PrivateTest'))]
    (tmp_path / 'fer2013.csv').write_text('\n'.join(['emotion,pixels,Usage', *rows]))
    if votes:
        (tmp_path / 'fer2013new.csv').write_text(
            'Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,'
            'unknown,NF\nTraining,fer0000000.png,2,6,0,0,0,0,0,0,2,0\nTraining,,0,0,0,0,0,0,0,0,0'
            ',10\nPublicTest,a.png,0,0,9,0,0,0,1,0,0,0\nPrivateTest,b.png,10,0,0,0,0,0,0,0,0,0\n')
    assert is_fer2013(tmp_path)
    stills = read_fer2013(tmp_path)
    found = [(e.key, EMOTIONS[e.labels[0]], e.weight) for e in stills.examples]
    if votes:
        assert found == [('train/fer0000000', 'joy', .8), ('dev/fer0000002', 'surprise', 1),
                         ('test/fer0000003', 'neutral', 1)], 'the second is no face'
        assert stills.examples[0].soft == (.25, 0, 0, 0, .75, 0, 0)
    else:
        assert [(key[:5], label) for key, label, _ in found] == [
            ('train', 'joy'), ('train', 'anger'), ('dev/f', 'neutral'), ('test/', 'sadness')]
    assert np.array_equal(stills.grey('dev/fer0000002'), pictures[2])
    (tmp_path / 'fer2013.csv').write_text('emotion,pixels,Usage\n3,1 2 3,Training\n')
    with pytest.raises(InvalidInput, match=r'fer2013\.csv:2: it cannot be read'):
        read_fer2013(tmp_path)


def test_a_crop_is_the_picture_enlarged_in_grey() -> None:
    picture = stripes(1, 0)[0][0]
    crop = crop_of(picture)
    assert crop.shape == (160, 160, 3)
    assert not np.ptp(crop, axis=2).any()
    assert np.corrcoef(crop[::10, ::10, 0].ravel(), picture[::3, ::3].ravel())[0, 1] > 0.9


@pytest.mark.parametrize(('arrays', 'message'), [
    ({'image': np.zeros((3, 40, 48), np.uint8), 'label': np.zeros(3, np.uint8)}, r'\(3, 40, 48\)'),
    ({'image': np.zeros((3, 48, 48)), 'label': np.zeros(3, np.uint8)}, 'float64'),
    ({'image': np.zeros((3, 48, 48), np.uint8), 'label': np.zeros(2, np.uint8)}, r'\(2,\)'),
    ({'image': np.zeros((1, 48, 48), np.uint8), 'label': np.array([7])}, 'labels from 7 to 7'),
    ({'image': np.zeros((1, 48, 48), np.uint8)}, 'label'),
])
def test_other_layouts_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str
                                   ) -> None:
    np.savez(tmp_path / 'train.npz', **arrays)
    with pytest.raises(InvalidInput, match=message):
        read_fer2013(tmp_path)


def test_damaged_and_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match='no file train'):
        read_fer2013(tmp_path)
    (tmp_path / 'train.npz').write_bytes(b'PK\x03\x04 and no more')
    with pytest.raises(InvalidInput, match='cannot be read'):
        read_fer2013(tmp_path)


def test_digest_changes_with_a_pixel_or_a_label(folder: Path) -> None:
    stills = read_fer2013(folder)
    other = stills.images.copy()
    other[3, 4, 5] ^= 1
    relabelled = [Example('a', 'train', '', (1,)), *stills.examples[1:]]
    digests = {stills.digest, Stills(other, stills.examples).digest,
               Stills(stills.images, relabelled).digest}
    assert len(digests) == 3 and read_fer2013(folder).digest in digests


def test_draws_depend_on_epoch_and_row_alone_and_dev_is_unchanged(folder: Path) -> None:
    stills = read_fer2013(folder)
    config = load_settings(StillDataConfig, '', ['augment.noise=1', 'sizes={0: 36, 1: 48}'])
    learned = StillData(stills, stills.examples[:9], config, True)
    first = learned[Draw(3, 5, 1)].picture
    assert torch.equal(first, learned[Draw(3, 5, 1)].picture)
    assert not torch.equal(first, learned[Draw(3, 6, 1)].picture)
    assert learned[Draw(3, 0, 1)].picture.shape == (1, 36, 36) and first.shape == (1, 48, 48)
    tried = StillData(stills, stills.examples[:9], config, False)
    assert np.array_equal(tried[Draw(3, 0, 1)].picture[0], stills.images[3])


def test_the_last_epochs_have_their_own_augmentation(folder: Path) -> None:
    stills = read_fer2013(folder)
    config = load_settings(StillDataConfig, '', ['augment.noise=1', 'late.flip=1', 'late_from=3'])
    learned = StillData(stills, stills.examples[:9], config, True)
    noisy, late = (learned[Draw(3, epoch, 1)].picture[0].numpy() for epoch in (2, 3))
    assert 0 < np.abs(noisy.astype(float) - stills.images[3]).mean() < 12
    assert np.array_equal(late, stills.images[3][:, ::-1])


def test_pictures_without_a_face_have_a_uniform_target(folder: Path) -> None:
    stills = read_fer2013(folder)
    data = StillData(stills, stills.examples, StillDataConfig(no_face=0.4), True)
    flat = [torch.equal(data[Draw(row, 0, 0)].target, UNIFORM) for row in range(84)]
    assert 0.2 < np.mean(flat) < 0.6
    assert all(torch.equal(data[Draw(row, 0, 0)].picture[0], torch.from_numpy(stills.images[row]))
               for row in range(84) if not flat[row])


class _Known:
    """Embeddings that name their picture and view: [picture, view, 0, ...]."""

    no_face = ['no-face/0']

    def get(self, key: str) -> torch.Tensor:
        views = torch.zeros(4, 512)
        views[:, 0] = -1 if key.startswith('no-face') else int(key)
        views[:, 1] = torch.arange(4)
        return views

    def predict(self, key: str) -> torch.Tensor:
        return UNIFORM


def sequences(training: bool = True, **settings: float) -> SequenceData:
    examples = [Example(str(row), 'train', '', (row % 3,)) for row in range(30)]
    views: EmbeddedViews = _Known()  # type: ignore[assignment]
    return SequenceData(views, examples, SequenceConfig(**settings), training)


def test_a_sequence_is_views_of_one_picture() -> None:
    data = sequences(two=0, lost=0, no_face=0, single=0, longest=12, self_distillation=0)
    items = [data[Draw(7, epoch, 0)] for epoch in range(40)]
    assert {len(i.values) for i in items} == set(range(2, 13))
    for item in items:
        assert set(item.values[:, 0].tolist()) == {7.0} and item.target.tolist()[1] == 1
    assert set(torch.cat([i.values[:, 1] for i in items]).tolist()) == {0.0, 1.0, 2.0, 3.0}


def test_a_second_picture_is_of_the_same_emotion_and_comes_after_the_first() -> None:
    data = sequences(two=1, lost=0, no_face=0, single=0)
    others = set()
    for epoch in range(40):
        pictures = data[Draw(7, epoch, 0)].values[:, 0]
        changes = int((pictures.diff() != 0).sum())
        assert pictures[0] == 7 and changes <= 1 and int(pictures[-1]) % 3 == 1
        others.add(int(pictures[-1]))
    assert len(others) > 5


def test_steps_that_are_lost_leave_some_and_single_ones_are_never_lost() -> None:
    data = sequences(two=0, lost=0.5, no_face=0, single=0.5, self_distillation=0)
    lost = 0
    for epoch in range(60):
        item = data[Draw(4, epoch, 0)]
        pictures = item.values[:, 0]
        assert (pictures == 4).any() and item.target.max() == 1
        lost += int((pictures == -1).sum())
    assert lost > 20


def test_targets_are_mixed_with_the_predictions_of_the_cnn_and_uniform_without_a_face() -> None:
    half = sequences(self_distillation=0.5, no_face=0)[Draw(4, 0, 0)].target
    assert half.max().item() == pytest.approx(0.5 + 0.5 / 7)
    assert half.sum().item() == pytest.approx(1)
    item = sequences(no_face=0.99)[Draw(4, 0, 0)]
    assert torch.equal(item.target, UNIFORM) and (item.values[:, 0] == -1).all()


def test_evaluation_sees_the_picture_itself() -> None:
    item = sequences(training=False)[Draw(7, 0, 0)]
    assert item.values.shape == (1, 512) and item.values[0, :2].tolist() == [7.0, 0.0]


def settings(*more: str) -> StillsConfig:
    return load_settings(StillsConfig, '', [*SETTINGS, *more])


def test_both_phases_learn_and_the_same_command_goes_on(folder: Path, tmp_path: Path) -> None:
    """Stripes along and across are told apart, in one picture and in fifty, over the crops."""
    stills = read_fer2013(folder)
    train_stills(settings(), stills, tmp_path / 'run', QUIET)
    trained = TrainedEncoder.load(tmp_path / 'run', Modality.FACE)
    dev = [e for e in stills.examples if e.split == 'dev']
    right = {1: 0, 50: 0}
    with torch.inference_mode():
        for example in dev:
            crop = torch.from_numpy(stills.faces(example.key))
            embedding = trained.encoder.embed(crop)
            for steps in right:
                outputs, mask = trained.encoder(embedding.expand(steps, -1)[None],
                                                torch.tensor([steps]))
                logits = trained.encoder.classifier(summary(Modality.FACE, outputs, mask))
                right[steps] += int(logits.argmax()) == example.labels[0]
    assert min(right.values()) >= 18, right
    assert set(trained.facts) == {'cnn', 'gru'}
    before = safetensors.torch.load_file(tmp_path / 'run/encoder/encoder.safetensors')
    train_stills(settings(), stills, tmp_path / 'run', QUIET)
    again = safetensors.torch.load_file(tmp_path / 'run/encoder/encoder.safetensors')
    assert all(torch.equal(weights, again[name]) for name, weights in before.items())


def test_the_gru_leaves_the_cnn_as_it_was(folder: Path, tmp_path: Path) -> None:
    stills = read_fer2013(folder)
    short = settings('engine.epochs=1', 'sequences.engine.epochs=2')
    train_stills(short, stills, tmp_path, QUIET)
    cnn = safetensors.torch.load_file(tmp_path / 'cnn/best/module.safetensors')
    encoder = safetensors.torch.load_file(tmp_path / 'encoder/encoder.safetensors')
    kept = {n.removeprefix('network.'): w for n, w in cnn.items() if n.startswith('network.')}
    assert kept and all(torch.equal(w, encoder[f'facenet.{n}']) for n, w in kept.items())


def test_the_command_takes_a_folder_of_fer2013_and_other_data_need_another_run(
        folder: Path, tmp_path: Path) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    given = ['face', '--data', str(folder), '--output', str(tmp_path / 'run'), *SETTINGS,
             'engine.epochs=1', 'sequences.engine.epochs=1']
    assert run(parser.parse_args(given)) == 0
    assert (tmp_path / 'run/encoder/encoder.json').is_file()
    (tmp_path / 'other').mkdir()
    for name in ('train_1', 'valid'):
        pictures, labels = stripes(8, 1)
        np.savez(tmp_path / 'other' / f'{name}.npz', image=pictures, label=labels)
    given[2] = str(tmp_path / 'other')
    with pytest.raises(InvalidInput, match='other data'):
        run(parser.parse_args(given))


def test_evaluate_reads_the_folder_and_scores_its_dev_split(folder: Path, tmp_path: Path) -> None:
    train_stills(settings(), read_fer2013(folder), tmp_path / 'run', QUIET)
    parser = argparse.ArgumentParser()
    evaluate.add_arguments(parser)
    assert evaluate.run(parser.parse_args(
        [str(tmp_path / 'run'), '--data', str(folder), '--output', str(tmp_path / 'report')])) == 0
    found = json.loads((tmp_path / 'report/evaluation.json').read_text())
    assert found['available'] == ['face'] and found['subsets'][0]['count'] == 20
    assert found['subsets'][0]['figures']['accuracy']['mean'] >= 0.9


def test_a_network_of_the_paper_and_two_precisions_are_refused() -> None:
    with pytest.raises(InvalidInput, match='compact network'):
        settings('model.backbone=inception_resnet_v1')
    with pytest.raises(InvalidInput, match=r'sequences\.engine\.precision=bf16'):
        settings('engine.precision=bf16')


def test_the_recipes_of_the_bundles_are_some() -> None:
    for name in ('starter/face', 'plus/face'):
        assert load_settings(StillsConfig, name).model.backbone == 'compact'
