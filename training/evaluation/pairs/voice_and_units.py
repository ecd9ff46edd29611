# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Real pairs: voice and action units of the same clip of RAVDESS through the fusion network.

The action units represent the face, as a sequence of one step. Neither the audio encoder nor the
fusion has seen the actors of the test clips.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
import torch
from torch import Tensor
from training.corpora.ravdess_action_units import known_logits, linear_logits, Units
from training.engine.fit import DrawnDataset
from training.engine.progress import Reporter
from training.engine.sampling import Draw
from training.fusion.calibrated_posteriors import fit_posterior, Floats, LabelledLogits
from training.fusion.distillation_stage import distil, DistilledFusionConfig
from training.fusion.opinion_pools import LogLinearPool
from training.fusion.pseudo_pairs import fusion_item, ModalityWeights, NEUTRAL, PooledTarget
from training.fusion.stage import collate_features, FusionItem
from training.fusion.unimodal_examples import UnimodalExample

AUDIO, FACE = Modality.AUDIO, Modality.FACE
BOTH = AUDIO | FACE
BATCH = 32
Pair = Mapping[Modality, UnimodalExample]


@dataclass(frozen=True)
class EncodedFold:
    """
    All clips, encoded by the audio encoder of a fold.

    :param features: (T, width) by key.
    :param logits: (7,) of the encoder's own classifier, by key.
    :param held_out: actors that chose the weights of the encoder, but did not train it.
    :param test: actors that it has not seen.
    """

    features: Mapping[str, Tensor]
    logits: Mapping[str, NDArray[np.float32]]
    held_out: frozenset[int]
    test: frozenset[int]


