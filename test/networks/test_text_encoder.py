# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The text encoder: the layout of TransferTransfo, truncation, byte tokens and padding."""

from __future__ import annotations

from typing import Any

from mmer_ros.networks.encoder import DialogueContext
from mmer_ros.networks.text_encoder import (
    byte_tokenizer,
    DialogueTokenizer,
    SPECIAL_TOKENS,
    TextEncoder,
    TextState,
)
from mmer_ros.types import Turn
import pytest
from tokenizers import models, Tokenizer
import torch

from ..fixtures.model import seeded, TINY, TOLERANCE

HISTORY = (Turn('ross', 'hi'), Turn('rachel', 'oh, hi'), Turn('ross', 'you came'))
UNICODE = [
    'plain words', '', ' leading and trailing ', 'Grüße, naïve café', 'привет мир', 'مرحبا',
    '\u4f60\u597d\uff0c\u4e16\u754c', '\U0001f469\u200d\U0001f467 \U0001f1ef\U0001f1f5 \u2764',
    'tab\tnew\nline\r\n', '\x00\x01\x7f\x80', 'a\u0301 \u200b \ufeff', '\U0010ffff',
    'it\'s $5.00 -- "quoted" <b>&amp;</b>', 'Ġ Ċ Ã are letters, too']


def dialogue() -> DialogueTokenizer:
    return DialogueTokenizer(byte_tokenizer())


def encoder() -> TextEncoder:
    module: TextEncoder = seeded(TextEncoder, TINY.text, 7)
    return module


def ids(text: str) -> list[int]:
    found: list[int] = byte_tokenizer().encode(text).ids
    return found


# ---------------------------------------------------------------- tokens


@pytest.mark.parametrize('text', UNICODE)
def test_byte_tokenizer_takes_any_text_and_gives_it_back(text: str) -> None:
    tokenizer = byte_tokenizer()
    tokens = tokenizer.encode(text).ids
    assert len(tokens) == len(text.encode())
    assert tokenizer.decode(tokens, skip_special_tokens=False) == text


def test_byte_tokenizer_has_256_bytes_and_the_special_tokens() -> None:
    tokenizer = byte_tokenizer()
    assert tokenizer.get_vocab_size() == 256 + len(SPECIAL_TOKENS) == TINY.text.vocab_size
    assert len({tokenizer.token_to_id(t) for t in SPECIAL_TOKENS} - set(range(256))) == 5


def test_tokenizer_without_the_special_tokens_is_refused() -> None:
    bare = Tokenizer(models.BPE({'a': 0}, []))
    with pytest.raises(ValueError, match='lacks .*<bos>'):
        DialogueTokenizer(bare)


@pytest.mark.parametrize('token', SPECIAL_TOKENS)
def test_spoken_words_cannot_pose_as_special_tokens(token: str) -> None:
    """A transcript that spells out `<cls>` is text, not the end of the sequence."""
    d = dialogue()
    context = d.encode(f'a {token} b', speaker='rachel')
    assert context.token_ids[2:-1] == [t for c in f'a {token} b' for t in ids(c)]
    assert len(context.token_ids) == 3 + len(f'a {token} b')


# ---------------------------------------------------------------- layout


def test_layout_is_that_of_transfertransfo() -> None:
    """<bos> history, current sentence <cls>; each turn after the token of who says it."""
    d = dialogue()
    context = d.encode('why', speaker='rachel', history=HISTORY)
    expected = [
        ([d.bos], d.speaker2),
        ([d.speaker2, *ids('hi')], d.speaker2),
        ([d.speaker1, *ids('oh, hi')], d.speaker1),
        ([d.speaker2, *ids('you came')], d.speaker2),
        ([d.speaker1, *ids('why')], d.speaker1),
        ([d.cls], d.speaker1)]
    assert context.token_ids == [t for tokens, _ in expected for t in tokens]
    assert context.token_types == [who for tokens, who in expected for _ in tokens]


def test_reply_follows_the_sentence_and_is_of_the_other_speaker() -> None:
    d = dialogue()
    context = d.encode('why', speaker='rachel', reply=Turn('ross', 'so'))
    assert context.token_ids == [
        d.bos, d.speaker1, *ids('why'), d.speaker2, *ids('so'), d.cls]
    s1, s2 = d.speaker1, d.speaker2
    assert context.token_types == [s1, s1, s1, s1, s1, s2, s2, s2, s2]


def test_speakers_are_told_apart_when_nobody_is_named() -> None:
    """An unknown speaker's own turns are those without a name as well."""
    d = dialogue()
    context = d.encode('why', history=[Turn('', 'a'), Turn('ross', 'b')])
    assert [t for t in context.token_ids if t in (d.speaker1, d.speaker2)] == [
        d.speaker1, d.speaker2, d.speaker1]


@pytest.mark.parametrize('max_tokens', [8, 9, 16, 23, 24, 100])
def test_truncation_is_from_the_oldest_end(max_tokens: int) -> None:
    d = dialogue()
    full = d.encode('why', speaker='rachel', history=HISTORY)
    cut = d.encode('why', speaker='rachel', history=HISTORY, max_tokens=max_tokens)
    assert len(cut.token_ids) == len(cut.token_types) == min(max_tokens, len(full.token_ids))
    assert cut.token_ids[0] == d.bos
    assert cut.token_ids[1:] == full.token_ids[-(len(cut.token_ids) - 1):]
    assert cut.token_types[1:] == full.token_types[-(len(cut.token_ids) - 1):]


