"""What a model says of a split: the one thing that evaluation, tables and reports read."""

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


@dataclass(frozen=True)
class Predictions:
    """
    Answers of one model on one split.

    :param name: of the model, as tables show it.
    :param keys: (N,) examples, `Example.key`.
    :param labels: (N,) int64 true indices into EMOTIONS.
    :param logits: (N, 7) float32; calibrated if the model is.
    :param embeddings: (N, d) float32 fused vectors, for the map of Fig. 8; None if not kept.
    """

    name: str
    keys: Sequence[str]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]
    embeddings: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Check the shapes."""
        n = len(self.keys)
        if self.labels.shape != (n,) or self.logits.shape != (n, len(EMOTIONS)):
            raise InvalidInput(
                f'predictions {self.name}: labels {self.labels.shape} and logits '
                f'{self.logits.shape} for {n} keys; expected ({n},) and ({n}, {len(EMOTIONS)})')

    @classmethod
    def none(cls, name: str) -> Predictions:
        """Return the answers of a model that cannot answer for any example."""
        return cls(name, [], np.zeros(0, np.int64), np.zeros((0, len(EMOTIONS)), np.float32))

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """(N, 7) softmax of the logits."""
        shifted = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        result: NDArray[np.float32] = shifted / shifted.sum(axis=1, keepdims=True)
        return result

    def save(self, path: Path) -> None:
        """Write a .safetensors file; it appears complete or not at all."""
        arrays = {'labels': self.labels, 'logits': self.logits}
        if self.embeddings is not None:
            arrays['embeddings'] = self.embeddings
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(path.name + '.partial')
        safetensors.numpy.save_file(
            {name: np.ascontiguousarray(a) for name, a in arrays.items()}, partial,
            {'name': self.name, 'keys': json.dumps(list(self.keys))})
        partial.replace(path)

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """
        Read a file that `save` wrote.

        :raises InvalidInput: if it is not there or is no such file.
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
    """A trained model on one split, asked under several conditions."""

    @property
    def name(self) -> str:
        """Name of the model."""

    def predict(self, modalities: Modality, *, causal: bool = True,
                noise: Mapping[Modality, float] | None = None, seed: int = 0) -> Predictions:
        """
        Return the answers when only these modalities are given.

        Examples that have none of them are left out; so are all of them where the model cannot
        be asked under the condition.

        :param causal: without the reply that follows in the dialogue.
        :param noise: Gaussian noise on the features of a modality, in units of their standard
            deviation.
        """


@dataclass(frozen=True)
class Answered:
    """
    A model whose answers to the texts are known and that cannot be asked otherwise; a Predictor.

    :param answers: causal, without noise.
    """

    answers: Predictions

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.answers.name

    def predict(self, modalities: Modality, *, causal: bool = True,
                noise: Mapping[Modality, float] | None = None, seed: int = 0) -> Predictions:
        """Return the answers, or none."""
        asked = Modality.TEXT in modalities and causal and not noise
        return self.answers if asked else Predictions.none(self.name)
