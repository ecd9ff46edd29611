# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""From trained encoders to a bundle: features, fusion, temperatures, card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import score
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.types import Modality, SUBSETS
from training.corpora.examples import DEV, Example, TRAIN
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.losses import class_counts
from training.engine.progress import Reporter
from training.fusion.assemble import assemble
from training.fusion.calibration import fit_temperatures
from training.fusion.features import make_features
from training.fusion.predictor import FusionPredictor
from training.fusion.stage import FusionRecipe, train_fusion
from training.preparation.clip_cache import ClipCache


def train_bundle(recipe: FusionRecipe, encoders: Mapping[Modality, TrainedEncoder],
                 cache: ClipCache, folder: Path, features_folder: Path, reporter: Reporter,
                 name: str) -> Bundle:
    """
    Train the fusion on a corpus and return the calibrated bundle.

    :param encoders: of text, audio and face.
    :param folder: of the run.
    :param features_folder: where features are kept, as of `make_features`.
    """
    features = make_features(encoders, cache, features_folder, reporter, splits=(TRAIN, DEV),
                             with_reply=recipe.reply)
    network = train_fusion(recipe, features, cache.examples, folder, reporter)
    dev = [e for e in cache.examples if e.split == DEV]
    predictor = partial(FusionPredictor, name, network, features, dev,
                        modality_weights=recipe.modality_weights, allowed=recipe.allowed)
    temperatures = fit_temperatures(predictor())
    figures = dev_figures(predictor(temperatures=temperatures))
    return assemble(
        name, encoders, recipe.fusion, network, temperatures=temperatures,
        faces=cache.info.preprocessing.faces, modality_weights=recipe.modality_weights,
        card=card(name, figures, reply=recipe.reply),
        priors=dict.fromkeys(temperatures, calibrated_shares(dev)),
        training={'dev': figures, 'recipe': recipe.model_dump(mode='json'),
                  'encoders': {m.key: {**trained.facts, 'run': dict(trained.recipe)}
                               for m, trained in encoders.items()}})


def calibrated_shares(examples: Sequence[Example]) -> list[float]:
    """
    Return the class shares of the examples that the temperatures were fitted on, (7,).

    A missing class counts as half an example. A loss for unbalanced classes shifts the logits
    relative to these shares, which the correction for the prior does not know.
    """
    counts = [max(0.5, count) for count in class_counts([e.labels for e in examples])]
    return [count / sum(counts) for count in counts]


def dev_figures(predictor: FusionPredictor) -> dict[str, dict[str, float]]:
    """Return scores on the dev split by subset of modalities."""
    figures = {}
    for subset in SUBSETS:
        answers = predictor.predict(subset)
        if len(answers.keys):
            scores = score(answers.labels, answers.probabilities)
            figures[subset.title] = {
                'examples': scores.count, 'accuracy': scores.accuracy,
                'weighted_f1': scores.weighted_f1, 'ece': scores.ece}
    return figures


def card(name: str, figures: Mapping[str, Mapping[str, Any]], *, reply: bool = False) -> str:
    """Return the model card with the dev scores; `reply` says that the text had the reply."""
    rows = [f'| {subset} | {f["examples"]} | {100 * f["accuracy"]:.1f} | '
            f'{100 * f["weighted_f1"]:.1f} | {100 * f["ece"]:.1f} |'
            for subset, f in figures.items()]
    return '\n'.join([
        f'# {name}', '', 'Scores on the dev split in %. They are optimistic: the same split chose '
        'the weights and fitted the temperatures.' + reply * (
            ' The text had the reply, which a robot does not have yet: live scores are lower.'),
        '',
        '| given | examples | accuracy | weighted F1 | ECE |', '|---|---|---|---|---|', *rows, ''])
