# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer meld2bag`: MELD's clips become recordings, so that MELD goes through the live path."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmer_ros.cli.console import print_line, print_list
from mmer_ros.recordings.meld.corpus import read_dialogues
from mmer_ros.recordings.meld.dialogue import FACTS, Written
from mmer_ros.recordings.meld.jobs import write_dialogues
from mmer_ros.recordings.meld.settings import BagSettings
from mmer_ros.recordings.meld.table import SPLITS
from mmer_ros.types import InvalidInput
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EXIT_CODES = ('exit code: 0 good; 2 nothing could be written; 3 partly: a clip or a dialogue was '
              'left out')
SETTINGS = ('fps', 'size', 'quality', 'gap', 'transcripts', 'storage')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer meld2bag`."""
    parser.epilog = EXIT_CODES
    parser.add_argument('corpus', type=Path, metavar='CORPUS', help=(
        'folder of MELD as published, or of a corpus in its shape'))
    parser.add_argument('--split', choices=SPLITS, default='dev')
    parser.add_argument('--output', type=Path, required=True, metavar='DIR',
                        help='each dialogue becomes a recording SPLIT_diaN in it')
    parser.add_argument('--dialogues', type=int, metavar='N', help='only the first N')
    add_settings(parser)
    parser.add_argument('--jobs', type=int, default=1, metavar='N', help='processes')
    parser.add_argument('--resume', action='store_true', help=(
        'keep recordings that are there already, unless clips or settings changed'))
    parser.set_defaults(run=run)


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add what the recordings are like; `settings_of` reads it."""
    fields = BagSettings.model_fields
    parser.add_argument('--fps', type=float, default=fields['fps'].default, metavar='HZ',
                        help='images a second at most (default: %(default)s)')
    parser.add_argument('--size', type=int, default=fields['size'].default, metavar='PIXELS',
                        help='longer side of the images at most (default: %(default)s)')
    parser.add_argument('--quality', type=int, default=fields['quality'].default, metavar='1-100',
                        help='of the JPEG images (default: %(default)s)')
    parser.add_argument('--gap', type=float, default=fields['gap_s'].default, metavar='S',
                        help='pause between the clips, seconds (default: %(default)s)')
    parser.add_argument('--transcripts', action=argparse.BooleanOptionalAction, default=True,
                        help="the words at the end of each clip; without them, MELD's text is "
                             'in the labels only')
    parser.add_argument('--storage', choices=('mcap', 'sqlite3'), default='mcap')


def settings_of(options: argparse.Namespace) -> BagSettings:
    """
    Return the settings that `add_settings` asked for.

    :raises InvalidInput: if a value is out of its range.
    """
    values = {name: getattr(options, name) for name in SETTINGS}
    values['gap_s'] = values.pop('gap')
    try:
        return BagSettings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first['loc'][0]).removesuffix('_s')
        raise InvalidInput(f'--{name} {first["input"]}: {first["msg"]}; see '
                           '`mmer meld2bag --help`') from error


def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command and return its exit code."""
    for name in ('jobs', 'dialogues'):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InvalidInput(f'--{name} {value}; expected 1 or more')
    settings = settings_of(options)
    dialogues, left_out = read_dialogues(options.corpus, options.split)
    dialogues = dialogues[:options.dialogues]
    columns = (TextColumn('clips'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    sizes = {dialogue.name: len(dialogue.clips) for dialogue in dialogues}
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task('clips', total=sum(sizes.values()))
        results = write_dialogues(
            dialogues, options.output, settings, jobs=options.jobs, resume=options.resume,
            on_done=lambda written: progress.advance(task, sizes[written.name]))
    print_problems([*left_out, *problems_of(results)], console)
    done = [result for result in results if result.folder is not None]
    print_line(console, (
        f'{sum(result.clips for result in done)} clips in {len(done)} recordings '
        f'({sum(result.seconds for result in done) / 60:.1f} min) in {options.output}; '
        f'{sum(result.kept for result in done)} of them were there'))
    if not done:
        return 2
    return 3 if left_out or problems_of(results) else 0


def problems_of(results: Sequence[Written]) -> list[str]:
    """Return what was left out of which recording."""
    return [f'{result.name}: {problem}' for result in results for problem in result.problems]


def print_problems(problems: Sequence[str], console: Console) -> None:
    """Print the first of the things that were left out."""
    print_list(console, problems, 'left out:', 'bold yellow', f'see {FACTS} in the recordings')
