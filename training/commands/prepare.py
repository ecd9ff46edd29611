# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""Command `prepare`: decode clips and annotations into a cache of audio, faces and text."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from time import monotonic

from mmer_ros.types import InvalidInput
from rich import progress as bars
from rich.console import Console
from training.commands.sources import add_source_arguments, read_source
from training.engine.config import load_settings
from training.preparation.cache_format import PrepareConfig, PROBLEMS
from training.preparation.prepare import prepare
from training.preparation.report import content_table, disk_space, problem_table, Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this stage."""
    add_source_arguments(parser)
    parser.add_argument('--output', type=Path, required=True, metavar='CACHE',
                        help='folder of the cache; the same command resumes')
    parser.add_argument('--text-only', action='store_true', help='ignore the clips')
    parser.add_argument('--jobs', type=int, default=os.cpu_count() or 1, metavar='N',
                        help='processes, each of about 0.5 GB (default: one a core)')
    parser.add_argument('--update', action='store_true', help=(
        'replace the shards whose clips or settings have changed'))
    parser.add_argument('--recipe', default='', metavar='FILE', help='YAML file of the settings')
    parser.add_argument('settings', nargs='*', metavar='KEY=VALUE',
                        help='settings over the recipe, e.g. max_images=20 image_format=png')


def run(options: argparse.Namespace) -> int:
    """Prepare the corpus that the options name; return the exit code."""
    if options.jobs < 1:
        raise InvalidInput(f'--jobs {options.jobs}: expected 1 or more')
    console = Console(stderr=True)
    config = load_settings(PrepareConfig, options.recipe, options.settings)
    corpus = read_source(options, clips=not options.text_only)
    if not options.text_only:
        console.print(disk_space(corpus.examples, options.output, config), highlight=False)
    columns = (bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeElapsedColumn(),
               bars.TimeRemainingColumn())
    begun = monotonic()
    try:
        with bars.Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task('clips', total=None)
            summary = prepare(
                corpus, options.output, config, jobs=options.jobs, update=options.update,
                text_only=options.text_only,
                progress=lambda done, total: bar.update(task, completed=done, total=total))
    except KeyboardInterrupt:
        console.print(f'interrupted; the shards in {options.output} are kept, the same command '
                      'resumes', highlight=False, soft_wrap=True)
        return 130
    _show(summary, options.output, console)
    if count := bar.tasks[0].total:
        seconds = monotonic() - begun
        console.print(f'{count:g} examples in {seconds:.0f} s: {count / seconds:.3g} per second; '
                      f'{options.jobs} process(es)', highlight=False, soft_wrap=True)
    return 0


def _show(summary: Summary, output: Path, console: Console) -> None:
    console.print(content_table(summary.rows))
    if summary.problems:
        console.print(problem_table(summary.problems))
        console.print(f'all problems: {output / PROBLEMS}', highlight=False, soft_wrap=True)
    kept = f', {summary.kept} kept' if summary.kept else ''
    console.print(f'wrote {output}: {summary.made} shards made{kept}', highlight=False,
                  soft_wrap=True)
