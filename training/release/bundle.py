"""The starter bundle and its card, from a taught fusion and all that was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmer_ros.recognition.bundle import Bundle
from mmer_ros.sensing.face_detector import FaceConfig
from mmer_ros.types import MODALITIES, Modality
import numpy as np
from training.corpora.examples import Example, split_view_key
from training.corpora.ravdess import is_woman
from training.encoders.trained_encoder import TrainedEncoder
from training.fusion.assemble import assemble
from training.fusion.distillation_stage import StarterFusion
from training.release.build import Fused
from training.release.model_card import model_card, NOTICE
from training.release.scores import figures_of, logits_of, softmax


def by_sex(fused: Fused, recipe: StarterFusion, actors: Mapping[str, int]) -> dict[str, Any]:
    """
    Return the scores of the voice alone for men and for women.

    :param actors: of the held-out clips, by key.
    """
    parts = fused.held_out.parts[Modality.AUDIO]
    logits = logits_of(fused.network, recipe.trust, [{Modality.AUDIO: p} for p in parts])
    answers = softmax(logits.astype(np.float64) / fused.temperatures['audio'])
    labels = np.array([p.label for p in parts], np.int64)
    women = np.array([is_woman(actors[split_view_key(p.key)[0]]) for p in parts])
    return {name: figures_of(labels[rows], answers[rows])
            for name, rows in (('women', women), ('men', ~women)) if rows.any()}


def parameters(encoders: Mapping[Modality, TrainedEncoder], fused: Fused) -> dict[str, int]:
    """Return how many weights each part has."""
    parts = {str(m.name).lower(): encoders[m].encoder for m in MODALITIES}
    return {name: sum(p.numel() for p in part.parameters())
            for name, part in [*parts.items(), ('fusion', fused.network)]}


def data_of(counts: Mapping[str, tuple[str, str]]) -> dict[str, dict[str, str]]:
    """Return what each part has learnt from, and what was held out, as the card tells it."""
    return {part: {'learned': learned, 'held_out': held_out}
            for part, (learned, held_out) in counts.items()}


def counted(examples: list[Example], split: str) -> int:
    """Return how many labelled examples a split has."""
    return sum(e.split == split and bool(e.labels) for e in examples)


def release(name: str, encoders: Mapping[Modality, TrainedEncoder], fused: Fused,
            recipe: StarterFusion, figures: Mapping[str, Any]) -> Bundle:
    """Return the bundle: float16 matrices, temperatures and priors of each subset, card."""
    brief = {name: {measure: each[measure] for measure in (
        'examples', 'accuracy', 'unweighted_recall', 'weighted_f1', 'ece')}
        for name, each in figures['subsets'].items()}
    return assemble(
        name, encoders, recipe.fusion, fused.network, faces=FaceConfig(),
        temperatures=fused.temperatures,
        priors={subset: list(map(float, shares)) for subset, shares in fused.priors.items()},
        trust=recipe.trust, notice=NOTICE, weights='float16', card=model_card(name, figures),
        training={'held_out': brief, 'data': figures['data'],
                  'recipe': recipe.model_dump(mode='json'),
                  'encoders': {str(m.name).lower(): {'run': dict(e.recipe)}
                               for m, e in encoders.items()}})
