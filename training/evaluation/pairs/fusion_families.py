# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Ways to fuse a voice and the face of the same moment, compared on people they have not learnt from.

RAVDESS has the voice and the action units of the face of each clip. Every way sees the same
outputs of encoders that have not learnt from the clip, so none is trained on outputs that look
surer than those it gets later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mmer_ros.evaluation.metrics import balanced_accuracy, score
from mmer_ros.networks.batching import pad_features
from mmer_ros.networks.crossmodal import masked_mean
from mmer_ros.networks.fusion import Features, FusionConfig, make_fusion
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax
import torch
from torch import nn, Tensor
from training.corpora.examples import grouped_folds
from training.corpora.ravdess_action_units import known_logits, linear_logits, Units
from training.encoders.audio.linear_voice import fit_linear, VoiceVectors
from training.evaluation.grouped_bootstrap import grouped_difference, mean_interval
from training.fusion.calibrated_posteriors import fit_posterior, LabelledLogits
from training.fusion.opinion_pools import LogLinearPool

AUDIO, FACE = Modality.AUDIO, Modality.FACE
CLASSES = len(EMOTIONS)
FOLDS = 5
SEEDS = 2  # networks are the mean of this many
EPOCHS, BATCH, RATE, DECAY = 30, 64, 1e-3, 0.05
NETWORK = FusionConfig(width=64, heads=4, embracement_size=64, dropout=0.3)
POOL = 'log-linear pool'
LEAST = 1e-12  # probability of what a head has never seen
Logits = NDArray[np.float64]


@dataclass(frozen=True)
class Outputs:
    """
    What encoders say of some clips that they have not learnt from.

    :param voice: (T, width) of each clip, without labels learnt.
    :param face: (N, units), standardised.
    :param voice_logits, face_logits: log-likelihoods (N, 7), calibrated.
    :param people: (N,).
    """

    voice: Sequence[Tensor]
    face: Tensor
    voice_logits: Logits
    face_logits: Logits
    labels: NDArray[np.int64]
    people: NDArray[Any]

    def where(self, rows: NDArray[Any]) -> Outputs:
        """Return some of the clips, by index."""
        return Outputs([self.voice[i] for i in rows], self.face[torch.from_numpy(rows)],
                       self.voice_logits[rows], self.face_logits[rows], self.labels[rows],
                       self.people[rows])


Way = Callable[[Outputs, Outputs], Logits]  # learns from the first, returns those of the second


