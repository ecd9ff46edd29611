# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The text stage: spliced sentences, teachers, and settings that go together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmer_ros.networks.pretrained import PretrainedUnavailable
from mmer_ros.networks.text_encoder import DialogueTokenizer, TextEncoder
from mmer_ros.types import EMOTIONS
import numpy as np
from pydantic import ValidationError
import pytest
from rich.console import Console
import safetensors.numpy
import safetensors.torch
from tokenizers import models, pre_tokenizers, Tokenizer
import torch
from training.augment.asr_errors import AsrSimulator
from training.corpora.examples import Example
from training.encoders.text.cross_fitting import folds_of, without_fold
from training.encoders.text.data import collate_text, dialogues, TextData, TextDataConfig
from training.encoders.text.hub_teacher import SPREAD
from training.encoders.text.linear_teacher import without_prior
from training.encoders.text.module import TextLossWeights, TextModule
from training.encoders.text.sentence_splicing import MAX_CHARACTERS, spliced
from training.encoders.text.stage import TextConfig, train_text
from training.encoders.text.tokenizer import train_tokenizer
from training.engine import checkpoints
from training.engine.losses import EmotionLoss, LossConfig
from training.engine.progress import Reporter
from training.engine.sampling import Draw
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from ...fixtures.text import corpus, CUES, TINY

QUIET = Reporter('test', Console(quiet=True))


class Killed(BaseException):
    """What stops a run at once, as a power cut would."""


def taught(folder: Path, **changes: Any) -> TextConfig:
    """Return a recipe of a few seconds with both teachers; a small BERT is one of them."""
    engine = {'epochs': 1, 'batch_size': 16, 'lr': 3e-3, 'checkpoint_steps': 2}
    return TextConfig.model_validate({
        'model': TINY, 'linear_teacher': {'prior_exponent': 0.5}, 'spliced_sentences': 30,
        'data': {'asr': {'share': 0.5}},
        'weights': {'language_model': 0.1, 'token_share': 0.3, 'next_sentence': 0, 'teacher': 0.5},
        'hub_teacher': {'name': published(folder), 'folds': 3, 'members': 2, 'engine': engine},
        'pretrain': engine, 'finetune': None, **changes})


def network() -> tuple[TextModule, DialogueTokenizer]:
    torch.manual_seed(0)
    encoder = TextEncoder(TINY, len(EMOTIONS))
    module = TextModule(encoder, EmotionLoss(LossConfig(), [1.0] * 7), TextLossWeights())
    return module, DialogueTokenizer(train_tokenizer([e.text for e in corpus()], 400))


def published(folder: Path) -> str:
    """Write a small BERT and its words as `save_pretrained` does, if it is not there."""
    if (folder / 'config.json').is_file():
        return str(folder)
    words = ['[PAD]', '[UNK]', *sorted({w for e in corpus() for w in e.text.split()})]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, '[UNK]'))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token='[PAD]',
                            unk_token='[UNK]').save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), hidden_size=32, num_hidden_layers=1,
                         num_attention_heads=2, intermediate_size=64)).save_pretrained(folder)
    return str(folder)


# ---------------------------------------------------------------- spliced sentences


def test_a_spliced_sentence_begins_like_one_and_ends_like_another() -> None:
    main = [Example('a', 'train', 'I saw the red car', group='a'),
            Example('b', 'train', 'Give me the key!', group='b')]
    splices = spliced(main, [], 2)
    assert {e.text for e in splices} == {'I saw the key!', 'Give me the red car'}
    assert all(e.labels == () and e.split == 'train' for e in splices)


def test_spliced_sentences_are_new_different_short_and_repeatable() -> None:
    main, extra = corpus(), [Example('x', 'train', 'so the ' + 'very ' * 60 + 'end', group='x')]
    splices = spliced(main, [extra], 60)
    texts = [e.text for e in splices]
    assert len(texts) == 60 == len(set(texts))
    assert not set(texts) & {e.text for e in (*main, *extra)}
    assert max(map(len, texts)) <= MAX_CHARACTERS
    assert spliced(main, [extra], 60) == splices != spliced(main, [extra], 60, seed=1)