@dataclass(frozen=True)
class FoldPairs:
    """Pairs of all clips, and the rows of each split."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]
    test: NDArray[np.int64]
    pairs: Sequence[Pair]

    def of(self, rows: NDArray[np.int64]) -> list[Pair]:
        """Return the pairs of some rows."""
        return [self.pairs[i] for i in rows]


class PairData(DrawnDataset[FusionItem]):
    """
    Pairs with random subsets of the modalities.

    :param target: None: the labels are the targets.
    """

    def __init__(self, pairs: Sequence[Pair], subsets: Sequence[Modality],
                 target: PooledTarget | None) -> None:
        self.pairs, self.subsets, self.target = pairs, subsets, target
        self.sizes = [len(pair[AUDIO].features) for pair in pairs]

    def __getitem__(self, draw: Draw) -> FusionItem:
        subset = self.subsets[int(draw.generator().integers(len(self.subsets)))]
        examples = {m: e for m, e in self.pairs[draw.row].items() if m in subset}
        return fusion_item(next(iter(examples.values())).label, examples, self.target)


def predict_fold(units: Units, encoded: EncodedFold, recipe: DistilledFusionConfig, folder: Path,
                 reporter: Reporter) -> dict[str, Floats]:
    """
    Return probabilities (n, 7) for the clips of the test actors, in the order of the table.

    'both', 'voice given' and 'face given' are of one fusion, 'voice alone' and 'face alone' of
    fusions that were trained on one modality.
    """
    fold, likelihoods = _fold_pairs(units, encoded)
    target = PooledTarget(_fit_weights(fold, likelihoods), {}, likelihoods)
    networks: dict[str, CrossmodalEmbraceNet] = {}
    for name, subsets in (('both', [AUDIO, FACE, BOTH]), ('voice', [AUDIO]), ('face', [FACE])):
        networks[name] = distil(
            recipe, PairData(fold.of(fold.train), subsets, target),
            PairData(fold.of(fold.held_out), subsets[-1:], None),
            {m: fold.pairs[0][m].features.shape[1] for m in (AUDIO, FACE)},
            folder / name, reporter.named(f'{reporter.title}, {name}'))
    test = fold.of(fold.test)
    return {name: _predict(networks[network], test, subset, recipe)
            for name, network, subset in (
                ('both', 'both', BOTH), ('voice given', 'both', AUDIO),
                ('face given', 'both', FACE), ('voice alone', 'voice', AUDIO),
                ('face alone', 'face', FACE))}


def rows_of(units: Units, actors: frozenset[int]) -> NDArray[np.int64]:
    """Return the rows of the clips of some actors."""
    return np.flatnonzero(np.isin(units.actors, sorted(actors)))


def _fold_pairs(units: Units, encoded: EncodedFold) -> tuple[FoldPairs, dict[str, Floats]]:
    """Return the pairs of a fold, and the calibrated log-likelihoods of their examples."""
    test, held_out = rows_of(units, encoded.test), rows_of(units, encoded.held_out)
    known = np.setdiff1d(np.arange(len(units.keys)), test)
    train = np.setdiff1d(known, held_out)
    mean, spread = units.values[known].mean(axis=0), units.values[known].std(axis=0) + 1e-3
    values = ((units.values - mean) / spread).astype(np.float32)
    faces = np.zeros((len(values), len(EMOTIONS)), np.float32)  # logits
    faces[known] = known_logits(values[known], units.labels[known], units.actors[known])
    faces[test] = linear_logits(values[known], units.labels[known], values[test])
    voices = np.stack([encoded.logits[key] for key in units.keys])
    voice = fit_posterior(LabelledLogits(voices[held_out], units.labels[held_out]))
    face = fit_posterior(LabelledLogits(faces[known], units.labels[known]))
    likelihoods: dict[str, Floats] = {}
    pairs: list[Pair] = []
    for i, (key, v, f) in enumerate(zip(
            units.keys, voice.log_posterior(voices), face.log_posterior(faces))):
        label, face_features = int(units.labels[i]), torch.from_numpy(values[i:i + 1])
        pair = {AUDIO: UnimodalExample(f'voice/{key}', label, encoded.features[key], voices[i]),
                FACE: UnimodalExample(f'face/{key}', label, face_features, faces[i])}
        likelihoods |= {pair[AUDIO].key: v, pair[FACE].key: f}
        pairs.append(pair)
    return FoldPairs(train, held_out, test, pairs), likelihoods


def _fit_weights(fold: FoldPairs, likelihoods: Mapping[str, Floats]) -> ModalityWeights:
    """Fit the weights of voice and face on actors that did not train the encoder."""
    pairs = fold.of(fold.held_out)
    voice, face = (np.exp(np.stack([likelihoods[pair[m].key] for pair in pairs]))
                   for m in (AUDIO, FACE))
    truth = np.eye(len(EMOTIONS))[[pair[AUDIO].label for pair in pairs]]
    pool = LogLinearPool(2, len(EMOTIONS)).fit([voice, face], truth, decay=0.01)
    weights = pool.weights.detach().numpy()[:, 0].clip(min=0.05)
    offset = pool.offset.detach().numpy()
    return ModalityWeights(weights=(1.0, float(weights[0]), float(weights[1])),
                           neutral=float(offset[NEUTRAL] - np.delete(offset, NEUTRAL).mean()))


@torch.inference_mode()
def _predict(network: CrossmodalEmbraceNet, pairs: Sequence[Pair], subset: Modality,
             recipe: DistilledFusionConfig) -> Floats:
    data = PairData(pairs, [subset], None)
    widths = {m: pairs[0][m].features.shape[1] for m in (AUDIO, FACE)}
    rows = []
    for start in range(0, len(pairs), BATCH):
        items = [data[Draw(i, 0, 0)] for i in range(start, min(start + BATCH, len(pairs)))]
        features = collate_features(items, widths)['features']
        output = network(features, torch.tensor(recipe.modality_weights), sample=False)
        rows.append(output.logits.double().numpy())
    result: Floats = softmax(np.concatenate(rows), axis=1)
    return result
