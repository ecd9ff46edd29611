"""The text stage: splices, teacher, committee, distillation, and the settings that go together."""

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
from training.augment.asr_errors import Recogniser
from training.corpora.examples import Example
from training.encoders.text.cross_fitting import folds_of, without
from training.encoders.text.data import collate_text, dialogues, TextData, TextDataConfig
from training.encoders.text.hub_teacher import SPREAD
from training.encoders.text.module import TextLossWeights, TextModule
from training.encoders.text.self_distillation import mixed_targets
from training.encoders.text.sentence_splicing import MAX_CHARACTERS, spliced
from training.encoders.text.stage import TextConfig, train_text
from training.encoders.text.tfidf_teacher import tilted
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


def taught(**changes: Any) -> TextConfig:
    """Return a recipe of a few seconds with all that teaches: linear models, committee."""
    engine = {'epochs': 1, 'batch_size': 16, 'lr': 3e-3, 'checkpoint_steps': 2}
    return TextConfig.model_validate({
        'model': TINY, 'teacher': {'kind': 'stacked', 'tilt': 0.5}, 'splices': 30,
        'data': {'words': {'share': 0.5}},
        'weights': {'language_model': 0.1, 'words': 0.3, 'next_sentence': 0, 'teacher': 0.5},
        'committee': {'folds': 3, 'members': 2, 'splices': 20, 'warm_start': True,
                      'refit': True, 'engine': engine},
        'pretrain': engine, 'finetune': None, **changes})


def network() -> tuple[TextModule, DialogueTokenizer]:
    torch.manual_seed(0)
    encoder = TextEncoder(TINY, len(EMOTIONS))
    module = TextModule(encoder, EmotionLoss(LossConfig(), [1.0] * 7), TextLossWeights())
    return module, DialogueTokenizer(train_tokenizer([e.text for e in corpus()], 400))


# ---------------------------------------------------------------- splices


def test_a_splice_is_the_beginning_of_one_sentence_and_the_end_of_another() -> None:
    main = [Example('a', 'train', 'I saw the red car', group='a'),
            Example('b', 'train', 'Give me the key!', group='b')]
    splices = spliced(main, [], 2)
    assert {s.example.text: set(s.groups) for s in splices} == {
        'I saw the key!': {'a', 'b'}, 'Give me the red car': {'a', 'b'}}
    assert all(s.example.labels == () and s.example.split == 'train' for s in splices)


def test_splices_are_new_different_short_and_the_same_for_a_seed() -> None:
    main, extra = corpus(), [Example('x', 'train', 'so the ' + 'very ' * 60 + 'end', group='x')]
    splices = spliced(main, [extra], 60)
    texts = [s.example.text for s in splices]
    assert len(texts) == 60 == len(set(texts))
    assert not set(texts) & {e.text for e in (*main, *extra)}
    assert max(map(len, texts)) <= MAX_CHARACTERS
    assert spliced(main, [extra], 60) == splices != spliced(main, [extra], 60, seed=1)


def test_no_splice_comes_from_the_dev_split() -> None:
    main = corpus()
    dev = {e.group for e in main if e.split == 'dev'}
    assert not any(set(s.groups) & dev for s in spliced(main, [], 100))


def test_corpora_too_small_for_so_many_splices_give_fewer() -> None:
    assert spliced([Example('a', 'train', 'one two', group='a')], [], 5) == []


# ---------------------------------------------------------------- teachers


def test_tilted_answers_are_divided_by_the_shares_of_the_classes() -> None:
    examples = [Example(str(i), 'train', 'x', (label,)) for i, label in enumerate(
        [0] * 8 + [1] * 2 + [2, 3, 4, 5, 6] * 2)]
    answers = np.full((1, 7), 1 / 7, np.float32)
    ratio = tilted(answers, examples, 1.0)[0]
    assert ratio.sum() == pytest.approx(1)
    assert ratio[1] / ratio[0] == pytest.approx(8 / 2, rel=1e-5)
    assert tilted(answers, examples, 0.5)[0, 1] / tilted(answers, examples, 0.5)[0, 0] \
        == pytest.approx(2, rel=1e-5)
    np.testing.assert_allclose(tilted(answers, examples, 0.0), answers)


