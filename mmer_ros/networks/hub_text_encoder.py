# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Text encoder: any text model of the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmer_ros.networks.batching import encode_tokens
from mmer_ros.networks.crossmodal import masked_mean
from mmer_ros.networks.encoder import Encoded, Encoder, Exported
from mmer_ros.networks.hub_configs import HubTextConfig
from mmer_ros.networks.hub_network import make_network, make_settings
from mmer_ros.networks.hub_text_input import HubTextStreaming
from mmer_ros.types import Modality
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

__all__ = ['HubTextConfig', 'HubTextEncoder']


class HubTextEncoder(HubTextStreaming, Encoder):
    """
    A text model whose last hidden states go to the fusion.

    The state that summarises the input, that of `<s>` in RoBERTa, comes last, as for all text
    encoders; a mean of all states takes the place of that of the first token there. The
    classifier is RoBERTa's: dense layer, tanh, linear layer.
    """

    def __init__(self, config: HubTextConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        settings = make_settings(config.architecture)
        self.width = int(settings.hidden_size)
        self.network = make_network(settings, Modality.TEXT)
        self.classifier = nn.Sequential(
            nn.Dropout(config.dropout), nn.Linear(self.width, self.width), nn.Tanh(),
            nn.Dropout(config.dropout), nn.Linear(self.width, n_classes))

    def forward(self, token_ids: Tensor, token_types: Tensor,
                lengths: Tensor) -> tuple[Tensor, Tensor]:
        """
        Encode whole contexts.

        :param token_ids: (B, T) padded at the end.
        :param token_types: (B, T), 1 from the current sentence on where there are earlier turns.
        :param lengths: (B,) tokens, each 1..T.
        :return: last hidden states (B, T, width) and their mask (B, T).
        """
        places = torch.arange(token_ids.shape[1], device=token_ids.device)
        mask = places < lengths[:, None]                                      # (B, T)
        given = {'token_type_ids': token_types * mask} if self.config.segments else {}
        hidden = self.network(input_ids=token_ids, attention_mask=mask.long(),
                              **given).last_hidden_state                      # (B, T, width)
        if self.config.summary != 'last':
            order = torch.where(mask, (places + 1) % lengths[:, None], places)
            hidden = hidden.gather(1, order[..., None].expand_as(hidden))
        if self.config.summary == 'mean':
            mean = masked_mean(hidden, mask)[:, None]                         # (B, 1, width)
            hidden = torch.where((places == lengths[:, None] - 1)[..., None], mean, hidden)
        return hidden * mask[..., None], mask

    def encode_tokens(self, token_ids: NDArray[np.int64], token_types: NDArray[np.int64],
                      lengths: Sequence[int]) -> Encoded:
        """Run the network, as TextStreaming.encode_tokens."""
        return encode_tokens(self, token_ids, token_types, lengths)

    def exported(self) -> Mapping[str, Exported]:
        """Return `forward`, as the graph `text`."""
        ids = torch.ones(2, 5, dtype=torch.long)
        axes = {0: 'batch', 1: 'tokens'}
        types = {'token_types': torch.zeros_like(ids)} if self.config.segments else {}
        inputs = {'token_ids': ids, **types, 'lengths': torch.tensor([5, 3])}
        return {'text': Exported(
            lambda ids, *rest: self(ids, rest[0] if types else ids, rest[-1]), inputs,
            ('features', 'mask'), {'lengths': {0: 'batch'}, **dict.fromkeys(
                ('token_ids', *types, 'features', 'mask'), axes)})}
