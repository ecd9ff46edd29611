# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The whole chain on a tiny corpus: synth, prepare, encoders, fusion, bundle, recogniser."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmer_ros.networks.audio_encoder import AudioEncoderConfig
from mmer_ros.networks.fusion import make_fusion
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import Modality, subset_name, SUBSETS, Utterance
import numpy as np
import pytest
from rich.console import Console
import safetensors.torch
import torch
from training.__main__ import main
from training.encoders.text.data import dialogues
from training.encoders.trained_encoder import encoders_of, TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.features import FeatureCache, make_features
from training.fusion.predictor import FusionPredictor
from training.preparation.clip_cache import ClipCache

QUIET = Reporter('test', Console(quiet=True))
ENGINE = ['engine.epochs=1', 'engine.batch_size=8']
AUDIO = AudioEncoderConfig(  # few recurrent steps: this is about the chain, not the ear
    n_fft=512, win_length=400, n_freq=16, n_rnn=16, n_res_block=2, n_hidden=8, n_output=8,
    samples_per_step=40, upsample_scales=(5,), classifier_hidden=8)
TEXT = ['model.vocab_size=400', 'model.n_embd=32', 'model.n_layer=1', 'model.n_head=2',
        'model.history_turns=2', 'finetune.epochs=1', 'pretrain=null']
ENCODERS = ['--data', 'cache', '--text', 'text', '--audio', 'audio', '--face', 'face',
            '--features', 'features']
FUSION = ['fusion.width=32', 'fusion.heads=4', 'fusion.embracement_size=24', *ENGINE]


