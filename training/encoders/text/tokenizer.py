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

from mmer_ros.networks.text_encoder import SPECIAL_TOKENS
from tokenizers import decoders, models, normalizers, pre_tokenizers, Tokenizer, trainers


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
