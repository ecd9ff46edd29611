# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `starter`: the bundle that ships, from its data to its card.

Encoders, training sets, fusion, temperatures, checks, bundle. The same command resumes; finished
stages are kept. Trained encoders may be given.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
from typing import Any

from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.bundle_export import save_with_graphs
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.types import InvalidInput, MODALITIES, Modality
from rich.console import Console
from training.augment.views import AugmentedViews, CUT, views_cut_to_speech
from training.corpora.cremad_votes import read_votes
from training.corpora.examples import DEV, Example, TRAIN
from training.corpora.fer import read_fer2013
from training.corpora.goemotions import read_goemotions
from training.corpora.meld import read_meld
from training.corpora.ravdess import actor_of
from training.encoders.audio.stage import AudioConfig
from training.encoders.face.stills_stage import StillsConfig
from training.encoders.trained_encoder import TrainedEncoder
from training.engine.config import load_settings
from training.engine.files import write_file
from training.engine.progress import Reporter
from training.evaluation.pairs.human_votes import check_votes
from training.evaluation.pairs.voice_folds import check_signals
from training.release.build_fusion import (
    build_fusion,
    DistilledFusion,
    fusion_figures,
    TrainingSets,
)
from training.release.bundle import figures_by_sex, parameter_counts, starter_bundle
from training.release.encoders import ravdess_clips, starter_encoders
from training.release.recipe import StarterRecipe
from training.release.robustness_curves import curves, measure
from training.release.sanity_checks import sanity_figures
from training.release.seed_variance import scores_by_seed
from training.release.sources import Sources
from training.release.training_sets import face_sets, held_out_groups, text_sets, voice_sets

FOLDERS = {'meld': 'meld', 'goemotions': 'goemotions_ekman', 'ravdess': 'ravdess',
           'fer': 'fer2013', 'cremad': 'cremad_votes', 'units': 'ravdess_au', 'people': 'grid'}
NEEDED = ('meld', 'goemotions', 'ravdess', 'fer', 'cremad')
SEEDS = {Modality.TEXT: 'texts', Modality.AUDIO: 'voices', Modality.FACE: 'faces'}
Encoders = dict[Modality, TrainedEncoder]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('--data', type=Path, metavar='ROOT', help=(
        f'folder with {", ".join(FOLDERS.values())}; or give each by its own option'))
    for name in FOLDERS:
        parser.add_argument(f'--{name}', type=Path, metavar='DIR')
    for modality in MODALITIES:
        parser.add_argument(f'--{modality.key}', type=Path, metavar='RUN', help=(
            f'finished run of `train {modality.key}` (default: train one)'))
    for modality, kind in SEEDS.items():
        own = ' (default: the ensemble of --audio)' if modality is Modality.AUDIO else ''
        parser.add_argument(f'--{kind}', type=Path, nargs='+', default=[], metavar='RUN', help=(
            f'runs of `train {modality.key}` with other seeds, whose scores the card shows{own}'))
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER')
    parser.add_argument('--bundle', type=Path, metavar='FOLDER',
                        help='folder of the bundle (default: OUTPUT/starter)')
    parser.add_argument('--no-pairs', dest='pairs', action='store_false',
                        help='skip the check on voice and action units: five short trainings')
    parser.add_argument('--recipe', default='starter/fusion', metavar='NAME|FILE')
    parser.add_argument('settings', nargs='*', metavar='KEY=VALUE')


def run(options: argparse.Namespace) -> int:
    """Make the bundle; return the exit code."""
    console = Console(stderr=True)
    paths = _paths(options)
    recipe = load_settings(StarterRecipe, options.recipe, options.settings)
    bundle = _Release(recipe, paths, options, Reporter('starter', console)).make()
    target = options.bundle or options.output / 'starter'
    bundle = save_with_graphs(bundle, target)
    megabytes = sum(path.stat().st_size for path in target.iterdir()) / 1e6
    console.print(f'written: {target}, {megabytes:.1f} MB, hash {bundle.content_hash[:12]}',
                  highlight=False)
    return 0


def _paths(options: argparse.Namespace) -> dict[str, Path]:
    paths = {}
    for name, folder in FOLDERS.items():
        path = getattr(options, name) or (options.data / folder if options.data else None)
        if path is not None and path.is_dir():
            paths[name] = path
        elif name in NEEDED or getattr(options, name):
            raise InvalidInput(f'starter: --{name}: {path or "not given"}; give the folder of the '
                               'data, or --data with all of them')
    return paths


