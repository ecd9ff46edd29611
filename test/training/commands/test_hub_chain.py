# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""From models of the Hugging Face hub to a bundle: tiny ones, trained, fused and used."""

from __future__ import annotations

from collections import Counter
import json
from pathlib import Path

from mmer_ros.cli.main import main as mmer
from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.networks.hub_audio_encoder import HubAudioEncoder
from mmer_ros.recognition.bundle import Bundle, BundleError
from mmer_ros.recognition.bundle_export import export_bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import InvalidInput, Turn, Utterance
import numpy as np
import pytest
import safetensors.torch
import torch
from training.__main__ import main
from training.corpora.manifest import read_manifest
from training.encoders.trained_encoder import TrainedEncoder
from training.evaluation.unseen_texts import unseen_texts, UnseenTexts
from training.preparation.clip_cache import ClipCache
from transformers import AutoModel

from ...fixtures.hub import save_hub
from ...fixtures.model import random_audio, random_faces

ONE = ['epochs=1', 'batch_size=4', 'accumulate=1', 'precision=no']
ENGINE = [f'engine.{each}' for each in ONE]
SMALL = {
    'text': ['init=roberta', 'tuning.method=lora', 'tuning.rank=2', 'model.history_turns=2',
             *(f'finetune.{each}' for each in ONE)],
    'audio': ['init=wav2vec2', 'tuning.method=frozen', 'tuning.gradient_checkpointing=false',
              'model.window_s=1.0', 'model.width=12', *ENGINE],
    'face': ['init=vit', 'tuning.method=full', 'tuning.rank=16', 'tuning.alpha=32',
             'model.hidden=12', *ENGINE],
}


def train(stage: str, *settings: str, output: str = '') -> int:
    return main(['train', stage, '--data', 'cache', '--output', output or stage, '--recipe',
                 f'modern/{stage}', *SMALL[stage], *settings])


