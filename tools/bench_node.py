# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Measure the emotion node as a process over DDS: what it costs in each state, and how late it is.

`python -m tools.bench_node`: CPU and memory in each state of its life, CPU while nobody speaks
and while people do, from the end of speech to the final estimate, and how regular the partial
estimates are. The sample recording is played at its own rate.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
import json
from pathlib import Path
import sys
import time
from typing import Any

from mmer_msgs.msg import AudioChunk
from mmer_ros.evaluation.labels import read_label_file
from mmer_ros.nodes.conversions import to_time
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.playback import play, watching
from mmer_ros.nodes.tools.probes import LifecycleClient, reliable
from mmer_ros.nodes.tools.watch import Watcher
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recordings.recording import AUDIO, COMPRESSED_IMAGE, Recording, TRANSCRIPT
import numpy as np
from rich.console import Console
from rich.table import Table
from sensor_msgs.msg import CompressedImage
from tools.processes import cpu_share, node_process, usage

SAMPLE = Path('sample/dialogue')
MEASURE_S = 15.0
Row = dict[str, Any]


def silence(watcher: Watcher, topics: dict[str, str], seconds: float) -> Iterator[None]:
    """Send 640x480 images of an empty room at 15 Hz and quiet noise, by the clock."""
    import cv2
    images = watcher.create_publisher(CompressedImage, f'{topics["image"]}/compressed', reliable())
    audio = watcher.create_publisher(AudioChunk, topics['audio'], reliable())
    random = np.random.default_rng(0)
    room = cv2.GaussianBlur(random.integers(0, 255, (480, 640, 3), np.uint8), (0, 0), 20)
    jpeg = cv2.imencode('.jpg', room)[1].tobytes()
    begin = time.time()
    for step in range(round(30 * seconds)):
        stamp = begin + step / 30
        yield time.sleep(max(stamp - time.time(), 0))
        if step % 2 == 0:
            image = CompressedImage(format='jpeg', data=jpeg)
            image.header.stamp = to_time(stamp)
            images.publish(image)
        if step % 3 == 0:
            chunk = AudioChunk(sample_rate=16_000, channels=1)
            chunk.header.stamp = to_time(stamp)
            chunk.samples = random.normal(0, 30, 1600).astype(np.int16)
            audio.publish(chunk)
    for publisher in (images, audio):
        watcher.destroy_publisher(publisher)


def states(bundle: str, folder: Path) -> dict[str, Any]:
    """Return CPU (share of a core) and memory (MB) in each state of the node's life."""
    topics = {'image': 'empty_room', 'audio': 'quiet'}
    parameters = {'autostart': False, 'bundle': bundle, 'image_topic': topics['image'],
                  'audio_topic': topics['audio'], 'transcript_topic': ''}
    found: dict[str, Any] = {}
    with watching('emotion', lambda row: None) as watcher, node_process(
            'emotion', parameters, folder / 'node.log') as process:
        life = LifecycleClient(watcher, 'emotion')

        def note(name: str, cpu: float | None = None) -> None:
            cpu = cpu_share(process.pid, MEASURE_S) if cpu is None else cpu
            found[name] = {'cpu': cpu, 'memory_mb': usage(process.pid).memory_mb}

        note('unconfigured')
        life.change('configure')
        note('inactive')
        life.change('activate')
        note('active, no input')
        for _ in silence(watcher, topics, 3.0):  # until all is warm
            pass
        before, begin = usage(process.pid).cpu_s, time.monotonic()
        for _ in silence(watcher, topics, MEASURE_S):
            pass
        note('active, nobody there',
             (usage(process.pid).cpu_s - before) / (time.monotonic() - begin))
        life.change('deactivate')
        note('inactive again')
        life.change('cleanup')
        note('unconfigured again')
    return found


