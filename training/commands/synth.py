# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
`python -m training synth`: a corpus in the shape of MELD, generated, to try everything with.

Drawn people speak in synthetic voices. The emotion of a clip is in its words, its voice and its
face, but in each of them only with some probability, so that a model that fuses them must beat
every single one. The table at the end says what the best possible models reach.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from time import monotonic
from typing import Any

from mmer_ros.types import InvalidInput
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from training.corpora.examples import SPLITS
from training.corpora.synthetic.ceilings import ceilings, context_ceilings
from training.corpora.synthetic.corpus import clip_path, generate
from training.corpora.synthetic.plan import Clip, CorpusConfig, SIZES


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Name the options of the command."""
    parser.add_argument('folder', type=Path, help='where the corpus goes; goes on if begun')
    parser.add_argument('--size', choices=SIZES, default='small',
                        help='about 48, 420 or 1800 clips')
    parser.add_argument('--dialogues', type=int, nargs=3, metavar=('TRAIN', 'DEV', 'TEST'))
    parser.add_argument('--turns', type=int, nargs=2, metavar=('LEAST', 'MOST'),
                        help='clips of a dialogue')
    parser.add_argument('--people', type=int, help='speakers, 2..24')
    parser.add_argument('--classes', choices=('uniform', 'meld'),
                        help='emotions equally often, or as often as in MELD')
    parser.add_argument('--clear', type=float, nargs=3, metavar=('TEXT', 'AUDIO', 'FACE'),
                        help='probability that each modality shows the true emotion')
    parser.add_argument('--conflict', type=float,
                        help='probability that a modality shows another emotion')
    parser.add_argument('--seed', type=int)
    parser.add_argument('--quirks', action='store_true', default=None,
                        help='with the kinds of defects that MELD has: damaged, missing, mute '
                             'and faceless clips, cp1252 in a CSV')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1,
                        help='processes (default: one a core)')


def run(options: argparse.Namespace) -> int:
    """
    Generate the corpus and print what is in it.

    :return: the exit code, 0.
    :raises InvalidInput: if an option or the folder cannot be used.
    """
    config = make_config(options)
    if options.jobs < 1:
        raise InvalidInput(f'--jobs {options.jobs}: expected 1 or more processes')
    console = Console()
    begun = monotonic()
    columns = (TextColumn('clips'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task('clips', total=None)

        def show(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        clips = generate(options.folder, config, options.jobs, show)
    _report(console, options.folder, config, clips)
    console.print(f'{len(clips)} clips in {options.folder}; {monotonic() - begun:.0f} s',
                  highlight=False, soft_wrap=True)
    return 0


def make_config(options: argparse.Namespace) -> CorpusConfig:
    """
    Build the config: the preset with what is given besides.

    :raises InvalidInput: if a value is out of its range.
    """
    given: dict[str, Any] = {name: getattr(options, name, None)
                             for name in CorpusConfig.model_fields}
    values = SIZES[options.size].model_dump() | {k: v for k, v in given.items() if v is not None}
    try:
        return CorpusConfig(**values)
    except ValidationError as error:
        problem = error.errors()[0]
        name = '.'.join(map(str, problem['loc'])) or 'options'
        raise InvalidInput(f'synth: {name}: {problem["msg"]}; see '
                           '`python -m training synth --help`') from error


def _report(console: Console, folder: Path, config: CorpusConfig, clips: list[Clip]) -> None:
    table = Table('split', 'dialogues', 'clips', 'minutes', 'MB')
    for split in SPLITS:
        chosen = [clip for clip in clips if clip.split == split]
        paths = [clip_path(folder, clip) for clip in chosen]
        size = sum(path.stat().st_size for path in paths if path.exists())
        table.add_row(split, str(len({clip.dialogue for clip in chosen})), str(len(chosen)),
                      f'{sum(clip.score.duration for clip in chosen) / 60:.1f}',
                      f'{size / 1e6:.1f}')
    console.print(table)
    best = Table('ceiling of', 'accuracy', 'weighted F1')
    for name, ceiling in (ceilings(config) | context_ceilings(config)).items():
        best.add_row(name, f'{100 * ceiling.accuracy:.1f}', f'{100 * ceiling.weighted_f1:.1f}')
    console.print(best)
