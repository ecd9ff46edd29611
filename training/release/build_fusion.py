# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""From encoders and training sets to a calibrated fusion and its figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import score
from mmer_ros.networks.fusion_families import CrossmodalEmbraceNet
from mmer_ros.networks.late_fusion import LateFusion
from mmer_ros.types import MODALITIES, Modality, SUBSETS
import numpy as np
from training.corpora.clips import Clips
from training.corpora.examples import DEV, split_view_key, TRAIN
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.progress import Reporter
from training.fusion.calibrated_posteriors import (
    CalibratedPosterior,
    fit_posterior,
    FLAT,
    Floats,
)
from training.fusion.distillation_stage import (
    distil_pseudo_pairs,
    DistilledFusionConfig,
    LateFusionStart,
)
from training.fusion.pseudo_pairs import ModalityWeights, PooledTarget
from training.fusion.reliability_gates import fit_gates
from training.fusion.unimodal_examples import (
    encode_examples,
    labelled_logits,
    OUT_OF_DOMAIN,
    Posteriors,
    UnimodalExample,
    UnimodalLibrary,
)
from training.release.scores import (
    cross_calibrated,
    figures_of,
    fit_pair_temperatures,
    subset_figures,
)


@dataclass(frozen=True)
class TrainingSets:
    """
    Clips of one modality.

    :param train: sets of clips whose train split makes pseudo pairs. Each set is a condition,
        numbered from 1, with a calibration of its own, fitted on its dev split, so that the
        fusion learns how unsure to be about unseen speakers in noise. Without a dev split it has
        the calibration of the unchanged clips (condition 0).
    :param held_out: clips whose dev split the figures are of.
    :param calibration: more views of these, for calibration and temperatures; None: `held_out`.
    """

    train: Sequence[Clips]
    held_out: Clips
    calibration: Clips | None = None


@dataclass(frozen=True)
class DistilledFusion:
    """
    A trained fusion.

    :param posteriors: calibrations of the encoders' classifiers by the number of the condition.
    :param temperatures: by the name of a subset.
    :param priors: class shares under which each subset is calibrated.
    """

    network: CrossmodalEmbraceNet
    posteriors: Posteriors
    temperatures: Mapping[str, float]
    priors: Mapping[str, Floats]
    train: UnimodalLibrary
    held_out: UnimodalLibrary


def build_fusion(recipe: DistilledFusionConfig, weights: ModalityWeights,
                 encoders: Mapping[Modality, TrainedEncoder],
                 sets: Mapping[Modality, TrainingSets], folder: Path, reporter: Reporter, *,
                 measured: DistilledFusion | None = None) -> DistilledFusion:
    """
    Compute features, distil the fusion, calibrate it.

    The encoders may have been trained on the train sets: there they look surer than on unseen
    speakers. So the targets are posteriors that were calibrated on unseen speakers, not labels.

    :param folder: with features/ and fusion/; the same call resumes.
    :param measured: a fusion of encoders of the same recipes, whose calibration is used where
        nothing is held out.
    """
    def encode(modality: Modality, clips: Clips, split: str, condition: int = 0
               ) -> list[UnimodalExample]:
        return encode_examples(encoders[modality], clips, split, folder / 'features', reporter,
                               condition)

    train = UnimodalLibrary({m: [
        example for number, clips in enumerate(sets[m].train, start=1)
        for example in encode(m, clips, TRAIN, number)] for m in MODALITIES})
    held_out = UnimodalLibrary({m: encode(m, sets[m].held_out, DEV) for m in MODALITIES})
    calibration = held_out if measured else UnimodalLibrary({
        m: encode(m, sets[m].calibration or sets[m].held_out, DEV) for m in MODALITIES})
    posteriors = measured.posteriors if measured else {
        m: _posteriors(calibration.examples[m], [encode(m, clips, DEV) for clips in sets[m].train])
        for m in MODALITIES}
    priors = {s.title: FLAT for s in SUBSETS} | {
        m.title: np.array(each[0].shares) for m, each in posteriors.items()}
    target = PooledTarget(weights, priors, train.log_likelihoods(posteriors))

    def initialise(late_fusion: LateFusion) -> None:
        fit_gates(late_fusion, train, posteriors)
        target.initialise(late_fusion, posteriors)

    start = LateFusionStart({m: encoders[m].encoder.classifier for m in MODALITIES}, initialise)
    network = distil_pseudo_pairs(recipe, train, held_out, target, start, folder / 'fusion',
                                  reporter)
    temperatures = measured.temperatures if measured else fit_pair_temperatures(
        network, recipe.modality_weights, calibration, recipe.pseudo_pairs, recipe.scored)
    return DistilledFusion(network, posteriors, temperatures, priors, train, held_out)


def _posteriors(unchanged: Sequence[UnimodalExample], conditions: Sequence[Sequence[
        UnimodalExample]]) -> list[CalibratedPosterior]:
    """Return the calibration of condition 0, and of each further one that has examples."""
    plain = fit_posterior(labelled_logits(unchanged))
    return [plain, *(fit_posterior(labelled_logits(each)) if each else plain
                     for each in conditions)]


def fusion_figures(fused: DistilledFusion, recipe: DistilledFusionConfig,
                   groups: Mapping[Modality, Mapping[str, Any]]) -> dict[str, Any]:
    """
    Return the figures on held-out examples.

    :param groups: actor, dialogue or image of each example, by the key of its clip.
    """
    config, held_out = recipe.pseudo_pairs, fused.held_out

    def scores(disagreement: Sequence[float], subsets: Sequence[Modality]) -> dict[str, Any]:
        return subset_figures(
            fused.network, recipe.modality_weights, held_out,
            config.model_copy(update={'disagreement': tuple(disagreement)}),
            fused.temperatures, recipe.scored, subsets)

    several = [s for s in SUBSETS if s not in MODALITIES]
    return {
        'subsets': scores(config.disagreement, SUBSETS),
        'agreeing': scores((0.0, 0.0, 0.0), several),
        'one_neutral': {m.key: scores([float(m is other) for other in MODALITIES],
                                      [s for s in several if m in s]) for m in MODALITIES},
        'priors': {name: list(map(float, shares)) for name, shares in fused.priors.items()},
        'recipe': recipe.model_dump(mode='json'),
        'calibration': {m.key: _calibration_figures(fused, m, groups[m]) for m in MODALITIES}}


def _calibration_figures(fused: DistilledFusion, modality: Modality, groups: Mapping[str, Any]
                         ) -> dict[str, Any]:
    examples = [e for e in fused.held_out.examples[modality] if e.label != OUT_OF_DOMAIN]
    known, posteriors = labelled_logits(examples), fused.posteriors[modality]
    crossed, _ = cross_calibrated(known, np.array(
        [str(groups[split_view_key(e.key)[0]]) for e in examples]))
    return {**figures_of(known.labels, posteriors[0].posterior(known.logits)),
            'temperatures': [each.temperature for each in posteriors],
            'ece_crossed': score(known.labels, crossed).ece}
