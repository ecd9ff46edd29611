# Copyright 2026 The mmer_ros authors
# Licensed under the Apache License, Version 2.0 (the "License"); you may not use this file except
# in compliance with the License. You may obtain a copy of the License at
#     http://www.apache.org/licenses/LICENSE-2.0
# Unless required by applicable law or agreed to in writing, software distributed under the License
# is distributed on an "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express
# or implied. See the License for the specific language governing permissions and limitations
# under the License.

"""
Let the node work through a long time, faster than it passes; watch its memory and its times.

`python -m tools.soak --minutes 30`: the sample recording is played again and again to the node
over DDS, its stamps and /clock going on, as fast as the node keeps up, and never slower than real
time: a node that lost what it had cannot bring the stream to a stop. Exit code 0: memory is flat,
and each estimate has the times of an utterance of the stream.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
import json
from pathlib import Path
import sys
import time
from typing import Any

from mmer_ros.evaluation.labels import read_label_file
from mmer_ros.nodes.conversions import to_seconds, to_time
from mmer_ros.nodes.inputs.message_types import load_type
from mmer_ros.nodes.tools.domains import own_domain
from mmer_ros.nodes.tools.playback import watching
from mmer_ros.nodes.tools.probes import read_message, reliable
from mmer_ros.recognition.bundle import DEFAULT_BUNDLE
from mmer_ros.recordings.recording import AUDIO, Recording, TRANSCRIPT
import numpy as np
from rich.console import Console
from rosgraph_msgs.msg import Clock
from tools.processes import node_process, usage

SAMPLE = Path('sample/dialogue')
LEAD_S = 25.0  # what is published of what is not yet estimated; longer than any silence
PATIENCE_S = 120.0  # without an estimate, while the stream goes on
TOLERANCE_S = 0.7  # of an utterance's start and end, pre-roll and hangover included
ALLOWED = 0.015  # growth of the memory, of what it was at first


@dataclass(frozen=True)
class Minute:
    """
    What was measured when another minute of the stream was over.

    :param wall_s: seconds since the beginning.
    :param finals: utterances estimated so far.
    :param misdated: those of them whose times are not those of an utterance of the stream.
    """

    minute: int
    wall_s: float
    memory_mb: float
    finals: int
    misdated: int = 0


class Stream:
    """
    The sample again and again as one stream, for whoever has the publishers.

    :param image_rate: images of the sample that are sent, a second.
    """

    def __init__(self, recording: Path, image_rate: float) -> None:
        """Read the recording."""
        with Recording(recording) as source:
            self.topics = dict(source.topics)
            self.length = source.end - source.start
            self.start = source.start
            self._messages = [(m.time, m.topic, read_message(m)) for m in source.messages()]
        self._labels = read_label_file(recording / 'labels.csv')
        if image_rate:
            self._thin(1 / image_rate)

    def _thin(self, period_s: float) -> None:
        kept, last = [], -1e9
        for moment, topic, message in self._messages:
            if self.topics[topic] not in (AUDIO, TRANSCRIPT):
                if moment - last < period_s:
                    continue
                last = moment
            kept.append((moment, topic, message))
        self._messages = kept

    def has_utterance(self, start: float, end: float) -> bool:
        """Return whether somebody speaks from `start` to `end`, pauses around it included."""
        shift = (start + TOLERANCE_S - self.start) // self.length * self.length
        return any(abs(label.start + shift - start) < TOLERANCE_S
                   and abs(label.end + shift - end) < TOLERANCE_S for label in self._labels)

    def until(self, length_s: float) -> Iterator[tuple[float, str, Any]]:
        """Yield (time, topic, message) up to a length, seconds."""
        turn = 0
        while True:
            shift = turn * self.length
            for moment, topic, message in self._messages:
                if moment + shift - self.start > length_s:
                    return
                if hasattr(message, 'header'):
                    own = message.header.stamp
                    message.header.stamp = to_time(to_seconds(own) + shift)
                    yield moment + shift, topic, message
                    message.header.stamp = own
                else:
                    yield moment + shift, topic, message
            turn += 1


class Pace:
    """How far the stream may be ahead of what is estimated."""

    def __init__(self, start: float, patience_s: float = PATIENCE_S) -> None:
        """Begin at a time of the stream, seconds; without an estimate it waits so long."""
        self._reached, self._news, self._patience_s = start, time.monotonic(), patience_s

    def estimated(self, moment: float) -> None:
        """Note that the stream is estimated up to a time of it, seconds."""
        if moment >= self._reached:
            self._reached, self._news = moment, time.monotonic()

    def wait(self, moment: float) -> bool:
        """Wait until a time of the stream may be sent; false if the node says nothing any more."""
        while moment - self._reached > LEAD_S + (waited := time.monotonic() - self._news):
            if waited > self._patience_s:
                return False
            time.sleep(0.005)
        return True


def soak(minutes: float, folder: Path, *, bundle: str = DEFAULT_BUNDLE, image_rate: float = 0.0,
         patience_s: float = PATIENCE_S,
         on_minute: Callable[[Minute], object] = lambda minute: None, **parameters: Any
         ) -> list[Minute]:
    """
    Play for so many minutes of the stream, and return what was measured.

    :param image_rate: images a second; 0: all that the sample has.
    :param patience_s: without an estimate, while the stream goes on in real time.
    :raises RuntimeError: if the node does not work.
    """
    stream = Stream(SAMPLE, image_rate)
    by_type = {kind: topic for topic, kind in stream.topics.items()}
    image = next(t for t, k in stream.topics.items() if k not in (AUDIO, TRANSCRIPT))
    settings = {
        'use_sim_time': True, 'bundle': bundle, 'partial_rate': 1.0, 'image_topic': image,
        'image_transport': 'compressed', 'image_reliability': 'reliable', 'image_depth': 1000,
        'image_queue': 1000, 'audio_topic': by_type[AUDIO], 'audio_reliability': 'reliable',
        'audio_depth': 1000, 'audio_queue': 1000, 'transcript_topic': by_type[TRANSCRIPT],
        **parameters}
    pace = Pace(stream.start, patience_s)
    finals: list[bool] = []  # whether its times are right

    def take(row: dict[str, Any]) -> None:
        pace.estimated(row['stamp'])
        if row['final'] and row['revision'] == 0:  # words are late at such a speed
            finals.append(stream.has_utterance(row['start'], row['end']))

    def minute(number: int, wall_s: float, pid: int) -> Minute:
        return Minute(number, wall_s, usage(pid).memory_mb, len(finals), finals.count(False))

    measured: list[Minute] = []
    with watching('emotion', take) as watcher, node_process(
            'emotion', settings, folder / 'node.log') as process:
        clock = watcher.create_publisher(Clock, '/clock', 10)
        publishers = {topic: watcher.create_publisher(load_type(kind), topic, reliable())
                      for topic, kind in stream.topics.items()}
        _wait(lambda: all(p.get_subscription_count() for p in publishers.values()),
              'the node does not subscribe', folder)
        pace.estimated(stream.start)
        begin = time.monotonic()
        for moment, topic, message in stream.until(60 * minutes):
            if not pace.wait(moment):
                raise RuntimeError('the node says nothing any more at '
                                   f'{moment - stream.start:.0f} s; see {folder / "node.log"}')
            clock.publish(Clock(clock=to_time(moment)))
            publishers[topic].publish(message)
            if moment - stream.start >= 60 * (len(measured) + 1) and len(measured) < minutes - 1:
                measured.append(minute(len(measured) + 1, time.monotonic() - begin, process.pid))
                on_minute(measured[-1])
        measured.append(minute(round(minutes), time.monotonic() - begin, process.pid))
        on_minute(measured[-1])
    return measured


def growth(minutes: Sequence[Minute]) -> float:
    """Return by which share the memory has grown, the first fifth against the last."""
    part = max(len(minutes) // 5, 1)
    warm = minutes[part:2 * part] or minutes[:1]
    first = float(np.median([m.memory_mb for m in warm]))
    last = float(np.median([m.memory_mb for m in minutes[-part:]]))
    return last / first - 1


def _wait(condition: Callable[[], bool], what: str, folder: Path, timeout_s: float = 120.0
          ) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f'{what}; see {folder / "node.log"}')
        time.sleep(0.005)


def main() -> int:
    """Measure, print, save as JSON; the exit code is 0 if memory is flat and all times right."""
    parser = argparse.ArgumentParser(prog='python -m tools.soak', description=__doc__)
    parser.add_argument('--minutes', type=float, default=30.0)
    parser.add_argument('--bundle', default=DEFAULT_BUNDLE)
    parser.add_argument('--image-rate', type=float, default=0.0, help='images a second; 0: all')
    parser.add_argument('--out', type=Path, default=Path('out/soak'))
    options = parser.parse_args()
    own_domain()
    console = Console(highlight=False)
    measured = soak(options.minutes, options.out, bundle=options.bundle,
                    image_rate=options.image_rate, on_minute=lambda m: console.print(
                        f'{m.minute:4d} min: {m.memory_mb:.0f} MB, {m.finals} estimates, '
                        f'{60 * m.minute / m.wall_s:.1f} x real time'))
    grown = growth(measured)
    (options.out / 'soak.json').write_text(json.dumps(
        {'growth': grown, 'minutes': [asdict(m) for m in measured]}, indent=2) + '\n')
    console.print(f'memory: {100 * grown:+.1f} % from the second fifth to the last')
    misdated = measured[-1].misdated
    console.print(f'{misdated} of {measured[-1].finals} estimates with times of no utterance')
    return 0 if grown <= ALLOWED and not misdated else 1


if __name__ == '__main__':
    sys.exit(main())
