# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `live`: the loss of a bundle from offline evaluation to the live system, step by step.

The clips of MELD, or of a corpus in its layout, become recordings (`mmer meld2bag`), which are
replayed (`mmer replay`). The estimates are compared with the offline predictions for the same
clips, and one difference between the two is removed at a time. Finished parts are kept.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmer_ros.cli.meld2bag import add_settings, print_problems, problems_of, settings_of
from mmer_ros.recognition.bundle import Bundle
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.meld.corpus import read_dialogues
from mmer_ros.recordings.meld.jobs import write_dialogues
from mmer_ros.recordings.meld.settings import BagSettings
from mmer_ros.replay import ReplayOptions
from mmer_ros.types import ALL_MODALITIES, InvalidInput
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from training.commands.terminal import shown
from training.corpora.examples import SPLITS
from training.encoders.trained_encoder import encoders_of
from training.engine.progress import Reporter
from training.evaluation.live.loss import LiveLoss
from training.evaluation.live.path import LiveDialogue, LivePath
from training.evaluation.live.report import loss_tables, write_loss
from training.fusion.features import make_features
from training.fusion.predictor import FusionPredictor
from training.preparation.clip_cache import ClipCache

PARTLY = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('bundle', type=Path, metavar='BUNDLE')
    parser.add_argument('--meld', type=Path, required=True, metavar='CORPUS',
                        help='folder of the clips')
    parser.add_argument('--data', type=Path, required=True, metavar='CACHE',
                        help='cache of `prepare` of the same corpus')
    parser.add_argument('--data-name', default='', metavar='NAME',
                        help='name of the corpus (default: the name of the folder)')
    parser.add_argument('--split', default='dev', choices=SPLITS)
    parser.add_argument('--dialogues', type=int, metavar='N', help='only the first N')
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER',
                        help='folder of live.json, live.md, recordings and replays')
    parser.add_argument('--features', type=Path, metavar='FOLDER',
                        help='folder of the features (default: in --output)')
    parser.add_argument('--jobs', type=int, default=1, metavar='N',
                        help='processes that write recordings')
    add_settings(parser)


def run(options: argparse.Namespace) -> int:
    """Measure the loss; return the exit code: 0 good, 3 something was left out."""
    reporter, settings = Reporter('live'), settings_of(options)
    bags, problems = _recordings(options, settings, reporter.console)
    path, bundle = _live_path(options, reporter)
    dialogues: list[LiveDialogue] = []
    for bag in track(bags, 'replaying', console=reporter.console, transient=True):
        try:
            dialogues.append(path.measure(bag, options.output))
        except InvalidInput as error:
            problems += 1
            reporter.console.print(f'[bold yellow]left out:[/] {escape(str(error))}',
                                   highlight=False, soft_wrap=True)
    loss = LiveLoss(dialogues)
    data = f'{options.data_name or options.meld.resolve().name} {options.split}'
    name = f'{bundle.config.name} ({bundle.content_hash[:12]})'
    page = write_loss(loss, data, name, settings, options.output)
    for table in loss_tables(loss, data):
        reporter.console.print(shown(table))
    reporter.console.print(f'written: {page}')
    return PARTLY if problems else 0


def _recordings(options: argparse.Namespace, settings: BagSettings, console: Console
                ) -> tuple[list[Path], int]:
    """Return the recordings and the number of problems."""
    found, left_out = read_dialogues(options.meld, options.split)
    if options.dialogues is not None and options.dialogues < 1:
        raise InvalidInput(f'--dialogues {options.dialogues}; expected 1 or more')
    chosen = found[:options.dialogues]
    with console.status(f'writing recordings of {len(chosen)} dialogues'):
        results = write_dialogues(chosen, options.output / 'bags', settings,
                                  jobs=options.jobs, resume=True)
    problems = [*left_out, *problems_of(results)]
    print_problems(problems, console)
    return [r.folder for r in results if r.folder is not None], len(problems)


def _live_path(options: argparse.Namespace, reporter: Reporter) -> tuple[LivePath, Bundle]:
    """Predict offline and prepare the replay."""
    cache, recognizer = ClipCache(options.data), Recognizer.load(
        options.bundle, engine='torch')
    bundle, folder = recognizer.bundle, options.features or options.output / 'features'
    features = make_features(encoders_of(bundle), cache, folder, reporter,
                             splits=[options.split])
    predictor = FusionPredictor(
        bundle.config.name, bundle.model.fusion, features,
        [e for e in cache.examples if e.split == options.split],
        temperatures=bundle.config.temperatures, modality_weights=bundle.config.modality_weights)
    replay = ReplayOptions(bundle=str(options.bundle), prior='', threads=0)
    offline = predictor.predict(ALL_MODALITIES)
    return LivePath(recognizer, cache.examples, features, offline, replay), bundle
