# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Tokenizer of a text encoder that is trained from scratch."""

from __future__ import annotations

from collections.abc import Iterable

from mmer_ros.networks.text_encoder import DialogueTokenizer, SPECIAL_TOKENS
from tokenizers import decoders, models, normalizers, pre_tokenizers, Tokenizer, trainers

REMEMBERED = 500_000  # texts of a RememberingTokenizer


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """
    Train byte-level BPE on lower-case text, for speech recognisers give no reliable case.

    :param vocab_size: largest number of tokens with the special ones; at least 261 (all bytes).
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=vocab_size, min_frequency=2, special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False))
    return tokenizer


class RememberingTokenizer(DialogueTokenizer):
    """Tokenizes each text once: the turns of a corpus come again in every epoch."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        super().__init__(tokenizer)
        self._known: dict[str, list[int]] = {}

    def words(self, text: str) -> list[int]:
        """Return the tokens of what a turn says."""
        found = self._known.get(text)
        if found is None:
            found = super().words(text)
            if len(self._known) < REMEMBERED:
                self._known[text] = found
        return found
