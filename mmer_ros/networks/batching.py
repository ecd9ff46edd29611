# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Tensors of different lengths as padded, masked batches."""

from __future__ import annotations

from collections.abc import Sequence

from mmer_ros.networks.audio_samples import as_float
import numpy as np
from numpy.typing import NDArray
import torch
from torch import nn, Tensor

__all__ = ['as_float', 'encode_padded', 'encode_tokens', 'pad', 'pad_features']


def pad(rows: Sequence[Tensor], value: float) -> Tensor:
    """Return tensors (T_i, ...) as one, (B, longest T, ...), filled up with the value."""
    filled: Tensor = nn.utils.rnn.pad_sequence(
        list(rows), batch_first=True, padding_value=value)
    return filled


def pad_features(rows: Sequence[Tensor | None]) -> tuple[Tensor, Tensor] | None:
    """
    Return features (T_i, width), some of which may be missing, as a batch.

    :return: (B, T, width) and mask (B, T), True at the valid steps; None if all are missing.
    """
    some = next((row for row in rows if row is not None), None)
    if some is None:
        return None
    features = pad([some[:0] if row is None else row for row in rows], 0)      # (B, T, width)
    lengths = torch.tensor([0 if row is None else len(row) for row in rows],
                           device=some.device)
    steps = torch.arange(features.shape[1], device=some.device)
    return features, steps < lengths[:, None]


def encode_padded(encoder: nn.Module, inputs: Sequence[Tensor], lengths: Sequence[int]
                  ) -> tuple[Tensor, Tensor] | None:
    """
    Run an encoder's `forward` over padded rows, some of which may have length 0.

    :param inputs: (B, T, ...) each.
    :return: features and mask, as of pad_features.
    """
    if not any(lengths):
        return None
    device = next(encoder.parameters()).device
    sizes = torch.tensor(lengths, device=device)
    features, mask = encoder(*(x.to(device) for x in inputs), sizes.clamp(min=1))
    return features, mask & (sizes > 0)[:, None]


def encode_tokens(encoder: nn.Module, token_ids: NDArray[np.int64],
                  token_types: NDArray[np.int64], lengths: Sequence[int]) -> tuple[Tensor, Tensor]:
    """
    Run a text encoder's `forward` over padded rows.

    :param token_ids, token_types: (B, T).
    :param lengths: of the rows, each 1..T.
    :return: features and mask, as of pad_features.
    """
    encoded = encode_padded(encoder, [torch.from_numpy(token_ids), torch.from_numpy(token_types)],
                            lengths)
    assert encoded is not None
    return encoded
