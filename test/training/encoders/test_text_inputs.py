# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the text encoder is trained on: history, sentence and reply, distractors, three losses."""

from __future__ import annotations

from dataclasses import replace

from mmer_ros.networks.text_encoder import DialogueTokenizer, TextEncoder
from mmer_ros.types import EMOTIONS
import pytest
import torch
from torch.nn import functional
from training.encoders.text.data import collate_text, dialogues, TextData, TextDataConfig, TextItem
from training.encoders.text.module import TextLossWeights, TextModule
from training.encoders.text.stage import text_task, TextConfig
from training.encoders.text.tokenizer import RememberingTokenizer, train_tokenizer
from training.engine.config import load_settings
from training.engine.losses import EmotionLoss, LossConfig
from training.engine.sampling import Draw

from ...fixtures.text import corpus, TINY

EXAMPLES = corpus()
LAYOUT = DialogueTokenizer(train_tokenizer([e.text for e in EXAMPLES], 400))
ROWS = dialogues(EXAMPLES, TINY.history_turns)


def module(**weights: float | bool) -> TextModule:
    torch.manual_seed(0)
    sizes = TINY.model_copy(update={'dropout': 0.0})
    return TextModule(TextEncoder(sizes, len(EMOTIONS)), EmotionLoss(LossConfig(), [1.0] * 7),
                      TextLossWeights.model_validate(weights))


def drawn(epochs: int = 6, *, training: bool = True, with_reply: bool = False, **config: float
          ) -> list[tuple[int, TextItem]]:
    """Return the row and what is made of it, for all rows in several epochs."""
    settings = TextDataConfig.model_validate({'history_drop': 0, 'token_noise': 0, **config})
    data = TextData(ROWS, [0] * len(ROWS), module().encoder, LAYOUT, settings, training=training,
                    with_reply=with_reply)
    return [(i, data[Draw(i, epoch, 0)]) for epoch in range(epochs) for i in range(len(data))]


def said(item: TextItem) -> list[str]:
    """Return the turns of an input."""
    turns: list[list[int]] = []
    for token in item.text.token_ids[1:-1]:
        if token in (LAYOUT.speaker1, LAYOUT.speaker2):
            turns.append([])
        else:
            turns[-1].append(token)
    return [LAYOUT.tokenizer.decode(turn).strip() for turn in turns]


def test_an_input_is_history_sentence_and_reply_with_the_speaker_of_each() -> None:
    row = next(i for i, r in enumerate(ROWS) if len(r.history) == 2 and r.reply)
    item = dict(drawn(1, training=False, with_reply=True))[row]
    expected = [*(t.text for t in ROWS[row].history), ROWS[row].example.text,
                ROWS[row].reply.text]  # type: ignore[union-attr]
    assert said(item) == expected
    ids, types = item.text.token_ids, item.text.token_types
    assert ids[0] == LAYOUT.bos and ids[-1] == LAYOUT.cls
    marks = [t for t in ids if t in (LAYOUT.speaker1, LAYOUT.speaker2)]
    assert marks == [LAYOUT.speaker1, LAYOUT.speaker2] * 2, 'two people in turns'
    assert set(types) == {LAYOUT.speaker1, LAYOUT.speaker2} and len(types) == len(ids)


def test_without_the_reply_the_input_ends_with_the_sentence() -> None:
    """So it is in evaluation, and in training where no reply is asked for."""
    for training in (False, True):
        for row, item in drawn(1, training=training, reply=0.0):
            assert said(item)[-1] == ROWS[row].example.text and item.follows == -1


def test_the_reply_is_shown_as_often_as_was_asked_for_half_of_them_distractors() -> None:
    items = [(row, item) for row, item in drawn(20, reply=0.4) if ROWS[row].reply]
    shown = [(row, item) for row, item in items if item.follows >= 0]
    assert len(shown) / len(items) == pytest.approx(0.4, abs=0.05)
    true = [(row, item) for row, item in shown if item.follows == 1]
    assert len(true) / len(shown) == pytest.approx(0.5, abs=0.06)
    for row, item in true:
        assert said(item)[-1] == ROWS[row].reply.text  # type: ignore[union-attr]


