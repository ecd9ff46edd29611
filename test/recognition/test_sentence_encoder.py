# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""A bundle with a sentence encoder of BERT's class, as a robot runs it: without torch."""

from __future__ import annotations

import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from mmer_ros.networks.backbones import DialogueContext
from mmer_ros.networks.configs import ModelConfig
from mmer_ros.networks.emotion_model import EmotionModel
from mmer_ros.networks.fusion import FusionConfig
from mmer_ros.networks.hub_configs import HubTextConfig
from mmer_ros.recognition.bundle import Bundle, BundleConfig, WEIGHTS
from mmer_ros.recognition.bundle_export import save_with_graphs
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recognition.streaming_encoders import Increment
from mmer_ros.types import Modality, SUBSETS, Turn, Utterance
import numpy as np
import pytest
import safetensors.torch
from tokenizers import BertWordPieceTokenizer, Tokenizer
import torch
from transformers import BertConfig

from ..fixtures.model import random_audio, random_faces, responsive, TINY, utterance
from ..fixtures.stream import ROOT

WORDS = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'what', 'a', 'day', 'no', 'so', 'it', 'is', '!', '?',
         '.', ',', 'i', 'won', "'", 't', '##ning', 'go', '##ing', 'how', 'was', 'to', 'know']
AGREE = 1e-4  # of a logit
TEXTS = ['no', 'What a day!', 'so it is, so it is. So it is going, going, going', 'zebra', '?!']


def word_pieces() -> Tokenizer:
    """Return a tokenizer of BERT's kind: lower case, pieces of words, [CLS] a [SEP] b [SEP]."""
    made = BertWordPieceTokenizer({word: i for i, word in enumerate(WORDS)}, lowercase=True)
    return Tokenizer.from_str(made.to_str())


def sentence_bundle(**settings: Any) -> Bundle:
    """Return a bundle whose text encoder is a small BERT of random weights."""
    published = BertConfig(vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2,
                           num_attention_heads=2, intermediate_size=32,
                           max_position_embeddings=64)
    text = HubTextConfig(architecture=published.to_dict(), max_tokens=40, **settings)
    model = ModelConfig(text=text, audio=TINY.audio, face=TINY.face, fusion=FusionConfig(
        width=16, heads=2, embracement_size=12, pooling='summary', late_fusion=True))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network: Any = responsive(EmotionModel(model).eval())
        for parameter in network.text.network.parameters():
            if parameter.dim() > 1:
                torch.nn.init.normal_(parameter, std=0.3)
    config = BundleConfig(name='sentences', model=model, trained=True, weights='float16')
    return Bundle.create(config, network, word_pieces(), '# small\n')


@pytest.fixture(scope='module', params=[
    {'summary': 'mean', 'history_turns': 0, 'speakers': 'none'},
    {'summary': 'mean', 'history_turns': 2}, {'summary': 'first', 'history_turns': 2}],
    ids=['sentences', 'mean', 'first'])
def folder(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('sentences') / 'bundle'
    save_with_graphs(sentence_bundle(**request.param), path)
    return path


@pytest.fixture(scope='module')
def engines(folder: Path) -> tuple[Recognizer, Recognizer]:
    return Recognizer.load(folder, engine='torch'), Recognizer.load(folder, engine='onnx')


def given(text: str, **more: Any) -> Utterance:
    return Utterance(text=text, speaker='ann', history=(Turn('bob', 'how was it?'),
                                                        Turn('ann', 'no.')), **more)


def test_the_engines_agree_on_every_text_and_subset(
        engines: tuple[Recognizer, Recognizer]) -> None:
    batch = [given(text) for text in TEXTS] + [utterance(subset) for subset in SUBSETS]
    one, other = (engine.recognize_batch(batch) for engine in engines)
    assert max(float(np.abs(a.logits - b.logits).max()) for a, b in zip(one, other)) < AGREE
    different = np.ptp([e.logits for e in one[:len(TEXTS)]], axis=0).max()
    assert different > 100 * AGREE, 'the texts are not told apart'


def test_words_in_parts_and_in_batches_are_the_whole_text(
        engines: tuple[Recognizer, Recognizer]) -> None:
    context = DialogueContext('ann', given('').history)
    for engine in engines:
        whole = engine.recognize(given('what a day', audio=random_audio(900),
                                       faces=random_faces(2)))
        state = engine.encoders.start()
        for i, word in enumerate(('what', '', 'a', 'day')):
            engine.encoders.stream([Increment(state, {
                Modality.TEXT: word, Modality.AUDIO: random_audio(900) if i == 2 else None,
                Modality.FACE: random_faces(2) if i == 3 else None})])
            engine.finish([state], [context])  # changes nothing
        np.testing.assert_allclose(engine.finish([state], [context])[0].logits, whole.logits,
                                   atol=1e-5, rtol=0)
        together = engine.recognize_batch([given(text) for text in TEXTS])
        for text, found in zip(TEXTS, together):
            np.testing.assert_allclose(engine.recognize(given(text)).logits, found.logits,
                                       atol=1e-5, rtol=0)


def test_long_text_keeps_its_end(engines: tuple[Recognizer, Recognizer]) -> None:
    for engine in engines:
        long, end = (engine.recognize(Utterance(text=text)).logits for text in (
            'no ' * 500 + 'what a day ' * 20, 'what a day ' * 20))
        np.testing.assert_allclose(long, end, atol=1e-5, rtol=0)


def test_neither_torch_nor_transformers_is_needed(
        folder: Path, engines: tuple[Recognizer, Recognizer]) -> None:
    """In a process in which they cannot be imported."""
    code = ('import sys, json\n'
            'sys.modules.update(dict.fromkeys(("torch", "transformers", "onnx")))\n'
            'from mmer_ros import Recognizer, Utterance\n'
            f'r = Recognizer.load({str(folder)!r})\n'
            f'found = [r.recognize(Utterance(text=text)).logits.tolist() for text in {TEXTS}]\n'
            'print(json.dumps(found))')
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True,
                          check=True)
    expected = [engines[0].recognize(Utterance(text=text)).logits for text in TEXTS]
    np.testing.assert_allclose(json.loads(done.stdout), expected, atol=AGREE, rtol=0)


def test_matrices_are_stored_once_as_float16(folder: Path) -> None:
    stored = safetensors.torch.load_file(folder / WEIGHTS)
    matrices = {name for name, x in stored.items()
                if name.startswith('text.network.') and x.dim() > 1}
    assert len(matrices) > 10 and all(stored[name].dtype == torch.float16 for name in matrices)
    graph = (folder / 'text.onnx').read_bytes()
    word_embeddings = stored['text.network.embeddings.word_embeddings.weight']
    assert word_embeddings.numpy().tobytes() not in graph