@pytest.fixture(scope='module')
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run every command once."""
    folder = tmp_path_factory.mktemp('chain')
    audio = [f'model.{k}={list(v) if isinstance(v, tuple) else v}'
             for k, v in AUDIO.model_dump().items()]
    face = ['model.backbone=compact', 'model.width=4', 'model.hidden=16', 'model.max_images=6']
    commands = [
        ['synth', 'corpus', '--dialogues', '5', '3', '1', '--turns', '3', '4', '--jobs', '1'],
        ['prepare', '--meld', 'corpus', '--output', 'cache', '--jobs', '1', 'max_images=6'],
        ['train', 'text', '--data', 'cache', '--output', 'text', *TEXT],
        ['train', 'audio', '--data', 'cache', '--output', 'audio', *audio, *ENGINE],
        ['train', 'face', '--data', 'cache', '--output', 'face', *face, *ENGINE],
        ['train', 'fusion', '--seeds', '0', '1', *ENCODERS, '--bundle', 'mine', '--output',
         'fusion', *FUSION],
        ['ablate', '--families', 'averaging', '--no-specialists', '--seeds', '0', *ENCODERS,
         '--output', 'ablation', *FUSION],
        ['evaluate', 'mine-seed0', 'mine-seed1', 'text', 'audio', 'face', '--data', 'cache',
         '--features', 'features', '--output', 'page', '--curves', 'fusion/seed0'],
        ['evaluate', 'text', '--data', 'corpus', '--output', 'report', '--baseline', 'tfidf'],
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in commands:
            assert main(command) == 0, command
    return folder


def made_features(work: Path, splits: list[str]) -> FeatureCache:
    """Return what the commands made; nothing is computed again."""
    folder = work / 'features'
    before = set(folder.iterdir())
    encoders = encoders_of(Bundle.load(work / 'mine-seed0'))
    found = make_features(encoders, ClipCache(work / 'cache'), folder, QUIET, splits=splits)
    assert set(folder.iterdir()) == before
    return found


def test_the_recogniser_says_what_training_computed(work: Path) -> None:
    cache, recognizer = ClipCache(work / 'cache'), Recognizer.load(work / 'mine-seed0')
    bundle = recognizer.bundle
    features = made_features(work, ['dev'])
    dev = [e for e in cache.examples if e.split == 'dev']
    turns = {d.example.key: d for d in dialogues(
        cache.examples, bundle.config.model.text.history_turns)}
    for subset in SUBSETS:
        predictor = FusionPredictor('mine', bundle.model.fusion, features, dev,
                                    temperatures=bundle.config.temperatures,
                                    modality_weights=bundle.config.modality_weights)
        answers = predictor.predict(subset)
        assert len(answers.keys) == len(dev) > 5
        for key, logits in zip(answers.keys, answers.logits):
            turn = turns[key]
            estimate = recognizer.recognize(Utterance(
                text=turn.example.text if Modality.TEXT in subset else None,
                audio=cache.audio(key) if Modality.AUDIO in subset else None,
                faces=cache.faces(key) if Modality.FACE in subset else None,
                speaker=turn.example.speaker, history=turn.history))
            assert estimate.modalities == subset
            scale = bundle.config.temperatures.get(subset_name(subset), 1.0)
            np.testing.assert_allclose(estimate.logits / scale, logits, atol=2e-4)


def test_the_bundle_tells_what_it_is(work: Path) -> None:
    bundle = Bundle.load(work / 'mine-seed1')
    assert bundle.config.trained and bundle.config.name == 'mine-seed1'
    assert bundle.config.training['recipe']['engine']['seed'] == 1
    assert bundle.config.training['encoders']['text']['run']['config']['linear_teacher'] is None
    assert bundle.config.faces == ClipCache(work / 'cache').info.preprocessing.faces
    assert set(bundle.config.training['dev']) == {subset_name(s) for s in SUBSETS}
    assert set(bundle.config.priors) == set(bundle.config.temperatures)
    assert all(sum(shares) == pytest.approx(1) for shares in bundle.config.priors.values())
    assert 'dev split' in bundle.card and '| text+audio+face |' in bundle.card


def report(folder: Path) -> Any:
    assert '<svg' in (folder / 'report.html').read_text()
    return json.loads((folder / 'evaluation.json').read_text())


def test_bundles_that_differ_in_their_seed_are_one_model_beside_the_encoders(work: Path) -> None:
    found = report(work / 'page')
    assert (found['name'], found['seeds'], found['data']) == ('mine', 2, 'cache dev')
    assert found['available'] == ['text', 'audio', 'face'] and len(found['subsets']) == 11
    assert [o['name'] for o in found['others']] == ['text', 'text, with reply', 'audio', 'face']
    assert {c['run'] for c in found['learning']} == {
        'fusion/seed0', 'text/finetune', 'audio', 'face'}
    tables = (work / 'page' / 'tables.md').read_text()
    assert 'Ours: cache dev' in tables and 'standard deviation over 2 seeds' in tables


def test_an_encoder_answers_alone_as_it_did_in_its_training(work: Path) -> None:
    """Its own classifier on the cached features gives the score that its run kept."""
    others = {o['name']: o for o in report(work / 'page')['others']}
    for name in ('text', 'audio', 'face'):
        kept = TrainedEncoder.load(work / name).facts['weighted_f1']
        assert others[name]['figures']['weighted_f1']['mean'] == pytest.approx(kept), name


def test_an_encoder_of_text_is_told_in_the_same_layout_beside_the_baseline(work: Path) -> None:
    found, whole = report(work / 'report'), report(work / 'page')
    assert set(found) == set(whole) and found['available'] == ['text']
    assert [(s['modalities'], s['causal']) for s in found['subsets']] == [
        (['text'], True), (['text'], False)]
    (baseline,) = found['baselines']
    lead = {c['first']: c for c in found['comparisons'] if c['second'] == baseline['name']}
    assert set(lead) == {'Text', 'Text, with reply'}
    assert lead['Text']['difference']['value'] == pytest.approx(
        found['subsets'][0]['figures']['weighted_f1']['mean']
        - baseline['figures']['weighted_f1']['mean'])
    other = {o['name']: o for o in whole['others']}['text']
    assert found['subsets'][0]['figures'] == other['figures'], 'from the cache or the CSV'


def test_the_ablation_tables_what_was_trained_on_the_same_features(work: Path) -> None:
    found = report(work / 'ablation')
    assert [a['name'] for a in found['ablations']] == ['Decision-level averaging']
    assert [o['name'] for o in found['others']] == [
        'Text encoder', 'Text encoder, with reply', 'Audio encoder', 'Face encoder']
    assert 'Decision-level averaging' in (work / 'ablation' / 'tables.md').read_text()
    assert not (work / 'ablation' / 'features').exists(), 'they were there'
    same = Bundle.load(work / 'mine-seed0').model.fusion.state_dict()
    best = safetensors.torch.load_file(
        work / 'ablation' / 'runs' / 'full' / 'seed0' / 'best' / 'module.safetensors')
    for name, weight in same.items():
        torch.testing.assert_close(best[f'network.{name}'], weight)


def test_training_changed_the_weights(work: Path) -> None:
    trained = Bundle.load(work / 'mine-seed0').model
    features = made_features(work, ['train', 'dev'])
    torch.manual_seed(0)  # as train_fusion begins
    fresh = make_fusion(features.widths, trained.config.fusion).state_dict()
    for name, weight in trained.fusion.named_parameters():
        moved = (weight - fresh[name]).abs().max()
        assert 0 < moved < 0.1, f'{name}: few small steps from where it began'


def test_a_second_run_does_nothing_again(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    before = (work / 'audio' / 'metrics.jsonl').stat().st_mtime_ns
    with pytest.raises(SystemExit):
        main(['train', 'nonsense'])
    assert main(['train', 'audio', '--data', 'cache', '--output', 'audio', 'nonsense=1']) == 2
    assert (work / 'audio' / 'metrics.jsonl').stat().st_mtime_ns == before


def test_an_encoder_of_another_modality_is_refused(work: Path, monkeypatch: pytest.MonkeyPatch,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(work)
    assert main(['train', 'fusion', '--data', 'cache', '--output', 'f2', '--text', 'audio',
                 '--audio', 'audio', '--face', 'face', '--bundle', 'b2']) == 2
    assert 'it encodes audio; expected one of text' in ' '.join(capsys.readouterr().err.split())