def test_no_spliced_sentence_has_words_of_the_dev_split() -> None:
    dev = Example('dev', 'dev', 'the unheard of words', group='dev')
    texts = ' '.join(e.text for e in spliced([*corpus(), dev], [], 100)).split()
    assert not {'unheard', 'of', 'words'} & set(texts)


def test_small_corpora_give_fewer_spliced_sentences() -> None:
    assert spliced([Example('a', 'train', 'one two', group='a')], [], 5) == []


# ---------------------------------------------------------------- teachers


def test_targets_are_divided_by_the_class_shares_to_a_power() -> None:
    examples = [Example(str(i), 'train', 'x', (label,)) for i, label in enumerate(
        [0] * 8 + [1] * 2 + [2, 3, 4, 5, 6] * 2)]
    targets = np.full((1, 7), 1 / 7, np.float32)
    whole, root = (without_prior(targets, examples, power)[0] for power in (1.0, 0.5))
    assert whole.sum() == pytest.approx(1)
    assert whole[1] / whole[0] == pytest.approx(8 / 2, rel=1e-5)
    assert root[1] / root[0] == pytest.approx(2, rel=1e-5)
    np.testing.assert_allclose(without_prior(targets, examples, 0.0), targets)


def test_a_member_sees_nothing_of_the_dialogues_that_it_labels() -> None:
    main = corpus()
    folds = folds_of(main, 3)
    assert set(folds) == {e.group for e in main if e.split == 'train'}
    for fold in range(3):
        examples = without_fold(main, folds, fold)
        train = {e.group for e in examples if e.split == 'train'}
        held_out = {e.group for e in examples if e.split == 'dev'}
        assert held_out == {group for group, f in folds.items() if f == fold}
        assert train | held_out == set(folds) and not train & held_out