def test_mixed_targets_are_the_weighted_geometric_mean_of_network_and_teacher() -> None:
    module, layout = network()
    rows = dialogues(corpus()[:9], TINY.history_turns)
    data = TextData(rows, [0] * len(rows), module.encoder, layout, TextDataConfig(),
                    training=False)
    random = np.random.default_rng(0)
    soft = {row.example.key: random.dirichlet(np.ones(7)).astype(np.float32) for row in rows[1:]}
    mixed = mixed_targets(module, data, layout.pad, soft, 0.25)
    assert set(mixed) == set(soft), 'an example that nobody teaches has no target'
    module.eval()
    for number, row in enumerate(rows[1:], 1):
        batch = collate_text([data[Draw(number, 0, 0)]], layout.pad)
        own = torch.softmax(module(batch).logits[0], dim=0).detach().numpy()
        expected = own ** 0.25 * soft[row.example.key] ** 0.75
        np.testing.assert_allclose(mixed[row.example.key], expected / expected.sum(), atol=1e-4)


def test_a_member_sees_nothing_of_the_dialogues_it_answers_for() -> None:
    main = corpus()
    splices = spliced(main, [], 200)
    folds = folds_of(main, 3)
    assert set(folds) == {e.group for e in main if e.split == 'train'}
    for fold in range(3):
        examples, clean = without(main, splices, folds, fold, 10_000)
        learnt = {e.group for e in examples if e.split == 'train'}
        held = {e.group for e in examples if e.split == 'dev'}
        assert held == {group for group, f in folds.items() if f == fold}
        assert learnt | held == set(folds) and not learnt & held
        assert clean and all(set(s.groups) <= learnt for s in clean)


def test_the_committee_teaches_and_a_killed_run_ends_like_one_that_was_not(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, torn = tmp_path / 'whole', tmp_path / 'torn'
    train_text(taught(), corpus(), [], whole, QUIET)
    assert (whole / 'committee' / '1' / 'teacher.safetensors').is_file(), 'fitted anew'
    scores = json.loads((whole / 'committee' / 'scores.json').read_text())
    assert set(scores) == {'linear', 'members', 'both'}
    assert scores['linear']['weighted_f1'] > 0.8, 'the words of the corpus tell the emotion'
    save, saves = checkpoints.save, []

    def save_and_die(*arguments: Any) -> None:
        save(*arguments)
        saves.append(arguments)
        if len(saves) in (5, 9):  # in the second member, then in the network that it teaches
            raise Killed

    monkeypatch.setattr(checkpoints, 'save', save_and_die)
    deaths = 0
    for _ in range(3):
        try:
            train_text(taught(), corpus(), [], torn, QUIET)
        except Killed:
            deaths += 1
    assert deaths == 2
    ends = [safetensors.torch.load_file(folder / 'encoder' / 'encoder.safetensors')
            for folder in (whole, torn)]
    for name, expected in ends[0].items():
        assert torch.equal(ends[1][name], expected), name


def published(folder: Path) -> str:
    """Write a small BERT and its words as `save_pretrained` does."""
    words = ['[PAD]', '[UNK]', *sorted({w for e in corpus() for w in e.text.split()})]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, '[UNK]'))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token='[PAD]',
                            unk_token='[UNK]').save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=len(words), hidden_size=32, num_hidden_layers=1,
                         num_attention_heads=2, intermediate_size=64)).save_pretrained(folder)
    return str(folder)


def test_a_published_sentence_encoder_teaches(tmp_path: Path) -> None:
    """It answers the examples of all corpora, and the splices."""
    engine = {'epochs': 6, 'batch_size': 16, 'lr': 3e-3, 'keep': 'last'}
    config = taught(committee={'folds': 3, 'members': 2, 'share': 1.0, 'published': {
        'name': published(tmp_path / 'bert'), 'engine': engine}})
    extra = [Example(f'extra/{e.key}', 'train', e.text, e.labels) for e in corpus(8, seed=1)]
    train_text(config, corpus(), [extra], tmp_path / 'run', QUIET)
    folder = tmp_path / 'run' / 'committee'
    assert json.loads((folder / 'scores.json').read_text())['members']['weighted_f1'] > 0.8
    learnable = [e for e in corpus() if e.split == 'train']
    answers = safetensors.numpy.load_file(folder / '0' / 'answers.safetensors')['answers']
    assert answers.shape == (len(learnable) + len(extra) + config.splices, len(EMOTIONS))
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    right = answers[len(learnable):len(learnable) + len(extra)].argmax(axis=1)
    assert np.mean(right == [e.labels[0] for e in extra]) > 0.8