class _Release:
    """All stages, one after the other."""

    def __init__(self, recipe: StarterRecipe, paths: dict[str, Path],
                 options: argparse.Namespace, reporter: Reporter) -> None:
        self.paths, self.options, self.reporter = paths, options, reporter
        self.output: Path = options.output
        self.states = self.output / 'states'  # of the voice's teacher, shared by all runs
        self.votes = check_votes(read_votes(paths['cremad']))
        self.recipe = recipe.with_rule(self.votes.rule)
        self.sources = Sources(
            read_meld(paths['meld'], (TRAIN, DEV), clips=False).examples,
            read_goemotions(paths['goemotions']),
            ravdess_clips(paths['ravdess'], self.output / 'ravdess', reporter),
            read_fer2013(paths['fer']))
        self.seeds = {m: [TrainedEncoder.load(run, m) for run in getattr(options, SEEDS[m])]
                      for m in MODALITIES}

    def make(self) -> Bundle:
        """Run all unfinished stages and return the bundle."""
        given = {m: TrainedEncoder.load(path, m) for m in MODALITIES
                 if (path := getattr(self.options, m.key))}
        trained = self.encoders(given, self.sources, self.output)
        sets = self.training_sets(self.sources)
        fused = self.fusion(trained, sets, self.output)
        figures = self.figures(trained, fused, sets)
        if self.recipe.refit:
            trained, fused = self.refit(trained, fused)
        draft = starter_bundle('starter', trained, fused, self.recipe.fusion, figures)
        figures['sanity'] = sanity_figures(Recognizer(draft, prior='meld'),
                                           self.paths.get('people'))
        write_file(self.output / 'figures.json', json.dumps(figures, indent=2).encode())
        return starter_bundle('starter', trained, fused, self.recipe.fusion, figures)

    def encoders(self, given: Encoders, sources: Sources, output: Path) -> Encoders:
        return starter_encoders(self.recipe, given, sources, output, self.states, self.reporter)

    def training_sets(self, sources: Sources) -> dict[Modality, TrainingSets]:
        config = self.recipe.training_sets
        speech = load_settings(AudioConfig, self.recipe.audio).data.speech
        faces = load_settings(StillsConfig, self.recipe.face).data.augment
        return {Modality.TEXT: text_sets(sources.meld, sources.goemotions.examples, config),
                Modality.AUDIO: voice_sets(sources.clips, config, speech),
                Modality.FACE: face_sets(sources.stills, faces, config)}

    def fusion(self, trained: Encoders, sets: dict[Modality, TrainingSets], folder: Path,
               measured: DistilledFusion | None = None) -> DistilledFusion:
        return build_fusion(self.recipe.fusion, self.recipe.weights(self.votes.rule), trained,
                            sets, folder, self.reporter, measured=measured)

    def refit(self, trained: Encoders, measured: DistilledFusion
              ) -> tuple[Encoders, DistilledFusion]:
        """Train encoders on all data and distil the fusion again."""
        folder, sources = self.output / 'refit', self.sources.with_dev_in_train()
        kept = {m: e for m, e in trained.items() if m.key not in self.recipe.refit}
        final = self.encoders(kept, sources, folder)
        return final, self.fusion(final, self.training_sets(sources), folder, measured)

    def figures(self, trained: Encoders, fused: DistilledFusion,
                sets: dict[Modality, TrainingSets]) -> dict[str, Any]:
        """Return all figures of the card but those of the sanity checks."""
        recipe, features = self.recipe.fusion, self.output / 'features'
        groups = {Modality.TEXT: held_out_groups(sets[Modality.TEXT], lambda e: e.group),
                  Modality.AUDIO: held_out_groups(sets[Modality.AUDIO], lambda e: e.speaker),
                  Modality.FACE: held_out_groups(sets[Modality.FACE], lambda e: e.key)}
        actors = {e.key: actor_of(e) for e in self.sources.clips.examples}
        drawn = curves(sets[Modality.TEXT].held_out, self.sources.clips, self.sources.stills,
                       sets[Modality.TEXT].train[0])
        return fusion_figures(fused, recipe, groups) | {
            'by_sex': figures_by_sex(fused, recipe, actors),
            'parameters': parameter_counts(trained, fused), 'data': self.data_counts(),
            'weights': self.recipe.weights(self.votes.rule).model_dump(),
            'curves': [measure(curve, trained[curve.modality], fused, recipe, features,
                               self.reporter) for curve in drawn],
            'voice_by_seed': self.voice_by_seed(trained[Modality.AUDIO]),
            'seeds': {m.key: scores_by_seed([trained[m], *self.seeds[m]], sets[m].held_out,
                                            features, self.reporter)
                      for m in (Modality.TEXT, Modality.FACE) if self.seeds[m]},
            'refit': list(self.recipe.refit), 'pairs': self.pairs()}

    def voice_by_seed(self, trained: TrainedEncoder) -> dict[str, list[float]]:
        """Return the scores of the audio encoder, then those of single networks."""
        run = self.options.audio or self.output / 'audio'
        singles = self.seeds[Modality.AUDIO] or [
            TrainedEncoder.load(each, Modality.AUDIO)
            for each in sorted((run / 'ensemble').glob('*'))]
        clips = {'whole': AugmentedViews(self.sources.clips, {DEV: (0,)}),
                 'cut': views_cut_to_speech(self.sources.clips, {DEV: (CUT,)})}
        return {name: scores_by_seed([trained, *singles], views, self.output / 'features',
                                     self.reporter) for name, views in clips.items()}

    def pairs(self) -> dict[str, Any]:
        """Return the checks on real pairs."""
        found: dict[str, Any] = {'votes': self.votes.figures()}
        if 'units' in self.paths and self.options.pairs:
            found['signals'] = check_signals(
                self.paths['units'], self.sources.clips, self.output / 'voices',
                load_settings(AudioConfig, self.recipe.fold_voice), self.recipe.pairs,
                self.output / 'pairs', self.reporter.named('pairs'))
        return found

    def data_counts(self) -> dict[str, dict[str, str]]:
        """Return the training and held-out data of each encoder in words."""
        def labelled(examples: Sequence[Example], split: str) -> int:
            return sum(e.split == split and bool(e.labels) for e in examples)

        meld, clips, stills = (self.sources.meld, self.sources.clips.examples,
                               self.sources.stills.examples)
        comments = labelled(self.sources.goemotions.examples, TRAIN)
        return {
            'text': {'train': f'MELD train, {labelled(meld, TRAIN)} utterances; GoEmotions train, '
                              f'{comments} comments',
                     'held_out': f'MELD dev, {labelled(meld, DEV)} utterances'},
            'audio': {'train': f'RAVDESS, {labelled(clips, TRAIN)} clips',
                      'held_out': f'RAVDESS, {labelled(clips, DEV)} clips of other actors'},
            'face': {'train': f'FER2013, {labelled(stills, TRAIN)} pictures',
                     'held_out': f'FER2013 public test, {labelled(stills, DEV)} pictures'}}