def test_sentence_longer_than_the_network_keeps_its_end() -> None:
    d = dialogue()
    context = d.encode('0123456789' * 5, max_tokens=12)
    assert context.token_ids == [d.bos, *ids('0123456789'), d.cls]


# ---------------------------------------------------------------- the network


@torch.inference_mode()
def test_padded_batch_is_single() -> None:
    text, d = encoder(), dialogue()
    contexts = [d.encode('why', history=HISTORY), d.encode('n'), d.encode('not so short')]
    lengths = torch.tensor([len(c.token_ids) for c in contexts])
    token_ids = torch.full((3, int(lengths.max()) + 2), d.pad)
    token_types = token_ids.clone()
    for row, c in enumerate(contexts):
        token_ids[row, :lengths[row]] = torch.tensor(c.token_ids)
        token_types[row, :lengths[row]] = torch.tensor(c.token_types)
    features, mask = text(token_ids, token_types, lengths)
    assert mask.sum(1).tolist() == lengths.tolist()
    for row, n in enumerate(lengths.tolist()):
        alone, _ = text(token_ids[row:row + 1, :n], token_types[row:row + 1, :n],
                        lengths[row:row + 1])
        torch.testing.assert_close(features[row, :n], alone[0], atol=TOLERANCE, rtol=0)
        assert not features[row, n:].any()
    token_ids[1, lengths[1]:] = 7  # what stands in the padding does not matter
    again, _ = text(token_ids, token_types, lengths)
    torch.testing.assert_close(again, features, atol=TOLERANCE, rtol=0)


@torch.inference_mode()
def test_features_are_the_last_hidden_states_with_segment_embeddings() -> None:
    """Token and segment share one table (section 4.1.1: position and segment are summed)."""
    text, d = encoder(), dialogue()
    context = d.encode('why', history=HISTORY)
    tokens, types = torch.tensor([context.token_ids]), torch.tensor([context.token_types])
    table = text.gpt.tokens_embed.weight
    expected = text.gpt(inputs_embeds=table[tokens] + table[types]).last_hidden_state
    features, _ = text(tokens, types, torch.tensor([tokens.shape[1]]))
    torch.testing.assert_close(features, expected, atol=TOLERANCE, rtol=0)
    other, _ = text(tokens, torch.full_like(types, d.speaker1), torch.tensor([tokens.shape[1]]))
    assert not torch.allclose(features, other, atol=1e-3)


def finished(text: TextEncoder, state: TextState, d: DialogueTokenizer, **context: Any
             ) -> torch.Tensor:
    text.use_tokenizer(d.tokenizer)
    encoded = text.finish([state], [DialogueContext(**context)])
    assert encoded is not None and encoded[1].all()
    return encoded[0][0]


@pytest.mark.parametrize('parts', [
    ['how was I to know'], ['how', 'was I', 'to know'], ['', 'how was', '', 'I to know', '']])
@torch.inference_mode()
def test_streamed_is_whole(parts: list[str]) -> None:
    text, d = encoder(), dialogue()
    state = text.start()
    for part in parts:
        text.stream([state], [part])
    context = d.encode('how was I to know', speaker='rachel', history=HISTORY)
    whole, _ = text(torch.tensor([context.token_ids]), torch.tensor([context.token_types]),
                    torch.tensor([len(context.token_ids)]))
    features = finished(text, state, d, speaker='rachel', history=HISTORY)
    assert torch.equal(features, whole[0])


@torch.inference_mode()
def test_only_the_latest_turns_of_the_history_are_shown() -> None:
    """`history_turns` is 3 here."""
    text, d = encoder(), dialogue()
    state = text.start()
    text.stream([state], ['why'])
    longer = [Turn('ross', 'once upon a time'), *HISTORY]
    assert torch.equal(finished(text, state, d, history=longer),
                       finished(text, state, d, history=HISTORY))
    assert len(finished(text, state, d, history=HISTORY)) > len(
        finished(text, state, d, history=HISTORY[1:]))


@torch.inference_mode()
def test_history_can_be_switched_off() -> None:
    text: TextEncoder = seeded(TextEncoder, TINY.text.model_copy(update={'history_turns': 0}), 7)
    d, state = dialogue(), text.start()
    text.stream([state], ['why'])
    assert torch.equal(finished(text, state, d, history=HISTORY), finished(text, state, d))


@torch.inference_mode()
def test_context_longer_than_the_network_still_runs() -> None:
    text, d = encoder(), dialogue()
    state = text.start()
    text.stream([state], ['word ' * 100])
    assert finished(text, state, d).shape == (TINY.text.n_positions, TINY.text.n_embd)


def test_no_words_give_nothing() -> None:
    text, d = encoder(), dialogue()
    text.use_tokenizer(d.tokenizer)
    state = text.start()
    text.stream([state], [''])
    assert state.empty and not state.words
    assert text.finish([state, text.start()], [DialogueContext()] * 2) is None


def test_without_a_tokenizer_the_error_says_what_to_call() -> None:
    text = encoder()
    state = text.start()
    text.stream([state], ['why'])
    with pytest.raises(ValueError, match='use_tokenizer'):
        text.finish([state], [DialogueContext()])
