# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Command `starter` on tiny data of all corpora, with encoders that are there: bundle and card."""

from __future__ import annotations

import json
from pathlib import Path
import wave

from mmer_ros.networks.audio_encoder import AudioEncoder
from mmer_ros.networks.face_encoder import FaceEncoder, FaceEncoderConfig
from mmer_ros.networks.text_encoder import byte_tokenizer, TextEncoder, TextEncoderConfig
from mmer_ros.recognition.bundle import Bundle, WEIGHTS
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import EMOTIONS, Modality, subset_name, SUBSETS, Utterance
import numpy as np
import pytest
import safetensors.torch
import torch
from training.__main__ import main
from training.corpora.digest import digest_of
from training.corpora.fer import read_fer2013
from training.corpora.goemotions import read_goemotions
from training.corpora.meld import read_meld
from training.encoders.trained_encoder import TrainedEncoder
from training.preparation.clip_cache import ClipCache
from training.release.sources import Sources
import yaml

from ..evaluation.test_pairs import write_votes
from ...fixtures.clip import meld_row, write_table
from ...fixtures.model import random_audio, seeded, TINY_AUDIO

TEXT = TextEncoderConfig(vocab_size=261, n_positions=64, n_embd=16, n_layer=1, n_head=2,
                         history_turns=2)
FACE = FaceEncoderConfig(backbone='compact', width=4, hidden=16, max_images=6)
CODES = (1, 3, 4, 5, 6, 7, 8)  # of the seven emotions in RAVDESS
SMALL = ['training_sets.out_of_domain=15', 'training_sets.pictures=2', 'training_sets.longest=2',
         'fusion.pseudo_pairs.count=64', 'fusion.dev_count=14', 'fusion.scored=70',
         'fusion.fusion.width=16', 'fusion.fusion.heads=2', 'fusion.fusion.embracement_size=16',
         'fusion.engine.epochs=2', 'fusion.engine.batch_size=16']


def write_meld(folder: Path) -> None:
    for split in ('train', 'dev'):
        write_table(folder / f'{split}_sent_emo.csv', [
            meld_row(d, i, f'this is {emotion} {d}', emotion)
            for d in range(2) for i, emotion in enumerate(EMOTIONS)])


def write_goemotions(folder: Path) -> None:
    folder.mkdir()
    (folder / 'labels.txt').write_text('\n'.join(EMOTIONS))
    for split in ('train', 'dev', 'test'):
        (folder / f'{split}.tsv').write_text(''.join(
            f'a comment of {name}\t{i}\tid{i}\n' for i, name in enumerate(EMOTIONS)))


def write_ravdess(folder: Path) -> None:
    for actor in (1, 2, 17, 18):
        place = folder / f'Actor_{actor:02d}'
        place.mkdir(parents=True)
        for code in CODES:
            file = place / f'03-01-{code:02d}-01-01-01-{actor:02d}.wav'
            with wave.open(str(file), 'wb') as out:
                out.setnchannels(1)
                out.setsampwidth(2)
                out.setframerate(16_000)
                out.writeframes(random_audio(4_000, actor * 10 + code).tobytes())


def write_fer(folder: Path) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name, count in (('train', 28), ('valid', 21)):
        np.savez(folder / f'{name}.npz', label=(np.arange(count) % 7).astype(np.uint8),
                 image=rng.integers(0, 256, (count, 48, 48), dtype=np.uint8))


def write_encoders(folder: Path) -> None:
    for modality, config, kind in ((Modality.TEXT, TEXT, TextEncoder),
                                   (Modality.AUDIO, TINY_AUDIO, AudioEncoder),
                                   (Modality.FACE, FACE, FaceEncoder)):
        TrainedEncoder(modality, config, seeded(kind, config, 7), {}, byte_tokenizer() if (
            modality is Modality.TEXT) else None).save(folder / subset_name(modality))


