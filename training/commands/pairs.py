"""
Command `pairs`: checks of fusion on real pairs of voice and face.

(a) Votes of CREMA-D: what people make of both, predicted from what they make of each.
(b) RAVDESS: the voice and the action units of the same clip, through the fusion network, with
audio encoders that have not seen the actors who are asked (`--voices`).
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
import json
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from training.corpora.cremad_votes import read_votes
from training.engine.config import load_settings
from training.engine.files import write_file
from training.engine.progress import Reporter
from training.evaluation.pairs.human_votes import check_perception, Perception, RULE
from training.release.recipe import StarterRecipe

FIGURES = 'pairs.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('--cremad', type=Path, metavar='DIR', help='with votes_wide.csv')
    parser.add_argument('--units', type=Path, metavar='DIR',
                        help='with face_au_mean.csv, action units of RAVDESS')
    parser.add_argument('--ravdess', type=Path, metavar='DIR',
                        help='the sound, Actor_NN/*.flac, or a cache of it')
    parser.add_argument('--voices', type=Path, metavar='RUNS', help=(
        'runs fold0, fold1, ... of audio encoders, each trained without the actors of its fold; '
        'those that are missing are trained'))
    parser.add_argument('--output', type=Path, required=True, metavar='FOLDER')
    parser.add_argument('--recipe', default='starter/fusion', metavar='NAME|FILE',
                        help='of the starter bundle')
    parser.add_argument('settings', nargs='*', metavar='KEY=VALUE')


def run(options: argparse.Namespace) -> int:
    """Make the checks; return the exit code."""
    console = Console(stderr=True)
    figures: dict[str, Any] = {}
    if options.cremad:
        figures['votes'] = votes_figures(options.cremad, console)
    if options.units and options.ravdess:
        from training.encoders.audio.stage import AudioConfig
        from training.evaluation.pairs.voice_folds import check_signals
        from training.release.encoders import voices

        recipe = load_settings(StarterRecipe, options.recipe, options.settings)
        reporter = Reporter('pairs', console)
        figures['signals'] = check_signals(
            options.units, voices(options.ravdess, options.output / 'ravdess', reporter),
            options.voices or options.output / 'voices',
            load_settings(AudioConfig, recipe.fold_voice), recipe.pairs,
            options.output / 'fusions', reporter)
        show_signals(figures['signals'], console)
    if not figures:
        console.print('nothing to check: give --cremad, or --units and --ravdess')
        return 2
    options.output.mkdir(parents=True, exist_ok=True)
    write_file(options.output / FIGURES, json.dumps(figures, indent=2).encode())
    console.print(f'written: {options.output / FIGURES}')
    return 0


def votes_figures(folder: Path, console: Console) -> dict[str, Any]:
    """Make the check of the votes and show it."""
    votes = read_votes(folder)
    found = check_perception(votes)
    figures = {'clips': len(votes.actors), 'actors': len(set(votes.actors.tolist())),
               'rules': found.figures(), 'leads': found.leads(), 'rule': asdict(found.rule)}
    _show_votes(found, figures, console)
    return figures


def _show_votes(found: Perception, figures: dict[str, Any], console: Console) -> None:
    table = Table('prediction', 'cross-entropy', 'accuracy', f'lead of {RULE}: cross-entropy',
                  'accuracy', box=box.SIMPLE_HEAD,
                  title=f'What people see in voice and face, {figures["clips"]} clips of '
                        f'{figures["actors"]} actors, actor-disjoint')
    for name, each in figures['rules'].items():
        lead = figures['leads'].get(name)
        table.add_row(name, _nats(each['cross_entropy']), _percent(each['accuracy']),
                      *([_nats(lead['cross_entropy']), _percent(lead['accuracy'])]
                        if lead else ['', '']))
    console.print(table)
    rule = found.rule
    console.print(f'trust: voice {rule.voice:.2f}, face {rule.face:.2f}, neutral '
                  f'{rule.neutral:+.2f} nats; of what shows an emotion, the voice alone is '
                  f'neutral in {100 * rule.voice_neutral:.0f} %, the face alone in '
                  f'{100 * rule.face_neutral:.0f} %', highlight=False)


def show_signals(figures: dict[str, Any], console: Console) -> None:
    """Show the check of voice and action units."""
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


def _percent(figure: dict[str, float]) -> str:
    return '{:.1f} [{:.1f}, {:.1f}]'.format(
        *(100 * figure[k] for k in ('value', 'low', 'high')))


def _nats(figure: dict[str, float]) -> str:
    return '{value:.3f} [{low:.3f}, {high:.3f}]'.format(**figure)
