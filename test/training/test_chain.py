"""The whole chain on a tiny corpus: synth, prepare, encoders, fusion, bundle, recogniser."""

from __future__ import annotations

from pathlib import Path

from mmer_ros.audio_encoder import AudioEncoderConfig
from mmer_ros.bundle import Bundle
from mmer_ros.recognizer import Recognizer
from mmer_ros.types import Modality, subset_name, SUBSETS, Utterance
import numpy as np
import pytest
import torch
from training.__main__ import main
from training.fusion.features import FeatureCache
from training.fusion.model import make_fusion
from training.fusion.predictor import FusionPredictor
from training.preparation.clip_cache import ClipCache
from training.text.data import dialogues

ENGINE = ['engine.epochs=1', 'engine.batch_size=8']
AUDIO = AudioEncoderConfig(  # few recurrent steps: this is about the chain, not the ear
    n_fft=512, win_length=400, n_freq=16, n_rnn=16, n_res_block=2, n_hidden=8, n_output=8,
    samples_per_step=40, upsample_scales=(5,), classifier_hidden=8)
TEXT = ['model.vocab_size=400', 'model.n_embd=32', 'model.n_layer=1', 'model.n_head=2',
        'model.history_turns=2', 'finetune.epochs=1', 'pretrain=null', 'teacher.kind=none']


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
        ['train', 'fusion', '--data', 'cache', '--output', 'fusion', '--text', 'text', '--audio',
         'audio', '--face', 'face', '--bundle', 'mine', 'fusion.width=32', 'fusion.heads=4',
         'fusion.embracement_size=24', *ENGINE],
        ['evaluate', 'text', '--data', 'cache', '--output', 'report', '--baseline', 'tfidf'],
        ['evaluate', '--bundle', 'mine', '--data', 'cache', '--output', 'page'],
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for command in commands:
            assert main(command) == 0, command
    return folder


def test_the_recogniser_says_what_training_computed(work: Path) -> None:
    cache, recognizer = ClipCache(work / 'cache'), Recognizer.load(work / 'mine')
    bundle = recognizer.bundle
    (features,) = (FeatureCache(f) for f in (work / 'fusion' / 'features').iterdir())
    dev = [e for e in cache.examples if e.split == 'dev']
    turns = {d.example.key: d for d in dialogues(
        cache.examples, bundle.config.model.text.history_turns)}
    for subset in SUBSETS:
        predictor = FusionPredictor('mine', bundle.model.fusion, features, dev,
                                    temperatures=bundle.config.temperatures,
                                    trust=bundle.config.trust)
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
    bundle = Bundle.load(work / 'mine')
    assert bundle.config.trained and bundle.config.name == 'mine'
    assert set(bundle.config.training['dev']) == {subset_name(s) for s in SUBSETS}
    assert 'dev split' in bundle.card and '| text+audio+face |' in bundle.card


def test_the_evaluation_of_a_bundle_is_a_page_and_tables(work: Path) -> None:
    assert '<svg' in (work / 'page' / 'report.html').read_text()
    tables = (work / 'page' / 'tables.md').read_text()
    assert 'Ours: cache dev' in tables and 'Text + audio + face' in tables


def test_training_changed_the_weights(work: Path) -> None:
    trained = Bundle.load(work / 'mine').model
    (features,) = (FeatureCache(f) for f in (work / 'fusion' / 'features').iterdir())
    torch.manual_seed(0)  # as train_fusion begins
    fresh = make_fusion('full', features.widths, trained.config.fusion).state_dict()
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
    assert 'it is one of AUDIO, expected TEXT' in ' '.join(capsys.readouterr().err.split())
