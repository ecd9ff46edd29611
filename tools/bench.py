# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Measure speed, latency and memory on this computer; `make bench` runs it for both bundles.

The sample recording is played at 640x480, 15 fps, raw images: through the core as fast as it
goes (as it is, with each image searched for faces, and in torch, all as ratios), and once at its
own rate to the node over DDS.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
import json
from pathlib import Path
import platform
import resource
import sys
import time
from typing import Any

import cv2
from mmer_ros.evaluation.labels import read_label_file
from mmer_ros.interfaces.images import chunk_to_block, compressed_to_rgb, image_to_rgb
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.playback import play, watching
from mmer_ros.onnx_graphs import (
    apply_threads_to_torch,
    AUTO,
    Graph,
    is_installed,
    ONNX,
    TORCH,
    use_threads,
)
from mmer_ros.profiling import Clock, Stages
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recognition.pipeline import Pipeline
from mmer_ros.recognition.recognizer import Recognizer
from mmer_ros.recordings.recording import (
    AUDIO,
    COMPRESSED_IMAGE,
    IMAGE,
    Recorded,
    Recording,
    TRANSCRIPT,
)
from mmer_ros.sensing.utterance_segmenter import SegmenterConfig
from mmer_ros.types import Estimate, Transcript, VideoFrame
import numpy as np
from rich.console import Console
from rich.table import Table
from tools.processes import node_process, Usage, usage

SAMPLE = Path('sample/dialogue')
LOG = Path('out/bench/node.log')
SIZE = (640, 480)
SEARCH_S = SegmenterConfig().face_search_s
TARGETS = {'processing / recording': 0.7, 'p95 end of speech to publication': 0.5,
           'outside the stages': 0.15}


class RawRecording(Recording):
    """The sample as a camera without compression gives it: 640x480 raw images."""

    def __init__(self, path: Path, until_s: float = 1e9) -> None:
        super().__init__(path)
        self._until_s = until_s

    @property
    def topics(self) -> dict[str, str]:
        """Topic -> type, images raw."""
        return {topic: IMAGE if kind == COMPRESSED_IMAGE else kind
                for topic, kind in super().topics.items()}

    @property
    def length(self) -> float:
        """Seconds that are played."""
        return min(self.end - self.start, self._until_s)

    def messages(self) -> Iterator[Recorded]:
        """Yield the messages, images decoded and enlarged."""
        for recorded in super().messages():
            if recorded.time - self.start > self._until_s:
                return
            if recorded.msgtype == COMPRESSED_IMAGE:
                recorded = self._raw(recorded)
            yield recorded

    def decode(self, recorded: Recorded) -> Any:
        """Return the message; the sample itself does not define raw images."""
        if recorded.msgtype == IMAGE:
            return self._store.deserialize_cdr(recorded.data, IMAGE)
        return super().decode(recorded)

    def _raw(self, recorded: Recorded) -> Recorded:
        message = super().decode(recorded)
        image = cv2.resize(compressed_to_rgb(message), SIZE, interpolation=cv2.INTER_LINEAR)
        raw = self._store.types[IMAGE](message.header, SIZE[1], SIZE[0], 'rgb8', 0, SIZE[0] * 3,
                                       image.ravel())
        data = bytes(self._store.serialize_cdr(raw, IMAGE))
        return Recorded(recorded.topic, IMAGE, recorded.time, data)


