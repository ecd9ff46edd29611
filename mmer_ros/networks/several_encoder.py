# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Several encoders of one modality as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.networks.batching import pad_features
from mmer_ros.networks.encoder import (
    DialogueContext,
    Encoded,
    Encoder,
    EncoderState,
    make_encoder,
)
from mmer_ros.networks.several_configs import SeveralConfig
from tokenizers import Tokenizer
import torch
from torch import nn, Tensor


@dataclass
class SeveralState:
    """The state of each encoder."""

    states: list[EncoderState]

    @property
    def empty(self) -> bool:
        """Whether none has received anything."""
        return all(state.empty for state in self.states)


class SeveralEncoder(Encoder):
    """
    Features of several encoders side by side, at the steps of the first.

    Its classifier gives the mean of their logits; for sound, whose features are averaged over
    time, nearly.
    """

    def __init__(self, config: SeveralConfig, n_classes: int) -> None:
        super().__init__()
        self.config = config
        self.encoders = nn.ModuleList(make_encoder(config.modality, each)
                                      for each in config.encoders)
        widths = [int(encoder.width) for encoder in self.parts]
        self.width = sum(widths)
        self.collects = all(encoder.collects for encoder in self.parts)  # type: ignore[misc]
        self.classifier = MeanOfClassifiers([e.classifier for e in self.parts], widths)
        for encoder in self.parts:
            encoder.classifier = nn.Identity()  # it moved

    @property
    def parts(self) -> list[Any]:
        """The encoders."""
        return list(self.encoders)

    def start(self) -> SeveralState:
        """Return the state before the first increment."""
        return SeveralState([encoder.start() for encoder in self.parts])

    def stream(self, states: Sequence[SeveralState], evidence: Sequence[Any]) -> None:
        """Advance the states of all encoders."""
        for number, encoder in enumerate(self.parts):
            encoder.stream([state.states[number] for state in states], evidence)

    def finish(self, states: Sequence[SeveralState], contexts: Sequence[DialogueContext]
               ) -> Encoded | None:
        """Return the features of all, (B, T, width), T of the first."""
        found = [encoder.finish([state.states[number] for state in states], contexts)
                 for number, encoder in enumerate(self.parts)]
        if any(each is None for each in found):
            return None
        rows = [[values[row][mask[row]] for values, mask in found if mask[row].any()]
                for row in range(len(states))]
        return pad_features([side_by_side(row) if len(row) == len(found) else None
                             for row in rows])

    def use_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Give all encoders the tokenizer."""
        for encoder in self.parts:
            encoder.use_tokenizer(tokenizer)


class MeanOfClassifiers(nn.Module):
    """The mean of the logits of classifiers, each of which sees its part of the features."""

    def __init__(self, classifiers: Sequence[nn.Module], widths: Sequence[int]) -> None:
        super().__init__()
        self.classifiers, self.widths = nn.ModuleList(classifiers), list(widths)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the logits of vectors, (B, width) -> (B, 7)."""
        parts = vectors.split(self.widths, dim=1)
        return torch.stack([c(x) for c, x in zip(self.classifiers, parts)]).mean(dim=0)


def side_by_side(rows: Sequence[Tensor]) -> Tensor:
    """
    Return features of one utterance side by side: (T_i, width_i) -> (T_0, sum of widths).

    Each step of the first has the step of the others at the same share of the utterance, the last
    one the last.
    """
    steps = len(rows[0])
    where = torch.linspace(0, 1, steps) if steps > 1 else torch.ones(1)
    return torch.cat([row[(where * (len(row) - 1)).round().long().to(row.device)]
                      for row in rows], dim=1)
