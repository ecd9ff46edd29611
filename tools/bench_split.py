# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Measure one estimator that serves 1, 2, 4 and 8 robots over DDS.

`python -m tools.bench_split`: what a segmenter makes of the sample recording is sent by each
robot as fast as the estimator takes it, one utterance after another and several together.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
from pathlib import Path
import sys
import time
from typing import Any

from mmer_msgs.msg import EmotionEstimate
from mmer_msgs.msg import UtterancePart as PartMessage
from mmer_ros.interfaces.images import chunk_to_block, compressed_to_rgb
from mmer_ros.nodes.part_messages import to_part_messages
from mmer_ros.nodes.runtime.part_session import part_qos
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.playback import watching
from mmer_ros.nodes.tools.probes import reliable
from mmer_ros.nodes.tools.watch import Watcher
from mmer_ros.recognition.bundle import Bundle, DEFAULT_BUNDLE
from mmer_ros.recognition.multi_robot import SentPart
from mmer_ros.recordings.recording import AUDIO, Recording, TRANSCRIPT
from mmer_ros.sensing.face_detector import make_detector
from mmer_ros.sensing.faces import FaceStream
from mmer_ros.sensing.sensor_pipeline import PartPipeline
from mmer_ros.settings import NodeSettings
from mmer_ros.types import Transcript, UtterancePart, VideoFrame
from rich.console import Console
from rich.table import Table
from tools.processes import node_process, usage

SAMPLE = Path('sample/dialogue')
ROBOTS = (1, 2, 4, 8)
WAITING = 40  # parts of a robot that are sent ahead of what is estimated
TIMEOUT_S = 300.0


def sample_parts(bundle: str) -> list[UtterancePart]:
    """Return what a segmenter makes of the sample."""
    faces = FaceStream(make_detector(Bundle.read_config(bundle).faces))
    pipeline = PartPipeline(faces)
    sampler = pipeline.sampler()
    parts: list[UtterancePart] = []
    with Recording(SAMPLE) as recording:
        for recorded in recording.messages():
            message = recording.decode(recorded)
            if recorded.msgtype == TRANSCRIPT:
                parts += pipeline.push_transcript(Transcript(recorded.time, message.data))
                continue
            stamp = message.header.stamp.sec + message.header.stamp.nanosec / 1e9
            if recorded.msgtype == AUDIO:
                parts += pipeline.push_audio(chunk_to_block(message, stamp))
            elif sampler.take(stamp):
                parts += pipeline.push_frame(VideoFrame(stamp, compressed_to_rgb(message)))
            else:
                parts += pipeline.skip_frame(stamp)
    return parts + pipeline.flush()


class Robots:
    """Send the parts of all robots, and count the partial and final estimates of each."""

    def __init__(self, watcher: Watcher, count: int) -> None:
        qos = reliable()
        self.publisher = watcher.create_publisher(
            PartMessage, '/utterance_parts', part_qos(NodeSettings(parts_depth=1000)))
        self.names = [f'robot{i}' for i in range(count)]
        self.reached = dict.fromkeys(self.names, 0.0)
        self.finals = dict.fromkeys(self.names, 0)
        self._node = watcher
        self._sent = 0
        self._subscriptions = [watcher.create_subscription(
            EmotionEstimate, f'/{name}/emotion', lambda m, n=name: self._take(n, m), qos)
            for name in self.names]

    def _take(self, name: str, message: EmotionEstimate) -> None:
        end = message.end.sec + message.end.nanosec / 1e9
        self.reached[name] = max(self.reached[name], end)
        self.finals[name] += message.final

    def run(self, parts: list[UtterancePart]) -> float:
        """Send all parts of all robots; return the seconds until the last final estimate."""
        deadline = time.monotonic() + TIMEOUT_S
        ends = [part.end for part in parts]
        begin = time.monotonic()
        for index, part in enumerate(parts):
            for name in self.names:
                while index >= WAITING and self._behind(name, ends, index):
                    _check(deadline)
                    time.sleep(0.0005)
                for message in to_part_messages(
                        SentPart(name, 1, self._sent + index, part), frame_id='',
                        face_settings=''):
                    self.publisher.publish(message)
        self._sent += len(parts)
        wanted = sum(part.last for part in parts)
        while min(self.finals.values()) < wanted:
            _check(deadline)
            time.sleep(0.0005)
        return time.monotonic() - begin

    def _behind(self, name: str, ends: list[float], index: int) -> bool:
        return self.reached[name] < ends[index - WAITING]

    def close(self) -> None:
        """Be gone."""
        self._node.destroy_publisher(self.publisher)
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)


def _check(deadline: float) -> None:
    if time.monotonic() > deadline:
        raise RuntimeError('the estimator does not keep up or does not answer; see estimator.log')


def measure(parts: list[UtterancePart], robots: int, batch: int, options: argparse.Namespace
            ) -> dict[str, Any]:
    """Return how long the estimator takes for so many robots that speak at the same time."""
    parameters = {'bundle': options.bundle, 'device': options.device, 'batch': batch,
                  'partial_rate': 1.0, 'parts_depth': 1000, 'parts_queue': 10_000}
    with watching('emotion', lambda row: None) as watcher, node_process(
            'estimator', parameters, options.out / 'estimator.log') as process:
        senders = Robots(watcher, robots)
        deadline = time.monotonic() + 120
        while not senders.publisher.get_subscription_count():
            _check(deadline)
            time.sleep(0.02)
        warming = parts[:1 + next(i for i, part in enumerate(parts) if part.last)]
        senders.run(warming)
        again = [replace(p, utterance_id=f'again {p.utterance_id}',
                         **{n: getattr(p, n) + 1000 for n in ('start', 'end', 'utterance_start')})
                 for p in parts]
        before = usage(process.pid).cpu_s
        senders.finals = dict.fromkeys(senders.names, 0)
        seconds = senders.run(again)
        cpu = usage(process.pid).cpu_s - before
        senders.close()
    speech = robots * sum(p.end - p.start for p in parts)
    return {'robots': robots, 'batch': batch, 'seconds': seconds, 'speech_s': speech,
            'speech_per_s': speech / seconds, 'cpu_per_speech': cpu / speech}


def main() -> int:
    """Measure, print, save as JSON."""
    parser = argparse.ArgumentParser(prog='python -m tools.bench_split', description=__doc__)
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--out', type=Path, default=Path('out/bench'))
    options = parser.parse_args()
    own_domain()
    parts = sample_parts(options.bundle)
    table = Table('robots', 'together', 'speech a second', 'CPU a second of speech',
                  title=f'One estimator, {options.bundle} on {options.device}')
    results = []
    for batch in (1, 16):
        for robots in ROBOTS:
            row = measure(parts, robots, batch, options)
            results.append(row)
            table.add_row(str(robots), str(batch), f'{row["speech_per_s"]:.1f} s',
                          f'{1000 * row["cpu_per_speech"]:.0f} ms')
    Console(highlight=False).print(table)
    file = options.out / f'split-{options.bundle}-{options.device}.json'
    file.write_text(json.dumps(results, indent=2) + '\n')
    print(f'saved {file}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
