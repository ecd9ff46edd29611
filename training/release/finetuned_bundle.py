# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""From recordings to a fine-tuned bundle with its card."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from mmer_ros.recognition.bundle import Bundle
from training.encoders.trained_encoder import encoders_of
from training.engine.progress import Reporter
from training.fusion.assemble import assemble
from training.fusion.calibration import fit_temperatures
from training.fusion.train_bundle import calibrated_shares
from training.release.finetuned_card import card, compare_by_person, verdict
from training.release.finetuning import (
    cross_validated,
    finetuned,
    FinetuneRecipe,
    predictor_of,
    Recordings,
    shares_of,
)


def finetuned_bundle(recipe: FinetuneRecipe, base: Bundle, recordings: Recordings, folder: Path,
                     reporter: Reporter, name: str) -> tuple[Bundle, str]:
    """
    Fine-tune a bundle on recordings.

    :param folder: of the runs, one for each fold and one for all.
    :return: the new bundle, and the sentence that says whether it beat the base.
    """
    examples, people = recordings.examples, dict(zip(
        (e.key for e in recordings.examples), recordings.people))
    unseen = cross_validated(recipe, base, recordings, folder, reporter, name)
    before = predictor_of(base, base.model.fusion, recordings.features, examples)
    rows = compare_by_person(before, unseen, people, recordings.subsets)
    network = finetuned(recipe, base, recordings.features, examples, examples, folder / 'all',
                        reporter.named('finetune/all'))
    # Where there are too few recordings of a subset, the base's temperature is the best guess.
    known = {subset.title for subset in recordings.subsets}
    temperatures = {**base.config.temperatures, **{
        name: value for name, value in fit_temperatures(unseen).items() if name in known}}
    said = verdict(base.config.name, rows, recordings.count, recordings.by_person)
    bundle = assemble(
        name, encoders_of(base), base.config.model.fusion, network, faces=base.config.faces,
        temperatures=temperatures, priors=dict.fromkeys(temperatures, calibrated_shares(examples)),
        modality_weights=base.config.modality_weights,
        notice=base.config.notice, weights=base.config.weights,
        card=card(name, base.config.name, rows, examples, shares_of(examples), recordings.count,
                  len(unseen.predictors), recordings.by_person),
        training={'base': {'name': base.config.name, 'hash': base.content_hash},
                  'recipe': recipe.model_dump(mode='json'), 'verdict': said,
                  'cross_validated': [asdict(row) for row in rows]})
    return bundle, said
