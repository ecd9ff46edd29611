# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Face crops as they come: each embedded once, the sequence encoded at the end; without torch."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from mmer_ros.networks.backbones import Array, DialogueContext, Encoded, StreamingEncoder
from mmer_ros.networks.configs import FaceEncoderConfig
from mmer_ros.networks.hub_configs import HubFaceConfig
from mmer_ros.types import UInt8
import numpy as np


@dataclass
class FaceState:
    """Embeddings of the utterance's crops so far, each (512,)."""

    embeddings: list[Array] = field(default_factory=list)

    @property
    def empty(self) -> bool:
        """Whether there is no crop yet."""
        return not self.embeddings


class FaceStreaming(StreamingEncoder):
    """Embeds crops as they come; `finish` encodes at most `max_images` embeddings."""

    config: FaceEncoderConfig | HubFaceConfig

    @abstractmethod
    def embed_crops(self, crops: UInt8) -> Array:
        """Return embeddings (n, 512) of crops (n, 160, 160, 3) RGB."""

    @abstractmethod
    def encode_embeddings(self, rows: Sequence[Sequence[Array]]) -> Encoded:
        """Run the network over embeddings (512,) of several utterances, one of which has some."""

    def start(self) -> FaceState:
        """Return the state before the first crop."""
        return FaceState()

    def stream(self, states: Sequence[FaceState], evidence: Sequence[UInt8]) -> None:
        """
        Embed crops, (n, 160, 160, 3) of each utterance.

        Those of one utterance are embedded one by one, so that the features do not depend on how
        they were cut into increments.
        """
        if len(evidence) == 1:
            for crop in evidence[0]:
                states[0].embeddings.append(self.embed_crops(np.ascontiguousarray(crop[None]))[0])
            return
        embeddings = self.embed_crops(np.ascontiguousarray(np.concatenate(evidence)))
        ends = list(accumulate(len(crops) for crops in evidence))
        for state, start, end in zip(states, [0, *ends], ends):
            state.embeddings += list(embeddings[start:end])

    def finish(self, states: Sequence[FaceState], contexts: Sequence[DialogueContext] = ()
               ) -> Encoded | None:
        """Encode the embeddings so far."""
        if all(state.empty for state in states):
            return None
        return self.encode_embeddings(
            [sample_evenly(state.embeddings, self.config.max_images) for state in states])

    def select(self, evidence: UInt8) -> UInt8:
        """Return the crops that `finish` would choose, so that no others are embedded."""
        return np.stack(sample_evenly(list(evidence), self.config.max_images))


def sample_evenly(items: Any, count: int) -> list[Any]:
    """Return at most `count` of the items, evenly spaced, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i * (len(items) - 1) / (count - 1))] for i in range(count)]