class StageSeconds:
    """
    Sums up the time of each stage, and how much of it ONNX Runtime computes.

    :param clock: CPU time of this process, on a CPU; else seconds that pass.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds: dict[str, float] = defaultdict(float)
        self.computing: dict[str, float] = defaultdict(float)
        self._since_stage = 0.0

    def add(self, name: str, seconds: float) -> None:
        """Take a run of a stage."""
        self.seconds[name] += seconds
        self.computing[name] += self._since_stage
        self._since_stage = 0.0

    @contextmanager
    def watching_graphs(self) -> Iterator[None]:
        """Count the time in ONNX Runtime meanwhile."""
        inner = Graph.__call__

        def timed(graph: Graph, *inputs: Any) -> Any:
            begin = self.clock()
            outputs = inner(graph, *inputs)
            self._since_stage += self.clock() - begin
            return outputs

        Graph.__call__ = timed  # type: ignore[method-assign]
        try:
            yield
        finally:
            Graph.__call__ = inner  # type: ignore[method-assign]


def offline(bundle: str, device: str, threads: int, until_s: float, *, engine: str = AUTO,
            search_s: float = SEARCH_S) -> dict[str, Any]:
    """Feed the core as fast as it goes; messages are decoded beforehand, as DDS would have."""
    use_threads(threads)
    recognizer = Recognizer.load(bundle, device=device, engine=engine)
    clock = time.process_time if device == 'cpu' else time.perf_counter
    watch = StageSeconds(clock)
    pipeline = Pipeline(recognizer, SegmenterConfig(face_search_s=search_s),
                        stages=Stages(clock, watch.add))
    recognizer.warm_up()
    apply_threads_to_torch()
    sampler = pipeline.sampler()
    spent, estimates = 0.0, 0
    with RawRecording(SAMPLE, until_s) as recording, watch.watching_graphs():
        for recorded in recording.messages():
            step = _step(pipeline, sampler, recorded, recording.decode(recorded))
            begin = clock()
            estimates += len(step())
            spent += clock() - begin
        begin = clock()
        estimates += len(pipeline.flush())
        spent += clock() - begin
        length = recording.length
    networks = sum(watch.seconds.values())
    return {'recording_s': length, 'estimates': estimates, 'engine': recognizer.engine,
            'processing_s': spent, 'processing / recording': spent / length,
            'stages_s': dict(watch.seconds), 'computing_s': dict(watch.computing),
            'outside the stages': (spent - networks) / spent,
            'peak_memory_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def compare(now: dict[str, Any], every_image: dict[str, Any], torch: dict[str, Any] | None
            ) -> Table:
    """
    Return a table of ratios to `now`.

    :param every_image: with each image searched for faces.
    :param torch: with the engine torch; None: it is not installed.
    """
    table = Table(title='processing, as ratios to now', title_justify='left')
    table.add_column('stage')
    for column in ('share of now', 'each image searched', 'torch', 'ONNX Runtime alone'):
        table.add_column(column, justify='right')
    rows = [(name, seconds, every_image['stages_s'].get(name),
             (torch or now)['stages_s'].get(name), now['computing_s'].get(name))
            for name, seconds in now['stages_s'].items()]
    rows.sort(key=lambda row: -row[1])
    rows.append(('all', now['processing_s'], every_image['processing_s'],
                 (torch or now)['processing_s'], sum(now['computing_s'].values())))
    for name, seconds, *others in rows:
        table.add_row(name, f'{100 * seconds / now["processing_s"]:.0f} %',
                      *(f'{other / seconds:.2f}' if other else '' for other in others))
    bottleneck = rows[0][0]
    share = (now['computing_s'].get(bottleneck) or 0.0) / now['stages_s'][bottleneck]
    table.caption = (f'bottleneck: {bottleneck}, {100 * share:.0f} % of it inside ONNX Runtime')
    return table


def _step(pipeline: Pipeline, sampler: Any, recorded: Recorded, message: Any
          ) -> Callable[[], list[Estimate]]:
    if recorded.msgtype == TRANSCRIPT:
        return lambda: pipeline.push_transcript(Transcript(recorded.time, message.data))
    stamp = message.header.stamp.sec + message.header.stamp.nanosec / 1e9
    if recorded.msgtype == AUDIO:
        return lambda: pipeline.push_audio(chunk_to_block(message, stamp))
    if sampler.take(stamp):
        return lambda: pipeline.push_frame(VideoFrame(stamp, image_to_rgb(message)))
    return lambda: pipeline.skip_frame(stamp)


def live(bundle: str, device: str, threads: int) -> dict[str, Any]:
    """Play to the node over DDS at the recording's own rate."""
    rows: list[dict[str, Any]] = []
    begin: list[Usage] = []
    with RawRecording(SAMPLE) as recording:
        topics = {'image_topic': recording.topic_of(COMPRESSED_IMAGE),
                  'audio_topic': recording.topic_of(AUDIO),
                  'transcript_topic': recording.topic_of(TRANSCRIPT)}
        parameters = {'use_sim_time': True, 'bundle': bundle, 'device': device,
                      'threads': threads, 'image_reliability': 'reliable', **topics}
        with watching('emotion', rows.append) as watcher, node_process(
                'emotion', parameters, LOG) as process:
            if not play(watcher, recording, list(topics.values()),
                        on_start=lambda: begin.append(usage(process.pid))):
                raise RuntimeError(f'the node did not become active; see {LOG}')
            end = usage(process.pid)
        length = recording.length
    labels = read_label_file(SAMPLE / 'labels.csv')
    provisional = {row['utterance_id']: row for row in rows if row.get('provisional')}
    rows = [row for row in rows if row['final']]
    early, delays = ([row['stamp'] + row['latency'] - label.end for row in found
                      for label in labels
                      if row['start'] < label.end and label.start < row['end']]
                     for found in (provisional.values(), rows))
    latencies = [row['latency'] for row in rows]
    return {'recording_s': length, 'estimates': len(rows), 'utterances': len(labels),
            'node CPU / recording': (end.cpu_s - begin[0].cpu_s) / length,
            'p50 end of speech to the last provisional': float(np.median(early or [np.nan])),
            'p50 end of speech to publication': float(np.percentile(delays, 50)),
            'p95 end of speech to publication': float(np.percentile(delays, 95)),
            'p50 latency field': float(np.percentile(latencies, 50)),
            'p95 latency field': float(np.percentile(latencies, 95)),
            'peak_memory_mb': end.peak_mb}