@pytest.fixture(scope='module')
def work(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Train the three encoders by the modern recipes, and their fusion."""
    folder = tmp_path_factory.mktemp('hub')
    for name in ('roberta', 'wav2vec2', 'vit'):
        save_hub(folder / name, name)
    (folder / 'cache').symlink_to(whole)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert [train(stage) for stage in SMALL] == [0, 0, 0]
        assert main(['train', 'fusion', '--data', 'cache', '--output', 'fusion', '--bundle',
                     'mine', '--recipe', 'modern/fusion', 'fusion.width=16', 'fusion.heads=2',
                     *ENGINE, *(x for s in SMALL for x in (f'--{s}', s))]) == 0
    return folder


def network_of(folder: Path) -> dict[str, torch.Tensor]:
    """Return the weights of the published network in a run."""
    found = safetensors.torch.load_file(folder / 'encoder' / 'encoder.safetensors')
    return {name.partition('.')[2]: x for name, x in found.items()
            if name.startswith(('network.', 'facenet.'))}


def moved(work: Path, stage: str, source: str) -> set[str]:
    """Return the weights of the network that training has changed."""
    before = AutoModel.from_pretrained(work / source).state_dict()
    after = network_of(work / stage)
    assert set(after) <= set(before)
    return {name for name, x in after.items() if not torch.equal(x, before[name])}


def test_frozen_weights_stay_lora_moves_linear_layers_and_full_moves_all(work: Path) -> None:
    """Merged, LoRA leaves the encoder as it was published; nobody needs peft to use it."""
    assert moved(work, 'audio', 'wav2vec2') == set()
    lora = moved(work, 'text', 'roberta')
    assert lora and all(name.endswith(('query.weight', 'key.weight', 'value.weight',
                                       'dense.weight')) for name in lora)
    assert len(moved(work, 'face', 'vit')) > 20


def test_the_bundle_answers_alike_in_both_engines(work: Path) -> None:
    bundle = Bundle.load(work / 'mine')
    assert isinstance(bundle.model.audio, HubAudioEncoder)
    assert bundle.config.model.text.model_dump()['architecture']['model_type'] == 'roberta'
    graphs = Recognizer.load(work / 'mine', engine='onnx')
    torches = Recognizer.load(work / 'mine', engine='torch')
    whole = Utterance(text='so am I', speaker='anna', history=(Turn('ben', 'we won'),),
                      audio=random_audio(40_000), faces=random_faces(3))
    for utterance in (whole, Utterance(text='no'), Utterance(audio=random_audio(90)),
                      Utterance(faces=random_faces(1))):
        found, expected = (each.recognize(utterance).logits for each in (graphs, torches))
        assert found == pytest.approx(expected, abs=1e-4)


def test_mmer_recognises_a_clip_with_it(work: Path, meld: Path, tmp_path: Path) -> None:
    clip = meld / 'dev' / 'dev_splits_complete' / 'dia0_utt0.mp4'
    assert mmer(['recognize', str(clip), '--whole', '--bundle', str(work / 'mine'),
                 '--output', str(tmp_path / 'rows.jsonl')]) == 0
    row = json.loads((tmp_path / 'rows.jsonl').read_text().splitlines()[0])
    assert row['bundle_name'] == 'mine' and row['modalities'] == ['audio', 'face']


def test_a_finished_run_needs_the_published_weights_no_more(
        work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    before = TrainedEncoder.load(work / 'text').digest
    hidden = work / 'roberta'
    hidden.rename(work / 'elsewhere')
    try:
        assert train('text') == 0
    finally:
        (work / 'elsewhere').rename(hidden)
    assert TrainedEncoder.load(work / 'text').digest == before


def test_a_run_goes_on_from_another_run(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    assert train('text', 'init=text', 'finetune.lr=1e-9', output='further') == 0
    before, after = (TrainedEncoder.load(work / run) for run in ('text', 'further'))
    assert after.config == before.config
    assert after.tokenizer.to_str() == before.tokenizer.to_str()  # type: ignore[union-attr]
    for name, x in after.encoder.state_dict().items():
        torch.testing.assert_close(x, before.encoder.state_dict()[name], atol=1e-5, rtol=0)
    assert moved(work, 'further', 'roberta') >= moved(work, 'text', 'roberta') != set()
    assert train('audio', 'init=text', output='mixed') == 2


def test_texts_are_answered_by_encoders_that_have_not_learnt_them(
        work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    rows = [{'id': f'{group}-{turn}', 'group': f'd{group}', 'turn': turn,
             'split': 'dev' if group > 3 else 'train', 'speaker': 'ann',
             'text': f'So {"what" * group}! Number {turn}?',
             **({'label': 'joy' if group % 2 else 'anger'} if turn else {})}
            for group in range(6) for turn in range(3)]
    (work / 'texts.jsonl').write_text('\n'.join(map(json.dumps, rows)))
    options = ['--data', 'texts.jsonl', '--recipe', 'modern/text', *SMALL['text']]
    assert main(['train', 'text', '--output', 'spoken', *options]) == 0
    assert main(['texts', '--text', 'spoken', '--folds', '2', '--output', 'texts', *options]) == 0
    found = UnseenTexts.load(work / 'texts' / 'unseen_texts.npz')
    answered = Counter(zip(found.dialogue.tolist(), found.split.tolist()))
    assert answered == Counter({
        (f'{split}/d{i}', split): 2 for i, split in enumerate(['train'] * 4 + ['dev'] * 2)})
    expected = [4 if int(name[-1]) % 2 else 6 for name in found.dialogue]
    assert found.labels.tolist() == expected
    assert np.abs(found.logits_written - found.logits_heard).max(axis=1).min() > 1e-5
    examples = read_manifest(work / 'texts.jsonl').examples
    for run, split in (('spoken', 'dev'), ('texts/fold0', 'train'), ('texts/fold1', 'train')):
        answers = unseen_texts(TrainedEncoder.load(work / run), examples, split)
        gaps = [np.abs(found.of(split).logits_written - row).max(axis=1).min()
                for row in answers.logits_written]
        assert sum(gap < 1e-6 for gap in gaps) == 4, 'all of dev, half of train'
    with pytest.raises(InvalidInput, match='make it with'):
        UnseenTexts.load(work / 'mine' / 'config.json')


@pytest.mark.parametrize('stage, settings, message', [
    ('text', ['init=""'], 'set init to a name on the Hugging Face hub'),
    ('text', ['weights.language_model=0.5'], 'learns emotions alone; set weights'),
    ('audio', ['ensemble=2'], 'ensemble, teacher, regularisation'),
    ('audio', ['model={backbone: wavernn}'], 'tuning: only for model.backbone=huggingface'),
    ('face', ['tuning.method=frozen', 'data.light=0.1'], 'light cannot be changed'),
    ('face', ['init=nothing-there'], 'give the folder of a copy')])
def test_settings_that_do_not_fit_are_one_sentence(
        work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
        stage: str, settings: list[str], message: str) -> None:
    monkeypatch.chdir(work)
    monkeypatch.setenv('HF_HUB_OFFLINE', '1')
    assert train(stage, *settings, output='refused') == 2
    assert message in ' '.join(capsys.readouterr().err.split())


def test_several_encoders_of_a_modality_stand_side_by_side_in_the_bundle(
        work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(work)
    assert main(['train', 'fusion', '--data', 'cache', '--output', 'both', '--bundle', 'wide',
                 '--text', 'text', '--audio', 'audio', '--audio', 'audio', '--face', 'face',
                 'fusion.width=16', 'fusion.heads=2', *ENGINE]) == 0
    recognizer = Recognizer.load(work / 'wide')
    assert recognizer.engine == 'torch', 'no graphs for several'
    one, both = (TrainedEncoder.load(work / 'audio').encoder, recognizer.model.audio)
    sound = random_audio(30_000)
    with torch.inference_mode():
        (alone, _), (wide, _) = (e.encode([sound], [DialogueContext()]) for e in (one, both))
        torch.testing.assert_close(wide, torch.cat([alone, alone], dim=2))
        torch.testing.assert_close(both.classifier(wide.mean(dim=1)),
                                   one.classifier(alone.mean(dim=1)))
    assert recognizer.recognize(Utterance(audio=sound)).probabilities.sum() == pytest.approx(1)
    with pytest.raises(BundleError, match='cannot be exported; use it with engine torch'):
        export_bundle(work / 'wide')


def test_ablate_tells_what_it_was_made_from_and_keeps_no_run_of_other_features(
        work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(work)
    keys = [e.key for e in ClipCache(work / 'cache').examples]
    for name, seed in (('first', 1), ('second', 2)):
        random = np.random.default_rng(seed)
        np.savez(work / f'{name}.npz', **{key: random.normal(size=(2, 3)) for key in keys})

    def ablate(*imports: str) -> int:
        return main(['ablate', '--data', 'cache', '--output', 'ablation', '--seeds', '0',
                     '--families', '--no-specialists', '--text', 'text', 'fusion.width=16',
                     'fusion.heads=2', *ENGINE, *(x for i in imports for x in ('--import', i))])

    assert ablate('audio=first.npz', 'audio=second.npz') == 0
    shown = json.loads((work / 'ablation' / 'evaluation.json').read_text())['facts']
    assert shown['Input audio'].startswith('first.npz, second.npz (')
    assert TrainedEncoder.load(work / 'text').digest in shown['Input text']
    recorded = json.loads((work / 'ablation/runs/full/seed0/data.json').read_text())
    assert set(recorded['features']) == {'text', 'audio'}
    assert ablate('audio=first.npz') == 2
    assert 'it was started on other data' in ' '.join(capsys.readouterr().err.split())
