# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""`mmer replay`: recordings in, estimates and figures out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmer_ros.cli.console import escaped, print_line, print_list
from mmer_ros.cli.settings_options import add_settings, given_settings
from mmer_ros.replay import merged_summary, replay_bags, ReplayOptions, ReplayResult
from mmer_ros.replay.folder import check_folder, clear_folder
from mmer_ros.replay.outputs import SUMMARY, write_json
from mmer_ros.replay.result import exit_code, NOTHING
from mmer_ros.replay.thumbnails import BLUR, NONE, SHOW
from mmer_ros.report.overview_page import write_overview
from mmer_ros.report.replay_page import PAGE, write_page
from mmer_ros.types import InvalidInput
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

EXIT_CODES = ('exit code: 0 good; 1 nothing was estimated; 2 nothing could be done; 3 partly: '
              'something could not be read or was left out')
CAPTION = ('speed: times real time; found: utterances; latency: median from the evidence to the '
           'estimate, computing not counted; wF1: weighted F1')
MEDIA = frozenset((
    '.mp4', '.m4v', '.mov', '.mkv', '.webm', '.avi', '.ts', '.mts', '.mpg', '.mpeg', '.wmv',
    '.flv', '.3gp', '.wav', '.mp3', '.m4a', '.aac', '.flac', '.ogg', '.oga', '.opus', '.wma',
    '.aiff', '.jpg', '.jpeg', '.png', '.gif', '.heic', '.webp'))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `mmer replay`."""
    parser.epilog = EXIT_CODES
    parser.add_argument('bags', nargs='+', type=Path, metavar='BAG',
                        help='rosbag2 folder, .mcap or .db3 file')
    parser.add_argument('--params', type=Path, metavar='FILE', help=(
        'parameter file of the emotion node, e.g. config/emotion.yaml'))
    parser.add_argument('--topics', nargs='+', default=[], metavar='KIND=TOPIC', help=(
        'KIND is image, audio or transcript; an empty TOPIC leaves it out (default: as in '
        '--params, else the first of the right type). Also own_speaking and own_speech, what '
        'the robot says itself (default: none)'))
    add_settings(parser, defaults=False)
    parser.add_argument('--output', type=Path, metavar='DIR', help=(
        'folder of the results (default: BAG.replay, or replay for several)'))
    parser.add_argument('--labels', type=Path, metavar='FILE', help=(
        'CSV or JSON of start, end, speaker, emotion; or MELD CSV (default: labels.csv or '
        'labels.json in the recording)'))
    parser.add_argument('--bag', action='store_true',
                        help='also write a recording with /emotion beside the originals')
    parser.add_argument('--blur', action='store_true',
                        help='blur the faces in the pictures of the page')
    parser.add_argument('--no-pictures', action='store_true', help='no pictures on the page')
    parser.add_argument('--no-report', action='store_true', help='do not write the page')
    parser.add_argument('--jobs', type=int, default=1, metavar='N',
                        help='recordings at the same time, each in a process of its own')
    parser.add_argument('--overwrite', action='store_true', help=(
        'also replace files in DIR that have the names of results and that another program wrote'))
    parser.add_argument('--resume', action='store_true', help=(
        'leave out recordings whose results are in DIR already and still valid'))
    parser.set_defaults(run=run)


def run(options: argparse.Namespace, console: Console) -> int:
    """Run the command and return its exit code."""
    if media := [path for path in options.bags if path.suffix.lower() in MEDIA]:
        raise InvalidInput(f'{media[0]}: audio, video or a picture; expected a recording of ROS. '
                           f'For media files: mmer recognize {media[0]}')
    if options.jobs < 1:
        raise InvalidInput(f'--jobs {options.jobs}; expected 1 or more')
    settings = _settings(options)
    if settings.output is not None:
        if options.overwrite:
            clear_folder(settings.output)
        check_folder(settings.output)
    with _progress(console) as progress:
        tasks = [progress.add_task(path.name, total=None) for path in options.bags]
        results = replay_bags(
            options.bags, settings, jobs=options.jobs, resume=options.resume,
            clock=console.get_time, write_page=write_page,
            on_progress=lambda i, done, total: progress.update(
                tasks[i], completed=done, total=total))
    for result in results:
        _print_notices(result, console)
    if len(results) > 1 and settings.output is not None:
        settings.output.mkdir(parents=True, exist_ok=True)
        summary = merged_summary(results)
        if settings.report:
            write_overview(settings.output, results, summary)
        write_json(settings.output / SUMMARY, summary)
    _show(results, console)
    code = exit_code(results)
    if code == NOTHING:
        console.print('nothing was estimated: nobody speaks, or no topic that is needed is there')
    if any(result.folder for result in results):
        has_page = settings.report and settings.output is not None
        page = f'; open {settings.output}/{PAGE} in a browser' if has_page else ''
        print_line(console, f'saved in {settings.output}{page}')
    return code


def _settings(options: argparse.Namespace) -> ReplayOptions:
    several = len(options.bags) > 1
    output = options.output or Path(
        'replay' if several else f'{options.bags[0].resolve().stem}.replay')
    changes: dict[str, Any] = {
        'output': output, 'labels': options.labels, 'write_bag': options.bag,
        'report': not options.no_report,
        'faces': NONE if options.no_pictures else BLUR if options.blur else SHOW,
        'detect_ahead': 2 if options.jobs == 1 else 0}
    changes |= given_settings(options)
    settings = ReplayOptions.from_parameters(options.params) if options.params else (
        ReplayOptions())
    return replace(settings, **changes, topics={**settings.topics, **_topics(options.topics)})


def _topics(pairs: Sequence[str]) -> dict[str, str]:
    topics = {}
    for pair in pairs:
        kind, equals, topic = pair.partition('=')
        if not equals:
            raise InvalidInput(f'--topics {pair}; expected KIND=TOPIC, e.g. image=/camera/image; '
                               'name the recordings before it')
        topics[kind] = topic if not topic or topic.startswith('/') else f'/{topic}'
    return topics


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn('{task.description}', markup=False), BarColumn(),
        TextColumn('{task.percentage:3.0f} %'), TimeRemainingColumn(),
        console=console, transient=True)


def _print_notices(result: ReplayResult, console: Console) -> None:
    """Print the error, or the notices and faults, of a replay."""
    if result.error:
        print_line(console, result.error, 'error:', 'bold red')
        return
    for notice in result.summary['notices']:
        print_line(console, notice, 'note:', 'cyan')
    print_list(console, result.summary['faults'], 'left out:', 'bold yellow', 'see summary.json')


def _show(results: Sequence[ReplayResult], console: Console) -> None:
    table = Table('recording', 'length', 'speed', 'found', 'latency', 'labels', 'matched',
                  'accuracy', 'wF1', box=SIMPLE, caption=CAPTION, padding=(0, 1),
                  pad_edge=False)
    for result in results:
        table.add_row(*_cells(result))
    if len(results) > 1:
        total = merged_summary(results)
        table.add_section()
        table.add_row('all', f'{total["duration_s"]:.0f} s', '', str(total['utterances']), '',
                      *_scores(total['evaluation']))
    console.print(table)
    evaluations = (result.summary['evaluation'] for result in results if not result.error)
    problems = {found['scores_problem'] for found in evaluations if found}
    for problem in sorted(problems - {''}):
        print_line(console, problem, 'no scores:', 'yellow')


def _cells(result: ReplayResult) -> list[str]:
    name = escaped(Path(result.bag).name or result.bag)
    if result.error:
        return [name, '[red]failed[/]']
    summary = result.summary
    latency = summary['latency_s']
    speed = result.run.get('times_real_time')
    return [name, f'{summary["duration_s"]:.0f} s', f'{speed:.1f} x' if speed else '',
            str(summary['utterances']), f'{1000 * latency["p50"]:.0f} ms' if latency else '',
            *_scores(summary['evaluation'])]


def _scores(evaluation: dict[str, Any] | None) -> list[str]:
    if evaluation is None:
        return [''] * 4
    scores = evaluation['scores'] or {}
    return [str(evaluation['labels']), str(evaluation['matched']),
            *(f'{100 * scores[name]:.1f} %' if name in scores else ''
              for name in ('accuracy', 'weighted_f1'))]