def test_a_distractor_is_a_sentence_of_another_dialogue_by_the_replys_speaker() -> None:
    texts = {group: {e.text for e in EXAMPLES if e.group == group} for group in
             {e.group for e in EXAMPLES}}
    false = [(row, item) for row, item in drawn(reply=1.0) if item.follows == 0]
    assert len(false) > 100
    strange = 0
    for row, item in false:
        found, own = said(item)[-1], texts[ROWS[row].example.group]
        assert any(found in other for other in texts.values())
        strange += found not in own
        marks = [t for t in item.text.token_ids if t in (LAYOUT.speaker1, LAYOUT.speaker2)]
        assert marks[-1] == LAYOUT.speaker2, 'the reply is by the other one'
    assert strange > 0.95 * len(false), 'sentences of two dialogues are rarely the same'


def test_history_is_left_out_as_often_as_was_asked_for() -> None:
    items = [(row, item) for row, item in drawn(20, history_drop=0.3) if ROWS[row].history]
    bare = sum(len(said(item)) == 1 for _, item in items)
    assert bare / len(items) == pytest.approx(0.3, abs=0.05)


def test_the_loss_is_the_weighted_sum_of_the_papers_three() -> None:
    """Section 4.1.1: L(s) + L(l) + L(e), here written out again."""
    weights = {'language_model': 0.3, 'next_sentence': 0.7, 'emotion': 0.5}
    network = module(**weights).train()
    batch = collate_text([item for _, item in drawn(1, reply=1.0)][:16], LAYOUT.pad)
    output = network(batch)
    hidden, mask = network.encoder(batch['ids'], batch['types'], batch['lengths'])
    last = hidden[torch.arange(16), batch['lengths'] - 1]
    asked = batch['follows'] >= 0
    follows = functional.binary_cross_entropy_with_logits(
        network.next_sentence(last)[asked, 0], batch['follows'][asked].float())
    words = functional.cross_entropy(
        (hidden[:, :-1] @ network.encoder.gpt.tokens_embed.weight.T)[mask[:, 1:]],
        batch['ids'][:, 1:][mask[:, 1:]])
    emotion = functional.cross_entropy(network.encoder.classifier(last),
                                       batch['targets'].argmax(dim=1))
    assert 0 < asked.sum() < 16
    expected = 0.3 * words + 0.7 * follows + 0.5 * emotion
    assert output.loss.item() == pytest.approx(expected.item(), rel=1e-5)


def candidates(count: int = 16) -> list[TextItem]:
    return [item for _, item in drawn(1, reply=1.0, candidates=3)][:count]


def test_candidates_differ_in_the_reply_alone() -> None:
    """As in TransferTransfo: the true reply, and two distractors in its place."""
    for row, item in drawn(1, reply=1.0, candidates=3):
        if ROWS[row].reply is None:
            assert not item.distractors and item.text.reply_tokens == 0
            continue
        assert said(item)[-1] == ROWS[row].reply.text  # type: ignore[union-attr]
        assert len(item.distractors) == 2
        for text in item.distractors:
            other = replace(item, text=text)
            assert said(other)[:-1] == said(item)[:-1]


