"""
Real pairs: the voice of RAVDESS and the action units of the same clip, by the fusion's own code.

The action units stand for the face, as a sequence of one step. Actors whose clips are asked
have been seen by nothing: neither the audio encoder nor the fusion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.types import EMOTIONS, Modality
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor
from training.corpora.ravdess_action_units import known_logits, linear_logits, Units
from training.engine.progress import Reporter
from training.engine.sampling import Draw
from training.fusion.calibrated_posteriors import Answers, fit_expert, Floats
from training.fusion.distillation_stage import StarterFusion, teach
from training.fusion.opinion_pools import LogLinear
from training.fusion.pseudo_pairs import Drawn, NEUTRAL, Teacher, Trust
from training.fusion.stage import collate_features, FusionItem
from training.fusion.unimodal_examples import Part

AUDIO, FACE = Modality.AUDIO, Modality.FACE
BOTH = AUDIO | FACE
Pair = Mapping[Modality, Part]


@dataclass(frozen=True)
class HeardFold:
    """
    What an audio encoder of a fold makes of all clips.

    :param features: (T, width) by key; `logits`: (7,) of the encoder's own classifier.
    :param held_out: actors on which it was chosen, but from which it has not learnt.
    :param asked: actors that it has not seen at all.
    """

    features: Mapping[str, Tensor]
    logits: Mapping[str, NDArray[np.float32]]
    held_out: frozenset[int]
    asked: frozenset[int]


@dataclass(frozen=True)
class Given:
    """Places of the clips of a fold in the table of units, and the pairs of all clips."""

    fit: NDArray[np.int64]
    held_out: NDArray[np.int64]
    asked: NDArray[np.int64]
    pairs: Sequence[Pair]


class PairData(Drawn):
    """
    Pairs with random ones of the given subsets.

    :param teacher: gives the targets; None: the labels are.
    """

    def __init__(self, pairs: Sequence[Pair], subsets: Sequence[Modality],
                 teacher: Teacher | None) -> None:
        """Take the pairs."""
        self.pairs, self.subsets, self.teacher = pairs, subsets, teacher
        self.sizes = [len(pair[AUDIO].features) for pair in pairs]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __getitem__(self, draw: Draw) -> FusionItem:
        """Return a pair, or what is left of it in a subset."""
        subset = self.subsets[int(draw.generator().integers(len(self.subsets)))]
        parts = {m: p for m, p in self.pairs[draw.row].items() if m in subset}
        some = next(iter(parts.values()))
        target = torch.zeros(len(EMOTIONS))
        if self.teacher is None:
            target[some.label] = 1
        else:
            target = torch.from_numpy(np.exp(self.teacher(parts)).astype(np.float32))
        return FusionItem(some.key, {m: p.features for m, p in parts.items()}, target)


def answer_fold(units: Units, heard: HeardFold, recipe: StarterFusion, folder: Path,
                reporter: Reporter) -> dict[str, Floats]:
    """
    Return probabilities (n, 7) for the clips of the asked actors, in the order of the table.

    'both', 'voice given' and 'face given' are of one fusion, 'voice alone' and 'face alone' of
    fusions that were taught with nothing else.
    """
    given, say = _given(units, heard)
    trust = _fit_trust(given, say)
    teacher = Teacher(trust, {}, say)
    networks: dict[str, CrossmodalEmbraceNet] = {}
    for name, subsets in (('both', [AUDIO, FACE, BOTH]), ('voice', [AUDIO]), ('face', [FACE])):
        networks[name] = teach(
            recipe, PairData([given.pairs[i] for i in given.fit], subsets, teacher),
            PairData([given.pairs[i] for i in given.held_out], subsets[-1:], None),
            {m: given.pairs[0][m].features.shape[1] for m in (AUDIO, FACE)},
            folder / name, reporter.named(f'{reporter.title}, {name}'))
    asked = [given.pairs[i] for i in given.asked]
    return {'both': _answers(networks['both'], asked, BOTH, recipe),
            'voice given': _answers(networks['both'], asked, AUDIO, recipe),
            'face given': _answers(networks['both'], asked, FACE, recipe),
            'voice alone': _answers(networks['voice'], asked, AUDIO, recipe),
            'face alone': _answers(networks['face'], asked, FACE, recipe)}


def rows_of(units: Units, actors: frozenset[int]) -> NDArray[np.int64]:
    """Return the places of the clips of some actors."""
    return np.flatnonzero(np.isin(units.actors, sorted(actors)))


def _given(units: Units, heard: HeardFold) -> tuple[Given, dict[str, Floats]]:
    """Return the pairs of a fold, and what calibrated experts say of their parts."""
    asked, held_out = rows_of(units, heard.asked), rows_of(units, heard.held_out)
    known = np.setdiff1d(np.arange(len(units.keys)), asked)
    fit = np.setdiff1d(known, held_out)
    mean, spread = units.values[known].mean(axis=0), units.values[known].std(axis=0) + 1e-3
    values = ((units.values - mean) / spread).astype(np.float32)
    seen = np.zeros((len(values), len(EMOTIONS)), np.float32)
    seen[known] = known_logits(values[known], units.labels[known], units.actors[known])
    seen[asked] = linear_logits(values[known], units.labels[known], values[asked])
    spoken = np.stack([heard.logits[key] for key in units.keys])
    voice = fit_expert(Answers(spoken[held_out], units.labels[held_out]))
    face = fit_expert(Answers(seen[known], units.labels[known]))
    say: dict[str, Floats] = {}
    pairs: list[Pair] = []
    for i, (key, v, f) in enumerate(zip(units.keys, voice.answer(spoken), face.answer(seen))):
        label = int(units.labels[i])
        pair = {AUDIO: Part(f'voice/{key}', label, heard.features[key], spoken[i]),
                FACE: Part(f'face/{key}', label, torch.from_numpy(values[i:i + 1]), seen[i])}
        say |= {pair[AUDIO].key: v, pair[FACE].key: f}
        pairs.append(pair)
    return Given(fit, held_out, asked, pairs), say


def _fit_trust(given: Given, say: Mapping[str, Floats]) -> Trust:
    """Fit how far voice and face are believed, on actors that the encoder has not learnt from."""
    pairs = [given.pairs[i] for i in given.held_out]
    voice, face = (np.exp(np.stack([say[pair[m].key] for pair in pairs])) for m in (AUDIO, FACE))
    truth = np.eye(len(EMOTIONS))[[pair[AUDIO].label for pair in pairs]]
    pool = LogLinear(2, len(EMOTIONS)).fit([voice, face], truth, decay=0.01)
    weights = pool.weights.detach().numpy()[:, 0].clip(min=0.05)
    offset = pool.offset.detach().numpy()
    return Trust(weights=(1.0, float(weights[0]), float(weights[1])),
                 neutral=float(offset[NEUTRAL] - np.delete(offset, NEUTRAL).mean()))


@torch.inference_mode()
def _answers(network: CrossmodalEmbraceNet, pairs: Sequence[Pair], subset: Modality,
             recipe: StarterFusion) -> Floats:
    data = PairData(pairs, [subset], None)
    widths = {m: pairs[0][m].features.shape[1] for m in (AUDIO, FACE)}
    rows = []
    for start in range(0, len(pairs), 32):
        items = [data[Draw(i, 0, 0)] for i in range(start, min(start + 32, len(pairs)))]
        features = collate_features(items, widths)['features']
        output = network(features, torch.tensor(recipe.trust), sample=False)
        rows.append(torch.softmax(output.logits.double(), dim=1))
    result: Floats = torch.cat(rows).numpy()
    return result