def _show(console: Console, title: str, result: dict[str, Any]) -> None:
    table = Table(title=title, title_justify='left')
    for column in ('measure', 'value', 'target'):
        table.add_column(column, justify='left' if column == 'measure' else 'right')
    for name, value in result.items():
        if name == 'computing_s':
            continue
        if name == 'stages_s':
            for network, seconds in sorted(value.items(), key=lambda item: -item[1]):
                share = seconds / result['processing_s']
                table.add_row(f'  {network}', f'{seconds:.2f} s ({100 * share:.0f} %)', '')
        else:
            target = TARGETS.get(name)
            table.add_row(name, f'{value:.3f}' if isinstance(value, float) else str(value),
                          f'<= {target}' if target else '')
    console.print(table)


def main() -> int:
    """Measure what was asked for, print it and save it as JSON."""
    parser = argparse.ArgumentParser(prog='make bench', description=__doc__)
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads of the networks')
    parser.add_argument('--until', type=float, default=1e9, metavar='SECONDS',
                        help='of the recording, in the offline part')
    parser.add_argument('--offline', action='store_true', help='leave out the live part')
    options = parser.parse_args()
    own_domain()
    console = Console()
    folder = Path('out/bench')
    folder.mkdir(parents=True, exist_ok=True)
    device = platform.processor() or platform.machine()
    if options.device != 'cpu':
        import torch
        device = torch.cuda.get_device_name(options.device)
    results: dict[str, Any] = {
        'bundle': options.bundle, 'device': device, 'threads': options.threads}
    run = partial(offline, options.bundle, options.device, options.threads, options.until)
    measured = results['offline'] = run()
    results['each image searched'] = run(search_s=0.0)
    if measured['engine'] == ONNX and is_installed('torch'):
        results['torch'] = run(engine=TORCH)
    _show(console, f'{options.bundle}, as fast as it goes, {options.threads} thread(s)', measured)
    console.print(compare(measured, results['each image searched'], results.get('torch')))
    if not options.offline:
        results['live'] = live(options.bundle, options.device, options.threads)
        _show(console, f'{options.bundle}, live over DDS', results['live'])
    file = folder / f'{options.bundle}-{options.device}.json'
    file.write_text(json.dumps(results, indent=2) + '\n')
    console.print(f'saved {file}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
