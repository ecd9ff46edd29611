# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer compare`: two replays of the same recordings, side by side on one page."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from mmer_ros.cli.console import escaped, print_line
from mmer_ros.replay.comparison import load_comparison
from mmer_ros.replay.outputs import replace_text, write_json
from mmer_ros.report.comparison_page import render_comparison
from mmer_ros.report.formats import interval, percent, points
from mmer_ros.types import InvalidInput
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer compare`."""
    parser.add_argument('first', type=Path, metavar='A', help='--output of mmer replay')
    parser.add_argument('second', type=Path, metavar='B', help='--output of another mmer replay')
    parser.add_argument('--output', type=Path, default=Path('comparison.html'), metavar='FILE',
                        help='the page; the figures go beside it as .json (default: %(default)s)')
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command and return its exit code."""
    _check_ours(options.output)
    comparison = load_comparison(options.first, options.second)
    figures = comparison.to_dict()
    options.output.parent.mkdir(parents=True, exist_ok=True)
    replace_text(options.output, render_comparison(comparison))
    write_json(options.output.with_suffix('.json'), figures)
    console.print(_table(figures))
    for name in comparison.alone:
        print_line(console, f'{name}: only one of the two has it', 'left out:', 'bold yellow')
    print_line(console, f'saved in {options.output}; open it in a browser')
    return 3 if comparison.alone else 0


def _check_ours(page: Path) -> None:
    """
    Check that nothing but an earlier comparison would be replaced.

    :raises InvalidInput: if something else is there.
    """
    figures = page.with_suffix('.json')
    try:
        is_ours = {'names', 'same_answer'} <= json.loads(figures.read_text('utf-8')).keys()
    except (OSError, ValueError, AttributeError, RecursionError):
        is_ours = False
    if strange := [path for path in (page, figures) if path.exists() and not is_ours]:
        raise InvalidInput(f'{strange[0]}: it is there and mmer compare did not write it; it is '
                           'left as it is. Give another --output')


def _table(figures: dict[str, Any]) -> Table:
    table = Table('figure', *map(escaped, figures['names']), 'difference', box=SIMPLE,
                  pad_edge=False)
    scores = [(each or {}).get('scores') or {} for each in figures['evaluations']]
    gaps = figures['differences'] or {}
    for key in ('weighted_f1', 'accuracy', 'balanced_accuracy') if any(scores) else ():
        gap = gaps.get(key)
        table.add_row(key.replace('_', ' '), *(
            f'{percent(each.get(key))} %' for each in scores), '' if gap is None else (
                f'{points(gap["value"])} {interval(gap["low"], gap["high"], signed=True)}'))
    counts = figures['utterances']
    table.add_row('utterances', *(str(counts['both'] + counts[name])
                                  for name in ('only_first', 'only_second')), '')
    table.add_row('same answer', f'{percent(figures["same_answer"])} %', '', '')
    return table
