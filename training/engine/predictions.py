# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Predictions of a model on a split: what evaluation, tables and reports work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
import json
from pathlib import Path
from typing import Protocol

from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import numpy as np
from numpy.typing import NDArray
import safetensors
import safetensors.numpy
from scipy.special import softmax
from training.engine.files import partial_of


@dataclass(frozen=True)
class Predictions:
    """
    Logits of one model on one split.

    :param name: of the model, as tables show it.
    :param keys: (N,) keys of the examples.
    :param labels: (N,) int64 true indices into EMOTIONS.
    :param logits: (N, 7) float32; calibrated if the model is.
    :param embeddings: (N, d) float32 fused vectors for the map of Fig. 8, or None.
    """

    name: str
    keys: Sequence[str]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        n = len(self.keys)
        if self.labels.shape != (n,) or self.logits.shape != (n, len(EMOTIONS)):
            raise InvalidInput(
                f'predictions {self.name}: labels {self.labels.shape} and logits '
                f'{self.logits.shape} for {n} keys; expected ({n},) and ({n}, {len(EMOTIONS)})')

    @classmethod
    def none(cls, name: str) -> Predictions:
        """Return predictions for no example, of a model that cannot be asked."""
        return cls(name, [], np.zeros(0, np.int64), np.zeros((0, len(EMOTIONS)), np.float32))

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(N, 7) softmax of the logits."""
        result: NDArray[np.float32] = softmax(self.logits, axis=1)
        return result

    def save(self, path: Path) -> None:
        """Write a .safetensors file atomically."""
        arrays = {'labels': self.labels, 'logits': self.logits}
        if self.embeddings is not None:
            arrays['embeddings'] = self.embeddings
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = partial_of(path)
        safetensors.numpy.save_file(
            {name: np.ascontiguousarray(a) for name, a in arrays.items()}, partial,
            {'name': self.name, 'keys': json.dumps(list(self.keys))})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """
        Read a file written by `save`.

        :raises InvalidInput: if it is missing or damaged.
        """
        try:
            with safetensors.safe_open(path, 'numpy') as file:
                facts = file.metadata()
                arrays = {name: file.get_tensor(name) for name in file.keys()}
            return cls(facts['name'], json.loads(facts['keys']), arrays['labels'],
                       arrays['logits'], arrays.get('embeddings'))
        except (OSError, safetensors.SafetensorError, KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f'predictions {path}: they cannot be read ({error}); '
                               'write them again with `python -m training evaluate`') from error


class Predictor(Protocol):
    """A trained model on one split, which can be evaluated under several conditions."""

    @property
    def name(self) -> str:
        """Name of the model."""

    def predict(self, modalities: Modality, *, causal: bool = True,
                noise: Mapping[Modality, float] | None = None, seed: int = 0) -> Predictions:
        """
        Return the predictions from these modalities alone.

        Examples without any of them are left out; all are where the model cannot be asked
        under the condition.

        :param causal: without the reply that follows in the dialogue.
        :param noise: Gaussian noise on the features of a modality, in units of their standard
            deviation.
        """


@dataclass(frozen=True)
class FixedPredictor:
    """
    A Predictor of known predictions from text, without any other condition.

    :param predictions: causal, without noise.
    """

    predictions: Predictions

    @property
    def name(self) -> str:
        return self.predictions.name

    def predict(self, modalities: Modality, *, causal: bool = True,
                noise: Mapping[Modality, float] | None = None, seed: int = 0) -> Predictions:
        known = Modality.TEXT in modalities and causal and not noise
        return self.predictions if known else Predictions.none(self.name)
