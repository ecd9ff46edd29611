# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Command `pairs`: checks of the fusion on real pairs of voice and face.

(a) Votes of CREMA-D: the human votes for both, predicted from the votes for each.
(b) RAVDESS: voice and action units of the same clip through the fusion network, with audio
encoders that have not seen the test actors (`--voices`).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from mmer_ros.evaluation.metrics import Interval
from mmer_ros.types import InvalidInput
from rich import box
from rich.console import Console
from rich.table import Table
from training.corpora.cremad_votes import read_votes
from training.encoders.audio.stage import AudioConfig
from training.engine.config import load_settings
from training.engine.files import write_file
from training.engine.progress import Reporter
from training.evaluation.pairs.human_votes import check_votes, RULE
from training.evaluation.pairs.voice_folds import check_signals
from training.release.encoders import ravdess_clips
from training.release.recipe import StarterRecipe

FIGURES = 'pairs.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('--cremad', type=Path, metavar='DIR', help='with votes_wide.csv')
    parser.add_argument('--units', type=Path, metavar='DIR',
                        help='with face_au_mean.csv, action units of RAVDESS')
    parser.add_argument('--ravdess', type=Path, metavar='DIR',
                        help='audio of RAVDESS, Actor_NN/*.flac, or a cache of it')
    parser.add_argument('--voices', type=Path, metavar='RUNS', help=(
        'runs fold0, fold1, ... of audio encoders, each trained without the actors of its fold; '
        'missing ones are trained'))
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER')
    parser.add_argument('--recipe', default='starter/fusion', metavar='NAME|FILE',
                        help='recipe of the starter bundle')
    parser.add_argument('settings', nargs='*', metavar='KEY=VALUE')


def run(options: argparse.Namespace) -> int:
    """Run the checks; return the exit code."""
    if not options.cremad and not (options.units and options.ravdess):
        raise InvalidInput('pairs: nothing to check; give --cremad, or --units and --ravdess')
    console, output = Console(stderr=True), options.output
    figures: dict[str, Any] = {}
    if options.cremad:
        figures['votes'] = check_votes(read_votes(options.cremad)).figures()
        _show_votes(figures['votes'], console)
    if options.units and options.ravdess:
        recipe = load_settings(StarterRecipe, options.recipe, options.settings)
        reporter = Reporter('pairs', console)
        figures['signals'] = check_signals(
            options.units, ravdess_clips(options.ravdess, output / 'ravdess', reporter),
            options.voices or output / 'voices', load_settings(AudioConfig, recipe.fold_voice),
            recipe.pairs, output / 'fusions', reporter)
        _show_signals(figures['signals'], console)
    output.mkdir(parents=True, exist_ok=True)
    write_file(output / FIGURES, json.dumps(figures, indent=2).encode())
    console.print(f'written: {output / FIGURES}')
    return 0


def _show_votes(figures: Mapping[str, Any], console: Console) -> None:
    table = Table('prediction', 'cross-entropy', 'accuracy', f'lead of {RULE}: cross-entropy',
                  'accuracy', box=box.SIMPLE_HEAD,
                  title=f'Human votes for voice and face, {figures["clips"]} clips of '
                        f'{figures["actors"]} actors, actor-disjoint')
    for name, each in figures['rules'].items():
        lead = figures['leads'].get(name)
        table.add_row(name, _nats(each['cross_entropy']), _percent(each['accuracy']),
                      *([_nats(lead['cross_entropy']), _percent(lead['accuracy'])]
                        if lead else ['', '']))
    console.print(table)
    rule = figures['rule']
    console.print(f'modality weights: voice {rule["voice"]:.2f}, face {rule["face"]:.2f}, neutral '
                  f'{rule["neutral"]:+.2f} nats; of the emotional clips, the voice alone is '
                  f'neutral in {100 * rule["voice_neutral"]:.0f} %, the face alone in '
                  f'{100 * rule["face_neutral"]:.0f} %', highlight=False)


def _show_signals(figures: Mapping[str, Any], console: Console) -> None:
    table = Table('model', 'accuracy', 'unweighted recall', 'cross-entropy', box=box.SIMPLE_HEAD,
                  title=f'Voice and action units of the same clip, {figures["clips"]} clips of '
                        f'{figures["actors"]} actors, actor-disjoint')
    for name, each in figures['scores'].items():
        table.add_row(name, _percent(each), f'{100 * each["unweighted_recall"]:.1f}',
                      f'{each["cross_entropy"]:.3f}')
    console.print(table)
    console.print(f'both over {figures["better_single"]}: {_percent(figures["lead"])} points; '
                  + '; '.join(f'{name}: costs {_percent(cost)}' for name, cost in
                              figures['cost_of_missing'].items()), highlight=False)


def _percent(figure: Mapping[str, float]) -> str:
    return str(Interval(figure['value'], figure['low'], figure['high']))


def _nats(figure: Mapping[str, float]) -> str:
    return '{value:.3f} [{low:.3f}, {high:.3f}]'.format(**figure)
