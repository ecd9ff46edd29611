# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Command `train text|audio|face|fusion`: one stage; the same command resumes."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from mmer_ros.recognition.bundle_export import save_with_graphs
from mmer_ros.types import InvalidInput, MODALITIES, Modality
from training.commands.sources import read_corpus
from training.corpora.digest import digest_of
from training.corpora.fer import is_fer2013, read_fer2013
from training.encoders.audio.stage import AudioConfig, train_audio
from training.encoders.face.stage import FaceConfig, train_face
from training.encoders.face.stills_stage import StillsConfig, train_stills
from training.encoders.text.stage import TextConfig, train_text
from training.encoders.trained_encoder import run_of_seed, several, TrainedEncoder
from training.engine.config import load_settings, Settings, with_seed
from training.engine.processes import main_alone
from training.engine.progress import Reporter
from training.engine.run_folder import RunFolder
from training.fusion.stage import FusionRecipe
from training.fusion.train_bundle import train_bundle
from training.preparation.clip_cache import ClipCache

Kind = TypeVar('Kind', bound=Settings)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a subcommand for each stage."""
    stages = parser.add_subparsers(required=True, metavar='STAGE')
    for name, run in (('text', _text), ('audio', _audio), ('face', _face), ('fusion', _fusion)):
        stage = stages.add_parser(name)
        stage.add_argument('--output', type=Path, required=True, metavar='RUN',
                           help='folder of the run; the same command resumes it')
        add_recipe_arguments(stage)
        stage.add_argument('--seeds', type=int, nargs='+', metavar='N',
                           help='a run for each of these seeds, in RUN/seedN')
        stage.set_defaults(stage=run)
        if name == 'text':
            stage.add_argument('--data', type=Path, required=True, metavar='CORPUS', help=(
                'cache of `prepare`, folder of MELD, or manifest'))
            stage.add_argument('--extra', type=Path, action='append', default=[],
                               metavar='CORPUS', help='corpus for pre-training; may be repeated')
        else:
            stage.add_argument('--data', type=Path, required=True, metavar='CACHE', help=(
                'cache of `prepare`' + (', or folder of FER2013' if name == 'face' else '')))
        if name == 'face':
            stage.add_argument('--votes', type=Path, metavar='FOLDER', help=(
                'votes of FER+, votes_NAME.npz for each NAME.npz of FER2013: learn their '
                "distribution instead of FER2013's labels"))
        if name == 'fusion':
            add_encoder_arguments(stage)
            stage.add_argument('--features', type=Path, metavar='FOLDER',
                               help='folder of the features (default: in --output)')
            stage.add_argument('--bundle', type=Path, required=True, metavar='FOLDER', help=(
                'folder of the bundle; with --seeds FOLDER-seedN'))


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """Add recipe and settings."""
    parser.add_argument('--recipe', default='', metavar='NAME|FILE',
                        help='YAML file, or the name of one in training/configs')
    parser.add_argument('settings', nargs='*', metavar='KEY=VALUE',
                        help='settings over the recipe, e.g. engine.epochs=3')


def add_encoder_arguments(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add the three encoders; a bundle needs them all."""
    for modality in MODALITIES:
        parser.add_argument(f'--{modality.key}', type=Path, required=required, metavar='RUN',
                            action='append',
                            help=f'run of `train {modality.key}`; with --seeds each seed uses '
                                 'its own; may be repeated, then their features stand side by '
                                 'side')


def run(options: argparse.Namespace) -> int:
    """Run the stage; return the exit code."""
    options.stage(options)
    return 0


def load_encoders(options: argparse.Namespace, seed: int | None
                  ) -> dict[Modality, TrainedEncoder]:
    """Return the given encoders, of the same seed where there are several."""
    return {m: several([TrainedEncoder.load(run_of_seed(run, seed), m) for run in runs])
            for m in MODALITIES if (runs := getattr(options, m.key)) is not None}


def _runs(options: argparse.Namespace, config: Kind) -> Iterator[tuple[int | None, Kind, Path]]:
    """Yield seed (None: that of the settings), settings and folder of each run."""
    if not options.seeds:
        yield None, config, options.output
    for seed in options.seeds or []:
        yield seed, with_seed(config, seed), options.output / f'seed{seed}'


def _text(options: argparse.Namespace) -> None:
    config = load_settings(TextConfig, options.recipe, options.settings)
    main, extra = read_corpus(options.data), [read_corpus(path) for path in options.extra]
    for _, each, folder in _runs(options, config):
        RunFolder(folder).record_data({'corpus': digest_of(main),
                                       'extra': [digest_of(corpus) for corpus in extra]})
        train_text(each, main, extra, folder, Reporter(_title('text', folder, options)))


def _audio(options: argparse.Namespace) -> None:
    config = load_settings(AudioConfig, options.recipe, options.settings)
    cache = ClipCache(options.data)
    for _, each, folder in _runs(options, config):
        RunFolder(folder).record_data(_data_of(cache))
        train_audio(each, cache, folder, Reporter(_title('audio', folder, options)))


def _face(options: argparse.Namespace) -> None:
    if is_fer2013(options.data):
        _stills(options)
        return
    if options.votes is not None:
        raise InvalidInput(f'--votes {options.votes}: they are for the pictures of FER2013; give '
                           'its folder as --data, or leave the option out')
    config = load_settings(FaceConfig, options.recipe, options.settings)
    cache = ClipCache(options.data)
    for _, each, folder in _runs(options, config):
        RunFolder(folder).record_data(_data_of(cache))
        train_face(each, cache, folder, Reporter(_title('face', folder, options)))


def _stills(options: argparse.Namespace) -> None:
    config = load_settings(StillsConfig, options.recipe, options.settings)
    stills = read_fer2013(options.data, options.votes)
    for _, each, folder in _runs(options, config):
        RunFolder(folder).record_data({'stills': stills.digest})
        train_stills(each, stills, folder, Reporter(_title('face', folder, options)))


def _fusion(options: argparse.Namespace) -> None:
    recipe = load_settings(FusionRecipe, options.recipe, options.settings)
    cache, features = ClipCache(options.data), options.features or options.output / 'features'
    for seed, each, folder in _runs(options, recipe):
        encoders = load_encoders(options, seed)
        RunFolder(folder).record_data(_data_of(cache) | {
            'encoders': {m.key: e.digest for m, e in encoders.items()}})
        target = options.bundle if seed is None else options.bundle.with_name(
            f'{options.bundle.name}-seed{seed}')
        bundle = train_bundle(each, encoders, cache, folder, features,
                              Reporter(_title('fusion', folder, options)), name=target.name)
        with main_alone() as main:
            if main:
                save_with_graphs(bundle, target)


def _data_of(cache: ClipCache) -> dict[str, str]:
    return {'corpus': digest_of(cache.examples), 'clips': cache.info.source}


def _title(stage: str, folder: Path, options: argparse.Namespace) -> str:
    return f'{stage}/{folder.name}' if options.seeds else stage
