# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `ablate`: the full fusion and its ablations, trained alike.

On the same features, with the same recipe and seeds: feature-level concatenation, decision-level
averaging, crossmodal blocks without EmbraceNet, EmbraceNet without crossmodal blocks, and the
full model for each smaller subset of modalities, as reference for missing ones. Two modalities
are enough, and features that were computed elsewhere may take the place of an encoder. The same
command resumes; finished runs are kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmer_ros.networks.fusion_families import UnimodalClassifier
from mmer_ros.types import InvalidInput, MODALITIES, Modality
from rich.progress import Progress
from training.commands.evaluate import (
    add_report_arguments,
    data_name,
    facts_of,
    features_folder,
)
from training.commands.sources import read_clips
from training.commands.terminal import shown
from training.commands.train import add_encoder_arguments, add_recipe_arguments, load_encoders
from training.corpora.clips import Clips
from training.corpora.examples import DEV, TRAIN
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import load_settings
from training.engine.progress import Reporter
from training.evaluation.evaluation import evaluate
from training.evaluation.report import write_report
from training.evaluation.tables import ablation_table, singles_table, specialist_table
from training.fusion.ablation import FAMILIES, SeedData, TITLES, train_variant, Variant, variants
from training.fusion.features import FeatureCache, make_features
from training.fusion.imported_features import import_features, ImportedFeatures
from training.fusion.predictor import FusionPredictor
from training.fusion.stage import FusionRecipe

Trained = Mapping[Variant, Sequence[FusionPredictor]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_report_arguments(parser)
    add_encoder_arguments(parser, required=False)
    parser.add_argument('--import', dest='imports', action='append', default=[],
                        metavar='MODALITY=FILE', help=(
                            'features of text, audio or face computed elsewhere, .npz or '
                            '.safetensors with an array (T, width) or (width,) named by the key '
                            'of each example; may be repeated'))
    add_recipe_arguments(parser)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2], metavar='N')
    parser.add_argument('--families', nargs='*', choices=FAMILIES, default=FAMILIES,
                        help='ablations that are trained (default: all)')
    parser.add_argument('--no-specialists', dest='specialists', action='store_false',
                        help='train no models of fewer modalities')


def run(options: argparse.Namespace) -> int:
    """Train what is not trained yet, evaluate; return the exit code."""
    recipe = load_settings(FusionRecipe, options.recipe, options.settings)
    cache, reporter = read_clips(options.data), Reporter('ablate')
    imported = _imported(options, cache)
    encoders = {seed: load_encoders(options, seed) for seed in options.seeds}
    if any(len({*each, *imported}) < 2 for each in encoders.values()):
        raise InvalidInput('ablate: expected two modalities at least; give --text, --audio, '
                           '--face or --import')
    data = {seed: _features(options, cache, each, imported, recipe.reply, reporter)
            for seed, each in encoders.items()}
    trained = _train(options, recipe, data, cache, reporter)
    full, rest = Variant('full'), list(trained)[1:]
    families = [v for v in rest if v.family != 'full']
    specialists = [v for v in rest if v.family == 'full']
    evaluation = evaluate(
        trained[full], name='full model', data=data_name(options),
        others=_encoders_alone(options, encoders, data, cache),
        ablations={TITLES[v.family]: trained[v] for v in families},
        specialists={v.modalities: trained[v] for v in specialists},
        runs=[options.output / 'runs' / full.name / f'seed{seed}' for seed in options.seeds],
        facts=facts_of(cache, options, {
            'Recipe': options.recipe or 'defaults', 'Settings': ' '.join(options.settings) or '–',
            'Seeds': ' '.join(map(str, options.seeds)), **_inputs(options, data)}),
        console=reporter.console)
    page = write_report(evaluation, options.output)
    for found, table in ((families, ablation_table), (specialists, specialist_table),
                         (True, singles_table)):
        if found:
            reporter.console.print(shown(table(evaluation)))
    reporter.console.print(f'written: {page}')
    return 0


