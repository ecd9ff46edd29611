# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Text encoder: GPT over the dialogue's history and the current sentence (section 4.1.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.networks.batching import encode_tokens
from mmer_ros.networks.configs import TextEncoderConfig
from mmer_ros.networks.encoder import Encoded, Encoder, Exported
from mmer_ros.networks.text_input import (
    byte_tokenizer,
    DialogueTokenizer,
    SPECIAL_TOKENS,
    TextInput,
    TextState,
    TextStreaming,
)
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor
from transformers import OpenAIGPTConfig, OpenAIGPTModel

__all__ = ['byte_tokenizer', 'DialogueTokenizer', 'SPECIAL_TOKENS', 'TextEncoder',
           'TextEncoderConfig', 'TextInput', 'TextState']


class TextEncoder(TextStreaming, Encoder):
    """
    GPT whose last hidden states go to the fusion.

    `forward` encodes padded batches of tokens; `stream` collects words, and `finish` runs the
    network over the dialogue and all words at once.
    """

    def __init__(self, config: TextEncoderConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.width = config.n_embd
        self.gpt = OpenAIGPTModel(OpenAIGPTConfig(
            vocab_size=config.vocab_size, n_positions=config.n_positions, n_embd=config.n_embd,
            n_layer=config.n_layer, n_head=config.n_head, resid_pdrop=config.dropout,
            embd_pdrop=config.dropout, attn_pdrop=config.dropout))
        for block in self.gpt.h:  # the same function as one kernel instead of eight
            block.mlp.act = nn.GELU('tanh')  # type: ignore[union-attr]
        self.classifier = nn.Sequential(
            nn.Linear(config.n_embd, config.n_embd), nn.Tanh(), nn.Dropout(config.dropout),
            nn.Linear(config.n_embd, n_classes))

    def forward(self, token_ids: Tensor, token_types: Tensor,
                lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        Encode whole contexts.

        :param token_ids: (B, T) padded at the end.
        :param token_types: (B, T) padded at the end.
        :param lengths: (B,) tokens, each 1..T.
        :return: last hidden states (B, T, n_embd) and their mask (B, T).
        """
        mask = torch.arange(token_ids.shape[1], device=token_ids.device) < lengths[:, None]
        output = self.gpt(input_ids=token_ids, attention_mask=mask.to(torch.float32),
                          token_type_ids=token_types)
        return output.last_hidden_state * mask[..., None], mask

    def encode_tokens(self, token_ids: NDArray[np.int64], token_types: NDArray[np.int64],
                      lengths: Sequence[int]) -> Encoded:
        """Run the network, as TextStreaming.encode_tokens."""
        return encode_tokens(self, token_ids, token_types, lengths)

    def exported(self) -> Mapping[str, Exported]:
        """Return `forward`, as the graph `text`."""
        ids = torch.zeros(2, 3, dtype=torch.long)
        axes = {0: 'batch', 1: 'tokens'}
        return {'text': Exported(
            self, {'token_ids': ids, 'token_types': ids, 'lengths': torch.tensor([3, 2])},
            ('features', 'mask'),
            {'token_ids': axes, 'token_types': axes, 'lengths': {0: 'batch'}, 'features': axes,
             'mask': axes})}
