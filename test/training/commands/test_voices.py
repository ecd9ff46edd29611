# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The commands `voices` and `plus`, from caches of sound to figures, with a small Whisper."""

from __future__ import annotations

import json
from pathlib import Path
import wave

from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import EMOTIONS, SUBSETS, Utterance
import numpy as np
import pytest
import torch
from training.__main__ import main
from training.evaluation.pairs import fusion_families

from ..release.test_starter_command import write_encoders, write_fer, write_meld
from ...fixtures.model import tiny_bundle
from ...fixtures.whisper import save_whisper


@pytest.fixture(scope='module')
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_whisper(tmp_path_factory.mktemp('whisper'), layers=4)


def prepared(folder: Path, name: str, labels: list[str]) -> Path:
    """Return a cache of tones, higher for joy, of two speakers."""
    rows = []
    folder.mkdir(parents=True, exist_ok=True)
    for i, label in enumerate(labels):
        tone = np.sin(np.arange(8000) * (0.4 if label == 'joy' else 0.1) * (1 + i / 50))
        with wave.open(str(folder / f'{name}{i}.wav'), 'wb') as file:
            file.setparams((1, 2, 16_000, 0, 'NONE', ''))
            file.writeframes((9000 * tone).astype('<i2').tobytes())
        rows.append({'id': f'{name}{i}', 'audio': f'{name}{i}.wav', 'label': label,
                     'speaker': f's{i // 2 % 2}'})
    manifest = folder / f'{name}.jsonl'
    manifest.write_text('\n'.join(map(json.dumps, rows)))
    assert main(['prepare', '--manifest', str(manifest), '--output', str(folder / name),
                 '--jobs', '1']) == 0
    return folder / name


def test_each_corpus_is_left_out_in_turn_and_the_run_resumes(
        whisper: Path, tmp_path: Path) -> None:
    caches = [f'{name}={prepared(tmp_path, name, ["joy", "anger"] * 6)}' for name in 'ab']
    command = ['voices', '--corpus', *caches, '--folds', 'a', '--teacher', str(whisper),
               '--output', str(tmp_path / 'out')]
    assert main(command) == 0
    figures = json.loads((tmp_path / 'out' / 'voices.json').read_text())
    assert list(figures['unseen_corpora']) == ['a', 'b']
    for scores in [*figures['unseen_corpora'].values(), figures['unseen_speakers']['a']]:
        assert (scores['clips'], scores['speakers']) == (12, 2)
        assert scores['unweighted_recall']['value'] > 0.8  # two tones that differ by two octaves
    stored = {p: p.stat().st_mtime_ns for p in (tmp_path / 'out').rglob('*.safetensors')}
    assert main(command) == 0
    assert stored == {p: p.stat().st_mtime_ns for p in (tmp_path / 'out').rglob('*.safetensors')}


def test_plus_makes_a_bundle_with_its_card(whisper: Path, tmp_path: Path) -> None:
    torch.manual_seed(0)
    tiny_bundle(name='base', modality_weights=(0.7, 0.6, 0.9)).save(tmp_path / 'base')
    write_encoders(tmp_path)
    write_meld(tmp_path / 'meld')
    write_fer(tmp_path / 'fer')
    labels = ['joy', 'anger'] * 6
    caches = [f'{name}={prepared(tmp_path, name, labels)}' for name in ('nemo', 'urdu')]
    command = ['plus', '--corpus', *caches, '--folds', 'nemo', '--teacher', str(whisper),
               '--output', str(tmp_path / 'out'), '--base', str(tmp_path / 'base'), '--compare',
               '--text', str(tmp_path / 'text'), '--face', str(tmp_path / 'face'),
               '--meld', str(tmp_path / 'meld'), '--fer', str(tmp_path / 'fer'),
               '--bundle', str(tmp_path / 'plus')]
    assert main(command) == 0
    bundle = Bundle.load(tmp_path / 'plus')
    assert bundle.config.calibrated and bundle.config.training['unseen_corpora'].keys() == {
        'nemo', 'urdu'}
    assert bundle.config.modality_weights == (0.7, 0.6, 0.9)
    assert set(bundle.config.thresholds) == {subset.title for subset in SUBSETS}
    for text in ('non-commercial', '| nemo | 12 | 2 |', 'For comparison',
                 'nemo, babble noise at 10 dB', 'MELD dev, as heard', '| words, voice, face |'):
        assert text in bundle.card
    tone = (9000 * np.sin(np.arange(8000) * 0.4)).astype(np.int16)
    assert not np.isnan(Recognizer(bundle).recognize(Utterance(audio=tone)).logits).any()
    encoder = bundle.model.audio
    encoded = encoder.encode([tone], [])  # the gate closes for tones, the classifier does not
    assert encoded is not None
    assert EMOTIONS[int(encoder.classifier(encoded[0].mean(dim=1)).argmax())] == 'joy'


def test_families_compares_ways_on_the_clips_that_have_both(
        whisper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ways = ('voice', 'face', 'log-linear pool')  # without the networks, which tones do not suit
    monkeypatch.setattr(fusion_families, 'WAYS', {
        name: fusion_families.WAYS[name] for name in ways})
    labels = ['joy', 'anger', 'sadness'] * 10
    shown = {'joy': 'happy,{},1,0', 'anger': 'angry,{},0,0', 'sadness': 'sad,{},0,1'}
    caches = [f'{name}={prepared(tmp_path, name, labels)}' for name in ('ravdess', 'nemo')]
    rows = [f'Actor_{i // 3:02d}/ravdess{i}.flac,{shown[label].format(i // 3)}'
            for i, label in enumerate(labels)]
    rows.append('Actor_01/without_sound.flac,happy,1,1,0')
    (tmp_path / 'face_au_mean.csv').write_text(
        '\n'.join(['audio_file,emotion,actor,AU01_r,AU02_r', *rows]))
    command = ['families', '--corpus', *caches, '--teacher', str(whisper), '--units',
               str(tmp_path), '--output', str(tmp_path / 'out')]
    assert main(command) == 0
    figures = json.loads((tmp_path / 'out' / 'families.json').read_text())
    assert (figures['clips'], figures['actors']) == (30, 10)
    assert tuple(figures['ways']) == ways
    for name in ('face', 'log-linear pool'):  # the units are the label
        assert figures['ways'][name]['accuracy']['value'] == 1
    assert main([*command, '--corpus', caches[1]]) == 2  # without RAVDESS


@pytest.mark.parametrize(('corpus', 'problem'), [
    ('cache', 'expected NAME=CACHE'), ('a=nowhere', 'cache nowhere')])
def test_a_corpus_that_cannot_be_used_is_named(
        whisper: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], corpus: str,
        problem: str) -> None:
    assert main(['voices', '--corpus', corpus, '--teacher', str(whisper),
                 '--output', str(tmp_path)]) == 2
    assert problem in capsys.readouterr().err
