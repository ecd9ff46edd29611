# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Dialogues as tokens of a text model from the Hugging Face hub; without torch."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.networks.hub_configs import HubTextConfig
from mmer_ros.networks.text_input import TextInput, TextStreaming
from mmer_ros.types import Turn
from tokenizers import Tokenizer


class SpeakerTokenizer:
    """
    Lay out a dialogue as EmoBERTa does.

    Earlier turns, a separator, the current sentence, and perhaps a separator and the reply; each
    turn begins with its speaker. Separator and special tokens at the ends are those between which
    the published tokenizer puts a pair of texts, for RoBERTa `<s> past </s></s> current </s>`.
    """

    def __init__(self, tokenizer: Tokenizer, config: HubTextConfig) -> None:
        """Read the special tokens from the tokenizer's own layout of a pair."""
        self.tokenizer, self.speakers = tokenizer, config.speakers
        self.tokenizer.encode_special_tokens = True  # '</s>' in what is said is text
        self.tokenizer.no_padding()
        self.tokenizer.no_truncation()
        pair = tokenizer.encode('a', 'b')
        sides = pair.sequence_ids
        first = [i for i, side in enumerate(sides) if side == 0] or [0]
        second = [i for i, side in enumerate(sides) if side == 1] or [len(sides)]
        self.prefix = pair.ids[:first[0]]
        self.separator = pair.ids[first[-1] + 1:second[0]]
        self.suffix = pair.ids[second[-1] + 1:]
        self.pad = int(config.architecture.get('pad_token_id') or 0)
        self.size = tokenizer.get_vocab_size(with_added_tokens=True)
        self.special = {*self.prefix, *self.separator, *self.suffix, self.pad}

    @property
    def summary(self) -> str:
        """Which token has seen all: as of HubTextConfig."""
        return 'first' if self.prefix and self.suffix else 'last'

    def encode(self, text: str, *, speaker: str = '', history: Sequence[Turn] = (),
               reply: Turn | None = None, max_tokens: int = 512) -> TextInput:
        """Return the input of one sentence, as of DialogueTokenizer.encode."""
        number = _Numbers(speaker)
        current = self._tokens([Turn(speaker, text)], number)
        future = self._tokens([reply], number) if reply else []
        room = max_tokens - len(self.prefix) - len(self.suffix)
        end = [*current[-room:], *(self.separator + future if future else [])][:room]
        room -= len(end) + len(self.separator)
        past = self._tokens(history, number)[-room:] if history and room > 0 else []
        begin = past + self.separator if past else []
        ids = self.prefix + begin + end + self.suffix
        types = [0] * (len(self.prefix) + len(begin))
        return TextInput(ids, types + [int(bool(past))] * (len(ids) - len(types)))

    def _tokens(self, turns: Sequence[Turn], number: _Numbers) -> list[int]:
        said = ' '.join(self._said(turn, number) for turn in turns)
        ids: list[int] = self.tokenizer.encode(said, add_special_tokens=False).ids
        return ids

    def _said(self, turn: Turn, number: _Numbers) -> str:
        if self.speakers == 'none' or not turn.speaker:
            return turn.text
        name = turn.speaker if self.speakers == 'names' else f'Speaker {number.of(turn.speaker)}'
        return f'{name}: {turn.text}'


class _Numbers:
    """Numbers of speakers: 1 for who speaks now, the others in order of appearance."""

    def __init__(self, speaker: str) -> None:
        self._known = {speaker: 1}

    def of(self, speaker: str) -> int:
        return self._known.setdefault(speaker, len(self._known) + 1)


class HubTextStreaming(TextStreaming):
    """Collects words, and gives the dialogue and all words to the network at once."""

    config: HubTextConfig
    tokenizer: SpeakerTokenizer | None = None

    def use_tokenizer(self, tokenizer: Tokenizer) -> None:
        """
        Lay out dialogues with the tokenizer that the network was published with.

        :raises ValueError: if it has more tokens than the network.
        """
        layout = SpeakerTokenizer(tokenizer, self.config)
        known = int(self.config.architecture.get('vocab_size', layout.size))
        if max(tokenizer.get_vocab().values(), default=0) >= known:
            raise ValueError(f'it has {layout.size} tokens, but the network knows {known}; give '
                             'the tokenizer that was published with it')
        self.tokenizer = layout

    @property
    def vocabulary(self) -> int:
        """How many tokens the network knows."""
        return int(self.config.architecture['vocab_size'])

    @property
    def longest(self) -> int:
        """Tokens of an input at most."""
        return self.config.room