def _imported(options: argparse.Namespace, clips: Clips) -> dict[Modality, ImportedFeatures]:
    """Return the features of --import."""
    found: dict[Modality, ImportedFeatures] = {}
    for text in options.imports:
        name, _, file = text.partition('=')
        modality = next((m for m in MODALITIES if m.key == name), None)
        if modality is None or not file:
            raise InvalidInput(f'--import {text}: expected text=FILE, audio=FILE or face=FILE')
        features = import_features(Path(file), clips.examples)
        found[modality] = found[modality].beside(features) if modality in found else features
    return found


def _features(options: argparse.Namespace, cache: Clips,
              encoders: Mapping[Modality, TrainedEncoder],
              imported: Mapping[Modality, ImportedFeatures], reply: bool, reporter: Reporter
              ) -> SeedData:
    def made(splits: Sequence[str], with_reply: bool) -> FeatureCache:
        found = make_features(encoders, cache, features_folder(options), reporter, splits=splits,
                              with_reply=with_reply)
        for modality, features in imported.items():
            found = found.beside(modality, features.width, features)
        return found

    origin = {m.key: trained.digest for m, trained in encoders.items()}
    for modality, features in imported.items():
        origin[modality.key] = '+'.join(filter(None, (origin.get(modality.key), features.digest)))
    return SeedData(made((TRAIN, DEV), reply), made([options.split], False),
                    made([options.split], True), origin)


def _inputs(options: argparse.Namespace, data: Mapping[int, SeedData]) -> dict[str, str]:
    """Return where the features of each modality come from, as shown on the page."""
    first, shown = next(iter(data.values())), {}
    for modality in MODALITIES:
        if modality.key in first.origin:
            names = [run.name for run in getattr(options, modality.key) or []]
            names += [Path(file).name for name, _, file in (
                text.partition('=') for text in options.imports) if name == modality.key]
            digests = dict.fromkeys(each.origin[modality.key] for each in data.values())
            shown[f'Input {modality.key}'] = f'{", ".join(names)} ({", ".join(digests)})'
    return shown


def _train(options: argparse.Namespace, recipe: FusionRecipe, data: Mapping[int, SeedData],
           cache: Clips, reporter: Reporter) -> Trained:
    """Return the predictors of each variant, one for each seed; the full model comes first."""
    available = Modality.of({m for each in data.values() for m in each.learned.widths})
    wanted = list(variants(options.families, specialists=options.specialists,
                           available=available))
    trained: dict[Variant, list[FusionPredictor]] = {variant: [] for variant in wanted}
    with Progress(console=reporter.console, transient=True) as bar:
        task = bar.add_task('fusions', total=len(wanted) * len(data))
        for variant in wanted:
            for seed, features in data.items():
                bar.update(task, description=f'{variant.name}, seed {seed}')
                trained[variant].append(train_variant(
                    variant, recipe, seed, features, cache.examples, options.split,
                    options.output / 'runs', reporter))
                bar.advance(task)
    return trained


def _encoders_alone(options: argparse.Namespace,
                    encoders: Mapping[int, Mapping[Modality, TrainedEncoder]],
                    data: Mapping[int, SeedData], cache: Clips
                    ) -> dict[str, list[FusionPredictor]]:
    """Return the encoders with their own classifiers; one that all seeds share is used once."""
    of_split = [e for e in cache.examples if e.split == options.split]
    alone: dict[str, dict[str, FusionPredictor]] = {}
    for seed, each in encoders.items():
        for modality, trained in each.items():
            name = f'{modality.key.capitalize()} encoder'
            replies = data[seed].with_reply if modality is Modality.TEXT else None
            alone.setdefault(name, {})[trained.digest] = FusionPredictor(
                name, UnimodalClassifier(trained.modality, trained.encoder.classifier),
                data[seed].causal, of_split, with_reply=replies, allowed=modality)
    return {name: list(seeds.values()) for name, seeds in alone.items()}
