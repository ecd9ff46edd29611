# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Run the whole system on a recording: the node as a process, the messages over DDS, a page.

`make demo` plays the sample, `make demo RECORDING=path` any rosbag2.
"""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import AbstractContextManager
from dataclasses import replace
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.playback import play, watching
from mmer_ros.nodes.tools.watch import Table
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recognition.recognizer import UNTRAINED
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, IMAGE, Recording, TRANSCRIPT
from mmer_ros.replay import replay_bag, ReplayOptions, ReplayResult
from mmer_ros.report.answer import Answer
from mmer_ros.report.formats import millis
from mmer_ros.report.replay_page import render_page, timeline_of_result
from mmer_ros.types import InvalidInput
from rich.console import Console
from rich.panel import Panel
from tools.processes import node_process

SAMPLE = Path('sample/dialogue')
LOG_LINES = 15


def main() -> int:
    """Run the demo; the exit code is 0 if the system did what it should."""
    options = _parser().parse_args()
    console = Console(width=max(Console().width, 120))
    own_domain()
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        with Recording(options.recording) as recording:
            return _run(recording, options, console)
    except InvalidInput as error:
        console.print(f'[bold red]error:[/] {error}', highlight=False, soft_wrap=True)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog='make demo', description=__doc__)
    parser.add_argument('--recording', type=Path, default=SAMPLE)
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--rate', type=float, default=1.0, help='speed, 1 as recorded')
    parser.add_argument('--out', type=Path, default=Path('out/demo'))
    return parser


def _run(recording: Recording, options: argparse.Namespace, console: Console) -> int:
    topics = {'image': recording.topic_of(COMPRESSED_IMAGE, IMAGE),
              'audio': recording.topic_of(AUDIO), 'transcript': recording.topic_of(TRANSCRIPT)}
    played = [topic for topic in topics.values() if topic]
    if not played:
        raise InvalidInput(f'recording {recording.path}: no topic with {IMAGE}, '
                           f'{COMPRESSED_IMAGE}, {AUDIO} or {TRANSCRIPT}')
    length = recording.end - recording.start
    console.print(f'{recording.path}: {length:.0f} s, {", ".join(played)}', highlight=False)
    rows: list[dict[str, Any]] = []
    table = Table(console, recording.start)

    def show(row: dict[str, Any]) -> None:
        if not rows and not row['trained']:
            console.print(Panel(UNTRAINED.format(name=row['bundle_name']), style='bold red'))
        rows.append(row)
        table.add(row)

    log = options.out / 'node.log'
    with watching('emotion', show) as watcher, _node(recording, topics, options, log) as node:
        was_played = play(watcher, recording, played, rate=options.rate,
                          on_start=lambda: console.print('the node is active; playing'))
    if not was_played or node.returncode:
        what = 'the node did not become active' if not was_played else (
            f'the node ended with code {node.returncode}')
        console.print(f'[bold red]{what}; the end of {log}:[/]')
        console.print('\n'.join(log.read_text().splitlines()[-LOG_LINES:]), markup=False)
        return 1
    return _finish(recording, rows, options, console)


def _node(recording: Recording, topics: dict[str, str], options: argparse.Namespace,
          log: Path) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """Run the emotion node as a process of its own while the block runs."""
    compressed = recording.topics.get(topics['image']) == COMPRESSED_IMAGE
    return node_process('emotion', {
        'use_sim_time': True, 'bundle': options.bundle, 'device': options.device,
        'image_transport': 'compressed' if compressed else 'raw', 'publish_transcript': True,
        **{f'{kind}_topic': topic for kind, topic in topics.items()}}, log)


def _finish(recording: Recording, rows: list[dict[str, Any]], options: argparse.Namespace,
            console: Console) -> int:
    """Save the estimates, write the page and judge."""
    rows.sort(key=lambda row: (row['start'], row['final'], row['revision'], row['end']))
    estimates = options.out / 'estimates.jsonl'
    estimates.write_text(''.join(json.dumps(row) + '\n' for row in rows))
    replayed = replay_bag(recording.path, ReplayOptions(
        bundle=options.bundle, device=options.device, output=options.out / 'replay'))
    live = _live(replayed, rows, options.device)
    page = options.out / 'timeline.html'
    page.write_text(render_page(live, f'mmer_ros: {recording.path.name}'), encoding='utf-8')
    answer = Answer(timeline_of_result(live))
    console.print(answer.sentence, highlight=False)
    console.print('\n'.join(answer.verdict), highlight=False)
    if latency := live.summary['latency_s']:
        console.print(f'latency with computing: median {millis(latency["p50"])}, 95 % within '
                      f'{millis(latency["p95"])}', highlight=False)
    console.print(_compare(replayed, rows), highlight=False)
    console.print(f'saved {estimates} and {page}; open the page in a browser', highlight=False)
    missed = live.evaluation.matching.missed if live.evaluation else ()
    if missed or not rows:
        console.print(f'[bold red]{len(missed)} labelled utterances got no estimate[/]' if rows
                      else '[bold red]no estimate arrived[/]')
        return 1
    return 0


def _live(replayed: ReplayResult, rows: list[dict[str, Any]], device: str) -> ReplayResult:
    """Return the result with the estimates of the live node instead of the replay's."""
    published = [{**row, 'published': row['stamp'] + row['latency']} for row in rows]
    return replace(replayed.with_estimates(published),
                   run={'device': device, 'threads': 1, 'live': True})


def _compare(replayed: ReplayResult, rows: list[dict[str, Any]]) -> str:
    """Return how many answers of the replay, which is without ROS, are the same to the bit."""
    same = Counter(map(_answer, rows)) & Counter(map(_answer, replayed.estimates))
    return (f'mmer replay, without ROS: {same.total()} of {len(replayed.estimates)} estimates are '
            'those of the live node to the bit')


def _answer(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what has to be the same: which estimate it is, and its probabilities."""
    return (row['utterance_id'], row['final'], row['provisional'], row['revision'],
            round(row['end'], 5), *row['probabilities'].values())


if __name__ == '__main__':
    sys.exit(main())
