"""Command `train text|audio|face|fusion`: one stage, resumable by the same command."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmer_ros.types import Modality
from training.audio import AudioConfig, train_audio
from training.commands.sources import read_corpus
from training.encoders import TrainedEncoder
from training.engine.config import load_settings
from training.engine.progress import Reporter
from training.face import FaceConfig, train_face
from training.fusion.bundle import train_bundle
from training.fusion.stage import FusionRecipe
from training.preparation.clip_cache import ClipCache
from training.text.stage import TextConfig, train_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add a subcommand for each stage."""
    stages = parser.add_subparsers(required=True, metavar='STAGE')
    for name, run in (('text', _text), ('audio', _audio), ('face', _face), ('fusion', _fusion)):
        stage = stages.add_parser(name)
        stage.add_argument('--output', type=Path, required=True, metavar='RUN',
                           help='folder of the run; the same command again goes on with it')
        stage.add_argument('--recipe', default='', metavar='NAME|FILE',
                           help='YAML file, or one of training/configs')
        stage.add_argument('settings', nargs='*', metavar='KEY=VALUE',
                           help='settings over the recipe, e.g. engine.epochs=3')
        stage.set_defaults(stage=run)
        if name == 'text':
            stage.add_argument('--data', type=Path, required=True, metavar='CORPUS', help=(
                'cache of `prepare`, folder of MELD, or manifest'))
            stage.add_argument('--extra', type=Path, action='append', default=[],
                               metavar='CORPUS', help='corpus for pre-training; may be repeated')
        else:
            stage.add_argument('--data', type=Path, required=True, metavar='CACHE')
        if name == 'fusion':
            for modality in ('text', 'audio', 'face'):
                stage.add_argument(f'--{modality}', type=Path, required=True, metavar='RUN')
            stage.add_argument('--bundle', type=Path, required=True, metavar='FOLDER',
                               help='the bundle is written here')


def run(options: argparse.Namespace) -> int:
    """Run the stage; return the exit code."""
    options.stage(options)
    return 0


def _text(options: argparse.Namespace) -> None:
    config = load_settings(TextConfig, options.recipe, options.settings)
    extra = [read_corpus(path) for path in options.extra]
    train_text(config, read_corpus(options.data), extra, options.output, Reporter('text'))


def _audio(options: argparse.Namespace) -> None:
    config = load_settings(AudioConfig, options.recipe, options.settings)
    train_audio(config, ClipCache(options.data), options.output, Reporter('audio'))


def _face(options: argparse.Namespace) -> None:
    config = load_settings(FaceConfig, options.recipe, options.settings)
    train_face(config, ClipCache(options.data), options.output, Reporter('face'))


def _fusion(options: argparse.Namespace) -> None:
    recipe = load_settings(FusionRecipe, options.recipe, options.settings)
    text, audio, face = (TrainedEncoder.load(path, modality) for path, modality in (
        (options.text, Modality.TEXT), (options.audio, Modality.AUDIO),
        (options.face, Modality.FACE)))
    bundle = train_bundle(recipe, text, audio, face, ClipCache(options.data), options.output,
                          Reporter('fusion'), name=options.bundle.name)
    bundle.save(options.bundle)