def test_choosing_the_reply_is_a_softmax_over_its_candidates() -> None:
    """Distractors have no emotion and no language model, whatever they say."""
    network, items = module(next_sentence=1.0, language_model=1.0).train(), candidates()
    batch = collate_text(items, LAYOUT.pad)
    parts = network(batch).parts
    hidden, _ = network.encoder(batch['ids'], batch['types'], batch['lengths'])
    rows = torch.arange(len(hidden))
    scores = network.next_sentence(hidden[rows, batch['lengths'] - 1])[:, 0]
    asked = [n for n, item in enumerate(items) if item.distractors]
    assert 0 < len(asked) < 16
    table = torch.stack([scores[batch['choice'] == n] for n in asked])  # (items, 3), true first
    assert table.shape[1] == 3
    expected = functional.cross_entropy(table, torch.zeros(len(asked), dtype=torch.long))
    torch.testing.assert_close(parts['next_sentence'], expected)
    alone = network(collate_text([replace(i, distractors=()) for i in items], LAYOUT.pad)).parts
    for name in ('emotion', 'language_model'):
        torch.testing.assert_close(parts[name], alone[name])


def test_the_language_model_may_predict_the_words_of_the_reply_alone() -> None:
    """Its speaker is known; `<cls>` ends it."""
    network, items = module(reply_only=True).train(), candidates()
    batch = collate_text(items, LAYOUT.pad)
    hidden, mask = network.encoder(batch['ids'], batch['types'], batch['lengths'])
    predicted = network._predicted(mask, batch)
    for row, item in enumerate(items):
        tokens = batch['clean'][row][predicted[row]].tolist()
        if not item.distractors:
            assert tokens == []
        else:
            assert tokens[-1] == LAYOUT.cls
            assert LAYOUT.tokenizer.decode(tokens[:-1]).strip() == said(item)[-1]
    assert not predicted[len(items):].any()
    words = functional.cross_entropy(
        (hidden[:, :-1] @ network.encoder.gpt.tokens_embed.weight.T)[predicted[:, 1:]],
        batch['clean'][:, 1:][predicted[:, 1:]])
    torch.testing.assert_close(network(batch).parts['language_model'], words)


def test_a_distractor_is_not_what_the_language_model_is_to_say() -> None:
    false = [item for _, item in drawn(2, reply=1.0) if item.follows == 0][:8]
    batch = collate_text(false, LAYOUT.pad)
    network = module(reply_only=True).train()
    assert network(batch).parts['language_model'] == 0


def test_the_dev_split_may_be_scored_with_the_reply() -> None:
    network = module()
    for shown in (False, True):
        task = text_task(network, LAYOUT, [ROWS], TextDataConfig(eval_reply=shown), {})
        items = [task.dev[Draw(i, 0, 0)] for i in range(len(task.dev))]
        assert any(item.text.reply_tokens for item in items) == shown
    assert load_settings(TextConfig, 'text/paper').data.eval_reply
    assert not load_settings(TextConfig, 'text/default').data.eval_reply


def test_a_text_is_tokenized_once_and_always_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """The turns of a corpus come again in every epoch, as history as well."""
    asked: list[str] = []
    plain = DialogueTokenizer.words

    def watched(self: DialogueTokenizer, text: str) -> list[int]:
        asked.append(text)
        return plain(self, text)

    expected = [item.text.token_ids for _, item in drawn(2, reply=0.5)]
    monkeypatch.setattr(DialogueTokenizer, 'words', watched)
    monkeypatch.setattr(f'{__name__}.LAYOUT', RememberingTokenizer(LAYOUT.tokenizer))
    assert [item.text.token_ids for _, item in drawn(2, reply=0.5)] == expected
    assert len(asked) == len({e.text for e in EXAMPLES})


def test_noise_replaces_no_special_token() -> None:
    special = {LAYOUT.bos, LAYOUT.speaker1, LAYOUT.speaker2, LAYOUT.cls}
    replaced = total = 0
    for _, item in drawn(4, token_noise=0.3):
        assert len(item.noisy_ids) == len(item.text.token_ids)
        for noisy, clean in zip(item.noisy_ids, item.text.token_ids):
            assert isinstance(noisy, int) and (noisy == clean or clean not in special)
            replaced, total = replaced + (noisy != clean), total + (clean not in special)
    assert replaced / total == pytest.approx(0.3, abs=0.03)
