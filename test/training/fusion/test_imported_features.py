# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Features of other programs: any encoder, beside ours, without a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmer_ros.types import EMOTIONS, InvalidInput
import numpy as np
import pytest
import safetensors.numpy
from training.__main__ import main
from training.corpora.examples import Example
from training.fusion.imported_features import import_features

from ...fixtures.text import corpus

EXAMPLES = [Example(f'{split}/{i}', split) for split in ('train', 'dev') for i in range(6)]


def arrays(width: int = 3) -> dict[str, Any]:
    random = np.random.default_rng(0)
    found = {e.key: 40 + 7 * random.standard_normal((2 + i % 3, width))
             for i, e in enumerate(EXAMPLES)}
    found['train/0'] = found['train/0'][0]  # one vector for the utterance
    del found['dev/1']
    return found | {'another/corpus': np.ones((2, width))}


@pytest.mark.parametrize('kind', ['npz', 'safetensors'])
def test_they_are_standardised_by_the_train_split(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f'voices.{kind}'
    if kind == 'npz':
        np.savez(path, **arrays())
    else:
        safetensors.numpy.save_file(arrays(), path)
    found = import_features(path, EXAMPLES)
    assert found.width == 3 and found.steps('train/0') == 1 and found.steps('train/1') == 3
    assert 'dev/1' not in found and 'another/corpus' not in found and 'dev/2' in found
    train = np.concatenate([found.get(e.key).numpy() for e in EXAMPLES[:6]])
    np.testing.assert_allclose(train.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=0), 1, atol=1e-5)
    given = np.concatenate([np.atleast_2d(arrays()[e.key]) for e in EXAMPLES[:6]])
    expected = (arrays()['dev/2'] - given.mean(axis=0)) / given.std(axis=0)
    np.testing.assert_allclose(found.get('dev/2').numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(('changed', 'said'), [
    ({'train/1': np.ones((2, 4))}, 'arrays of .3, 4. columns'),
    ({'train/1': np.full((2, 3), np.nan)}, 'train/1 is float64 .* finite numbers'),
    ({'train/1': np.ones((0, 3))}, 'no array where there is nothing'),
    ({'train/1': np.ones((2, 3, 1))}, 'train/1 is float64')])
def test_what_does_not_fit_is_refused_by_name(
        tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / 'a.npz', **(arrays() | changed))
    with pytest.raises(InvalidInput, match=said):
        import_features(tmp_path / 'a.npz', EXAMPLES)


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / 'other.npz', **{'dia0_utt0': np.ones(3)})
    with pytest.raises(InvalidInput, match='none of its 1 arrays .dia0_utt0.*e.g. train/0'):
        import_features(tmp_path / 'other.npz', EXAMPLES)
    (tmp_path / 'broken.npz').write_bytes(b'PK nothing')
    for name in ('broken.npz', 'missing.npz', 'missing.safetensors'):
        with pytest.raises(InvalidInput, match='cannot be read'):
            import_features(tmp_path / name, EXAMPLES)
    np.savez(tmp_path / 'objects.npz', **{'train/0': np.array([{}], object)})
    with pytest.raises(InvalidInput, match='cannot be read|finite'):
        import_features(tmp_path / 'objects.npz', EXAMPLES)


def test_two_modalities_one_of_them_imported_are_fused_and_compared(tmp_path: Path) -> None:
    """Text from an encoder of ours, voices from a file, no third modality and no bundle."""
    examples, random = corpus(12), np.random.default_rng(0)
    data = tmp_path / 'corpus.jsonl'
    data.write_text('\n'.join(json.dumps({
        'id': e.key, 'split': e.split, 'text': e.text, 'label': EMOTIONS[e.labels[0]],
        'speaker': e.speaker, 'group': e.group, 'turn': e.turn}) for e in examples))
    np.savez(tmp_path / 'voices.npz', **{
        e.key: 100 * np.eye(7)[e.labels[0]] + random.standard_normal(7) for e in examples})
    tiny = ['model.vocab_size=300', 'model.n_positions=32', 'model.n_embd=8', 'model.n_layer=1',
            'model.n_head=1', 'pretrain=null', 'finetune.epochs=1']
    assert main(['train', 'text', '--data', str(data), '--output', str(tmp_path / 'text'),
                 *tiny]) == 0
    command = ['ablate', '--data', str(data), '--output', str(tmp_path / 'out'), '--text',
               str(tmp_path / 'text'), '--families', '--seeds', '0', '--recipe', 'fusion/default',
               'fusion.width=16', 'fusion.heads=2', 'engine.epochs=15', 'engine.lr=0.01']
    voices = f'--import=audio={tmp_path / "voices.npz"}'
    assert main([*command, voices]) == 0
    found = json.loads((tmp_path / 'out' / 'evaluation.json').read_text())
    assert found['available'] == ['text', 'audio']
    assert [s['modalities'] for s in found['specialists']] == [['text'], ['audio']]
    both = next(s for s in found['subsets'] if s['modalities'] == ['text', 'audio'])
    text = next(s for s in found['specialists'] if s['modalities'] == ['text'])
    assert both['figures']['weighted_f1']['mean'] > 0.6 > text['figures']['weighted_f1']['mean']
    assert main(command) == 2, 'one modality is nothing to fuse'
    assert main([*command, '--import=voice=x.npz']) == 2
    assert main([*command, f'--import=text={tmp_path / "voices.npz"}']) == 2
