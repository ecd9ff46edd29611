# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The encoders at work on utterances that come part by part, one alone or several at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmer_ros.networks.backbones import DialogueContext, Encoded, EncoderState
from mmer_ros.networks.onnx_networks import Model
from mmer_ros.profiling import stage_of, Stages, UNMEASURED
from mmer_ros.types import Modality, Utterance, UtterancePart
import numpy as np

EncoderStates = dict[Modality, EncoderState]
Evidence = Mapping[Modality, Any]  # as of Encoder.stream; None or empty: none


@dataclass(frozen=True)
class Increment:
    """
    What is new of an utterance.

    :param states: of the utterance; they are advanced.
    :param evidence: for each modality its increment.
    """

    states: EncoderStates
    evidence: Evidence


def evidence_of(source: Utterance | UtterancePart) -> Evidence:
    """Return what each modality's encoder receives of a whole utterance or of a part."""
    faces: Any = source.faces
    if isinstance(source, UtterancePart):
        faces = np.stack([crop.image for crop in source.faces]) if source.faces else None
    return {Modality.TEXT: source.text, Modality.AUDIO: source.audio, Modality.FACE: faces}


def context_of(utterance: Utterance) -> DialogueContext:
    """Return the dialogue around a whole utterance."""
    return DialogueContext(utterance.speaker, utterance.history, utterance.reply)


def has_evidence(states: EncoderStates) -> bool:
    """Return whether any encoder has received anything of an utterance."""
    return not all(state.empty for state in states.values())


class StreamingEncoders:
    """
    Advance the states of utterances by increments, and compute features of all received so far.

    The features of a single utterance do not depend, to the bit, on how it was cut into parts.
    Several are padded into one batch: faster, and equal up to rounding.
    """

    def __init__(self, model: Model) -> None:
        self._encoders = model.encoders
        self._inference = model.inference

    def start(self) -> EncoderStates:
        """Return the states before the first part."""
        return {modality: encoder.start() for modality, encoder in self._encoders.items()}

    def restart(self, states: EncoderStates, modality: Modality) -> None:
        """Forget one modality of an utterance, e.g. when another face turns out to speak."""
        states[modality] = self._encoders[modality].start()

    def stream(self, increments: Sequence[Increment], stages: Stages = UNMEASURED) -> None:
        """Advance utterances, each of which occurs at most once."""
        for modality, encoder in self._encoders.items():
            new = [(i.states[modality], i.evidence[modality]) for i in increments
                   if i.evidence[modality] is not None and len(i.evidence[modality])]
            if not new:
                continue
            measured = UNMEASURED if encoder.collects else stages
            with self._inference(), measured.measuring(stage_of(modality)):
                encoder.stream(*zip(*new))

    def finish(self, states: Sequence[EncoderStates], contexts: Sequence[DialogueContext],
               stages: Stages = UNMEASURED) -> dict[Modality, Encoded]:
        """
        Return the features of utterances; their states are not changed.

        :return: for each modality that any of them has, features (B, T, width) and mask (B, T);
            the row of an utterance without it has an empty mask.
        """
        features = {}
        for modality, encoder in self._encoders.items():
            with self._inference(), stages.measuring(stage_of(modality)):
                encoded = encoder.finish([s[modality] for s in states], contexts)
            if encoded is not None:
                features[modality] = encoded
        return features

    def encode(self, utterances: Sequence[Utterance]) -> dict[Modality, Encoded]:
        """Return the features of whole utterances, as `finish`."""
        contexts = [context_of(u) for u in utterances]
        evidence = [evidence_of(u) for u in utterances]
        with self._inference():
            encoded = {modality: encoder.encode([e[modality] for e in evidence], contexts)
                       for modality, encoder in self._encoders.items()}
        return {modality: e for modality, e in encoded.items() if e is not None}