def test_a_killed_run_with_teachers_ends_like_one_that_was_not(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, torn, config = tmp_path / 'whole', tmp_path / 'torn', taught(tmp_path / 'bert')
    train_text(config, corpus(), [], whole, QUIET)
    scores = json.loads((whole / 'teacher' / 'scores.json').read_text())
    assert set(scores) == {'linear', 'members', 'both'}
    assert scores['linear']['weighted_f1'] > 0.8, 'the words of the corpus tell the emotion'
    save, saves = checkpoints.save, []

    def save_and_die(*arguments: Any) -> None:
        save(*arguments)
        saves.append(arguments)
        if len(saves) in (7, 14):  # in the second member, then in the student
            raise Killed

    monkeypatch.setattr(checkpoints, 'save', save_and_die)
    deaths = []
    for _ in range(3):
        try:
            train_text(config, corpus(), [], torn, QUIET)
        except Killed:
            deaths.append(saves[-1][0].path.name)
    assert deaths == ['1', 'pretrain']
    ends = [safetensors.torch.load_file(folder / 'encoder' / 'encoder.safetensors')
            for folder in (whole, torn)]
    for name, expected in ends[0].items():
        assert torch.equal(ends[1][name], expected), name


def test_a_published_sentence_encoder_labels_all_corpora(tmp_path: Path) -> None:
    """Labelled ones and spliced sentences."""
    engine = {'epochs': 6, 'batch_size': 16, 'lr': 3e-3, 'keep': 'last'}
    config = taught(tmp_path / 'bert', hub_teacher={
        'name': published(tmp_path / 'bert'), 'folds': 3, 'members': 2, 'share': 1.0,
        'engine': engine})
    extra = [Example(f'extra/{e.key}', 'train', e.text, e.labels) for e in corpus(8, seed=1)]
    train_text(config, corpus(), [extra], tmp_path / 'run', QUIET)
    folder = tmp_path / 'run' / 'teacher'
    assert json.loads((folder / 'scores.json').read_text())['members']['weighted_f1'] > 0.8
    train = [e for e in corpus() if e.split == 'train']
    answers = safetensors.numpy.load_file(folder / '0' / 'answers.safetensors')['answers']
    assert answers.shape == (len(train) + len(extra) + config.spliced_sentences, len(EMOTIONS))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    right = answers[len(train):len(train) + len(extra)].argmax(axis=1)
    assert np.mean(right == [e.labels[0] for e in extra]) > 0.8


def test_the_network_may_start_from_the_teachers_embeddings_of_its_tokens(
        tmp_path: Path) -> None:
    """Words of one emotion are alike then, before anything is trained."""
    engine = {'epochs': 6, 'batch_size': 16, 'lr': 3e-3, 'keep': 'last'}
    config = taught(
        tmp_path / 'bert', pretrain={'epochs': 1, 'batch_size': 16, 'lr': 1e-12},
        hub_teacher={'name': published(tmp_path / 'bert'), 'folds': 3, 'members': 1,
                     'warm_start': True, 'engine': engine})
    train_text(config, corpus(), [], tmp_path / 'run', QUIET)
    run = tmp_path / 'run'
    tokenizer = Tokenizer.from_file(str(run / 'tokenizer.json'))
    embedding = safetensors.torch.load_file(run / 'encoder' / 'encoder.safetensors')[
        'gpt.tokens_embed.weight']
    assert embedding[:tokenizer.get_vocab_size()].std().item() == pytest.approx(SPREAD, rel=0.01)
    own, other = [], []
    for left, words in enumerate(CUES):
        for right, others in enumerate(CUES):
            pairs = [(tokenizer.encode(a).ids, tokenizer.encode(b).ids)
                     for a in words.split() for b in others.split() if a != b]
            (own if left == right else other).extend(
                torch.cosine_similarity(embedding[a[0]], embedding[b[0]], dim=0).item()
                for a, b in pairs if len(a) == len(b) == 1)
    assert len(own) > 10 and np.mean(own) > 0.9 > 0.6 > np.mean(other)


def test_a_missing_sentence_encoder_is_refused_in_one_sentence(tmp_path: Path) -> None:
    config = taught(tmp_path / 'bert', hub_teacher={'name': str(tmp_path / 'gone')})
    with pytest.raises(PretrainedUnavailable, match='gone.*give the folder of a copy'):
        train_text(config, corpus(), [], tmp_path / 'run', QUIET)


def test_the_language_model_may_be_trained_on_a_share_of_the_tokens() -> None:
    module, layout = network()
    rows = dialogues(corpus(), TINY.history_turns)
    data = TextData(rows, [0] * len(rows), module.encoder, layout, TextDataConfig(),
                    training=False)
    batch = collate_text([data[Draw(i, 0, 0)] for i in range(len(rows))], layout.pad)
    module.train()
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    asked = {}
    for share in (1.0, 0.3):
        module.weights = TextLossWeights(token_share=share)
        asked[share] = module(batch).parts['language_model']
    assert asked[0.3] != asked[1.0]
    torch.testing.assert_close(asked[0.3], asked[1.0], rtol=0.1, atol=0.0)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize('changes, message', [
    ({'pretrain': None, 'hub_teacher': None}, 'give at least one'),
    ({'linear_teacher': None}, 'works beside a linear_teacher'),
    ({'init': 'openai-gpt'}, 'leave init empty')])
def test_settings_that_exclude_each_other_are_refused(
        changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=message):
        taught(tmp_path / 'bert', **changes)


def test_transcripts_are_simulated_in_training_only() -> None:
    module, layout = network()
    rows = dialogues(corpus(), TINY.history_turns)
    config = TextDataConfig.model_validate({
        'token_noise': 0, 'history_drop': 0, 'asr': {'share': 1.0, 'error_rate': 1.0}})
    ear = AsrSimulator(row.example.text for row in rows)
    plain, told, heard = (
        [TextData(rows, [0] * len(rows), module.encoder, layout, config, training=training,
                  recogniser=recogniser)[Draw(i, 0, 0)].text.token_ids for i in range(len(rows))]
        for training, recogniser in ((False, None), (False, ear), (True, ear)))
    assert plain == told != heard
