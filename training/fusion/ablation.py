"""Fusions trained alike: the full model, those with a part left out, those of fewer modalities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmer_ros.types import MODALITIES, Modality, subset_name, SUBSETS
from rich.console import Console
from training.corpora.examples import Example
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

    :param modalities: that it is trained on and may see.
    """

    family: str
    modalities: Modality = Modality(7)

    @property
    def name(self) -> str:
        """Name of its folder: `concatenation`, or `full-text+audio`."""
        whole = all(m in self.modalities for m in MODALITIES)
        return self.family if whole else f'{self.family}-{subset_name(self.modalities)}'

    def recipe(self, base: FusionRecipe, seed: int) -> FusionRecipe:
        """Return the recipe, which differs from the base in nothing else."""
        names = [str(m.name).lower() for m in MODALITIES if m in self.modalities]
        return with_seed(base, seed).model_copy(
            update={'fusion': base.fusion.model_copy(update={'family': self.family}),
                    'modalities': tuple(names)})


@dataclass(frozen=True)
class SeedData:
    """
    What the fusions of one seed are trained on; seeds may share it.

    :param learned: features of train and dev; `causal` and `with_reply`: of the evaluated split.
    """

    learned: FeatureCache
    causal: FeatureCache
    with_reply: FeatureCache


def variants(families: Sequence[str], *, specialists: bool) -> Iterator[Variant]:
    """Yield the full model, the families, and its like for each smaller subset."""
    yield Variant('full')
    yield from (Variant(family) for family in families)
    if specialists:
        yield from (Variant('full', s) for s in SUBSETS[:-1])


def train_variant(variant: Variant, base: FusionRecipe, seed: int, data: SeedData,
                  examples: Sequence[Example], split: str, folder: Path, reporter: Reporter
                  ) -> FusionPredictor:
    """
    Train a fusion, or take the finished one, and calibrate it on dev.

    :param examples: of the corpus, all splits.
    :param split: that the answers are of.
    :param folder: of all runs of the ablation.
    """
    recipe = variant.recipe(base, seed)
    run = RunFolder(folder / variant.name / f'seed{seed}')
    done = run.finished
    quiet = Reporter(variant.name, Console(quiet=True))
    network = train_fusion(recipe, data.learned, examples, run.path, quiet)
    if not done:
        reporter.console.print(f'{variant.name}, seed {seed}: dev weighted F1 '
                               f'{run.facts()["weighted_f1"]:.3f}', highlight=False)
    dev = [e for e in examples if e.split == 'dev']
    predictor = partial(FusionPredictor, variant.name, network, trust=recipe.trust,
                        allowed=recipe.allowed)
    return predictor(data.causal, [e for e in examples if e.split == split],
                     with_reply=data.with_reply,
                     temperatures=fit_temperatures(predictor(data.learned, dev)))