def speaking(bundle: str, folder: Path) -> dict[str, Any]:
    """Play the sample at its own rate; return CPU, latencies and the rhythm of the partials."""
    rows: list[tuple[float, Row]] = []
    begin: dict[str, float] = {}
    with Recording(SAMPLE) as recording:
        topics = {kind: recording.topic_of(name) for kind, name in (
            ('image', COMPRESSED_IMAGE), ('audio', AUDIO), ('transcript', TRANSCRIPT))}
        parameters = {'use_sim_time': True, 'bundle': bundle, 'image_transport': 'compressed',
                      'partial_rate': 1.0,
                      **{f'{kind}_topic': topic for kind, topic in topics.items()}}
        with watching('emotion', lambda row: rows.append((time.monotonic(), row))) as watcher:
            with node_process('emotion', parameters, folder / 'node.log') as process:
                def start() -> None:
                    begin['cpu'], begin['time'] = usage(process.pid).cpu_s, time.monotonic()

                if not play(watcher, recording, [t for t in topics.values() if t],
                            on_start=start):
                    raise RuntimeError('the node does not become active; see node.log')
                spent = usage(process.pid)
                cpu = (spent.cpu_s - begin['cpu']) / (time.monotonic() - begin['time'])
    return {'cpu': cpu, 'memory_mb': spent.memory_mb, **_latencies(rows), **_rhythm(rows)}


def _latencies(rows: Sequence[tuple[float, Row]]) -> dict[str, float]:
    """Return from the true end of speech, and from the last evidence, to publication."""
    finals = [row for _, row in rows if row['final'] and row['revision'] == 0]
    provisional = {row['utterance_id']: row for _, row in rows if row['provisional']}
    withdrawn = sum(row['provisional'] and not (after['final'] or after['provisional'])
                    for (_, row), (_, after) in pairwise(rows))
    late = [row['latency'] for row in finals]
    return {'finals': len(finals), 'provisional': len(provisional), 'withdrawn': withdrawn,
            **{f'end of speech to {kind} p{p} [s]': float(np.percentile(_after_speech(found), p))
               for kind, found in (('provisional', provisional.values()), ('final', finals))
               for p in (50, 95)},
            **{f'last evidence to final p{p} [s]': float(np.percentile(late, p))
               for p in (50, 95)}}


def _after_speech(rows: Iterable[Row]) -> list[float]:
    """Return how long after the true end of speech each estimate was published, seconds."""
    labels = read_label_file(SAMPLE / 'labels.csv')
    return [row['stamp'] + row['latency'] - label.end for row in rows for label in labels
            if row['start'] < label.end and label.start < row['end']]


def _rhythm(rows: Sequence[tuple[float, Row]]) -> dict[str, float]:
    """Return how far the intervals between the partials of an utterance are from a second."""
    arrivals: dict[str, list[float]] = defaultdict(list)
    for arrival, row in rows:
        if not (row['final'] or row['provisional']):
            arrivals[row['utterance_id']].append(arrival)
    off = np.abs(np.concatenate([np.diff(times) for times in arrivals.values()]) - 1.0)
    return {'partials': sum(map(len, arrivals.values())),
            'partial jitter p50 [s]': float(np.percentile(off, 50)),
            'partial jitter p95 [s]': float(np.percentile(off, 95))}


def main() -> int:
    """Measure, print, save as JSON."""
    parser = argparse.ArgumentParser(prog='python -m tools.bench_node', description=__doc__)
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--out', type=Path, default=Path('out/bench'))
    options = parser.parse_args()
    own_domain()
    console = Console(highlight=False)
    results = {'bundle': options.bundle, 'states': states(options.bundle, options.out)}
    results['speaking'] = speaking(options.bundle, options.out)
    table = Table('state', 'CPU, of a core', 'memory', title='The emotion node')
    for name, row in [*results['states'].items(), ('active, people speak', results['speaking'])]:
        table.add_row(name, f'{100 * row["cpu"]:.1f} %', f'{row["memory_mb"]:.0f} MB')
    console.print(table)
    for name, value in results['speaking'].items():
        if name not in ('cpu', 'memory_mb'):
            console.print(f'{name}: {value:.3f}' if isinstance(value, float)
                          else f'{name}: {value}')
    file = options.out / 'node.json'
    file.write_text(json.dumps(results, indent=2) + '\n')
    console.print(f'saved {file}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
