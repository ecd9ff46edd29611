# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Unimodal examples, of which pseudo-multimodal pairs are made: features, logits and a label."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer_ros.networks.crossmodal import summary
from mmer_ros.types import EMOTIONS, InvalidInput, Modality
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from training.corpora.clips import Clips
from training.corpora.examples import reference_key
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.calibrated_posteriors import CalibratedPosterior, Floats, LabelledLogits
from training.fusion.features import make_features

OUT_OF_DOMAIN = -1  # label of noise, walls and other inputs without a person

# Calibrations of each modality by the number of the condition, e.g. a kind of noise.
Posteriors = Mapping[Modality, Sequence[CalibratedPosterior]]


@dataclass(frozen=True)
class UnimodalExample:
    """
    One example of one modality.

    :param label: index into EMOTIONS, or OUT_OF_DOMAIN.
    :param features: (T, width) of the encoder.
    :param logits: (7,) of the encoder's own classifier.
    :param condition: number of its calibration; 0: unchanged clips.
    """

    key: str
    label: int
    features: Tensor
    logits: NDArray[np.float32]
    condition: int = 0


class UnimodalLibrary:
    """
    Unimodal examples by modality and label.

    :raises InvalidInput: if a modality lacks an emotion.
    """

    def __init__(self, examples: Mapping[Modality, Sequence[UnimodalExample]]) -> None:
        self.examples = dict(examples)
        self._by_label: dict[Modality, dict[int, list[UnimodalExample]]] = {}
        for modality, members in examples.items():
            groups: dict[int, list[UnimodalExample]] = defaultdict(list)
            for example in members:
                groups[example.label].append(example)
            missing = [name for i, name in enumerate(EMOTIONS) if not groups[i]]
            if missing:
                raise InvalidInput(f'pseudo pairs: no {modality.key} of {", ".join(missing)}; '
                                   'give data with each emotion')
            self._by_label[modality] = dict(groups)

    @property
    def widths(self) -> dict[Modality, int]:
        """Width of the features by modality."""
        return {m: members[0].features.shape[1] for m, members in self.examples.items()}

    def draw(self, modality: Modality, label: int, random: np.random.Generator
             ) -> UnimodalExample | None:
        """Return a random example of a label; None if there is none."""
        found = self._by_label[modality].get(label)
        return found[int(random.integers(len(found)))] if found else None

    def log_likelihoods(self, posteriors: Posteriors) -> dict[str, Floats]:
        """
        Return calibrated log-likelihoods (7,) by key; zeros of out-of-domain examples.

        A view by a louder microphone has those of the unchanged clip.
        """
        found = {e.key: np.zeros(len(EMOTIONS)) if e.label == OUT_OF_DOMAIN else
                 posteriors[modality][e.condition].log_posterior(e.logits[None])[0]
                 for modality, members in self.examples.items() for e in members}
        return {key: found[reference_key(key)] for key in found}


def labelled_logits(examples: Iterable[UnimodalExample]) -> LabelledLogits:
    """Return logits and labels of the examples that are not out of domain."""
    known = [e for e in examples if e.label != OUT_OF_DOMAIN]
    return LabelledLogits(np.stack([e.logits for e in known]),
                          np.array([e.label for e in known], np.int64))


@torch.inference_mode()
def unimodal_examples(trained: TrainedEncoder, found: Iterable[tuple[str, int, Tensor]],
                      condition: int = 0) -> list[UnimodalExample]:
    """
    Return examples with the logits of the encoder's own classifier.

    :param found: key, label and features (T, width) of each.
    """
    examples = []
    for key, label, features in found:
        mask = torch.ones(1, len(features), dtype=torch.bool)
        vector = summary(trained.modality, features[None], mask)  # (1, width)
        logits = trained.encoder.classifier(vector)[0].numpy()
        examples.append(UnimodalExample(key, label, features, logits, condition))
    return examples


def encode_examples(trained: TrainedEncoder, clips: Clips, split: str, folder: Path,
                    reporter: Reporter, condition: int = 0) -> list[UnimodalExample]:
    """
    Encode the clips of a split; unlabelled ones are out of domain.

    :param folder: of the features, as in `make_features`.
    """
    chosen = [e for e in clips.examples if e.split == split]
    if not chosen:
        return []
    cache = make_features({trained.modality: trained}, clips, folder, reporter, splits=[split])
    return unimodal_examples(trained, [
        (e.key, e.labels[0] if e.labels else OUT_OF_DOMAIN, cache.get(e.key)[trained.modality])
        for e in chosen if e.key in cache], condition)
