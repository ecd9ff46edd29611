# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Crossmodal transformer fusion of three sequences (section 4.2.1 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmer_ros.networks.fusion import Features, FusionConfig
from mmer_ros.types import MODALITIES, Modality
import torch
from torch import nn, Tensor


class CrossmodalBlock(nn.Module):
    """
    Bring a source modality into a target modality (equations 6 to 11).

    The query comes from the target, key and value from the source.
    """

    def __init__(self, target_size: int, source_size: int, config: FusionConfig) -> None:
        super().__init__()
        width = config.width
        self.heads = config.heads
        self.query = nn.Linear(target_size, width, bias=False)
        self.key = nn.Linear(source_size, width, bias=False)
        self.value = nn.Linear(source_size, width, bias=False)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Dropout(config.dropout),
            nn.Linear(2 * width, width))
        self.output_norm = nn.LayerNorm(width)

    def forward(self, target: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        """
        Return the target enriched by the source.

        :param target: (B, T_target, target_size).
        :param source: (B, T_source, source_size).
        :param source_mask: (B, T_source), True where the source is valid; at least one a row.
        :return: (B, T_target, width).
        """
        query = self.query(target)
        return self._feed(self._attend(query, source, source_mask) + query)

    def without_source(self, target: Tensor) -> Tensor:
        """Return the target, as of `forward`, where there is nothing to attend to."""
        return self._feed(self.query(target))

    def _attend(self, query: Tensor, source: Tensor, source_mask: Tensor) -> Tensor:
        attended = nn.functional.scaled_dot_product_attention(
            self._split(query), self._split(self.key(source)), self._split(self.value(source)),
            attn_mask=source_mask[:, None, None, :])          # eq. 6, (B, heads, T_target, d)
        return attended.transpose(1, 2).flatten(2)

    def _feed(self, x: Tensor) -> Tensor:
        x = self.attention_norm(x)                                              # eq. 7
        fused: Tensor = self.output_norm(self.feed_forward(x) + x)              # eq. 8 to 11
        return fused

    def _split(self, x: Tensor) -> Tensor:
        heads: Tensor = x.unflatten(2, (self.heads, -1))
        return heads.transpose(1, 2)  # (B, heads, T, d)


class CrossmodalFusion(nn.Module):
    """
    Enrich each modality by the two others, then pool it over time.

    Of two sources the Hadamard product is taken (equation 12); of one, that one; with none, the
    target stands alone, as `config.without_source` says.
    """

    def __init__(self, sizes: Mapping[Modality, int], config: FusionConfig) -> None:
        super().__init__()
        self.pooling = config.pooling
        self.blocks = nn.ModuleDict({
            f'{source.key}_to_{target.key}':
                CrossmodalBlock(sizes[target], sizes[source], config)
            for target in MODALITIES for source in MODALITIES if source != target})
        self.own = nn.ModuleDict({
            target.key: nn.Sequential(
                nn.Linear(sizes[target], config.width), nn.LayerNorm(config.width))
            for target in MODALITIES} if config.without_source == 'projection' else {})

    def forward(self, features: Features) -> dict[Modality, Tensor]:
        """
        Fuse a batch.

        :param features: for each modality that any row has: (B, T, size) and mask (B, T). A row
            without a valid step lacks that modality.
        :return: for each of them (B, width); rows that lack it hold no information.
        """
        present = {m: mask.any(dim=1) for m, (_, mask) in features.items()}
        pooled = {}
        for target in features:
            x, mask = self._steps(target, *features[target])
            pooled[target] = masked_mean(self._enrich(target, x, features, present), mask)
        return pooled

    def _steps(self, target: Modality, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return the steps of a target that are pooled, and their mask."""
        if self.pooling == 'mean' or target is Modality.AUDIO:
            return x, mask
        return summary(target, x, mask)[:, None], mask.any(dim=1)[:, None]

    def _enrich(self, target: Modality, x: Tensor,
                features: Features,
                present: Mapping[Modality, Tensor]) -> Tensor:
        product: Tensor | None = None
        any_source = torch.zeros_like(present[target])
        for source, (y, mask) in features.items():
            if source == target:
                continue
            here = present[source]
            safe = mask | ~here[:, None]  # attention over nothing would be NaN
            out = self.blocks[f'{source.key}_to_{target.key}'](x, y, safe)
            out = torch.where(here[:, None, None], out, torch.ones_like(out))
            product = out if product is None else product * out  # eq. 12
            any_source = any_source | here
        if product is None:
            return self._alone(target, x)
        if not torch.onnx.is_in_onnx_export() and bool(any_source.all()):
            return product  # an exported graph has to serve every case
        return torch.where(any_source[:, None, None], product, self._alone(target, x))

    def _alone(self, target: Modality, x: Tensor) -> Tensor:
        """Return a target of which there is no source, (B, T, width)."""
        if self.own:
            alone: Tensor = self.own[target.key](x)
            return alone
        blocks: list[Any] = [self.blocks[f'{source.key}_to_{target.key}']
                             for source in MODALITIES if source != target]
        product: Tensor = blocks[0].without_source(x) * blocks[1].without_source(x)  # eq. 12
        return product


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the valid steps: (B, T, d) and (B, T) -> (B, d); zeros of no step."""
    weights = mask[..., None].to(x.dtype)
    return (x * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1)


def summary(modality: Modality, features: Tensor, mask: Tensor) -> Tensor:
    """
    Return the vector of an utterance that an encoder's own classifier takes.

    The mean of sound; the last step of text, which is that of <cls>, and of faces.

    :param features: (B, T, width); `mask`: (B, T). A row without a step is no use.
    :return: (B, width).
    """
    if modality is Modality.AUDIO:
        return masked_mean(features, mask)
    rows = torch.arange(features.shape[0], device=features.device)
    return features[rows, (mask.sum(dim=1) - 1).clamp(min=0)]
