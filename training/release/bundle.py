# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""The starter bundle: assembly, and the figures of the card that need the whole bundle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmer_ros.recognition.bundle import Bundle
from mmer_ros.sensing.face_detector import FaceConfig
from mmer_ros.types import MODALITIES, Modality
import numpy as np
from training.corpora.examples import split_view_key
from training.corpora.ravdess import is_woman
from training.encoders.trained_encoder import TrainedEncoder
from training.fusion.assemble import assemble
from training.fusion.distillation_stage import DistilledFusionConfig
from training.release.build_fusion import DistilledFusion
from training.release.model_card import model_card, NOTICE
from training.release.scores import figures_of, probabilities


def figures_by_sex(fused: DistilledFusion, recipe: DistilledFusionConfig,
                   actors: Mapping[str, int]) -> dict[str, Any]:
    """
    Return the scores of the voice alone for women and for men.

    :param actors: of the held-out clips, by key.
    """
    examples = fused.held_out.examples[Modality.AUDIO]
    predicted = probabilities(fused.network, recipe.modality_weights,
                              [{Modality.AUDIO: e} for e in examples], fused.temperatures['audio'])
    labels = np.array([e.label for e in examples], np.int64)
    women = np.array([is_woman(actors[split_view_key(e.key)[0]]) for e in examples])
    return {name: figures_of(labels[rows], predicted[rows])
            for name, rows in (('women', women), ('men', ~women)) if rows.any()}


def parameter_counts(encoders: Mapping[Modality, TrainedEncoder], fused: DistilledFusion
                     ) -> dict[str, int]:
    """Return the number of weights of each network."""
    networks = {m.key: encoders[m].encoder for m in MODALITIES} | {'fusion': fused.network}
    return {name: sum(p.numel() for p in network.parameters())
            for name, network in networks.items()}


def starter_bundle(name: str, encoders: Mapping[Modality, TrainedEncoder], fused: DistilledFusion,
                   recipe: DistilledFusionConfig, figures: Mapping[str, Any]) -> Bundle:
    """Return the bundle: float16 matrices, temperatures and priors of each subset, card."""
    brief = {name: {measure: each[measure] for measure in (
        'examples', 'accuracy', 'unweighted_recall', 'weighted_f1', 'ece')}
        for name, each in figures['subsets'].items()}
    return assemble(
        name, encoders, recipe.fusion, fused.network, faces=FaceConfig(),
        temperatures=fused.temperatures,
        priors={subset: list(map(float, shares)) for subset, shares in fused.priors.items()},
        modality_weights=recipe.modality_weights, notice=NOTICE, weights='float16',
        card=model_card(name, figures),
        training={'held_out': brief, 'data': figures['data'],
                  'recipe': recipe.model_dump(mode='json'),
                  'encoders': {m.key: {'run': dict(e.recipe)} for m, e in encoders.items()}})
