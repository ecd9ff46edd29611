# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""What the text encoder reads: words of an utterance and its dialogue as tokens; without torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mmer_ros.networks.backbones import DialogueContext, Encoded, StreamingEncoder
from mmer_ros.types import Turn
import numpy as np
from numpy.typing import NDArray
from tokenizers import decoders, models, pre_tokenizers, Tokenizer

SPECIAL_TOKENS = ('<bos>', '<speaker1>', '<speaker2>', '<cls>', '<pad>')


@dataclass(frozen=True)
class TextInput:
    """
    Token ids and token types of one dialogue context, of equal length.

    :param reply_tokens: how many of them, before the last one, are the reply's, its speaker's
        included.
    """

    token_ids: list[int]
    token_types: list[int]
    reply_tokens: int = 0


class Layout(Protocol):
    """
    Lays out dialogues for a network.

    :ivar pad: token behind the end of shorter inputs.
    :ivar special: tokens that are not words.
    """

    pad: int
    special: set[int]

    def encode(self, text: str, *, speaker: str = '', history: Sequence[Turn] = (),
               reply: Turn | None = None, max_tokens: int = 512) -> TextInput:
        """Return the input of one sentence, as of DialogueTokenizer."""


class DialogueTokenizer:
    """
    Lay out a dialogue as TransferTransfo does.

    `<bos>` history `<speaker1>` current sentence [reply] `<cls>`: each turn begins with the token
    of its speaker, which is also the token type of all its tokens. `<speaker1>` is who speaks
    now, `<speaker2>` is anybody else.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        """Wrap a tokenizer that knows the SPECIAL_TOKENS."""
        self.tokenizer = tokenizer
        self.tokenizer.encode_special_tokens = True  # '<cls>' in what is said is text
        missing = [t for t in SPECIAL_TOKENS if tokenizer.token_to_id(t) is None]
        if missing:
            raise ValueError(f'tokenizer: it lacks {", ".join(missing)}; add {SPECIAL_TOKENS}')
        self.bos, self.speaker1, self.speaker2, self.cls, self.pad = (
            tokenizer.token_to_id(token) or 0 for token in SPECIAL_TOKENS)
        self.special = {self.bos, self.speaker1, self.speaker2, self.cls, self.pad}

    def encode(self, text: str, *, speaker: str = '', history: Sequence[Turn] = (),
               reply: Turn | None = None, max_tokens: int = 512) -> TextInput:
        """
        Return the input of one sentence; what is too long is cut from the oldest end.

        :param history: earlier turns, oldest first.
        :param reply: the turn that follows; offline use only.
        :param max_tokens: positions that the network has.
        """
        turns = [*history, Turn(speaker, text), *([reply] if reply else [])]
        token_ids: list[int] = []
        token_types: list[int] = []
        ids: list[int] = []
        for turn in turns:
            who = self.speaker1 if turn.speaker == speaker else self.speaker2
            ids = [who, *self.words(turn.text)]
            token_ids += ids
            token_types += [who] * len(ids)
        room = max_tokens - 2
        token_ids, token_types = token_ids[-room:], token_types[-room:]
        return TextInput([self.bos, *token_ids, self.cls],
                         [token_types[0], *token_types, token_types[-1]],
                         min(len(ids), room) if reply else 0)

    def words(self, text: str) -> list[int]:
        """Return the tokens of what a turn says."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def byte_tokenizer() -> Tokenizer:
    """
    Return a tokenizer of single bytes: it takes any text and needs no training data.

    It serves bundles that were not trained; a trained bundle brings its own.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    return tokenizer


@dataclass
class TextState:
    """Words of the utterance so far."""

    words: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The words as one string."""
        return ' '.join(self.words)

    @property
    def empty(self) -> bool:
        """Whether there are no words yet."""
        return not self.words


class TextStreaming(StreamingEncoder):
    """Collects words, and gives the dialogue and all words to the network at once."""

    collects = True
    config: Any  # TextEncoderConfig, or HubTextConfig
    tokenizer: Layout | None = None

    @abstractmethod
    def encode_tokens(self, token_ids: NDArray[np.int64], token_types: NDArray[np.int64],
                      lengths: Sequence[int]) -> Encoded:
        """
        Run the network over padded contexts.

        :param token_ids: (B, T), as `token_types`; T >= 1.
        :param lengths: of each, 0..T; a row of length 0 has an empty mask.
        """

    def context(self, tokenizer: Layout, text: str, *, speaker: str = '',
                history: Sequence[Turn] = (), reply: Turn | None = None) -> TextInput:
        """Return the network's input: as many of the last turns as the sizes allow."""
        turns = self.config.history_turns
        return tokenizer.encode(text, speaker=speaker, reply=reply,
                                history=list(history)[-turns:] if turns else [],
                                max_tokens=self.longest)

    @property
    def vocabulary(self) -> int:
        """How many tokens the network knows."""
        return int(self.config.vocab_size)

    @property
    def longest(self) -> int:
        """Tokens of an input at most."""
        return int(self.config.n_positions)

    def use_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Lay out dialogues with this tokenizer, which has to know the SPECIAL_TOKENS."""
        layout = DialogueTokenizer(tokenizer)
        tokens = max(tokenizer.get_vocab().values()) + 1
        if tokens > self.config.vocab_size:
            raise ValueError(f'it has {tokens} tokens, but the network has room for '
                             f'{self.config.vocab_size}; set vocab_size to {tokens}')
        self.tokenizer = layout

    def start(self) -> TextState:
        """Return the state before the first word."""
        return TextState()

    def stream(self, states: Sequence[TextState], evidence: Sequence[str]) -> None:
        """Append words to each utterance."""
        for state, text in zip(states, evidence):
            if text:
                state.words.append(text)

    def finish(self, states: Sequence[TextState], contexts: Sequence[DialogueContext]
               ) -> Encoded | None:
        """
        Encode the words so far, each utterance with its dialogue.

        :raises ValueError: if the encoder has no tokenizer.
        """
        if self.tokenizer is None:
            raise ValueError('the text encoder has no tokenizer; call use_tokenizer first')
        inputs = [TextInput([], []) if state.empty else self.context(
            self.tokenizer, state.text, speaker=context.speaker, history=context.history,
            reply=context.reply) for state, context in zip(states, contexts)]
        lengths = [len(i.token_ids) for i in inputs]
        if not any(lengths):
            return None
        ids = np.full((len(inputs), max(lengths)), self.tokenizer.pad, np.int64)      # (B, T)
        types = ids.copy()                                                            # (B, T)
        for row, (one, length) in enumerate(zip(inputs, lengths)):
            ids[row, :length], types[row, :length] = one.token_ids, one.token_types
        return self.encode_tokens(ids, types, lengths)
