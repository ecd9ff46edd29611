# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Ablations: the full fusion, fusions with a part left out, and fusions of fewer modalities."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmer_ros.types import ALL_MODALITIES, Modality, SUBSETS
from rich.console import Console
from training.corpora.digest import digest_of
from training.corpora.examples import DEV, Example
from training.engine.config import with_seed
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.fusion.calibration import fit_temperatures
from training.fusion.features import FeatureCache
from training.fusion.predictor import FusionPredictor
from training.fusion.stage import FusionRecipe, train_fusion

TITLES = {
    'full': 'Full model', 'concatenation': 'Feature-level concatenation',
    'averaging': 'Decision-level averaging',
    'crossmodal_only': 'Crossmodal blocks without EmbraceNet',
    'embracenet_only': 'EmbraceNet without crossmodal blocks'}
FAMILIES = tuple(family for family in TITLES if family != 'full')


@dataclass(frozen=True)
class Variant:
    """
    One kind of fusion.

    :param modalities: its inputs, in training and after.
    """

    family: str
    modalities: Modality = ALL_MODALITIES

    @property
    def name(self) -> str:
        """Name of its folder: `concatenation`, or `full-text+audio`."""
        whole = self.modalities == ALL_MODALITIES
        return self.family if whole else f'{self.family}-{self.modalities.title}'

    def recipe(self, base: FusionRecipe, seed: int) -> FusionRecipe:
        """Return the base recipe with this family, these modalities and this seed."""
        return with_seed(base, seed).model_copy(
            update={'fusion': base.fusion.model_copy(update={'family': self.family}),
                    'modalities': self.modalities.names})


@dataclass(frozen=True)
class SeedData:
    """
    Features for the fusions of one seed; seeds may share them.

    :param learned: of train and dev.
    :param causal, with_reply: of the evaluated split.
    :param origin: what they were made from: by modality, digests of encoder and imported files.
    """

    learned: FeatureCache
    causal: FeatureCache
    with_reply: FeatureCache
    origin: Mapping[str, str]


def variants(families: Sequence[str], *, specialists: bool,
             available: Modality = ALL_MODALITIES) -> Iterator[Variant]:
    """
    Yield the full model, the families, and full models of fewer modalities.

    :param available: modalities that there are features of.
    """
    yield Variant('full')
    yield from (Variant(family) for family in families)
    if specialists:
        yield from (Variant('full', s) for s in SUBSETS if s in available and s != available)


def train_variant(variant: Variant, base: FusionRecipe, seed: int, data: SeedData,
                  examples: Sequence[Example], split: str, folder: Path, reporter: Reporter
                  ) -> FusionPredictor:
    """
    Train a fusion, or load the finished one, and calibrate it on dev.

    :param examples: of the corpus, all splits.
    :param split: that is evaluated.
    :param folder: of all runs of the ablation.
    """
    recipe = variant.recipe(base, seed)
    run = RunFolder(folder / variant.name / f'seed{seed}')
    run.record_data({'corpus': digest_of(examples), 'features': dict(data.origin)})
    done = run.finished
    quiet = Reporter(variant.name, Console(quiet=True))
    network = train_fusion(recipe, data.learned, examples, run.path, quiet)
    if not done:
        reporter.console.print(f'{variant.name}, seed {seed}: dev weighted F1 '
                               f'{run.facts()["weighted_f1"]:.3f}', highlight=False)
    dev = [e for e in examples if e.split == DEV]
    predictor = partial(FusionPredictor, variant.name, network, allowed=recipe.allowed,
                        modality_weights=recipe.modality_weights)
    return predictor(data.causal, [e for e in examples if e.split == split],
                     with_reply=data.with_reply,
                     temperatures=fit_temperatures(predictor(data.learned, dev)))
