# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
What all encoders do, whichever engine runs them, and the registry of backbones; without torch.

A bundle's `backbone` is looked up here. networks/encoder.py shows how an encoder is added.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from mmer_ros.registry import Registry
from mmer_ros.types import MODALITIES, Modality, Turn
from pydantic import BaseModel, ConfigDict
from tokenizers import Tokenizer

Array = Any  # a torch.Tensor in one engine, a NumPy array in the other
Encoded = tuple[Array, Array]  # features (B, T, width), mask (B, T)


class EncoderConfig(BaseModel):
    """
    Settings of an encoder; each backbone has a subclass with its own.

    :param backbone: name under which the encoder is registered.
    """

    model_config = ConfigDict(frozen=True, extra='forbid')

    backbone: str


class EncoderState(Protocol):
    """Where an encoder stands within an utterance."""

    @property
    def empty(self) -> bool:
        """Whether nothing has been received yet."""


@dataclass(frozen=True)
class DialogueContext:
    """
    What surrounds an utterance in its dialogue.

    :param speaker: who speaks, as named in the history; '' if not known.
    :param history: earlier turns, oldest first.
    :param reply: the next turn; offline only.
    """

    speaker: str = ''
    history: Sequence[Turn] = ()
    reply: Turn | None = None


class StreamingEncoder(ABC):
    """
    One modality: increments of utterances in, features for the fusion out.

    An utterance is `start()`, any number of `stream()`, and `finish()`, which leaves the state as
    it is, so that it also serves estimates before the end. What `finish` returns must not depend
    on how the evidence was cut into increments, to the bit for an utterance by itself; several
    may be padded into one batch and then differ by rounding.

    :ivar width: size of a feature.
    :cvar collects: whether `stream` only collects, so that its time is not worth measuring.
    """

    width: int
    collects: ClassVar[bool] = False

    @abstractmethod
    def start(self) -> Any:
        """Return the EncoderState before the first increment."""

    @abstractmethod
    def stream(self, states: Sequence[Any], evidence: Sequence[Any]) -> None:
        """
        Advance states of different utterances by what is new of each.

        :param states: as `start` returned them; changed in place.
        :param evidence: for each state its increment, which may be empty. Text: str. Audio:
            (n,) 16 kHz mono, int16 or float in [-1, 1]. Face: (n, 160, 160, 3) uint8 RGB.
        """

    @abstractmethod
    def finish(self, states: Sequence[Any], contexts: Sequence[DialogueContext]
               ) -> Encoded | None:
        """
        Return the features of all that the states have received; the states are not changed.

        :return: features (B, T, width), mask (B, T), True at the valid steps; an empty state has
            none. None if all states are empty.
        """

    def select(self, evidence: Any) -> Any:
        """Return the part of a whole utterance's evidence that the features depend on."""
        return evidence

    def encode(self, evidence: Sequence[Any], contexts: Sequence[DialogueContext]
               ) -> Encoded | None:
        """
        Return the features of whole utterances.

        :param evidence: as of `stream`; None or empty where an utterance lacks the modality.
        :param contexts: one for each.
        :return: as of `finish`.
        """
        states = [self.start() for _ in evidence]
        given = [(state, self.select(one)) for state, one in zip(states, evidence)
                 if one is not None and len(one)]
        if given:
            self.stream(*zip(*given))
        return self.finish(states, contexts)

    def use_tokenizer(self, tokenizer: Tokenizer) -> None:  # noqa: B027 - most need none
        """
        Accept the bundle's tokenizer; only text encoders need it.

        :raises ValueError: if it does not fit the network.
        """


EncoderClass = TypeVar('EncoderClass', bound=Callable[..., StreamingEncoder])


@dataclass(frozen=True)
class Backbone:
    """
    An encoder and the class of its settings.

    :param encoder: makes the torch module, called as encoder(config, n_classes).
    :param exported: makes the same encoder of exported graphs, called as exported(config,
        graphs); None: it has none, and only torch runs it.
    """

    config: type[EncoderConfig]
    encoder: Callable[[Any, int], Any]
    exported: Callable[[Any, Any], StreamingEncoder] | None = None


BACKBONES = {m: Registry[Backbone](f'{m.key} backbone') for m in MODALITIES}


def register_backbone(modality: Modality, *names: str, config: type[EncoderConfig]
                      ) -> Callable[[EncoderClass], EncoderClass]:
    """
    Register an encoder, called as encoder(config, n_classes), under names of its modality.

    :raises ValueError: if another encoder has the name.
    """
    def register(encoder: EncoderClass) -> EncoderClass:
        for name in names:
            BACKBONES[modality].add(name, Backbone(config, encoder))
        return encoder
    return register


def parse_config(modality: Modality, values: EncoderConfig | Mapping[str, Any], default: str
                 ) -> EncoderConfig:
    """
    Return the settings of an encoder, of the class that belongs to their `backbone`.

    :param default: backbone of settings that do not name one.
    :raises ValueError: if the backbone is not registered, or does not have these settings.
    """
    if isinstance(values, EncoderConfig):
        return values
    if not isinstance(values, Mapping):
        raise ValueError('expected settings by name')
    name = str(values.get('backbone', default))
    return BACKBONES[modality].find(name).config.model_validate({'backbone': name, **values})
