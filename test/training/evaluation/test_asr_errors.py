# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Robustness to errors of a speech recogniser: the transcripts of a split, and the command."""

from __future__ import annotations

import json
from pathlib import Path

from mmer_ros.networks.text_encoder import TextEncoder
from mmer_ros.types import EMOTIONS, Modality
import pytest
import torch
from training.__main__ import main
from training.corpora.manifest import write_manifest
from training.encoders.text.tokenizer import train_tokenizer
from training.encoders.trained_encoder import TrainedEncoder
from training.evaluation.asr_errors import transcripts

from ...fixtures.text import corpus, TINY


def test_only_the_text_of_a_split_changes() -> None:
    examples = corpus()
    dev = [e for e in examples if e.split == 'dev']
    found = transcripts(examples, 'dev', 0.5)
    assert [(e.key, e.labels, e.group, e.turn) for e in found] == [
        (e.key, e.labels, e.group, e.turn) for e in dev]
    assert 0 < sum(a.text != b.text for a, b in zip(found, dev)) <= len(dev)
    assert [e.text for e in transcripts(examples, 'dev', 0.0)] == [e.text for e in dev], \
        'the corpus has no case and no punctuation'
    assert found == transcripts(examples, 'dev', 0.5) != transcripts(examples, 'dev', 0.5, seed=1)


def test_the_command_scores_each_condition(tmp_path: Path, capsys: pytest.CaptureFixture[str]
                                           ) -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(TINY, len(EMOTIONS)).eval()
    tokenizer = train_tokenizer([e.text for e in corpus()], TINY.vocab_size)
    TrainedEncoder(Modality.TEXT, TINY, encoder, {}, tokenizer).save(tmp_path / 'run' / 'encoder')
    write_manifest(tmp_path / 'corpus.jsonl', corpus())
    code = main(['asr', str(tmp_path / 'run'), '--data', str(tmp_path / 'corpus.jsonl'),
                 '--rates', '0', '0.4', '--output', str(tmp_path / 'scores.json')])
    assert code == 0 and 'word error rate 40 %' in capsys.readouterr().err
    scores = json.loads((tmp_path / 'scores.json').read_text())
    plain, exact = scores['as written'], scores['word error rate 0 %']
    assert plain['weighted_f1'] == exact['weighted_f1'], 'no case and no punctuation'
    assert scores['word error rate 40 %']['accuracy']['deviation'] is not None, 'several draws'