def test_the_network_may_begin_with_what_a_published_encoder_makes_of_its_tokens(
        tmp_path: Path) -> None:
    """Words of one emotion are alike then, before anything is learnt."""
    engine = {'epochs': 6, 'batch_size': 16, 'lr': 3e-3, 'keep': 'last'}
    config = taught(
        pretrain={'epochs': 1, 'batch_size': 16, 'lr': 1e-12},
        committee={'folds': 3, 'members': 1, 'warm_start': True, 'published': {
            'name': published(tmp_path / 'bert'), 'engine': engine}})
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


def test_where_the_published_encoder_cannot_be_had_one_sentence_says_so(tmp_path: Path) -> None:
    config = taught(committee={'published': {'name': str(tmp_path / 'gone')}})
    with pytest.raises(PretrainedUnavailable, match='gone.*give the folder of a copy'):
        train_text(config, corpus(), [], tmp_path / 'run', QUIET)


def test_the_network_may_begin_as_the_first_member(tmp_path: Path) -> None:
    name, still = 'classifier.0.weight', {'epochs': 1, 'batch_size': 16, 'lr': 1e-12}
    train_text(taught(pretrain=still), corpus(), [], tmp_path, QUIET)
    learnt = safetensors.torch.load_file(tmp_path / 'encoder' / 'encoder.safetensors')
    first, second = (safetensors.torch.load_file(
        tmp_path / 'committee' / member / 'best' / 'module.safetensors')
        for member in ('0', '1'))
    torch.testing.assert_close(learnt[name], first[f'encoder.{name}'])
    assert not torch.allclose(learnt[name], second[f'encoder.{name}'], atol=1e-3)


def test_the_language_model_is_asked_for_a_share_of_the_words() -> None:
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
        module.weights = TextLossWeights(words=share)
        asked[share] = module(batch).parts['language_model']
    assert asked[0.3] != asked[1.0]
    torch.testing.assert_close(asked[0.3], asked[1.0], rtol=0.1, atol=0.0)


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize('changes, message', [
    ({'pretrain': None, 'committee': None}, 'give at least one'),
    ({'distill': {}, 'teacher': {'kind': 'none'}, 'committee': None}, 'with a teacher'),
    ({'distill': {}, 'pretrain': None, 'finetune': {}}, 'goes on from pretrain'),
    ({'teacher': {'kind': 'none'}}, 'committee teaches beside a teacher'),
    ({'init': 'openai-gpt'}, 'leave init empty'),
    ({'committee': {'warm_start': True}, 'splices': 0}, 'no splices'),
    ({'committee': {'warm_start': True, 'model': {'n_embd': 16}}}, 'of other sizes')])
def test_settings_that_do_not_go_together_are_refused(changes: dict[str, Any], message: str
                                                      ) -> None:
    with pytest.raises(ValidationError, match=message):
        taught(**changes)


def test_words_are_heard_in_training_only() -> None:
    module, layout = network()
    rows = dialogues(corpus(), TINY.history_turns)
    config = TextDataConfig.model_validate({
        'token_noise': 0, 'history_drop': 0, 'words': {'share': 1.0, 'error_rate': 1.0}})
    ear = Recogniser(row.example.text for row in rows)
    plain, told, heard = (
        [TextData(rows, [0] * len(rows), module.encoder, layout, config, training=training,
                  recogniser=recogniser)[Draw(i, 0, 0)].text.token_ids for i in range(len(rows))]
        for training, recogniser in ((False, None), (False, ear), (True, ear)))
    assert plain == told != heard