def compare_families(units: Units, own: VoiceVectors, others: Sequence[VoiceVectors],
                     sequences: Mapping[str, Tensor], decay: float,
                     progress: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """
    Compare all ways of fusion, by folds of actors.

    :param own: voices of the clips of `units`, in their order.
    :param others: of other corpora, which the voice learns from as well.
    :param sequences: features (T, width) of the voice by key of `units`, which have learnt from
        no label.
    :param decay: of the linear voice.
    :return: for each way accuracy, unweighted recall and calibration error, and the difference
        of accuracy and recall to the pool and to the better single modality.
    """
    found: dict[str, Logits] = {}
    fold = grouped_folds(units.actors, FOLDS)
    for number in range(FOLDS):
        known, asked = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        train, test = _outputs(units, own, others, sequences, decay, known, asked)
        for name, way in WAYS.items():
            progress(f'fold {number}: {name}')
            found.setdefault(name, np.zeros((len(fold), CLASSES)))[asked] = way(train, test)
    return _figures(found, units)


def _figures(found: Mapping[str, Logits], units: Units) -> dict[str, Any]:
    probabilities = {name: np.exp(log_softmax(each, axis=1)) for name, each in found.items()}
    right = {name: (each.argmax(axis=1) == units.labels).astype(float)
             for name, each in found.items()}
    single = max(('voice', 'face'), key=lambda name: right[name].mean())
    ways = {}
    for name, each in probabilities.items():
        whole = score(units.labels, each)
        ways[name] = {
            'accuracy': asdict(mean_interval(right[name], units.actors)),
            'unweighted_recall': whole.balanced_accuracy, 'ece': whole.ece, 'nats': whole.nll}
        for title, base in (('over_pool', POOL), ('over_single', single)):
            ways[name][title] = asdict(mean_interval(right[name] - right[base], units.actors))
            ways[name][f'{title}_recall'] = asdict(grouped_difference(
                balanced_accuracy, units.labels, each, probabilities[base], units.actors))
    return {'clips': len(units.labels), 'actors': len(np.unique(units.actors)),
            'better_single': single, 'ways': ways}


def _outputs(units: Units, own: VoiceVectors, others: Sequence[VoiceVectors],
             sequences: Mapping[str, Tensor], decay: float, known: NDArray[np.int64],
             asked: NDArray[np.int64]) -> tuple[Outputs, Outputs]:
    """Return the outputs for clips to learn from, out of fold, and for the asked ones."""
    labels, actors = units.labels, units.actors
    voices = np.zeros((len(labels), CLASSES), np.float32)
    inner = grouped_folds(actors[known], FOLDS)
    for number in range(FOLDS):
        fit, rest = known[inner != number], known[inner == number]
        voices[rest] = fit_linear([*others, own.where(fit)], decay).logits(own.vectors[rest])
    voices[asked] = fit_linear([*others, own.where(known)], decay).logits(own.vectors[asked])
    mean, spread = units.values[known].mean(axis=0), units.values[known].std(axis=0) + 1e-3
    values = ((units.values - mean) / spread).astype(np.float32)
    faces = np.zeros_like(voices)
    faces[known] = known_logits(values[known], labels[known], actors[known])
    faces[asked] = linear_logits(values[known], labels[known], values[asked])
    voice, face = (fit_posterior(LabelledLogits(each[known], labels[known])).log_posterior(each)
                   for each in (voices, faces))
    whole = Outputs([sequences[key] for key in units.keys], torch.from_numpy(values),
                    voice, face, labels, actors)
    return whole.where(known), whole.where(asked)


def centred(outputs: Outputs) -> Outputs:
    """Return the outputs less the mean of each person; no label is needed, but all clips are."""
    _, who = np.unique(outputs.people, return_inverse=True)
    found = []
    for logits in (outputs.voice_logits, outputs.face_logits):
        means = np.stack([logits[who == i].mean(axis=0) for i in range(who.max() + 1)])
        found.append(logits - means[who] + logits.mean(axis=0))
    return replace(outputs, voice_logits=found[0], face_logits=found[1])


def _pooled(train: Outputs, test: Outputs, *, by_class: bool = False) -> Logits:
    pool = LogLinearPool(2, CLASSES, by_class=by_class).fit(
        _distributions(train), np.eye(CLASSES)[train.labels], decay=0.01)
    pooled: Logits = np.log(pool.predict(_distributions(test)).clip(min=LEAST))
    return pooled


def _distributions(outputs: Outputs) -> list[Logits]:
    return [np.exp(each).clip(min=LEAST) for each in (outputs.voice_logits, outputs.face_logits)]


class Residual(nn.Module):
    """A gated correction of the pool by the features of both; it starts from the pool alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Sequential(nn.Linear(width, NETWORK.width), nn.ReLU(), nn.Dropout(0.3))
        self.correct, self.gate = nn.Linear(NETWORK.width, CLASSES), nn.Linear(NETWORK.width, 1)
        nn.init.zeros_(self.correct.weight)
        nn.init.zeros_(self.correct.bias)

    def forward(self, features: Features, pooled: Tensor) -> Tensor:
        """Return logits: (B, 7)."""
        hidden = self.hidden(torch.cat(
            [masked_mean(*features[AUDIO]), features[FACE][0][:, 0]], dim=1))  # (B, width)
        correction: Tensor = torch.sigmoid(self.gate(hidden)) * self.correct(hidden)
        return pooled + correction


class Family(nn.Module):
    """A registered family of fusion; `pooled` is added where the pool is its skip connection."""

    def __init__(self, sizes: Mapping[Modality, int], family: str, skip: bool) -> None:
        super().__init__()
        self.fusion = make_fusion(dict.fromkeys((Modality.TEXT,), 1) | dict(sizes),
                                  NETWORK.model_copy(update={'family': family}))
        self.skip = skip

    def forward(self, features: Features, pooled: Tensor) -> Tensor:
        """Return logits: (B, 7)."""
        logits: Tensor = self.fusion(features, torch.ones(3), sample=False).logits
        return logits + pooled if self.skip else logits


def _network(make: Callable[[Mapping[Modality, int]], nn.Module]) -> Way:
    """Return the way of a network, the mean of SEEDS."""
    def way(train: Outputs, test: Outputs) -> Logits:
        pooled = [torch.from_numpy(_pooled(train, each)).float() for each in (train, test)]
        sizes = {AUDIO: train.voice[0].shape[1], FACE: train.face.shape[1]}
        found = [_trained(make, sizes, seed, train, test, pooled) for seed in range(SEEDS)]
        mean: Logits = np.mean([np.exp(log_softmax(each, axis=1)) for each in found], axis=0)
        return np.log(mean)

    return way


def _trained(make: Callable[[Mapping[Modality, int]], nn.Module], sizes: Mapping[Modality, int],
             seed: int, train: Outputs, test: Outputs, pooled: Sequence[Tensor]) -> Logits:
    torch.manual_seed(seed)
    network = make(sizes)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=DECAY)
    labels = torch.from_numpy(train.labels)
    steps = EPOCHS * -(-len(labels) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(labels)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(
                network(_features(train, rows), pooled[0][rows]), labels[rows],
                label_smoothing=0.05).backward()
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        found = [network(_features(test, rows), pooled[1][rows])
                 for rows in torch.arange(len(test.labels)).split(BATCH)]
    result: Logits = torch.cat(found).double().numpy()
    return result


def _features(outputs: Outputs, rows: Tensor) -> Features:
    voices = pad_features([outputs.voice[int(i)] for i in rows])
    assert voices is not None
    return {AUDIO: voices,
            FACE: (outputs.face[rows][:, None], torch.ones(len(rows), 1, dtype=torch.bool))}


def _family(name: str, *, skip: bool = False) -> Way:
    return _network(lambda sizes: Family(sizes, name, skip))


WAYS: dict[str, Way] = {
    'voice': lambda train, test: test.voice_logits,
    'face': lambda train, test: test.face_logits,
    'product of both': lambda train, test: test.voice_logits + test.face_logits,
    POOL: _pooled,
    'pool with an exponent for each emotion': lambda train, test: _pooled(
        train, test, by_class=True),
    'pool, each person centred': lambda train, test: _pooled(centred(train), centred(test)),
    'pool and a gated correction': _network(
        lambda sizes: Residual(sizes[AUDIO] + sizes[FACE])),
    'feature concatenation': _family('concatenation'),
    'crossmodal and EmbraceNet': _family('full'),
    'crossmodal and EmbraceNet on the pool': _family('full', skip=True)}