@pytest.fixture(scope='module')
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a bundle, the same again from finished stages, and one with a refit encoder."""
    folder = tmp_path_factory.mktemp('starter')
    data = folder / 'data'
    data.mkdir()
    (data / 'cremad_votes').mkdir()
    write_meld(data / 'meld')
    write_goemotions(data / 'goemotions_ekman')
    write_ravdess(data / 'ravdess')
    write_fer(data / 'fer2013')
    write_votes(data / 'cremad_votes')
    write_encoders(folder)
    (folder / 'audio.yaml').write_text(yaml.safe_dump({
        'model': TINY_AUDIO.model_dump(mode='json'), 'engine': {'epochs': 1, 'batch_size': 8}}))
    for bundle, *settings in (['first'], ['again'], ['whole', 'refit=[audio]']):
        assert main(['starter', '--data', str(data), '--output', str(folder / 'out'),
                     '--bundle', str(folder / bundle),
                     *(f'--{m}={folder / m}' for m in ('text', 'audio', 'face')),
                     '--voices', *[str(folder / 'audio')] * 2,
                     '--texts', str(folder / 'text'), '--faces', *[str(folder / 'face')] * 2,
                     '--recipe', 'starter/fusion', *SMALL, f'audio={folder / "audio.yaml"}',
                     *(settings or ['refit=[]'])]) == 0
    return folder


def test_it_makes_a_bundle_that_answers_for_every_subset(made: Path):
    bundle = Bundle.load(made / 'first')
    names = [subset_name(s) for s in SUBSETS]
    assert bundle.config.trained and bundle.config.calibrated
    assert list(bundle.config.temperatures) == list(bundle.config.priors) == names
    assert bundle.config.priors['face'] == pytest.approx([1 / 7] * 7)
    assert 'non-commercial' in bundle.config.notice
    weights = safetensors.torch.load_file(made / 'first' / WEIGHTS)
    assert {str(w.dtype) for w in weights.values()} >= {'torch.float16', 'torch.float32'}
    estimate = Recognizer(bundle, prior='meld').recognize(Utterance(
        text='this is joy', audio=random_audio(3_000)))
    assert estimate.modalities == Modality.TEXT | Modality.AUDIO and estimate.calibrated


def test_the_same_command_again_gives_the_same_bundle(made: Path):
    assert Bundle.load(made / 'first').content_hash == Bundle.load(made / 'again').content_hash


def test_the_bundle_has_the_given_encoders(made: Path):
    model = Bundle.load(made / 'first').model
    given = seeded(FaceEncoder, FACE, 7)
    for name, weight in given.named_parameters():
        expected = weight.half().float() if weight.dim() > 1 else weight
        np.testing.assert_array_equal(model.face.get_parameter(name).detach(), expected.detach())


def test_the_card_shows_the_figures_and_nothing_else(made: Path):
    card = (made / 'first' / 'MODEL_CARD.md').read_text()
    figures = json.loads((made / 'out' / 'figures.json').read_text())
    text = figures['subsets']['text']
    shown = f'{100 * text["accuracy"]["value"]:.1f} ['
    assert any(line.startswith('| text | 14 |') and shown in line for line in card.splitlines())
    assert figures['pairs']['votes']['clips'] == 60 and 'signals' not in figures['pairs']
    assert 'Voice and face of the same clip' not in card and 'GRID' not in card
    assert [curve['measure'] for curve in figures['curves']] == [
        'accuracy', 'unweighted_recall', 'unweighted_recall', 'weighted_f1']
    assert all(curve['title'] in card for curve in figures['curves'])
    assert figures['recipe']['modality_weights'] == figures['weights']['weights']
    whole, *again = figures['voice_by_seed']['whole']
    assert [whole] * 2 == again and len(figures['voice_by_seed']['cut']) == 3
    assert f'| of this bundle | {100 * whole:.1f} | ' in card
    assert f'| mean of the 2 seeds, standard deviation | {100 * whole:.1f}, 0.0 | ' in card
    assert set(figures['by_sex']) == {'women', 'men'}
    face = f'{100 * figures["calibration"]["face"]["accuracy"]["value"]:.1f}'
    assert len(figures['seeds']['text']) == 2 and len(figures['seeds']['face']) == 3
    assert f'| face | accuracy | 3 | {face}, {face}, {face} | {face} | 0.0 |' in card
    assert 'sound: silence' in figures['sanity'] and '| sound: silence |' in card


def test_a_refit_encoder_is_trained_on_held_out_data(made: Path):
    """The other encoders and all figures stay; the card states it."""
    first, whole = (Bundle.load(made / name) for name in ('first', 'whole'))
    for name, stays in (('text', True), ('audio', False), ('face', True), ('fusion', False)):
        before, after = (getattr(b.model, name).state_dict() for b in (first, whole))
        assert all(torch.equal(before[k], after[k]) for k in before) == stays, name
    assert whole.config.temperatures == first.config.temperatures
    assert 'trained once more on all data, held-out data included** (audio)' in whole.card
    assert 'For the release' not in first.card and 'as it is shipped' in first.card
    shown = [line for line in first.card.splitlines() if line.startswith('| audio | 14 |')]
    assert shown and shown[0] in whole.card
    run = whole.config.training['encoders']['audio']['run']
    assert run['config']['model']['n_rnn'] == TINY_AUDIO.n_rnn
    noted = json.loads((made / 'out' / 'refit' / 'audio' / 'data.json').read_text())
    assert noted['corpus'] != digest_of(ClipCache(made / 'out' / 'ravdess').examples)


def test_all_data_have_each_example_once_in_train(made: Path):
    """Held-out data stay in dev; no dialogue has a turn twice."""
    data = made / 'data'
    sources = Sources(read_meld(data / 'meld', ('train', 'dev'), clips=False).examples,
                      read_goemotions(data / 'goemotions_ekman'),
                      ClipCache(made / 'out' / 'ravdess'), read_fer2013(data / 'fer2013'))
    whole = sources.with_dev_in_train()
    for before, after in ((sources.meld, whole.meld), (sources.clips.examples,
                          whole.clips.examples), (sources.stills.examples, whole.stills.examples)):
        assert [e.key for e in after if e.split == 'train'] == [e.key for e in before]
        assert [e.labels for e in after if e.split == 'dev'] == [
            e.labels for e in before if e.split == 'dev']
    turns = [(e.group, e.turn) for e in whole.meld]
    assert len(set(turns)) == len(turns)
    key = next(e.key for e in sources.stills.examples if e.split == 'dev')
    assert np.array_equal(whole.stills.grey(key), sources.stills.grey(key))
    assert whole.stills.digest != sources.stills.digest


def test_missing_data_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / 'meld').mkdir()
    assert main(['starter', '--data', str(tmp_path), '--output', str(tmp_path / 'out')]) == 2
    assert 'goemotions' in capsys.readouterr().err
